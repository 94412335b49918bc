"""A file of JSON lines served by byte offset: 24 bytes of memory a row, whatever the rows hold.

A row is served byte for byte as it lies in the file, malformed ones too. Lines without any byte are no rows.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from connectors.simulators.folder import parsed
from connectors.simulators.iterable.times import row_time

PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class Choice:
    """Which keys of a row are served: all, all but `omit`, or `only` some; a key is a name at the top of the row (*assumed*)."""

    omit: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.omit or self.only)

    def apply(self, line: bytes) -> bytes:
        """The line with those keys; untouched where none of them has to go or it is no JSON object."""
        row = parse(line)
        if not isinstance(row, dict):
            return line
        kept = {key: value for key, value in row.items() if key not in self.omit and (not self.only or key in self.only)}
        return line if len(kept) == len(row) else written(kept)


def parse(line: bytes) -> Any:
    """What a line, or a file of one document, holds; None where it can't be read."""
    try:
        return parsed(line)
    except (ValueError, RecursionError):
        return None


def written(row: Any) -> bytes:
    """A row as a line; `parse` gives it back."""
    try:
        return orjson.dumps(row)
    except TypeError:  # a half surrogate pair, or a number of more than 64 bits
        return json.dumps(row, separators=(",", ":")).encode()


class Rows:
    """The index of one file: where each row starts and ends, and its moment."""

    def __init__(self, path: Path, time_field: str) -> None:
        """Read the file once. time_field: the key of the row's moment."""
        self.path = path
        self.starts, self.ends, self.times = array("q"), array("q"), array("q")
        at = 0
        with path.open("rb") as file:
            for line in file:
                if bare := line.rstrip(b"\r\n"):
                    row = parse(bare)
                    self.starts.append(at)
                    self.ends.append(at + len(line.removesuffix(b"\n")))
                    self.times.append(row_time(row.get(time_field)) if isinstance(row, dict) else 0)
                at += len(line)

    def __len__(self) -> int:
        return len(self.starts)

    def between(self, start: int | None, end: int | None) -> Sequence[int]:
        """Numbers of the rows from `start` (inclusive) to `end` (exclusive), in the order of the file."""
        if start is None and end is None:
            return range(len(self))
        low = -(1 << 62) if start is None else start
        high = 1 << 62 if end is None else end
        return array("q", [number for number, time in enumerate(self.times) if low <= time < high])

    def size(self, number: int) -> int:
        """Bytes of one row with its line feed."""
        return self.ends[number] - self.starts[number] + 1

    def lines(self, numbers: Sequence[int]) -> Iterator[bytes]:
        """The rows, without line feed."""
        with self.path.open("rb") as file:
            for number in numbers:
                file.seek(self.starts[number])
                yield file.read(self.ends[number] - self.starts[number])

    def stream(self, numbers: Sequence[int], choice: Choice) -> Iterator[bytes]:
        """The rows with line feeds, in pieces fit for a socket."""
        piece = bytearray()
        for line in self.lines(numbers):
            piece += choice.apply(line) if choice else line
            piece += b"\n"
            if len(piece) >= PIECE:
                yield bytes(piece)
                piece.clear()
        if piece:
            yield bytes(piece)
