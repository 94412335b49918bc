"""What is done to rows: ids become pseudonyms, values go. Everything can be done again; what is done already is left as it is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, models, transaction

from workbench.engagements.pseudonyms import Pseudonyms
from workbench.privacy.rules import Rule

GONE = "(removed)"
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Treated:
    """How far a call came. rows: that were looked at; changed: of these; last: the primary key of the last one."""

    rows: int
    changed: int
    last: int


def pseudonymise(rule: Rule, rows: models.QuerySet, pseudonyms: Pseudonyms, *, after: int = 0) -> Treated:
    """Replace the ids, and what goes of JSON, in the next BATCH rows by primary key; `rows` of 0 where none is left.

    Plain SQL, which both databases take: a crosswalk has millions of rows.
    """
    fields = [rule.model._meta.get_field(name) for name in (*rule.hashed, *rule.rows, *rule.keys)]
    batch = list(rows.filter(pk__gt=after).order_by("pk").values_list("pk", *(field.name for field in fields))[:BATCH])
    if not fields or not batch:
        return Treated(0, 0, after)
    changed = []
    for pk, *values in batch:
        new = [_replaced(rule, field.name, value, pseudonyms) for field, value in zip(fields, values, strict=True)]
        if new != values:
            changed.append((*_prepared(fields, new), pk))
    _write(rule, [_column(rule, field.name) for field in fields], changed)
    return Treated(len(batch), len(changed), batch[-1][0])


def _replaced(rule: Rule, name: str, value: Any, pseudonyms: Pseudonyms) -> Any:
    if name in rule.hashed:
        return value if value.startswith("@") else pseudonyms.of(value)  # @activities and the like are words of ours
    if name in rule.rows:
        return None if value is None else pseudonyms.of_row(value)
    return without(value, rule.keys[name])


def _column(rule: Rule, name: str) -> str:
    return str(getattr(rule.model._meta.get_field(name), "column"))  # noqa: B009 - of a field of the table


def _prepared(fields: Sequence[Any], values: Sequence[Any]) -> Iterator[Any]:
    return (field.get_db_prep_save(value, connection) for field, value in zip(fields, values, strict=True))


def _write(rule: Rule, columns: Sequence[str], rows: Sequence[tuple]) -> None:
    if not rows:
        return
    meta = rule.model._meta
    assigned = ", ".join(f'"{column}" = %s' for column in columns)
    statement = f'UPDATE "{meta.db_table}" SET {assigned} WHERE "{meta.pk.column}" = %s'  # noqa: S608 - names of our own
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(statement, rows)


def empty(rule: Rule, rows: models.QuerySet) -> int:
    """Empty the fields that hold values of people: a text says that it was removed. Returns how many rows had any."""
    touched = 0
    for name in (*rule.emptied, *rule.secrets):
        field = rule.model._meta.get_field(name)
        nothing = _nothing(field)
        left = GONE if isinstance(field, models.CharField | models.TextField) and name not in rule.secrets else nothing
        touched = max(touched, rows.exclude(**{name: nothing}).exclude(**{name: left}).update(**{name: left}))
    return touched


def _nothing(field: Any) -> Any:
    """What an emptied field holds."""
    return None if field.null else field.get_default() if isinstance(field, models.JSONField) else ""


def without(value: Any, keys: Iterable[str]) -> Any:
    """JSON whose entries of these names are empty, at any depth; their kind stays: a list stays a list."""
    names = frozenset(keys)
    if isinstance(value, Mapping):
        return {name: _hollow(one) if name in names else without(one, names) for name, one in value.items()}
    if isinstance(value, list):
        return [without(one, names) for one in value]
    return value


def _hollow(value: Any) -> Any:
    return type(value)() if isinstance(value, dict | list | str) else None
