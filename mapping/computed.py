"""Fields that are made of others, before the maps see a record: pure, and never raising on what a source said."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from mapping.fieldmaps import reader
from mapping.jsontext import plain_text

Record = dict[str, Any]
Reader = Callable[[Mapping[str, Any]], Any]


def compile_computed(rules: Sequence[Mapping[str, Any]]) -> Callable[[Record], Record]:
    """A function from a raw record to one with the computed fields put in; records without rules come back as they are.

    rules: as the `maps` plan part keeps them, {"name", "how", "sources", "by", "per"}; see the playbook's ComputedRule. A computed field
    that has nothing to be made of is left out; one with a dotted name stands under that name beside the objects it was made of.
    """
    if not rules:
        return lambda record: record
    steps = [(rule["name"], _HOW[rule["how"]](rule)) for rule in rules]

    def compute(record: Record) -> Record:
        made = {name: value for name, make in steps if (value := make(record)) is not None}
        return {**record, **made}

    return compute


def _readers(names: Sequence[str]) -> list[Reader]:
    return [reader(name) for name in names]


def is_filled(value: Any) -> bool:
    """Whether a value says something: neither missing, null nor blank text."""
    return value is not None and not (isinstance(value, str) and not value.strip())


def _first(rule: Mapping[str, Any]) -> Reader:
    readers = _readers(rule["sources"])
    return lambda record: next((value for read in readers if is_filled(value := read(record))), None)


def _join(rule: Mapping[str, Any]) -> Reader:
    readers, by = _readers(rule["sources"]), rule.get("by", "")

    def join(record: Mapping[str, Any]) -> str | None:
        texts = [plain_text(value).strip() for read in readers if is_filled(value := read(record))]
        return by.join(texts) or None

    return join


def number(value: Any) -> Decimal | None:
    """A finite number, also one that a CSV wrote as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return found if found.is_finite() and abs(found) < 10**18 else None


def _total(readers: Sequence[Reader], record: Mapping[str, Any]) -> Decimal | None:
    numbers = [found for read in readers if (found := number(read(record))) is not None]
    return sum(numbers, Decimal(0)) if numbers else None


def _shown(total: Decimal | None) -> int | float | None:
    if total is None:
        return None
    return int(total) if total == total.to_integral_value() else float(total)


def _sum(rule: Mapping[str, Any]) -> Reader:
    readers = _readers(rule["sources"])
    return lambda record: _shown(_total(readers, record))


def _ratio(rule: Mapping[str, Any]) -> Reader:
    readers, per = _readers(rule["sources"]), _readers(rule["per"])

    def ratio(record: Mapping[str, Any]) -> float | None:
        above, below = _total(readers, record), _total(per, record)
        return None if above is None or not below else round(float(above / below * 100), 2)

    return ratio


_HOW: Mapping[str, Callable[[Mapping[str, Any]], Reader]] = {"first": _first, "join": _join, "sum": _sum, "ratio": _ratio}
