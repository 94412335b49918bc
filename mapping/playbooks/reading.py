"""Reads a playbook file into frozen records and names every mistake in it at once."""

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from mapping.playbooks.rules import (
    BuyerRule,
    ComputedRule,
    DatasetRule,
    Identity,
    KnownField,
    LeftField,
    ListedRule,
    MemberRule,
    ObjectRule,
    ParentRule,
    Playbook,
    RecordRule,
    StandingColumn,
    TableRule,
    field_key,
)
from mapping.split import OUTCOMES
from mapping.transforms import TRANSFORMS
from workbench.engagements.errors import BadInput

PREFIX = "{prefix}"  # stands for the publisher's, as long as nobody has named it
KINDS = ("String", "Memo", "Integer", "Decimal", "Double", "Money", "DateTime", "Boolean")
OBJECT_KINDS = ("company", "person", "record", "campaign", "list", "membership", "product", "order", "order_line")
COMPUTATIONS = ("first", "join", "sum", "ratio")
REPEATS = ("latest", "each")
ABSENT = ("hold", "leave")
DISCOVERIES = ("whole", "fields", "samples")
Record = TypeVar("Record")


def read_playbook(path: Path, prefix: str = PREFIX) -> Playbook:
    """A playbook from its file, with the publisher's prefix put in. Raises BadInput with all mistakes, each with its place."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8").replace(PREFIX, prefix))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path.name} is no valid TOML: {error}") from error
    mistakes: list[str] = []
    playbook = _playbook(content, mistakes)
    if playbook is not None:
        mistakes += _contradictions(playbook)
    if playbook is None or mistakes:
        raise BadInput(f"{path.name} has mistakes: {'; '.join(mistakes)}.", remedy="Correct the playbook file.")
    return playbook


def _playbook(content: dict[str, Any], mistakes: list[str]) -> Playbook | None:
    more = {"tables": TableRule, "datasets": DatasetRule, "records": RecordRule, "parents": ParentRule, "computed": ComputedRule}
    more |= {"buyers": BuyerRule, "members": MemberRule, "listed": ListedRule}
    lists = {"objects": ObjectRule, **more, "columns": StandingColumn, "fields": KnownField, "left": LeftField}
    known = {"platform", "title", "settings", "identity", "split", "consent", "role_addresses", "free_mail_domains", *lists}
    mistakes += [f"unknown key {key!r}" for key in sorted(set(content) - known)]
    mistakes += [f"no {key}" for key in sorted(known - set(content) - set(more))]
    if mistakes:
        return None
    read = {name: _records(kind, content.get(name, []), name, mistakes) for name, kind in lists.items()}
    identity = _records(Identity, [content["identity"]], "identity", mistakes)
    if mistakes:
        return None
    return Playbook(
        platform=content["platform"],
        title=content["title"],
        settings=content["settings"],
        identity=identity[0],
        matrix=content["split"].get("matrix", {}),
        consent_arrays=content["consent"].get("arrays", {}),
        role_addresses=frozenset(content["role_addresses"]),
        free_mail_domains=frozenset(content["free_mail_domains"]),
        **read,
    )


def _records(kind: Callable[..., Record], entries: Any, place: str, mistakes: list[str]) -> tuple[Record, ...]:
    """The entries of one list as records; wrong keys and types go to `mistakes` with their place."""
    records: list[Record] = []
    for number, entry in enumerate(entries, start=1):
        where = f"{place} {number}"
        found = _entry_mistakes(kind, entry, where)
        mistakes += found
        if not found:
            records.append(kind(**{key: _frozen(value) for key, value in entry.items()}))
    return tuple(records)


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return {key: _frozen(part) for key, part in value.items()} if isinstance(value, dict) else value


def _entry_mistakes(kind: Any, entry: Any, where: str) -> list[str]:
    if not isinstance(entry, dict):
        return [f"{where} is no table"]
    types = {part.name: str(part.type) for part in fields(kind)}
    required = [part.name for part in fields(kind) if _is_required(part)]
    wrong = [f"{where} has an unknown key {key!r}" for key in entry if key not in types]
    wrong += [f"{where} has no {key}" for key in required if key not in entry]
    return wrong + [f"{where}: {key} is a {type(value).__name__}" for key, value in entry.items() if not _fits(types.get(key, ""), value)]


def _is_required(part: Any) -> bool:
    """A dataclass field without default and factory; both are then the one marker of the dataclasses module."""
    return part.default is part.default_factory


def _fits(annotation: str, value: Any) -> bool:
    if "tuple[str" in annotation and "Mapping" not in annotation:
        return isinstance(value, list) and bool(value) and all(isinstance(part, str) for part in value)
    if "Mapping" in annotation:
        return isinstance(value, dict)
    if "bool" in annotation:
        return isinstance(value, bool)
    if "int" in annotation:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str) or not annotation


def _contradictions(playbook: Playbook) -> list[str]:
    checks = (
        _wrong_settings,
        _wrong_matrix,
        _wrong_kinds,
        _wrong_choices,
        _wrong_records,
        _wrong_words,
        _wrong_fields,
        _wrong_left,
        _doubled,
    )
    return [mistake for check in checks for mistake in check(playbook)]


def _wrong_settings(playbook: Playbook) -> Iterable[str]:
    for name, value in playbook.settings.items():
        if not isinstance(value, str):
            yield f"setting {name} is no text"


def _wrong_matrix(playbook: Playbook) -> Iterable[str]:
    for stage, outcome in playbook.matrix.items():
        if outcome not in OUTCOMES:
            yield f"stage {stage!r} has the outcome {outcome!r}, which is none of {', '.join(OUTCOMES)}"
        if stage != stage.strip().casefold():
            yield f"stage {stage!r} is not trimmed and in lower case"


def _wrong_kinds(playbook: Playbook) -> Iterable[str]:
    for rule in playbook.objects:
        if rule.kind not in OBJECT_KINDS:
            yield f"object {rule.name} is of kind {rule.kind!r}, which is none of {', '.join(OBJECT_KINDS)}"
    for dataset in playbook.datasets:
        if dataset.discovery not in DISCOVERIES:
            yield f"dataset {dataset.name} is discovered as {dataset.discovery!r}, which is none of {', '.join(DISCOVERIES)}"
        for part in (one for alternative in (*dataset.id, *dataset.fields) for one in alternative.split("/")):
            if part.startswith("@") and part[1:] not in playbook.settings:
                yield f"dataset {dataset.name} stands on the setting {part[1:]!r}, which there is not"
    for column in playbook.columns:
        if column.kind not in KINDS:
            yield f"column {column.stem} is of kind {column.kind!r}, which is none of {', '.join(KINDS)}"


def _wrong_choices(playbook: Playbook) -> Iterable[str]:
    for rule in playbook.objects:
        if rule.choice and rule.choice not in playbook.settings:
            yield f"object {rule.name} is chosen by the setting {rule.choice!r}, which there is not"
        if bool(rule.choice) != bool(rule.choices):
            yield f"object {rule.name} has a choice without choices, or choices without one"
    made = {rule.name for rule in playbook.tables}
    wanted = {table for rule in playbook.objects for table in rule.all_tables}
    yield from (f"the table {table} is made by no entry of tables" for table in sorted(wanted - made) if table.startswith(PREFIX))
    yield from (f"the table {table} is of no object" for table in sorted(made - wanted))


def _wrong_records(playbook: Playbook) -> Iterable[str]:
    names = {rule.name for rule in playbook.objects}
    rules: tuple[RecordRule | ParentRule | ComputedRule | ListedRule, ...]
    rules = (*playbook.records, *playbook.parents, *playbook.computed, *playbook.listed)
    yield from (f"a rule is of the object {rule.object!r}, which there is not" for rule in rules if rule.object not in names)
    yield from (f"{rule.object} looks up to {rule.parent!r}, which there is not" for rule in playbook.parents if rule.parent not in names)
    before = [(rule.name, name) for rule in playbook.objects for name in rule.after]
    yield from (f"{name} loads after {first!r}, which there is not" for name, first in before if first not in names)
    chosen: list[tuple[str, str, tuple[str, ...]]] = [(f"repeats of {rule.object}", rule.repeats, REPEATS) for rule in playbook.records]
    chosen += [(f"absent of {rule.object}.{rule.column}", rule.absent, ABSENT) for rule in playbook.parents]
    chosen += [(f"how of {rule.object}.{rule.name}", rule.how, COMPUTATIONS) for rule in playbook.computed]
    yield from (f"{what} is {value!r}, which is none of {', '.join(known)}" for what, value, known in chosen if value not in known)


def _wrong_words(playbook: Playbook) -> Iterable[str]:
    for word in sorted(playbook.role_addresses | playbook.free_mail_domains):
        if word != word.strip().lower():
            yield f"{word!r} is not trimmed and in lower case"


def _wrong_fields(playbook: Playbook) -> Iterable[str]:
    tables = {rule.name: rule.all_tables for rule in playbook.objects}
    for known in playbook.fields:
        where = f"field {known.sources[0]}"
        if known.transform not in TRANSFORMS:
            yield f"{where} has the transform {known.transform!r}, which there is not"
        if known.object not in tables:
            yield f"{where} is of the object {known.object!r}, which there is not"
        for table in set(known.columns) - set(tables.get(known.object, ())):
            yield f"{where} goes to {table}, which {known.object} doesn't become"
        for source in known.sources:
            if source.startswith("@") and source[1:] not in playbook.settings:
                yield f"{where} stands for the setting {source[1:]!r}, which there is not"


def _wrong_left(playbook: Playbook) -> Iterable[str]:
    tables = {rule.name for rule in playbook.objects}
    for rule in playbook.left:
        if rule.object not in tables:
            yield f"left field {rule.sources[0]} is of the object {rule.object!r}, which there is not"
        if not rule.reason.strip():
            yield f"left field {rule.sources[0]} has no reason"


def _doubled(playbook: Playbook) -> Iterable[str]:
    """Source names and columns that two entries claim."""
    claimed: set[tuple[str, ...]] = set()
    entries: tuple[KnownField | LeftField, ...] = (*playbook.fields, *playbook.left)
    for entry in entries:
        for source in entry.sources:
            key = ("source", entry.object, field_key(source) if source[0] != "@" and not source.endswith(".*") else source)
            if key in claimed:
                yield f"{source} of {entry.object} is listed twice"
            claimed.add(key)
    for known in playbook.fields:
        for table, column in known.columns.items():
            if (known.object, table, column) in claimed:
                yield f"column {column} of {table} is filled by two fields"
            claimed.add((known.object, table, column))
