"""The folder that simulators serve: plain files, and `later/` whose files stand in place of them once time has moved on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
            if path.is_file() and path.resolve().is_relative_to(base.resolve()):
                return path
        return None

    def read(self, name: str, missing: bytes) -> bytes:
        """The bytes of a small file, or `missing`."""
        path = self.find(name)
        return missing if path is None else path.read_bytes()

    def read_json(self, name: str, missing: Any) -> Any:
        """A small file as JSON, or `missing`. Raises ValueError where it is no JSON."""
        path = self.find(name)
        return missing if path is None else orjson.loads(path.read_bytes())
