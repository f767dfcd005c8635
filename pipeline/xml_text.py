"""Text for XML files (SVG, OpenRaster): characters XML 1.0 does not have are left out."""

from __future__ import annotations

import re

_OUTSIDE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """The text without characters that no XML 1.0 file may hold, even escaped; markup is not escaped."""
    return _OUTSIDE.sub("", text)
