"""Iterable as a source: users (and whatever else exports) by time slices, lists and other answers by single calls."""

import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.base import Finding, Reading, Slice
from connectors.http import HttpSession, Pace, Stats
from connectors.iterable import checks
from connectors.iterable.answers import opened
from connectors.iterable.exports import FILES, START, Exports, Jobs
from connectors.iterable.windows import OPEN, Window, windows
from workbench.engagements.errors import BadInput

if TYPE_CHECKING:
    from workbench.engagements.models import Connection

# Calls per seconds as the Swagger states them; a customer may have negotiated others.
LIMITS: Mapping[str, tuple[float, float]] = {
    START: (1, 1.0),
    FILES: (1, 1.0),
    "list_users": (5, 60.0),
    "users": (3, 1.0),
    "reads": (100, 1.0),
}
JOBS_AT_ONCE = 4


# Objects that are exported, by window of time (profileUpdatedAt for users) -> the export's name for them.
DATA_TYPES: Mapping[str, str] = {"user": "user"}


class Answer(NamedTuple):
    """A small single answer: where it is, what it is wrapped in, and the bucket that limits it."""

    path: str
    key: str
    bucket: str = "reads"


ANSWERS: Mapping[str, Answer] = {
    "lists": Answer("api/lists", "lists"),
    "channels": Answer("api/channels", "channels"),
    "messageTypes": Answer("api/messageTypes", "messageTypes"),
    "fields": Answer("api/users/getFields", "fields", "users"),
    "forgotten": Answer("api/users/forgotten", "hashedEmails", "users"),
    "forgottenUserIds": Answer("api/users/forgottenUserIds", "hashedUserIds", "users"),
}


class IterableSource:
    """One Iterable project. Thread-safe.

    Slices are best read in their order: the jobs of the next ones run while one is read, up to four at once. Only the open
    one is started last and alone, so that what changes during the extraction is in it.
    *assumed*: every profile has a profileUpdatedAt from 1970 on; the export can't be asked for others.
    """

    platform = "iterable"

    def __init__(self, connection: "Connection", **patience: Any) -> None:
        """connection: secret is the API key; settings may have limits {bucket: [calls, seconds]} and data_centres {name: url}.

        patience: attempts, patience_s, backoff_s, timeout_s of its HttpSession.
        """
        self._connection, self._patience = connection, patience
        self.session = self._open(connection.base_url)
        self._exports = Exports(self.session)
        self._order: dict[str, list[Slice]] = {}
        self._reading = Reading()
        self._lock = threading.Lock()

    @property
    def stats(self) -> Stats:
        """Requests, retries, throttled and bytes so far."""
        return self.session.stats

    def check(self) -> list[Finding]:
        """Data centre and key confirmed, fields counted, forgotten people counted. Raises BadInput or Unauthorized."""
        others = self._other_data_centres()
        findings = [checks.confirm_data_centre(self.session, others)]
        findings += checks.field_findings(self.reference("fields"))
        findings += checks.forgotten_findings(self.reference("forgotten"), self.reference("forgottenUserIds"))
        return [*findings, *checks.pace_findings(self.session.stats["throttled"])]

    def slices(self, object_name: str, now: datetime) -> list[Slice]:
        """Time slices: all that is old, then years, then one that is open towards the future."""
        _data_type(object_name)
        pieces = [Slice(name, window.as_params()) for name, window in windows(now)]
        with self._lock:
            self._order[object_name] = pieces
        return pieces

    def halves(self, piece: Slice) -> tuple[Slice, Slice] | None:
        """Two slices of half the time each; None for one of a minute."""
        halves = Window.of(piece).halves()
        if halves is None:
            return None
        first, second = (Slice(f"{piece.name}.{number}", window.as_params()) for number, window in enumerate(halves, start=1))
        return first, second

    def read(self, object_name: str, piece: Slice, reading: Reading | None = None) -> Iterator[bytes]:
        """The raw JSON lines of a slice, malformed ones too; blank lines are left out.

        The jobs stand in the reading's memory until their lines are read, so that another task finds them again.
        """
        data_type, reading = _data_type(object_name), reading or self._reading
        jobs = Jobs(reading.memory.setdefault("jobs", {}))
        with self._lock:
            for each in self._due(object_name, piece):
                self._exports.begin(data_type, Window.of(each), jobs)
        yield from self._exports.lines(data_type, Window.of(piece), jobs, until=reading.until)

    def reference(self, name: str) -> Any:
        """lists, channels, messageTypes: a list of objects; fields: {name: type}; forgotten, forgottenUserIds: a list of hashes."""
        if name not in ANSWERS:
            raise BadInput(f"Iterable has no answer named {name}.")
        answer = ANSWERS[name]
        return opened(self.session.request("GET", answer.path, bucket=answer.bucket), answer.key)

    def answers(self) -> Mapping[str, list[dict[str, Any]]]:
        """Object -> the records of the small objects: list, channel, messageType, and forgotten ({"hash", "of"})."""
        forgotten = [{"hash": value, "of": "email"} for value in self.reference("forgotten")]
        forgotten += [{"hash": value, "of": "userId"} for value in self.reference("forgottenUserIds")]
        small = {"list": "lists", "channel": "channels", "messageType": "messageTypes"}
        return {**{name: self.reference(answer) for name, answer in small.items()}, "forgotten": forgotten}

    def list_users(self, list_id: int) -> Iterator[str]:
        """The members of a list, by user id or else e-mail. For dynamic lists only: static ones stand in the profiles."""
        params = {"listId": list_id, "preferUserId": "true"}
        with self.session.download("api/lists/getUsers", params=params, bucket="list_users") as content:
            for line in content:
                if member := line.decode("utf-8", "replace").strip():
                    yield member

    def close(self) -> None:
        """Close the idle connections."""
        self.session.close()

    def _due(self, object_name: str, piece: Slice) -> list[Slice]:
        order = self._order.get(object_name, [])
        if piece not in order:
            return [piece]
        # Due are this slice and the next ones, whose jobs run while it is read.
        position = order.index(piece)
        ahead = order[position + 1 : position + JOBS_AT_ONCE]
        return [piece, *(each for each in ahead if each.name != OPEN)]

    def _open(self, address: str, **patience: Any) -> HttpSession:
        limits = {**LIMITS, **self._connection.settings.get("limits", {})}
        root = address.strip().rstrip("/").removesuffix("/api")
        key, ca_file = {"Api-Key": self._connection.secret}, self._connection.ca_file()
        return HttpSession(
            root, name=self._connection.name, headers=key, ca_file=ca_file, pace=Pace(limits), **{**self._patience, **patience}
        )

    def _other_data_centres(self) -> dict[str, HttpSession]:
        known = self._connection.settings.get("data_centres", checks.DATA_CENTRES)
        own = self.session.base_url.rstrip("/")
        if own not in [url.rstrip("/") for url in known.values()]:
            return {}
        return {name: self._open(url, attempts=2, patience_s=10.0) for name, url in known.items() if url.rstrip("/") != own}


def _data_type(object_name: str) -> str:
    if object_name not in DATA_TYPES:
        raise BadInput(f"Iterable has no object named {object_name}.")
    return DATA_TYPES[object_name]
