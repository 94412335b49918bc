"""What survives a kill: one line of JSON per answered request, written before the answer goes out."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson


class Journal:
    """Append-only file of committed changes. A last line that a kill cut short was never answered and is dropped."""

    def __init__(self, path: Path) -> None:
        """path: the file; its folder is made."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def lines(self) -> Iterator[dict[str, Any]]:
        """Every whole line; a torn one at the end is cut off the file."""
        if not self.path.exists():
            return
        good = 0
        with self.path.open("rb") as stream:
            for raw in stream:
                if not raw.endswith(b"\n"):
                    break
                good += len(raw)
                yield orjson.loads(raw)
        if good != self.path.stat().st_size:
            with self.path.open("r+b") as stream:
                stream.truncate(good)

    def open(self) -> None:
        """Ready to append."""
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def close(self) -> None:
        """No more lines."""
        os.close(self._file)

    def append(self, line: dict[str, Any]) -> None:
        """One commit, in the operating system's hands when this returns."""
        left = memoryview(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        while left:
            left = left[os.write(self._file, left) :]
