"""Ids: canonical form of a GUID, new ones, and ones that are the same at every start."""

import re
import uuid
from functools import lru_cache

_GUID = re.compile(r"\{?([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})\}?")
_SPACE = uuid.UUID("6f1f1f2c-8f0e-5d1c-9d4e-0a9d1c7be001")


def read_guid(text: object) -> str | None:
    """A GUID in lower case, or None when the text is none."""
    match = _GUID.fullmatch(text) if isinstance(text, str) else None
    return match.group(1).lower() if match else None


def new_id() -> str:
    """A random GUID."""
    return str(uuid.uuid4())


@lru_cache(1 << 16)  # every answer about metadata names thousands
def stable_id(*parts: str) -> str:
    """A GUID that follows from the parts, for metadata and built-in rows."""
    return str(uuid.uuid5(_SPACE, "|".join(parts)))
