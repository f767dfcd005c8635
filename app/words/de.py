"""German."""

from .en import BROWSER, SERVER  # noqa: F401

NAME = "Deutsch"
