"""Iterable as a source: each object by the calls that give it, lists and other answers by single calls."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from connectors.base import Finding, Narrowing, Reading, Slice
from connectors.http import HttpSession, Pace, Stats
from connectors.iterable import checks
from connectors.iterable.answers import opened
from connectors.iterable.catalogs import CatalogItems
from connectors.iterable.exported import Exported
from connectors.iterable.exports import FILES, START, Exports
from connectors.iterable.listed import ARCHIVED, CAMPAIGNS, JOURNEYS, Answered, Listed, Metrics, Templates
from connectors.iterable.members import ListMembers
from connectors.iterable.narrowing import NARROWED
from connectors.iterable.slicing import halves
from workbench.engagements.errors import BadInput

if TYPE_CHECKING:
    from workbench.engagements.models import Connection

# Calls per seconds as the Swagger states them; a customer may have negotiated others.
LIMITS: Mapping[str, tuple[float, float]] = {
    START: (1, 1.0),
    FILES: (1, 1.0),
    "list_users": (5, 60.0),
    "list_size": (5, 60.0),
    "metrics": (10, 60.0),
    "users": (3, 1.0),
    "reads": (100, 1.0),
}


class Reader(Protocol):
    """How one object is read; see Source for what the two give."""

    def slices(self, now: datetime) -> list[Slice]:
        """Slices that together are the whole object."""

    def read(self, piece: Slice, reading: Reading) -> Iterator[bytes]:
        """The raw records of a slice."""


class Answer(NamedTuple):
    """A small single answer: where it is, what it is wrapped in, the bucket that limits it, and what it is."""

    path: str
    key: str
    bucket: str = "reads"
    kind: type = list


ANSWERS: Mapping[str, Answer] = {
    "lists": Answer("api/lists", "lists"),
    "channels": Answer("api/channels", "channels"),
    "messageTypes": Answer("api/messageTypes", "messageTypes"),
    "fields": Answer("api/users/getFields", "fields", "users", dict),
    "forgotten": Answer("api/users/forgotten", "hashedEmails", "users"),
    "forgottenUserIds": Answer("api/users/forgottenUserIds", "hashedUserIds", "users"),
}


class IterableSource:
    """One Iterable project. Thread-safe.

    *assumed*: every profile has a profileUpdatedAt in the years 1 to 9999; the export can't be asked for others.
    """

    platform = "iterable"

    def __init__(self, connection: "Connection", **patience: Any) -> None:
        """connection: secret is the API key; settings may have limits {bucket: [calls, seconds]} and data_centres {name: url}.

        patience: attempts, patience_s, backoff_s, timeout_s of its HttpSession.
        """
        self._connection, self._patience = connection, patience
        self.session = self._open(connection.base_url)
        self._reading = Reading()
        self._readers = _readers(self.session)

    @property
    def stats(self) -> Stats:
        """Requests, retries, throttled and bytes so far."""
        return self.session.stats

    def check(self) -> list[Finding]:
        """Data centre and key confirmed, fields counted, forgotten people counted. Raises BadInput or Unauthorized."""
        others = self._other_data_centres()
        findings = [checks.confirm_data_centre(self.session, others), checks.latency_finding(self.session)]
        findings += checks.field_findings(self.reference("fields"))
        findings += checks.forgotten_findings(self.reference("forgotten"), self.reference("forgottenUserIds"))
        return [*findings, *checks.pace_findings(self.session.stats["throttled"])]

    def slices(self, object_name: str, now: datetime) -> list[Slice]:
        """The slices of an object; those of exports are best read in their order, since jobs run ahead."""
        return self._reader(object_name).slices(now)

    def narrowing(self, object_name: str) -> Narrowing | None:
        """Exports are filtered by time; campaigns, catalogs and the like are given whole only."""
        return NARROWED.get(object_name)

    def changes(self, object_name: str, since: datetime) -> list[Slice]:
        """The slices of an export from a moment on."""
        reader = self._reader(object_name)
        if not isinstance(reader, Exported):
            raise BadInput(f"Iterable gives {object_name} whole only.")
        return reader.changes(since)

    def halves(self, piece: Slice) -> tuple[Slice, Slice] | None:
        """Two slices of half the time, or half the things, each; None for what can't be divided."""
        return halves(piece)

    def read(self, object_name: str, piece: Slice, reading: Reading | None = None) -> Iterator[bytes]:
        """The raw records of a slice; lines of exports as they came, malformed ones too."""
        yield from self._reader(object_name).read(piece, reading or self._reading)

    def reference(self, name: str) -> Any:
        """lists, channels, messageTypes: a list of objects; fields: {name: type}; forgotten, forgottenUserIds: a list of hashes."""
        if name not in ANSWERS:
            raise BadInput(f"Iterable has no answer named {name}.")
        answer = ANSWERS[name]
        return opened(self.session.request("GET", answer.path, bucket=answer.bucket), answer.key, answer.kind)

    def answers(self) -> Mapping[str, list[dict[str, Any]]]:
        """Object -> the records of the small objects: list, channel, messageType, and forgotten ({"hash", "of"})."""
        forgotten = [{"hash": value, "of": "email"} for value in self.reference("forgotten")]
        forgotten += [{"hash": value, "of": "userId"} for value in self.reference("forgottenUserIds")]
        small = {"list": "lists", "channel": "channels", "messageType": "messageTypes"}
        return {**{name: self.reference(answer) for name, answer in small.items()}, "forgotten": forgotten}

    def close(self) -> None:
        """Close the idle connections."""
        self.session.close()

    def _reader(self, object_name: str) -> Reader:
        if object_name not in self._readers:
            raise BadInput(f"Iterable has no object named {object_name}.")
        return self._readers[object_name]

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


def _readers(session: HttpSession) -> dict[str, Reader]:
    """Object -> how it is read."""
    exports = Exports(session)
    return {
        "user": Exported(exports, "user"),
        "customEvent": Exported(exports, "customEvent"),
        "purchase": Exported(exports, "purchase"),
        "subscriptionEvent": Exported(exports, "emailSubscribe", "emailUnSubscribe"),
        "listMember": ListMembers(session),
        "campaign": Listed(session, CAMPAIGNS),
        "campaignMetric": Metrics(session),
        "journey": Listed(session, JOURNEYS, ARCHIVED),
        "template": Templates(session),
        "snippet": Answered(session, "api/snippets", "snippets"),
        "catalogItem": CatalogItems(session),
    }
