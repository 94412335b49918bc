"""The value map of a choice as a person edits it: each source value with its records and the option that it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mapping.likeness.evidence import labels_of
from mapping.models import SourceField
from mapping.transforms import ColumnLike, choice_key
from mapping.valuemaps import ValueLine, lines, propose_values
from mapping.workshop.models import FieldMap
from workbench.engagements.errors import BadInput

TRANSFORMS = ("choice", "multichoice")
VALUE, OPTION = "value-", "option-"  # names of the form's fields, each with the line's number
MOST_LINES = 2_000


@dataclass(frozen=True, slots=True)
class Sheet:
    """What the editor shows. unmapped: shown values without an option, and their records. unseen: values that the profile doesn't show."""

    lines: tuple[ValueLine, ...]
    proposed: frozenset[str]
    options: tuple[tuple[int, str], ...]
    unmapped_values: int
    unmapped_records: int
    unseen: int


def sheet(row: FieldMap, field: SourceField | None, column: ColumnLike | None, *, propose: bool = False) -> Sheet:
    """A map's values beside the column's options. propose: values without an option come with the one whose label is like them, unsaved."""
    labels = labels_of(column) if column else {}
    kept = dict(row.options.get("values") or {})
    found = lines(((str(value), count) for value, count in field.top) if field else (), kept)
    open_values = [line.value for line in found if line.option is None]
    proposals = propose_values(open_values, labels) if propose else {}
    shown = tuple(ValueLine(line.value, line.records, proposals.get(line.value, line.option)) for line in found)
    return Sheet(
        lines=shown,
        proposed=frozenset(proposals),
        options=tuple(sorted(labels.items())),
        unmapped_values=len(open_values),
        unmapped_records=sum(line.records for line in found if line.option is None),
        unseen=max((field.distinct if field else 0) - len(field.top if field else ()), 0),
    )


def edited(options: Mapping[str, Any], form: Mapping[str, str], column: ColumnLike | None) -> dict[str, Any]:
    """A map's options with the value map of a sent form. Raises BadInput for an option that the column hasn't, and a word with two."""
    labels = labels_of(column) if column else {}
    chosen: dict[str, int] = {}
    numbers = [name.removeprefix(VALUE) for name in form if name.startswith(VALUE)]
    if len(numbers) > MOST_LINES:
        raise BadInput(f"A value map takes {MOST_LINES} values.")
    for number in numbers:
        word, option = form[VALUE + number], form.get(OPTION + number, "")
        if not choice_key(word) or not option:
            continue
        if not option.lstrip("-").isdecimal() or int(option) not in labels:
            raise BadInput(f"The column has no option {option!r}.")
        if chosen.setdefault(choice_key(word), int(option)) != int(option):
            raise BadInput(f"{word!r} is given two options (upper and lower case are one).")
    words = {choice_key(form[VALUE + number]): form[VALUE + number] for number in reversed(numbers)}
    return {**options, "values": {words[key]: option for key, option in chosen.items()}}
