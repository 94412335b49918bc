"""The shapes that transforms share: what comes out, what a column is, and how times without a zone are read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mapping.issues import Issue
from mapping.jsontext import plain_text
from workbench.engagements.errors import BadInput

Value = str | int | float | bool | None
Transform = Callable[[Any], "Mapped"]


class Mapped(NamedTuple):  # a tuple, since millions are made: a frozen dataclass takes three times as long to build
    """What became of one value.

    value: as the Web API takes it, or None for an empty column. issues: everything found, in order.
    whole: the text to keep in the fallback column where `value` is less than the source's.
    """

    value: Value
    issues: tuple[Issue, ...] = ()
    whole: str | None = None


EMPTY = Mapped(None)
YES = Mapped(True)
NO = Mapped(False)


class ColumnLike(Protocol):
    """What a transform asks of a column; both a column read from the destination and a planned one fit.

    Optional beside these: `options` (mapping of option value to label, or the values and labels as pairs) and `behavior`.
    """

    @property
    def name(self) -> str:
        """Logical name."""

    @property
    def kind(self) -> str:
        """String, Memo, Integer, BigInt, Decimal, Double, Money, DateTime, Boolean, Choice, MultiChoice."""

    @property
    def max_length(self) -> int | None:
        """In UTF-16 code units."""

    @property
    def precision(self) -> int | None:
        """Decimals that the column keeps."""

    @property
    def min(self) -> float | None:
        """Smallest number taken."""

    @property
    def max(self) -> float | None:
        """Largest number taken."""

    @property
    def format(self) -> str | None:
        """DateOnly or DateAndTime for dates, Email, Url, Phone and the like for text."""


@dataclass(frozen=True, slots=True)
class TimeRules:
    """The signed zones: `source_zone` for source times without one, `day_zone` for columns without one, of days and of wall times.

    A map's options `source_zone` and `zone` stand before them.
    """

    source_zone: str = "UTC"
    day_zone: str = "UTC"

    def zones(self) -> tuple[ZoneInfo, ZoneInfo]:
        """Both zones, source first. Raises BadInput for a name that isn't an IANA zone."""
        return _zone(self.source_zone), _zone(self.day_zone)

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> "TimeRules":
        """From the `time` plan part: {"source_zone": ..., "day_zone": ...}. Raises BadInput for an unknown zone."""
        rules = cls(str(content.get("source_zone") or "UTC"), str(content.get("day_zone") or "UTC"))
        rules.zones()
        return rules


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadInput(f"There is no time zone {name!r}.", remedy="Give an IANA zone name, such as Europe/Berlin.") from error


@dataclass(frozen=True, slots=True)
class Target:
    """Everything a transform is compiled for: the source's field, the column, the map's options and the signed zones."""

    field: str
    column: ColumnLike
    options: Mapping[str, Any]
    time: TimeRules

    def options_of_column(self) -> frozenset[int]:
        """Option values that the column has; empty where it doesn't say."""
        options = getattr(self.column, "options", None) or ()
        values = options if isinstance(options, Mapping) else (o[0] if isinstance(o, (tuple, list)) else o for o in options)
        return frozenset(int(value) for value in values)


def choice_key(value: Any) -> str:
    """The form in which source words are compared: trimmed and case-folded."""
    return plain_text(value).strip().casefold()


def lost(code: str, target: Target, detail: str, whole: str | None) -> Mapped:
    """An optional value that can't be used: the column stays empty, the whole text is kept."""
    return Mapped(None, (Issue(code, target.field, detail, "loss"),), whole)
