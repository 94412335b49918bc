"""Text and JSON that every database and file takes, whatever a name at the source holds.

PostgreSQL's text and jsonb refuse NUL, and UTF-8 has no halves of a surrogate pair; both become visibly broken characters.
"""

import re
from typing import Any

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """The text with U+FFFD for what can't be stored."""
    return _UNSTORABLE.sub("\ufffd", text)


def storable_json(value: Any) -> Any:
    """A JSON value whose texts and keys can be stored; tuples become lists."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, (list, tuple)):
        return [storable_json(part) for part in value]
    return {storable(str(key)): storable_json(part) for key, part in value.items()} if isinstance(value, dict) else value
