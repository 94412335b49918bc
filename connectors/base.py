"""What every source platform gives the workbench, and nothing of how."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from connectors.storable import storable, storable_json
from workbench.engagements.errors import Retryable


class StillPreparing(Retryable):
    """The source is still making what was asked for; a later call with the same memory goes on waiting for it."""

    remedy = "Start the step again: it goes on where it stopped."


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a named check saw. A blocker stops the run until it is mended.

    subject: what it is about within the check, the same in every environment and every discovery, such as a table or a plug-in step.
    rests_on: the facts that a decision about it rests on: where they change, the decision no longer applies. facts: what acting on a
    decision needs, such as row ids. choices: the names of the check's choices that fit here; none: all of them. default: the choice
    proposed here; empty: the check's own.
    """

    check: str
    severity: Literal["info", "warning", "blocker"]
    evidence: str
    remedy: str = ""
    subject: str = ""
    rests_on: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    choices: Sequence[str] = field(default_factory=list)
    default: str = ""

    def __post_init__(self) -> None:
        """Findings quote what the source and the destination call things; they are kept in databases."""
        for name in ("evidence", "remedy", "subject"):
            object.__setattr__(self, name, storable(getattr(self, name)))
        for name in ("rests_on", "facts"):
            object.__setattr__(self, name, storable_json(getattr(self, name)))


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of an object that is extracted and checkpointed as one; `name` is unique within the object."""

    name: str
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Reading:
    """How reading goes on over several tasks.

    memory: what the source must know again, such as the jobs that it started; kept as JSON. until: a time of time.monotonic()
    after which a source no longer waits for something that isn't ready, but raises StillPreparing. fields: the only ones that are
    wanted of each record, all where empty; a source that can't leave others out gives them too. once: whether records are counted as
    they come, so that slices mustn't overlap; what comes late may be missing then. findings: what the source couldn't
    give; the reader adds to them.
    """

    memory: dict[str, Any] = field(default_factory=dict)
    until: float = math.inf
    fields: tuple[str, ...] = ()
    once: bool = False
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Narrowing:
    """How a source tells what changed in an object since it was landed before.

    stamp: reads the moment that the source filters by; None where a record has none. listed: the fields that are asked for of every record
    to find those that are gone, and those that changed without their moment; empty where records are only ever added.
    """

    stamp: Callable[[Mapping[str, Any]], datetime | None]
    listed: tuple[str, ...] = ()


class Source(Protocol):
    """A source platform, seen through one connection."""

    platform: str

    def check(self) -> list[Finding]:
        """What a run should know of this source. Raises BadInput or Unauthorized, with a remedy, where it can't be reached."""

    def slices(self, object_name: str, now: datetime) -> list[Slice]:
        """Slices that together cover every record of the object, to be read in this order; they may overlap."""

    def narrowing(self, object_name: str) -> Narrowing | None:
        """How an object is asked for what changed; None for one that is given whole only."""

    def changes(self, object_name: str, since: datetime) -> list[Slice]:
        """Slices that cover every record whose moment isn't before `since`, of an object that can be narrowed."""

    def halves(self, piece: Slice) -> tuple[Slice, Slice] | None:
        """Two slices that are this one together; None where it can't be divided."""

    def read(self, object_name: str, piece: Slice, reading: Reading | None = None) -> Iterator[bytes]:
        """One raw record per item, exactly the bytes that the source said (one JSON document each, however malformed).

        Raises StillPreparing where `reading` doesn't let it wait any longer.
        """

    def answers(self) -> Mapping[str, list[dict[str, Any]]]:
        """Object name -> its records, of the objects that are small enough for one answer; `forgotten` is [{"hash", "of"}]."""

    def reference(self, name: str) -> Any:
        """A small single answer of the source, such as its lists or channels, parsed."""
