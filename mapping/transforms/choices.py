"""Source words into option values, by a value map that a person confirmed."""

from collections.abc import Mapping
from typing import Any

from mapping.issues import Issue, brief
from mapping.transforms.base import EMPTY, Mapped, Target, Transform, choice_key, lost
from mapping.transforms.texts import whole_text
from workbench.engagements.errors import BadInput

MOST_SELECTED = 150


def _value_map(target: Target) -> dict[str, int]:
    """`values` of the options, checked against the column's own options. Raises BadInput."""
    values = target.options.get("values", {})
    if not isinstance(values, Mapping):
        raise BadInput(f"Field {target.field}: the value map is not a table of source values and option values.")
    known = target.options_of_column()
    mapped: dict[str, int] = {}
    for word, option in values.items():
        if isinstance(option, bool) or not isinstance(option, int) or (known and option not in known):
            raise BadInput(f"Field {target.field}: {word!r} is mapped to {option!r}, which is no option of {target.column.name}.")
        if mapped.setdefault(choice_key(word), option) != option:
            raise BadInput(f"Field {target.field}: {word!r} is mapped to two options (upper and lower case are one).")
    return mapped


def compile_choice(target: Target) -> Transform:
    """One option; a value without one is left out with its text kept."""
    values = _value_map(target)

    def transform(value: Any) -> Mapped:
        if value is None or not (key := choice_key(value)):
            return EMPTY
        option = values.get(key)
        return lost("choice.unmapped", target, brief(value), whole_text(value)) if option is None else Mapped(option)

    return transform


def compile_multichoice(target: Target) -> Transform:
    """Several options, written as the service takes them (`"1,9"`), rising; a `separator` splits text, else a text is one value."""
    values, separator = _value_map(target), target.options.get("separator")

    def transform(value: Any) -> Mapped:
        words = _words(value, separator)
        if not words:
            return EMPTY
        missing = [word for word in words if choice_key(word) not in values]
        chosen = sorted({values[choice_key(word)] for word in words if choice_key(word) in values})
        issues = tuple(Issue("choice.unmapped", target.field, brief(word), "loss") for word in missing)
        if len(chosen) > MOST_SELECTED:
            issues += (Issue("choice.too_many", target.field, str(len(chosen)), "loss"),)
        text = ",".join(map(str, chosen[:MOST_SELECTED])) or None
        return Mapped(text, issues, whole_text(value) if issues else None)

    return transform


def _words(value: Any, separator: str | None) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, str) and separator:
        value = value.split(separator)
    parts = value if isinstance(value, list) else [value]
    return [part for part in parts if part is not None and choice_key(part)]
