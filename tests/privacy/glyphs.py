"""What a page of our typesetter's says, glyph by glyph: pypdf's own reading follows where each one stands and takes ten times as long."""

import re
from collections.abc import Mapping
from functools import reduce
from typing import Any

from pypdf import PageObject

# Of a page's content: a font is chosen, a value is named, a string of glyphs is shown. Of a string: an escape. Of a font: the characters
# of a glyph.
PLAIN = rb"[^\\()]|\\."
WITHIN = reduce(lambda within, _: rb"(?:%b|\(%b\))*" % (PLAIN, within), range(8), rb"(?:%b)*" % PLAIN)  # of parentheses in pairs
SHOWN = re.compile(rb"/(\w+) [\d.]+ Tf|/\w+\(%b\)|\((%b)\)" % (WITHIN, WITHIN), re.DOTALL)
ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
CHARACTERS = re.compile(rb"<([0-9A-F]{4})> <([0-9A-F]+)>")
BREAK = "\u200b"  # where a long word may break
ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def printed(page: PageObject) -> str:
    """All that stands on a page, run together."""
    fonts = {name.removeprefix("/").encode(): characters(font.get_object()) for name, font in page["/Resources"]["/Font"].items()}
    found, font = [], {}
    for name, string in SHOWN.findall(page.get_contents().get_data()):
        font = fonts[name] if name else font
        glyphs = ESCAPE.sub(unescaped, string)
        found += [font[glyphs[at : at + 2]] for at in range(0, len(glyphs), 2)]
    return "".join(found).replace(BREAK, "")


def characters(font: Mapping[str, Any]) -> dict[bytes, str]:
    told = CHARACTERS.findall(font["/ToUnicode"].get_object().get_data())
    return {bytes.fromhex(glyph.decode()): bytes.fromhex(text.decode()).decode("utf-16-be") for glyph, text in told}


def unescaped(escape: re.Match[bytes]) -> bytes:
    code = escape[1]
    return bytes([int(code, 8)]) if len(code) == 3 else ESCAPES.get(code, code)
