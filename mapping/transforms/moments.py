"""Dates and moments: read without guessing, put into UTC or into the signed zone's day."""

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from mapping.issues import Issue, brief
from mapping.transforms.base import EMPTY, Mapped, Target, TimeRules, Transform, lost
from mapping.transforms.texts import whole_text
from workbench.engagements.errors import BadInput

MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,][0-9]{1,9})?)?(?:\s?(Z|z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?)?"
)
# How most arrive, with a zone; the standard library reads that form much faster once the space is gone.
EXPORTED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{2}:[0-9]{2}").fullmatch
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST_YEAR = 1753
AROUND_EPOCH = ("1970-01", "1969-12")
UNITS = {"seconds": 1.0, "milliseconds": 0.001}

Read = tuple[datetime | date, str | None]  # a plain day, or a moment with its zone; the second is an issue's code
Written = tuple[str, str | None]  # as the Web API takes it; the second is an issue's code
Write = Callable[[datetime | date], Written]


def compile_datetime(target: Target) -> Transform:
    """Moments as `YYYY-MM-DDTHH:MM:SSZ`, or the day as `YYYY-MM-DD` where the column holds days only.

    By the column's behaviour: UserLocal gets the moment in UTC, TimeZoneIndependent the wall time of the column's zone, DateOnly the day
    there. A column that shows days but keeps moments (format DateOnly, behaviour not) gets the day's midnight, `YYYY-MM-DDT00:00:00Z`
    (*assumed*: the service keeps such a day as its midnight).

    options: `zone` is the column's, else the signed zone of days; `source_zone` that of times without one, else the signed one. `epoch`
    seconds, milliseconds or auto (by size: from 1e11 on milliseconds) reads numbers; `format` is a strptime pattern tried where ISO
    doesn't fit; `keep_epoch_zero` true lets 1970-01-01 through, for a field of birthdays. Raises BadInput.
    """
    source_zone, zone = _zones(target)
    read = _compile_reader(target, source_zone)
    write = _writer(target, source_zone, zone)
    keep_zero = bool(target.options.get("keep_epoch_zero", False))

    def transform(value: Any) -> Mapped:
        if value is None or (isinstance(value, str) and not value.strip()):
            return EMPTY
        try:
            moment, code = read(value)
            written, remark = write(moment)
        except (ValueError, OverflowError) as error:
            return lost(_code(error), target, brief(value), whole_text(value))
        if moment.year < EARLIEST_YEAR or written < "1753":
            return lost("date.before_1753", target, brief(value), whole_text(value))
        if not keep_zero and written[:7] in AROUND_EPOCH and _is_epoch_zero(moment):
            return lost("date.epoch_zero", target, brief(value), whole_text(value))
        if code is None and remark is None:
            return Mapped(written)
        return Mapped(written, tuple(Issue(one, target.field, brief(value), "note") for one in (code, remark) if one))

    return transform


def _zones(target: Target) -> tuple[ZoneInfo, ZoneInfo]:
    """The zone of source times without one and the zone of the column: the map's own, else the signed ones."""
    signed, options = target.time, target.options
    if options.get("zone") and _behavior(target) == "UserLocal" and target.column.format != "DateOnly":
        says = f"Field {target.field}: {target.column.name} keeps moments in UTC and shows each reader their own time; it has no zone."
        raise BadInput(says, remedy="Leave `zone` out. For source times without a zone give `source_zone`.")
    own = TimeRules(str(options.get("source_zone") or signed.source_zone), str(options.get("zone") or signed.day_zone))
    return own.zones()


def _behavior(target: Target) -> str:
    """The column's behaviour; a planned column that doesn't say it keeps days where it shows days."""
    planned = "DateOnly" if target.column.format == "DateOnly" else "UserLocal"
    return getattr(target.column, "behavior", None) or planned


def _writer(target: Target, source_zone: ZoneInfo, zone: ZoneInfo) -> Write:
    """By the column's behaviour and format."""
    behavior = _behavior(target)
    if behavior == "DateOnly":
        return _day_writer(zone)
    if target.column.format == "DateOnly":
        return _day_writer(zone, "T00:00:00Z")
    return _wall_writer(zone) if behavior == "TimeZoneIndependent" else _moment_writer(source_zone)


class _NoUnit(ValueError):
    """A number, and no word of what it counts."""


def _code(error: Exception) -> str:
    return "date.number_without_unit" if isinstance(error, _NoUnit) else "date.unparseable"


def _is_epoch_zero(moment: datetime | date) -> bool:
    return moment == EPOCH if isinstance(moment, datetime) else moment == EPOCH.date()


def _moment_writer(source_zone: ZoneInfo) -> Write:
    def write(moment: datetime | date) -> Written:
        if not isinstance(moment, datetime):  # a day for a column of moments: its midnight in the source's zone
            moment = datetime(moment.year, moment.month, moment.day, tzinfo=source_zone)
        return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat()[:19] + "Z", None

    return write


def _wall_writer(zone: ZoneInfo) -> Write:
    """The wall time with a Z, which the service keeps as it is; a day is its midnight. Source: learn.microsoft.com, DateTimeBehavior."""

    def write(moment: datetime | date) -> Written:
        if not isinstance(moment, datetime):
            return f"{moment.isoformat()}T00:00:00Z", None
        wall = moment.astimezone(zone)
        twice = wall.replace(fold=0).utcoffset() != wall.replace(fold=1).utcoffset()
        return wall.isoformat()[:19] + "Z", "date.wall_twice" if twice else None

    return write


def _day_writer(zone: ZoneInfo, midnight: str = "") -> Write:
    def write(moment: datetime | date) -> Written:
        return (moment.astimezone(zone).date() if isinstance(moment, datetime) else moment).isoformat() + midnight, None

    return write


def _compile_reader(target: Target, source_zone: ZoneInfo) -> Callable[[Any], Read]:
    unit, pattern = target.options.get("epoch"), target.options.get("format")
    if unit not in (None, "auto", *UNITS):
        raise BadInput(f"Field {target.field}: there is no epoch unit {unit!r}.", remedy="Give seconds, milliseconds or auto.")

    def read(value: Any) -> Read:
        if isinstance(value, str):
            text = value.strip()
            if EXPORTED(text):
                return datetime.fromisoformat(text[:19] + text[20:]), None
            if match := MOMENT.fullmatch(text):
                return _from_match(match, source_zone)
            if pattern:
                return _placed(datetime.strptime(text, pattern), source_zone)  # noqa: DTZ007 - placed in its zone at once
            value = _number(text)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError("no date")
        return _from_number(value, unit), None

    return read


def _number(text: str) -> float:
    if not re.fullmatch(r"-?[0-9]{1,18}(?:\.[0-9]{1,9})?", text):
        raise ValueError("no date")
    return float(text)


def _from_number(value: float, unit: str | None) -> datetime:
    if unit is None:
        raise _NoUnit("seconds or milliseconds?")
    if unit == "auto":
        unit = "milliseconds" if abs(value) >= 1e11 else "seconds"
    return EPOCH + timedelta(milliseconds=math.floor(value)) if unit == "milliseconds" else EPOCH + timedelta(seconds=math.floor(value))


def _from_match(match: re.Match[str], source_zone: ZoneInfo) -> Read:
    year, month, day, hour, minute, second, offset = match.groups()
    if hour is None:
        return date(int(year), int(month), int(day)), None
    zone = None if offset is None else _fixed(offset)
    moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=zone)
    return (moment, None) if zone else _placed(moment, source_zone)


def _fixed(offset: str) -> timezone:
    if offset in ("Z", "z", "UTC", "+00:00", "+0000", "+00"):
        return UTC
    digits = offset[1:].replace(":", "").ljust(4, "0")
    span = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-span if offset[0] == "-" else span)


def _placed(moment: datetime, zone: ZoneInfo) -> Read:
    """A local time in its zone. One that happened twice is taken the first time, one that never happened is moved forward by the gap."""
    if moment.tzinfo is not None:
        return moment, None
    if zone.key == "UTC":
        return moment.replace(tzinfo=UTC), None
    first, second = moment.replace(tzinfo=zone, fold=0), moment.replace(tzinfo=zone, fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    if before == after or before is None or after is None:
        return first, None
    return first.astimezone(UTC), "date.dst_fold" if before > after else "date.dst_gap"
