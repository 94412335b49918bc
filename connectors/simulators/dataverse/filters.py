"""$filter: text -> a predicate over rows, by a small recursive parser (facts, section 5).

Text compares without regard to case; `ne` and `not` also match null, as the service's SQL does (*assumed*).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from . import errors
from .identifiers import read_guid
from .values import read_moment

Getter = Callable[[Any], Any]
Predicate = Callable[[Any], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*')|(?P<guid>[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})
    |(?P<moment>\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d)?)?)|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<list>\[[^\]]*\])|(?P<alias>@\w+)|(?P<name>[A-Za-z_][\w./]*)|(?P<mark>[(),=]))""",
    re.VERBOSE,
)
_ZONED = re.compile(r"(Z|[+-]\d\d:\d\d)$")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b, "lt": lambda a, b: a < b, "le": lambda a, b: a <= b,
}  # fmt: skip
_TEXT: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda a, b: b in a, "startswith": lambda a, b: a.startswith(b), "endswith": lambda a, b: a.endswith(b),
}  # fmt: skip


class Names(Protocol):
    """What the parser needs to know of the table: a getter for a property path. Raises ServiceError for an unknown one."""

    def getter(self, path: str) -> Getter:
        """How to read the value of a property from a row."""


@dataclass(slots=True)
class Filter:
    """A compiled filter, and what must hold of single properties, for the indexes.

    equal: values one of which the row must have. least, most: a value above or below which it may not be.
    """

    matches: Predicate
    equal: dict[str, set[Any]] = field(default_factory=dict)
    least: dict[str, Any] = field(default_factory=dict)
    most: dict[str, Any] = field(default_factory=dict)


def compile_filter(text: str, names: Names, aliases: Mapping[str, str]) -> Filter:
    """Parse a whole $filter. Raises ServiceError with the service's code for a syntax error."""
    parser = _Parser(text, names, aliases)
    found = parser.either()
    parser.end()
    return found


def fold(value: Any) -> Any:
    """A value as it is compared."""
    return value.casefold() if isinstance(value, str) else value


class _Parser:
    def __init__(self, text: str, names: Names, aliases: Mapping[str, str]) -> None:
        self._names, self._aliases, self._text = names, aliases, text
        self._tokens = self._read(text)
        self._at = 0

    def _read(self, text: str) -> list[tuple[str, str]]:
        tokens, at, text = [], 0, text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None or match.end() == at:
                raise errors.bad_query(f"Syntax error at position {at} in '{self._text}'.")
            tokens.append((match.lastgroup or "", match.group(match.lastgroup or 0)))
            at = match.end()
        return tokens

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def _take(self, want: str | None = None) -> tuple[str, str]:
        token = self._peek()
        if not token[0] or (want is not None and token[1] != want):
            raise errors.bad_query(f"Syntax error: '{want or 'value'}' expected in '{self._text}'.")
        self._at += 1
        return token

    def end(self) -> None:
        """Nothing may follow."""
        if self._peek()[0]:
            raise errors.bad_query(f"Syntax error: unexpected '{self._peek()[1]}' in '{self._text}'.")

    def either(self) -> Filter:
        """Terms joined by `or`."""
        parts = [self._all()]
        while self._peek() == ("name", "or"):
            self._take()
            parts.append(self._all())
        if len(parts) == 1:
            return parts[0]
        tests = [part.matches for part in parts]
        return Filter(lambda row: any(test(row) for test in tests), _united(parts))

    def _all(self) -> Filter:
        parts = [self._one()]
        while self._peek() == ("name", "and"):
            self._take()
            parts.append(self._one())
        if len(parts) == 1:
            return parts[0]
        tests = [part.matches for part in parts]
        joined = Filter(lambda row: all(test(row) for test in tests))
        for part in parts:
            joined.equal |= part.equal
            joined.least |= part.least
            joined.most |= part.most
        return joined

    def _one(self) -> Filter:
        kind, text = self._peek()
        if (kind, text) == ("name", "not"):
            self._take()
            inner = self._one().matches
            return Filter(lambda row: not inner(row))
        if (kind, text) == ("mark", "("):
            self._take()
            found = self.either()
            self._take(")")
            return found
        if kind == "name" and self._tokens[self._at + 1 : self._at + 2] == [("mark", "(")]:
            return self._function()
        return self._comparison()

    def _comparison(self) -> Filter:
        name = self._take()[1]
        operator = self._take()[1]
        value = self._value()
        get = self._names.getter(name)
        if operator == "eq":
            return _equals(name, get, value)
        if operator == "ne":
            wanted = fold(value)
            return Filter(lambda row: fold(get(row)) != wanted)
        if operator not in _COMPARE:
            raise errors.bad_query(f"Unknown operator '{operator}' in '{self._text}'.")
        found = _ordered(get, _COMPARE[operator], value)
        (found.least if operator in ("gt", "ge") else found.most)[name] = value
        return found

    def _function(self) -> Filter:
        name = self._take()[1]
        self._take("(")
        if name in _TEXT:
            found = self._text_test(name)
        elif name.startswith("Microsoft.Dynamics.CRM."):
            found = self._service_function(name.rpartition(".")[2])
        else:
            raise errors.bad_query(f"An unknown function with name '{name}' was found.")
        self._take(")")
        return found

    def _text_test(self, name: str) -> Filter:
        get = self._names.getter(self._take()[1])
        self._take(",")
        wanted, test = fold(self._value()), _TEXT[name]
        if not isinstance(wanted, str):
            raise errors.bad_query(f"No function signature for '{name}' matches the given arguments.")
        return Filter(lambda row: isinstance(value := get(row), str) and test(value.casefold(), wanted))

    def _service_function(self, name: str) -> Filter:
        arguments: dict[str, Any] = {}
        while True:
            key = self._take()[1]
            self._take("=")
            arguments[key] = self._value()
            if self._peek() != ("mark", ","):
                break
            self._take()
        return _called(name, arguments, self._names)

    def _value(self) -> Any:
        kind, text = self._take()
        if kind == "alias":
            if text not in self._aliases:
                raise errors.bad_query(f"Missing value for parameter alias '{text}'.")
            inner = _Parser(self._aliases[text], self._names, {})
            return inner._value()
        if kind == "name" and text.startswith("Microsoft.Dynamics.CRM.") and self._peek()[0] == "text":  # a member of an enumeration
            kind, text = self._take()
        return _literal(kind, text)


def _literal(kind: str, text: str) -> Any:
    if kind == "text":
        return text[1:-1].replace("''", "'")
    if kind == "guid":
        return text.lower()
    if kind == "moment":
        return read_moment(text) if "T" in text and text[-1] != "T" and _ZONED.search(text) else text
    if kind == "number":
        return float(text) if any(c in text for c in ".eE") else int(text)
    if kind == "list":
        return _list(text)
    named = {"null": None, "true": True, "false": False}
    if text in named:
        return named[text]
    raise errors.bad_query(f"Could not find a property or value named '{text}'.")


def _list(text: str) -> list[Any]:
    found: list[Any] = []
    for part in re.findall(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\']|\'\')*)\'|([^\s,\[\]"\']+)', text):
        quoted, single, bare = part
        found.append(bare if bare else single.replace("''", "'") if single else quoted.replace('\\"', '"'))
    return found


def _equals(name: str, get: Getter, value: Any) -> Filter:
    if isinstance(value, str):
        wanted = value.casefold()
        return Filter(lambda row: isinstance(found := get(row), str) and found.casefold() == wanted, {name: {wanted}})
    if value is None or isinstance(value, bool):
        return Filter(lambda row: get(row) is value)
    return Filter(lambda row: get(row) == value, {name: {value}})


def _ordered(get: Getter, test: Callable[[Any, Any], bool], value: Any) -> Filter:
    wanted = fold(value)

    def matches(row: Any) -> bool:
        found = fold(get(row))
        if found is None or wanted is None:
            return False
        try:
            return test(found, wanted)
        except TypeError as error:
            raise errors.bad_query("A binary operator with incompatible types was detected.") from error

    return Filter(matches)


def _called(name: str, arguments: dict[str, Any], names: Names) -> Filter:
    prop = arguments.get("PropertyName")
    if not isinstance(prop, str):
        raise errors.bad_query(f"The function '{name}' needs a PropertyName.")
    get, values = names.getter(prop), arguments.get("PropertyValues")
    if name in {"In", "NotIn"} and isinstance(values, list):
        wanted = {read_guid(v) or str(v).casefold() for v in values}
        if name == "In":
            return Filter(lambda row: _as_text(get(row)) in wanted, {prop: wanted})
        return Filter(lambda row: _as_text(get(row)) not in wanted)
    if name in {"Between", "NotBetween"} and isinstance(values, list) and len(values) == 2:
        low, high = (_number_or_text(v) for v in values)
        inside: Predicate = lambda row: (v := fold(get(row))) is not None and low <= v <= high  # noqa: E731
        return Filter(inside if name == "Between" else lambda row: not inside(row))
    if name in {"ContainValues", "DoesNotContainValues"} and isinstance(values, list):
        picked = {str(v) for v in values}
        has: Predicate = lambda row: bool(picked & set(str(get(row) or "").split(",")))  # noqa: E731
        return Filter(has if name == "ContainValues" else lambda row: not has(row))
    raise errors.bad_query(f"The function '{name}' isn't supported or its arguments don't fit.")


def _as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value).casefold()


def _number_or_text(value: Any) -> Any:
    try:
        return float(value)
    except ValueError:
        return fold(value)


def _united(parts: list[Filter]) -> dict[str, set[Any]]:
    shared = set(parts[0].equal)
    for part in parts[1:]:
        shared &= set(part.equal)
    return {name: set().union(*(part.equal[name] for part in parts)) for name in shared}
