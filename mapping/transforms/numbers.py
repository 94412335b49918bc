"""Numbers and yes/no. What can be read in one way only is read; `1,234` can be two numbers and is none here."""

import math
import re
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any

from mapping.issues import Issue, brief
from mapping.transforms.base import EMPTY, NO, YES, ColumnLike, Mapped, Target, Transform, choice_key, lost
from mapping.transforms.texts import whole_text

NUMBER = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,3})?")
EXACT = Context(prec=1_500)
NOISE = Decimal("1e-12")  # of a number: 59.97000000000001 is 59.97

# Of the service's own column types; a column's own limits are narrower.
RANGES: dict[str, tuple[float, float]] = {
    "Integer": (-2_147_483_648, 2_147_483_647),
    "BigInt": (-(2**63), 2**63 - 1),
    "Decimal": (-100_000_000_000, 100_000_000_000),
    "Double": (-100_000_000_000, 100_000_000_000),
    "Money": (-922_337_203_685_477, 922_337_203_685_477),
}
PRECISIONS = {"Decimal": 10, "Double": 5, "Money": 4}

YES_WORDS = ("true", "yes", "y", "on", "1")
NO_WORDS = ("false", "no", "n", "off", "0")


def _limits(target: Target) -> tuple[float, float]:
    low, high = RANGES.get(target.column.kind, (-math.inf, math.inf))
    return (
        low if target.column.min is None else target.column.min,
        high if target.column.max is None else target.column.max,
    )


def _exact(value: Any) -> Decimal | None:
    """The number that a value stands for, exactly; None where it stands for none or for several."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value) if value.bit_length() <= 4_096 else None
    if isinstance(value, float):
        return Decimal(repr(value)) if math.isfinite(value) else None
    if isinstance(value, str) and NUMBER.fullmatch(text := value.strip()):
        return Decimal(text)
    return None


def _unreadable(target: Target, value: Any) -> Mapped:
    if isinstance(value, str) and not value.strip():
        return EMPTY
    code = "number.not_finite" if isinstance(value, float) else "number.unparseable"
    return lost(code, target, brief(value), whole_text(value))


def compile_integer(target: Target) -> Transform:
    """Whole numbers; text and floats that are whole count, `12.50` doesn't."""
    low, high = _limits(target)

    def transform(value: Any) -> Mapped:
        if type(value) is int and low <= value <= high:
            return Mapped(value)
        if value is None:
            return EMPTY
        number = _exact(value)
        if number is None:
            return _unreadable(target, value)
        if number.adjusted() > 30 or not low <= number <= high:
            return lost("number.out_of_range", target, brief(value), whole_text(value))
        if number != number.to_integral_value():
            return lost("number.not_whole", target, brief(value), whole_text(value))
        return Mapped(int(number))

    return transform


def compile_decimal(target: Target) -> Transform:
    """Numbers with decimals, as a float; what the column or a float can't keep is rounded half to even and noted with the whole."""
    low, high = _limits(target)
    precision = decimals_of(target.column)
    step = Decimal(1).scaleb(-precision)

    def slow(value: Any) -> Mapped:
        number = _exact(value)
        if number is None:
            return _unreadable(target, value)
        if number.adjusted() > 30 or not low <= number <= high:
            return lost("number.out_of_range", target, brief(value), whole_text(value))
        kept = _quantized(number, step)
        if Decimal(repr(float(kept))) == number:
            return Mapped(float(kept))
        issue = Issue("number.rounded", target.field, f"{brief(value)} to {precision} decimals", "loss")
        return Mapped(float(kept), (issue,), whole_text(value))

    def transform(value: Any) -> Mapped:
        if type(value) is int and low <= value <= high and -(2**53) <= value <= 2**53:
            return Mapped(float(value))
        if type(value) is float and low <= value <= high and round(value, precision) == value:
            return Mapped(value + 0.0)  # a negative zero becomes zero
        return EMPTY if value is None else slow(value)

    return transform


def decimals_of(column: ColumnLike) -> int:
    """Decimals that a column keeps, by its own word or its type's most."""
    return PRECISIONS.get(column.kind, 10) if column.precision is None else column.precision


def rounded(number: Decimal, column: ColumnLike) -> tuple[float, Issue | None]:
    """A number as a column keeps it, rounded half to even, and what that loses; the noise of binary arithmetic at the source is no loss."""
    decimals = decimals_of(column)
    kept = _quantized(number, Decimal(1).scaleb(-decimals))
    lost_some = abs(kept - number) > NOISE * max(Decimal(1), abs(number))
    issue = Issue("number.rounded", column.name, f"{brief(str(number))} to {decimals} decimals", "loss") if lost_some else None
    return float(kept), issue


def _quantized(number: Decimal, step: Decimal) -> Decimal:
    try:
        return number.quantize(step, rounding=ROUND_HALF_EVEN, context=EXACT)
    except InvalidOperation:  # a number of thousands of decimals
        return Decimal(repr(float(number)))


def compile_boolean(target: Target) -> Transform:
    """Yes/no: true, false, 1, 0 and the words true/false, yes/no, y/n, on/off; extra words by `yes` and `no`."""
    words = {choice_key(word): YES for word in (*YES_WORDS, *target.options.get("yes", ()))}
    words |= {choice_key(word): NO for word in (*NO_WORDS, *target.options.get("no", ()))}

    def transform(value: Any) -> Mapped:
        if value is True or value is False:
            return YES if value else NO
        if value is None:
            return EMPTY
        if isinstance(value, (int, float)) and value in (0, 1):
            return YES if value else NO
        if isinstance(value, str):
            word = choice_key(value)
            if not word or word in words:
                return words[word] if word else EMPTY
        return lost("boolean.unparseable", target, brief(value), whole_text(value))

    return transform
