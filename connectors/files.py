"""Files that a source gave, such as attachments, kept by their content: one that many records have lies in the store once.

A record names its file by a text; a map with the transform `file` takes that text into the column that holds the content, and the load
sends what it names. Where it lies follows from its content, so that no source can name anything else of the store.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from connectors import store
from workbench.engagements.errors import WorkbenchError

PIECE = 4 << 20  # bytes of a file that are held at once
_NAME = re.compile(r"([0-9a-f]{64}):(\d{1,12})")


class FileLost(WorkbenchError):
    """A file isn't in the store, or isn't what it was when it was kept."""

    remedy = "Extract the records of the file again, then load them."


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of an engagement, whose slug it has. size: bytes."""

    engagement: str
    sha256: str
    size: int

    @classmethod
    def named(cls, engagement: str, name: str) -> "StoredFile":
        """The file that a record or a staged row names. Raises FileLost for what is no such name."""
        found = _NAME.fullmatch(name)
        if found is None:
            raise FileLost("A row doesn't name a file of the store.")
        return cls(engagement, found[1], int(found[2]))

    @property
    def name(self) -> str:
        """How records and staged rows name it: SHA-256 and size."""
        return f"{self.sha256}:{self.size}"

    @property
    def path(self) -> Path:
        """Where it lies."""
        return _folder(self.engagement, self.sha256[:2]) / self.sha256

    def pieces(self) -> Iterator[bytes]:
        """The content, PIECE bytes at a time. Raises FileLost, at the latest after the last piece: take nothing for whole before."""
        digest = hashlib.sha256()
        try:
            with self.path.open("rb") as file:
                while piece := file.read(PIECE):
                    digest.update(piece)
                    yield piece
        except FileNotFoundError:
            raise FileLost("A file isn't in the store.") from None
        if digest.hexdigest() != self.sha256:
            raise FileLost("A file of the store isn't what it was when it was kept.")


def is_name(text: str) -> bool:
    """Whether a text names a file as records do."""
    return _NAME.fullmatch(text) is not None


def size_of(name: str) -> int:
    """The bytes of a file, by its name."""
    return int(name.partition(":")[2])


def keep(engagement: str, content: BinaryIO) -> StoredFile:
    """Keep a file as it is read, whole or not at all. Raises StoreFull, StoreUnwritable."""
    digest, size = hashlib.sha256(), 0
    with store.unfinished(_folder(engagement) / "arriving") as part:
        with part.open("wb") as file:
            while piece := content.read(PIECE):
                digest.update(piece)
                size += file.write(piece)
        kept = StoredFile(engagement, digest.hexdigest(), size)
        part.replace(kept.path)
    return kept


def _folder(engagement: str, *parts: str) -> Path:
    return store.folder(engagement, "files", *parts)
