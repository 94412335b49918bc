"""What every source platform gives the workbench, and nothing of how."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a readiness check saw. A blocker stops the run until it is mended."""

    check: str
    severity: Literal["info", "warning", "blocker"]
    evidence: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of an object that is extracted and checkpointed as one; `name` is unique within the object."""

    name: str
    params: Mapping[str, str] = field(default_factory=dict)


class Source(Protocol):
    """A source platform, seen through one connection."""

    platform: str

    def check(self) -> list[Finding]:
        """What a run should know of this source. Raises BadInput or Unauthorized, with a remedy, where it can't be reached."""

    def slices(self, object_name: str, now: datetime) -> list[Slice]:
        """Slices that together cover every record of the object, to be read in this order; they may overlap."""

    def read(self, object_name: str, piece: Slice) -> Iterator[bytes]:
        """One raw record per item, exactly the bytes that the source said (one JSON document each, however malformed)."""

    def answers(self) -> Mapping[str, list[dict[str, Any]]]:
        """Object name -> its records, of the objects that are small enough for one answer; `forgotten` is [{"hash", "of"}]."""

    def reference(self, name: str) -> Any:
        """A small single answer of the source, such as its lists or channels, parsed."""
