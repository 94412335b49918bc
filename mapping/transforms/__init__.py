"""Value in, value or issues out: pure closures, compiled once per field map.

A transform never raises, whatever JSON a source sends; only compiling one can raise BadInput, for a map that a person has to correct.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mapping.transforms.base import EMPTY, ColumnLike, Mapped, Target, TimeRules, Transform, Value, choice_key
from mapping.transforms.choices import compile_choice, compile_multichoice
from mapping.transforms.moments import compile_datetime
from mapping.transforms.numbers import compile_boolean, compile_decimal, compile_integer
from mapping.transforms.texts import (
    MEMO_LIMIT,
    STRING_LIMIT,
    clean,
    compile_email,
    compile_json,
    compile_memo,
    compile_phone,
    compile_text,
    compile_url,
    cut,
    utf16_length,
    whole_text,
)
from workbench.engagements.errors import BadInput

__all__ = [
    "EMPTY", "MEMO_LIMIT", "STRING_LIMIT", "TRANSFORMS", "ColumnLike", "Mapped", "TimeRules", "Transform", "TransformInfo", "Value",
    "choice_key", "clean", "compile_transform", "cut", "utf16_length", "whole_text",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class TransformInfo:
    """A transform as people choose it: its sentence, the column kinds it writes to, its options."""

    name: str
    summary: str
    kinds: tuple[str, ...]
    compile: Callable[[Target], Transform]
    options: tuple[str, ...] = ()


_DATES = ("epoch", "format", "keep_epoch_zero")
TRANSFORMS: dict[str, TransformInfo] = {
    info.name: info
    for info in (
        TransformInfo("text", "Single-line text; line breaks become spaces, outer spaces go.", ("String", "Memo"), compile_text, ("trim",)),
        TransformInfo("memo", "Long text, kept as it is written.", ("Memo", "String"), compile_memo),
        TransformInfo("email", "A further e-mail address, normalised.", ("String",), compile_email),
        TransformInfo("phone", "A phone number as it was written.", ("String",), compile_phone),
        TransformInfo("url", "A web address.", ("String", "Memo"), compile_url),
        TransformInfo("integer", "A whole number.", ("Integer", "BigInt"), compile_integer),
        TransformInfo("decimal", "A number with decimals.", ("Decimal", "Double", "Money"), compile_decimal),
        TransformInfo("money", "An amount of money.", ("Money", "Decimal", "Double"), compile_decimal),
        TransformInfo("boolean", "Yes or no.", ("Boolean",), compile_boolean, ("yes", "no")),
        TransformInfo("date", "A day, in the signed zone.", ("DateTime",), compile_datetime, _DATES),
        TransformInfo("datetime", "A moment, in UTC.", ("DateTime",), compile_datetime, _DATES),
        TransformInfo("choice", "One option by a value map.", ("Choice",), compile_choice, ("values",)),
        TransformInfo("multichoice", "Options by a value map.", ("MultiChoice",), compile_multichoice, ("values", "separator")),
        TransformInfo("json", "Any value as JSON text.", ("Memo", "String"), compile_json, ("text_as_is",)),
    )
}


def compile_transform(
    name: str, *, field: str, column: ColumnLike, options: Mapping[str, Any] | None = None, time: TimeRules | None = None
) -> Transform:
    """The transform `name` for one field and one column.

    Raises BadInput for an unknown transform or option, a column of a kind that it can't write, or options that contradict the column.
    """
    info = TRANSFORMS.get(name)
    if info is None:
        raise BadInput(f"Field {field}: there is no transform {name!r}.", remedy=f"Take one of {', '.join(TRANSFORMS)}.")
    if column.kind not in info.kinds:
        raise BadInput(f"Field {field}: transform {name} can't fill {column.name}, which is a {column.kind}.")
    unknown = set(options or ()) - set(info.options)
    if unknown:
        raise BadInput(f"Field {field}: transform {name} has no option {', '.join(sorted(unknown))}.")
    return info.compile(Target(field, column, options or {}, time or TimeRules()))
