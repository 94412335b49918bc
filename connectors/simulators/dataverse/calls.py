"""A request and its answer inside the simulator, whether it came over HTTP or as a part of a batch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from . import errors

_PREFERENCE = re.compile(r'([\w.\-]+)(?:\s*=\s*("[^"]*"|[^,;\s]+))?')
JSON = "application/json; odata.metadata=minimal"


@dataclass(slots=True)
class Caller:
    """Who asks: the user whose rights count, and what those are."""

    user_id: str
    missing: frozenset[str] = frozenset()  # privileges taken from the user
    behalf: str | None = None  # the real caller where a user is impersonated
    application_id: str = ""  # of the app registration that signed in

    def may(self, privilege: str) -> bool:
        """Whether the user has a privilege."""
        return privilege not in self.missing


@dataclass(slots=True)
class Call:
    """One request. `path` is what follows the service root, decoded; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    root: str  # service root with its final slash
    caller: Caller
    now: str  # "2024-01-01T00:00:00Z"
    raw_query: str = ""
    references: Mapping[str, str] = field(default_factory=dict)  # "$1" -> "accounts(id)" inside a change set
    in_batch: bool = False

    def json(self) -> dict[str, Any]:
        """The body as an object. Raises ServiceError."""
        try:
            found = orjson.loads(self.body or b"{}")
        except orjson.JSONDecodeError as error:
            raise errors.bad_payload(f"The payload isn't valid JSON: {error}") from error
        if not isinstance(found, dict):
            raise errors.bad_payload("An object was expected.")
        return found

    def preference(self, name: str) -> str | None:
        """The value of one item of the Prefer header ('' for one without a value), or None."""
        for key, value in _PREFERENCE.findall(self.headers.get("prefer", "")):
            if key.lower() == name:
                return value.strip('"')
        return None

    @property
    def wants_row(self) -> bool:
        """True for Prefer: return=representation."""
        return self.preference("return") == "representation"

    @property
    def annotations(self) -> frozenset[str]:
        """The annotation names asked for; `*` stands for all."""
        return frozenset((self.preference("odata.include-annotations") or "").replace(" ", "").split(",")) - {""}

    @property
    def aliases(self) -> dict[str, str]:
        """Parameter aliases of the query string, `@p1` -> text."""
        return {key: value for key, value in self.query.items() if key.startswith("@")}

    @property
    def solution(self) -> str | None:
        """The solution that a new component is to be put in."""
        return self.headers.get("mscrm.solutionuniquename") or self.query.get("SolutionUniqueName")


@dataclass(slots=True)
class Answer:
    """What goes back. A body of bytes is sent as it is, any other as JSON. The rows written and read are what it cost."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    written: int = 0
    read: int = 0

    def content(self) -> bytes:
        """The body's bytes."""
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else orjson.dumps(self.body)


def refused(error: errors.ServiceError) -> Answer:
    """The answer to a refused request."""
    return Answer(error.status, error.body(), {"Content-Type": JSON, **error.headers})
