"""Value in, value or issues out: pure closures, compiled once per field map.

A transform never raises, whatever JSON a source sends; only compiling one can raise BadInput, for a map that a person has to correct.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mapping.transforms.base import EMPTY, ColumnLike, Mapped, Target, TimeRules, Transform, Value, choice_key
from mapping.transforms.choices import compile_choice, compile_multichoice
from mapping.transforms.files import compile_file
from mapping.transforms.moments import compile_datetime
from mapping.transforms.numbers import compile_boolean, compile_decimal, compile_integer, rounded
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
    "EMPTY", "MEMO_LIMIT", "STRING_LIMIT", "TRANSFORMS", "ColumnLike", "Example", "Mapped", "TimeRules", "Transform", "TransformInfo",
    "Value", "choice_key", "clean", "compile_transform", "cut", "rounded", "utf16_length", "whole_text",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Example:
    """A source value and what a transform writes for it; options: the map's, where the example needs some."""

    before: Any
    after: Value
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """As people read it: texts in quotes, all else as JSON; options in words before it."""
        given = f"with {json.dumps(dict(self.options), ensure_ascii=False)}: " if self.options else ""
        return f"{given}{json.dumps(self.before, ensure_ascii=False)} becomes {json.dumps(self.after, ensure_ascii=False)}"


@dataclass(frozen=True, slots=True)
class TransformInfo:
    """A transform as people choose it: its sentence, the column kinds it writes to, an example, its options."""

    name: str
    summary: str
    kinds: tuple[str, ...]
    compile: Callable[[Target], Transform]
    example: Example
    options: tuple[str, ...] = ()


_DATES = ("zone", "source_zone", "epoch", "format", "keep_epoch_zero")
TRANSFORMS: dict[str, TransformInfo] = {
    info.name: info
    for info in (
        TransformInfo(
            "text",
            "Single-line text; line breaks become spaces, outer spaces go.",
            ("String", "Memo"),
            compile_text,
            Example(" Kim\nLee ", "Kim Lee"),
            ("trim",),
        ),
        TransformInfo("memo", "Long text, kept as it is written.", ("Memo", "String"), compile_memo, Example("Hi\nKim", "Hi\nKim")),
        TransformInfo(
            "email", "A further e-mail address, normalised.", ("String",), compile_email, Example(" Kim@EXAMPLE.com", "kim@example.com")
        ),
        TransformInfo("phone", "A phone number as it was written.", ("String",), compile_phone, Example(" +49 30 1234 ", "+49 30 1234")),
        TransformInfo(
            "url", "A web address.", ("String", "Memo"), compile_url, Example(" https://example.com/about ", "https://example.com/about")
        ),
        TransformInfo("integer", "A whole number.", ("Integer", "BigInt"), compile_integer, Example("1200", 1200)),
        TransformInfo("decimal", "A number with decimals.", ("Decimal", "Double", "Money"), compile_decimal, Example("12.50", 12.5)),
        TransformInfo("money", "An amount of money.", ("Money", "Decimal", "Double"), compile_decimal, Example("1200.50", 1200.5)),
        TransformInfo("boolean", "Yes or no.", ("Boolean",), compile_boolean, Example("yes", True), ("yes", "no")),
        TransformInfo(
            "date", "A day, in the column's zone.", ("DateTime",), compile_datetime, Example("2024-03-05T22:00:00Z", "2024-03-05"), _DATES
        ),
        TransformInfo(
            "datetime",
            "A moment in UTC; the wall time of the column's zone where it keeps no zone.",
            ("DateTime",),
            compile_datetime,
            Example("2024-03-05 10:00:00 +02:00", "2024-03-05T08:00:00Z"),
            _DATES,
        ),
        TransformInfo(
            "choice", "One option by a value map.", ("Choice",), compile_choice, Example("gold", 1, {"values": {"Gold": 1}}), ("values",)
        ),
        TransformInfo(
            "multichoice",
            "Options by a value map.",
            ("MultiChoice",),
            compile_multichoice,
            Example(["gold", "new"], "1,2", {"values": {"Gold": 1, "New": 2}}),
            ("values", "separator"),
        ),
        TransformInfo(
            "file",
            "A file that came with the record, as the content of a note or an attachment.",
            ("Memo",),
            compile_file,
            Example(f"{'0a' * 32}:1200", f"{'0a' * 32}:1200"),
        ),
        TransformInfo(
            "json", "Any value as JSON text.", ("Memo", "String"), compile_json, Example({"a": [1, 2]}, '{"a":[1,2]}'), ("text_as_is",)
        ),
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
