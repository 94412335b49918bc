"""Files of notes and of e-mails' attachments: what an organisation takes, and their content sent and read block by block.

Source: learn.microsoft.com/power-apps/developer/data-platform/attachment-annotation-files and …/files-images-overview
"""

import hashlib
import threading
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from connectors.dataverse.client import NS, Client
from connectors.dataverse.metadata import Table
from connectors.files import PIECE, StoredFile


@dataclass(frozen=True, slots=True)
class FileTable:
    """A table whose rows hold a file each. content: the column of its Base64 text. word: what the messages that send it call it."""

    content: str
    word: str


NAME, TYPE, SIZE = "filename", "mimetype", "filesize"  # of both tables
TABLES: Mapping[str, FileTable] = {
    "annotation": FileTable("documentbody", "Annotation"),
    "activitymimeattachment": FileTable("body", "Attachment"),
}
BLOCK = PIECE  # bytes, the most that a block takes; a smaller file goes with its row
ANY_TYPE = "application/octet-stream"
HELD = threading.BoundedSemaphore(8)  # calls with a piece of a file in this process's memory at once, however many threads send

TOO_LARGE, BLOCKED, TYPE_BLOCKED, TYPE_NOT_ALLOWED = "0x80044a02", "0x80043e09", "0x80072522", "0x80072521"


@dataclass(frozen=True, slots=True)
class FileRules:
    """What an organisation takes. largest: of a file's Base64 text. allowed_types: where there are any, no others are taken."""

    largest: int
    blocked_extensions: frozenset[str]
    blocked_types: frozenset[str]
    allowed_types: frozenset[str]

    @classmethod
    def of(cls, client: Client) -> "FileRules":
        """Those of the environment as they are now."""
        names = ("maxuploadfilesize", "blockedattachments", "blockedmimetypes", "allowedmimetypes")
        [row] = client.rows("organizations", select=names)
        extensions, blocked, allowed = (_listed(row.get(name)) for name in names[1:])
        return cls(int(row["maxuploadfilesize"]), extensions, blocked, allowed)

    def fault(self, name: str, kind: str, size: int) -> tuple[str, str] | None:
        """Why a file is refused: the service's code, and what it is about; None where it is taken. kind: its MIME type."""
        extension, wanted = PurePosixPath(name).suffix.removeprefix(".").lower(), kind.strip().lower()
        if base64_length(size) > self.largest:
            return TOO_LARGE, f"{base64_length(size)} of {self.largest} bytes, as Base64"
        if extension in self.blocked_extensions:
            return BLOCKED, extension
        if self.allowed_types and wanted not in self.allowed_types:
            return TYPE_NOT_ALLOWED, wanted
        if not self.allowed_types and wanted in self.blocked_types:
            return TYPE_BLOCKED, wanted
        return None


def _listed(text: Any) -> frozenset[str]:
    return frozenset(filter(None, (part.strip().lower() for part in str(text or "").split(";"))))


def base64_length(size: int) -> int:
    """Characters of so many bytes as Base64."""
    return -(-size // 3) * 4


def whole(file: StoredFile) -> str:
    """A small file as Base64. Raises FileLost."""
    return b64encode(b"".join(file.pieces())).decode()


def send_by_blocks(client: Client, table: Table, row: Mapping[str, Any], file: StoredFile) -> None:
    """Create a row with its file, which is held block by block. row: with its id and without the content.

    Raises DataverseRefused, FileLost, and OutcomeUnknown: whether the row is there must be read then.
    """
    word, blocks = TABLES[table.name].word, list[str]()
    target = {"@odata.type": f"{NS}.{table.name}", **row}
    token = client.post(f"Initialize{word}BlocksUpload", {"Target": target}, repeatable=True).json()["FileContinuationToken"]
    with HELD:
        for number, piece in enumerate(file.pieces()):
            blocks.append(b64encode(f"{number:08d}".encode()).decode())
            block = {"BlockId": blocks[-1], "BlockData": b64encode(piece).decode(), "FileContinuationToken": token}
            client.post("UploadBlock", block, repeatable=True)  # *assumed*: a block sent again takes the place of the first
    client.post(f"Commit{word}BlocksUpload", {"Target": target, "BlockList": blocks, "FileContinuationToken": token})


def name_of(client: Client, table: Table, row_id: str) -> str:
    """The file that a row holds, named as `StoredFile.name` does; '' for none. Read to a file and from it piece by piece."""
    digest, size = hashlib.sha256(), 0
    with client.download(f"{table.entity_set}({row_id})/{TABLES[table.name].content}/$value") as text:
        while part := text.read(base64_length(PIECE // 3 * 3)):
            piece = b64decode(part)
            digest.update(piece)
            size += len(piece)
    return f"{digest.hexdigest()}:{size}" if size else ""
