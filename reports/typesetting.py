"""Typesetting in a process of its own: what the compiler takes of memory goes back when it ends, and a crash takes no worker with it.

Run as `python -m reports.typesetting FOLDER OUT SECONDS TAGS OWN_FONTS OTHER_FONTS...`; knows nothing of Django, so that it starts at once.
Source: pypi.org/project/typst, typst.app/docs/reference
"""

import json
import sys
from pathlib import Path

import typst

MAIN = "book.typ"


def typeset(folder: Path, out: Path, seconds: int, *, tags: bool, own: str, others: list[str]) -> None:
    """Make a PDF of a folder's book.typ with the data beside it.

    seconds: when the document says it was made, since 1970. own: the folder of our fonts. others: folders with fonts for further scripts.
    Reads no other file, no system font and no network, so that the same data and fonts give the same bytes.
    """
    further = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=list(others))
    faces = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=[own, *others])
    inputs = {"faces": json.dumps(sorted(set(further.families())))}
    compiler = typst.Compiler(folder / MAIN, root=folder, font_paths=faces, ignore_system_fonts=True, sys_inputs=inputs)
    compiler.compile(output=out, format="pdf", timestamp=seconds, pdf_tags=tags)


if __name__ == "__main__":
    given, target, at, tagged, ours, *paths = sys.argv[1:]
    typeset(Path(given), Path(target), int(at), tags=tagged == "tags", own=ours, others=paths)
