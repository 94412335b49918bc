"""The folder that simulators serve: plain files, and `later/` whose files stand in place of them once time has moved on."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import orjson


class Folder:
    """One folder of a world. Raises FileNotFoundError at start when there is none."""

    def __init__(self, root: Path) -> None:
        """root: the folder that holds `iterable/`, `dataverse/` and the like."""
        if not root.is_dir():
            raise FileNotFoundError(f"no folder {root}")
        self.root = root
        self.is_later = False

    def advance(self) -> None:
        """From now on a file under `later/` is served in place of the one with the same path."""
        self.is_later = True

    def find(self, name: str) -> Path | None:
        """The file that stands for `name` now; None where there is none, or where `name` leads out of the folder."""
        for base in ([self.root / "later"] if self.is_later else []) + [self.root]:
            path = base / name
            with suppress(OSError, ValueError):  # a name that no file can have
                if path.is_file() and path.resolve().is_relative_to(base.resolve()):
                    return path
        return None

    def read(self, name: str, missing: bytes) -> bytes:
        """The bytes of a small file as they lie there; `missing` where there is none or nothing is in it."""
        path = self.find(name)
        content = b"" if path is None else path.read_bytes()
        return content if without_mark(content).strip() else missing

    def read_json(self, name: str) -> Any:
        """A small file as JSON, None where there is none or nothing is in it. Raises ValueError where it is no JSON."""
        return parsed(self.read(name, b"null"))


def parsed(content: bytes) -> Any:
    """What JSON holds, half surrogate pairs and long numbers too. Raises ValueError or, where it is too deep, RecursionError."""
    try:
        return orjson.loads(without_mark(content))
    except orjson.JSONDecodeError:
        return json.loads(without_mark(content), parse_constant=_no_json)


def _no_json(word: str) -> NoReturn:
    raise ValueError(word)


def without_mark(content: bytes) -> bytes:
    """The content without a byte order mark, which some editors put before it."""
    return content.removeprefix(BOM_UTF8)
