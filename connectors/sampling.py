"""Samples of an object that is too large to keep for a first look: every record is counted, few are kept.

Which ones are kept follows from their bytes alone: a record passes where the hash of its bytes ends in enough zero bits, one more each
time that a value has too many. So the same export gives the same samples, spread over all of it as its records are, and memory holds a
few numbers per value.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from connectors import landing, rawjson
from connectors.models import Dataset

MOST_VALUES = 5_000  # beyond them new values are counted together
OTHERS, UNREADABLE = "others", "unreadable"  # kinds of counts beside `value`
_SHOWN = 150  # characters of a value that is kept
_UTC = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d").match


@dataclass(frozen=True, slots=True)
class Sampling:
    """What is counted and kept. by, moment: top fields with the value to count by and the record's time. most: records per value."""

    by: str
    moment: str
    most: int = 1_000


@dataclass(slots=True)
class Tally:
    """One value: how many records, their first and last moment (ISO, UTC; '' for none), and what passes.

    level: zero bits that a hash needs to pass. kept: zero bits -> records that passed so far.
    """

    count: int = 0
    first: str = ""
    last: str = ""
    level: int = 0
    kept: dict[int, int] | None = None

    def add(self, moment: str, zeros: int, most: int) -> bool:
        """Count a record; whether it passes."""
        self.count += 1
        if moment:
            self.first = min(self.first, moment) if self.first else moment
            self.last = max(self.last, moment)
        if zeros < self.level:
            return False
        self.kept = kept = {} if self.kept is None else self.kept
        kept[zeros] = kept.get(zeros, 0) + 1
        while sum(kept.values()) > most:
            if len(kept) == 1:  # a thousand records that are equal: none may take the place of another
                kept[zeros] -= 1
                return False
            kept.pop(self.level, None)
            self.level += 1
        return zeros >= self.level


class Sampler:
    """Counts the records of a dataset and lets some pass. Its state stands in the dataset's memory, as of the last complete slice."""

    def __init__(self, sampling: Sampling, dataset: Dataset) -> None:
        """Goes on after the dataset's last complete slice."""
        self._sampling, self._dataset = sampling, dataset
        kept = dataset.memory.get("sampling", {})
        last = dataset.pieces.order_by("-number").values_list("name", flat=True).first()
        # The state is kept before the slice is: a kill between the two leaves that of a slice that isn't there.
        found = kept.get("state" if kept.get("after") == last else "before", {})
        self._tallies = {one[0]: _tally(one[1:]) for one in found}

    def sift(self, name: str, lines: Iterable[bytes]) -> Iterator[bytes]:
        """The lines of a slice that pass; the state after it is in the dataset's memory once the last one is taken."""
        before, sampling = self._state(), self._sampling
        for line in lines:
            value, moment = _read(line, sampling)
            tally = self._tallies.get(value)
            if tally is None:
                tally = self._tallies.setdefault(value if len(self._tallies) < MOST_VALUES else f"{OTHERS}:", Tally())
            if tally.add(moment, zero_bits(line), sampling.most):
                yield line
        self._dataset.memory["sampling"] = {"after": name, "before": before, "state": self._state()}

    def finish(self) -> None:
        """Thin the landed records out to those that pass by now, and keep the counts with the dataset. Safe to repeat."""
        if any(tally.level for tally in self._tallies.values()):
            landing.thin(self._dataset, self._passes)
        self._dataset.counts = [
            {"kind": kind, "value": value, "count": tally.count, "first": tally.first, "last": tally.last}
            for (kind, _, value), tally in sorted(((key.partition(":"), tally) for key, tally in self._tallies.items()), key=_commonest)
        ]
        Dataset.objects.filter(pk=self._dataset.pk).update(counts=self._dataset.counts)

    def _passes(self, raw: bytes) -> bool:
        value, _ = _read(raw, self._sampling)
        tally = self._tallies.get(value) or self._tallies[f"{OTHERS}:"]
        return zero_bits(raw) >= tally.level

    def _state(self) -> list[list[Any]]:
        return [[name, t.count, t.first, t.last, t.level, dict(t.kept or {})] for name, t in self._tallies.items()]


def _tally(kept: Sequence[Any]) -> Tally:
    count, first, last, level, passed = kept
    return Tally(count, first, last, level, {int(zeros): number for zeros, number in passed.items()})


def zero_bits(raw: bytes) -> int:
    """How many zero bits the hash of a record ends in, 0 to 64."""
    number = int.from_bytes(blake2b(raw, digest_size=8).digest())
    return (number & -number).bit_length() - 1 if number else 64


def shown_value(value: Any) -> str:
    """A value as it is counted and shown: text as it is, else as JSON; long ones with the tail of their hash."""
    text = value if isinstance(value, str) else "" if value is None else rawjson.write(value).decode("utf-8", "replace")
    text = text.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… {blake2b(text.encode(), digest_size=4).hexdigest()}"


def moment_of(value: Any) -> str:
    """A source's moment as YYYY-MM-DDTHH:MM:SSZ; '' where it can't be read. Numbers are milliseconds since 1970, no zone is UTC."""
    try:
        if isinstance(value, str) and _UTC(value):
            if value[19:].strip() in ("", "Z", "+00:00"):
                datetime.fromisoformat(value[:19])  # refuses a thirteenth month
                return f"{value[:10]}T{value[11:19]}Z"
            return f"{datetime.fromisoformat(value[:19] + value[19:].replace(' ', '')).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return f"{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return ""
    return ""


def _read(line: bytes, sampling: Sampling) -> tuple[str, str]:
    """(the key that the record is counted by, its moment)."""
    record, _ = landing.parse(line)
    if record is None:
        return f"{UNREADABLE}:", ""
    return f"value:{shown_value(record.get(sampling.by))}", moment_of(record.get(sampling.moment))


def _commonest(found: tuple[tuple[str, str, str], Tally]) -> tuple[int, str]:
    return -found[1].count, found[0][2]


def counted(dataset: Dataset) -> dict[str, Mapping[str, Any]]:
    """Value -> {"count", "first", "last"} of a sampled dataset, the commonest first; unreadable and uncounted ones left out."""
    return {entry["value"]: entry for entry in dataset.counts if entry["kind"] == "value"}
