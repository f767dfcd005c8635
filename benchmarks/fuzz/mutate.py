"""Ways of damaging bytes, JSON, PNGs and zips. All draw from the generator they are given."""

from __future__ import annotations

import io
import json
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

_SIZES = (0, 1, 2, 7, 8, 255, 256, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_TEXTS = ("", " ", "a" * 3000, "\x00", "\ufffe", "\ud800", "../../x", "/etc/passwd", "NaN", "1e999", "-1", "{}", "<b>",
          "__class__", "%s%n", "\u202e\u0301" * 40, "http://127.0.0.1:1/x", "file:///etc/passwd")  # fmt: skip
_NUMBERS = (0, -1, 1, 2, 0.5, -0.0, 2**31, -(2**31), 2**53, 2**63, 2**64, 10**30, 1e-320, 1e9, 1e308, -1e308,
            float("inf"), float("-inf"), float("nan"))  # fmt: skip


def odd_value(rng: random.Random) -> Any:
    """Something of a type or a size that nobody expects."""
    made = rng.randrange(9)
    if made < 3:
        return rng.choice(_NUMBERS)
    if made < 5:
        return rng.choice(_TEXTS)
    if made == 5:
        return rng.choice((None, True, False, [], {}, [[]], [None], {"": None}))
    if made == 6:
        return [rng.choice(_NUMBERS)] * rng.choice((1, 3, 4, 5, 3000))
    if made == 7:
        nested: Any = 0
        for _ in range(rng.choice((3, 90, 900))):
            nested = [nested] if rng.random() < 0.5 else {"a": nested}
        return nested
    return {str(i): rng.choice(_NUMBERS) for i in range(rng.choice((1, 5, 2000)))}


def damaged_json(rng: random.Random, value: Any) -> Any:
    """A copy of a JSON value, changed in one to three places; `value` stays as it is."""
    root = [json.loads(json.dumps(value))]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        parent, key = rng.choice(_places(root))
        action = rng.randrange(6)
        if action == 0 and parent is not root:
            del parent[key]
        elif action == 1 and isinstance(parent, list):
            parent.insert(key, rng.choice(parent))
        elif action == 2:
            other, at = rng.choice(_places(root))
            parent[key] = json.loads(json.dumps(other[at]))
        elif action == 3 and isinstance(parent[key], str) and parent[key]:
            parent[key] = damaged_bytes(rng, parent[key].encode("utf-8", "replace")).decode("latin-1")
        elif action == 4 and isinstance(parent[key], (int, float)) and not isinstance(parent[key], bool):
            parent[key] = rng.choice((-parent[key], parent[key] + 1, parent[key] * 1000, parent[key] - 1, 1.5))
        else:
            parent[key] = odd_value(rng)
        if rng.random() < 0.05 and isinstance(parent, dict):
            parent[rng.choice(_TEXTS)] = odd_value(rng)
    return root[0]


def _places(root: list) -> list[tuple[Any, Any]]:
    """Every place of a JSON value that can be changed: what holds it and under which key."""
    found, left = [], [(root, 0)]
    while left and len(found) < 5000:
        parent, key = left.pop()
        found.append((parent, key))
        value = parent[key]
        keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        left += [(value, k) for k in keys]
    return found


def damaged_bytes(rng: random.Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """Bits turned, bytes set, cut off, taken out, doubled, spliced with another file, or a length changed."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        if not made:
            return bytes(made)
        at = _where(rng, len(made))
        action = rng.randrange(9)
        if action == 0:
            made[at] ^= 1 << rng.randrange(8)
        elif action == 1:
            made[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        elif action == 2:
            del made[rng.randrange(len(made)) :]
        elif action == 3:
            del made[at : at + rng.choice((1, 4, 64, 1000))]
        elif action == 4:
            made[at:at] = made[at : at + rng.choice((1, 4, 64, 1000))]
        elif action == 5 and others:
            other = rng.choice(others)
            made = made[:at] + other[rng.randrange(len(other) or 1) :]
        elif action == 6:
            made[at : at + 16] = rng.randbytes(16)
        else:
            packing = rng.choice((">I", "<I", ">H", "<H"))
            width = struct.calcsize(packing)
            made[at : at + width] = struct.pack(packing, rng.choice(_SIZES) & (1 << 8 * width) - 1)
    return bytes(made)


def _where(rng: random.Random, length: int) -> int:
    """Any place, every second time in the header."""
    return rng.randrange(min(length, 96)) if rng.random() < 0.5 else rng.randrange(length)


def damaged_png(rng: random.Random, data: bytes) -> bytes:
    """A PNG whose chunks are changed and whose checksums fit again."""
    chunks, place = [], 8
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        chunks.append([kind, data[place + 8 : place + 8 + length]])
        place += 12 + length
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(len(chunks))
        kind, content = chunks[at]
        action = rng.randrange(6)
        if kind == b"IHDR" and action < 4:
            fields = list(struct.unpack(">IIBBBBB", content[:13].ljust(13, b"\0")))
            which = rng.randrange(7)
            fields[which] = rng.choice(_SIZES) if which < 2 else rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
            chunks[at][1] = struct.pack(">IIBBBBB", *fields)
        elif action == 4:
            chunks.insert(rng.randrange(len(chunks) + 1), [kind, content])
        elif action == 5 and len(chunks) > 1:
            del chunks[at]
        elif kind == b"IDAT" and rng.random() < 0.5:
            bomb = zlib.compress(bytes(rng.choice((0, 1, 10_000, 30_000_000))))
            chunks[at][1] = rng.choice((bomb, content[: len(content) // 2], content + bomb))
        else:
            chunks[at][1] = damaged_bytes(rng, content) if content else rng.randbytes(9)
        if rng.random() < 0.1:
            name = rng.choice((b"iCCP", b"zTXt", b"iTXt", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"tRNS", b"PLTE"))
            text = b"a\0\0" + zlib.compress(bytes(rng.choice((5, 2_000_000))))
            chunks.insert(rng.randrange(1, len(chunks) + 1) if chunks else 0, [name, text])
    body = b"".join(
        struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks
    )
    return data[:8] + body


def damaged_jpeg(rng: random.Random, data: bytes) -> bytes:
    """A JPEG whose frame header or tables are changed, or whose scan is repeated."""
    made, marks = bytearray(data), []
    place = 2
    while place + 4 <= len(made) and made[place] == 0xFF:
        marks.append((made[place + 1], place, struct.unpack_from(">H", made, place + 2)[0] + 2))
        if made[place + 1] == 0xDA:
            break
        place += marks[-1][2]
    kind, place, length = rng.choice(marks)
    if kind in (0xC0, 0xC1, 0xC2) and rng.random() < 0.8:
        at = place + rng.choice((4, 5, 7, 9))
        made[at : at + 2] = struct.pack(">H", rng.choice(_SIZES) & 0xFFFF)
    elif rng.random() < 0.5:
        part = bytes(made[place : place + length])
        made[place:place] = part * rng.choice((1, 20, 2000))
    else:
        part = damaged_bytes(rng, bytes(made[place + 4 : place + length]))
        made[place : place + length] = bytes((0xFF, kind)) + struct.pack(">H", len(part) + 2 & 0xFFFF) + part
    return bytes(made)


def damaged_zip(rng: random.Random, data: bytes, parts) -> bytes:
    """A sound zip with a file changed by `parts(rng, name, bytes)`, renamed, doubled or lost, packed in some way."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = [[info.filename, archive.read(info)] for info in archive.infolist()]
    at = rng.randrange(len(files))
    action = rng.randrange(12)
    if action == 0:
        files[at][0] = rng.choice(("../x.png", "/x", "session.json", files[at][0] + "x", rng.choice(files)[0]))
    elif action == 1:
        files.append(list(files[at]))
    elif action == 2:
        del files[at]
    elif action == 3:
        files[at][1] = rng.choice(files)[1]
    else:
        files[at][1] = parts(rng, *files[at])
    buffer = io.BytesIO()
    ways = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    method = rng.choices(ways, (6, 3, 1, 1))[0]
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")  # of a name twice
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    made = buffer.getvalue()
    return damaged_bytes(rng, made) if rng.random() < 0.15 else made


def damaged_npz(rng: random.Random, data: bytes) -> bytes:
    """An archive of arrays with a header, a shape or numbers changed."""

    def part(rng: random.Random, name: str, content: bytes) -> bytes:
        head, body = content[:10], content[10:]
        if rng.random() < 0.6:
            end = body.find(b"\n")
            text = body[:end].decode("latin-1")
            for old, new in ((rng.choice("0123456789"), rng.choice(("0", "99999", "-1", "3, 3"))), ("<f", ">f"),
                             ("False", "True"), ("'<f2'", "'|O'"), ("<i8", "<U9")):  # fmt: skip
                if rng.random() < 0.4:
                    text = text.replace(old, new, 1)
            body = text.encode("latin-1") + body[end:]
            return head[:8] + struct.pack("<H", (len(text) + 1) & 0xFFFF) + body
        return head + damaged_bytes(rng, body)

    return damaged_zip(rng, data, part)
