"""Row ids that are the same in every run and rise as the source's records do.

Ten bytes of a SHA-1 tell rows apart; the last six bytes are the source's creation time, because SQL Server sorts a GUID by those first and
random ids fragment its indexes.
"""

from collections.abc import Callable
from hashlib import sha1

LATEST_MS = 2**48 - 1


def row_id(engagement: str, object_name: str, source_id: str, table: str, *, role: str = "", created_ms: int = 0) -> str:
    """The id of the row that one source record gets in one table, as a lower-case UUID of version 8.

    engagement: its slug. role: tells several rows of one table from one record apart, else empty. created_ms: the source's creation time in
    milliseconds since 1970, zero where there is none or it is earlier.
    """
    return _shaped(f"{engagement}|{object_name}|{source_id}|{table}|{role}".encode("utf-8", "surrogatepass"), created_ms)


def row_ids(engagement: str, object_name: str, table: str, role: str = "") -> Callable[[str, int], str]:
    """`row_id` for many records of one object and table: (source id, created_ms) -> id."""
    before, after = f"{engagement}|{object_name}|", f"|{table}|{role}"

    def give(source_id: str, created_ms: int = 0) -> str:
        return _shaped(f"{before}{source_id}{after}".encode("utf-8", "surrogatepass"), created_ms)

    return give


def _shaped(name: bytes, created_ms: int) -> str:
    moment = min(max(int(created_ms), 0), LATEST_MS)
    raw = bytearray(sha1(name, usedforsecurity=False).digest()[:10] + moment.to_bytes(6, "big"))
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
