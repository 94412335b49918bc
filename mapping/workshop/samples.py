"""What a field map would make of the source's commonest values: the compiled transform run on the profile's top values."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mapping.issues import EXPLANATIONS
from mapping.models import SourceField
from mapping.transforms import ColumnLike, TimeRules, Value, compile_transform

SHOWN_CUT = 200  # characters of a value that a profile keeps


@dataclass(frozen=True, slots=True)
class Sample:
    """One source value, in how many records it is, what would be written for it, and every issue in words.

    after: None where the column would stay empty. kept: whether the whole text goes to the fallback column.
    """

    before: str
    records: int
    after: Value
    issues: tuple[str, ...] = ()
    kept: bool = False
    label: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """How the shown values fare, in records: those that arrive as they are, with issues, and not at all."""

    records: int
    with_issues: int
    empty: int


def samples(
    field: SourceField | None, column: ColumnLike, transform: str, options: Mapping[str, Any], time: TimeRules | None = None
) -> list[Sample]:
    """The profile's commonest values before and after, the commonest first. Raises BadInput where the transform can't fill the column."""
    compiled = compile_transform(transform, field=field.name if field else "", column=column, options=options, time=time)
    found = []
    for text, count in field.top if field else ():
        mapped = compiled(typed(str(text), field.types if field else {}))
        issues = tuple(f"{EXPLANATIONS.get(issue.code, issue.code)} ({issue.detail})" for issue in mapped.issues)
        found.append(Sample(str(text), count, mapped.value, issues, mapped.whole is not None, _label(mapped.value, column)))
    return found


def tally(found: Sequence[Sample]) -> Tally:
    """The shown values' records by how they fare."""
    return Tally(
        records=sum(one.records for one in found),
        with_issues=sum(one.records for one in found if one.issues),
        empty=sum(one.records for one in found if one.after is None),
    )


def typed(text: str, types: Mapping[str, int]) -> Any:
    """A shown value in the JSON type that it had at the source; a profile keeps all as text, and where both fit, text is taken."""
    if types.get("string") or len(text) >= SHOWN_CUT:
        return text if types.get("string") or not _is_structured(types) else _read(text)
    return _read(text)


def _is_structured(types: Mapping[str, int]) -> bool:
    return bool(types.get("array") or types.get("object"))


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _label(value: Value, column: ColumnLike) -> str:
    """The words of chosen options; empty for other columns."""
    options = getattr(column, "options", None) or {}
    labels = dict(options) if isinstance(options, Mapping) else {int(number): text for number, text in options}
    chosen = [value] if isinstance(value, int) and not isinstance(value, bool) else _numbers(value)
    return ", ".join(labels[number] for number in chosen if number in labels) if column.kind in ("Choice", "MultiChoice") else ""


def _numbers(value: Value) -> list[int]:
    return [int(part) for part in value.split(",") if part.strip().isdecimal()] if isinstance(value, str) else []
