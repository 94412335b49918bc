"""One person's traces beside the landed records: the files of runs, rows that are about their records, and texts that name them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction

from connectors import store
from loads import staged
from loads.models import Crosswalk, Departed, LedgerEntry, Phase, Run, VerifiedRow
from loads.rehearsal import taken
from loads.scans import reading
from loads.staging import phases
from mapping.models import SourceField
from workbench.engagements import redaction
from workbench.engagements.models import Engagement
from workbench.engagements.pseudonyms import Pseudonyms, is_pseudonym, pseudonyms_of
from workbench.privacy.rewriting import JOURNAL, Row, Traces, blanked, columns_of, rewrite
from workbench.privacy.rules import Rule, rules
from workbench.privacy.seeking import Sought, person_objects
from workbench.privacy.treating import GONE, without

AT_ONCE = 500  # ids or places of one statement
Found = Mapping[str, Mapping[int, Mapping[str, Any]]]  # object -> place in its dataset -> the record, see erasing.FOUND


def clear_run(run: Run, found: Found, sought: Sought) -> dict[str, int]:
    """Blank the person's rows in a run's files, and clear what the database has of them. found: of the datasets that the run staged."""
    taken.begin(run)  # what was read of the destination's rows: who wants it again reads anew
    reading.forget(run)
    phases.forget_indexes(run)
    paths, row_ids = _files(run), _row_ids(run, found)
    ids = {name: {row["source_id"] for row in of_object.values()} for name, of_object in found.items()}
    for name in person_objects(run.engagement):
        ids[name] = ids.get(name, set()) | sought.names
    known = Traces({name: of_object.keys() for name, of_object in found.items()}, ids, sought.names, sought.companies, row_ids)
    pseudonyms, of_run = pseudonyms_of(run.engagement), list(run.phases.all())
    rows = sum(_clear_file(path, run, known, found, pseudonyms) for path in paths if path.suffix == ".parquet")
    for path in paths:
        if path.suffix == ".json":
            _clear_json(path, sought)
    return {"rows of files of runs": rows, **_clear_entries(run, of_run, found, row_ids, pseudonyms)}


def _files(run: Run) -> list[Path]:
    return sorted(path for path in staged.folder(run).iterdir() if path.is_file())


def _row_ids(run: Run, found: Found) -> frozenset[str]:
    """Ids of the rows that were staged for these records, those of late phases too."""
    ids: set[str] = set()
    with store.database() as con:
        for name, of_object in found.items():
            for path in staged.folder(run).glob(f"{name}-*.parquet"):
                if {"row_id", "position"} <= set(columns_of(path)):
                    query = "SELECT DISTINCT row_id FROM read_parquet(?) WHERE position IN (SELECT unnest(?)) AND row_id IS NOT NULL"
                    ids |= {row_id for (row_id,) in con.execute(query, [str(path), list(of_object)]).fetchall()}
    return frozenset(ids)


def _clear_file(path: Path, run: Run, known: Traces, found: Found, pseudonyms: Pseudonyms) -> int:
    object_name, _, kind = path.name.partition(".")[0].partition("-")
    # Of late phases, and of what a rollback plans, the values tie rows to each other; of rows they are what the record said.
    keeps_links = run.is_rollback or kind.endswith(tuple(f"-{name}" for name in Phase.Kind.values))
    is_journal = tuple(columns_of(path)) == JOURNAL

    def change(row: Row) -> Row | None:
        return None if is_journal else blanked(row, _becomes(row, object_name, found, pseudonyms), keeps_links=keeps_links)

    return rewrite(path, known.rows_in(path, object_name), change)


def _becomes(row: Row, object_name: str, found: Found, pseudonyms: Pseudonyms) -> str:
    """The id of a record since; what staging put behind an id that several records have stays behind it."""
    source_id = row.get("source_id") or ""
    record = found.get(row.get("object") or object_name, {}).get(row.get("position", -1))
    if record is None or is_pseudonym(source_id.partition("#")[0]):
        return pseudonyms.of(source_id) if "#" not in source_id else source_id
    return f"{record['becomes']}{source_id[len(record['source_id']) :]}"


def _clear_json(path: Path, sought: Sought) -> None:
    """A small file of a run without what names the person."""
    content = orjson.loads(path.read_bytes())
    if (left := sought.struck(content, path.stem)) != content:
        store.write(path, orjson.dumps(left))


def _clear_entries(run: Run, phases: Sequence[Phase], found: Found, row_ids: frozenset[str], pseudonyms: Pseudonyms) -> dict[str, int]:
    """The run's rows of the database that are about these records."""
    counts = {"loads.LedgerEntry": 0, "loads.VerifiedRow": 0, "loads.Departed": 0}
    for name, of_object in found.items():
        for places in store.batched(sorted(of_object), AT_ONCE):
            entries = LedgerEntry.objects.filter(run=run, object_name=name, position__in=places)
            counts["loads.LedgerEntry"] += _rename(rules().of("loads.LedgerEntry"), entries, pseudonyms)
    for some in store.batched(sorted(row_ids), AT_ONCE):
        ids = [UUID(row_id) for row_id in some]
        counts["loads.VerifiedRow"] += VerifiedRow.objects.filter(run=run, row_id__in=ids).delete()[0]
        gone = Departed.objects.filter(run=run, row_id__in=ids)
        counts["loads.Departed"] += _rename(rules().of("loads.Departed"), gone, pseudonyms)
    return counts


def _rename(rule: Rule, rows: models.QuerySet, pseudonyms: Pseudonyms) -> int:
    """Give rows that are about one of the person's records a pseudonym, and empty what they say of it; ids of rows stay."""
    changed = 0
    with transaction.atomic():
        for row in rows:
            left = {name: _pseudonym(getattr(row, name), pseudonyms) for name in rule.hashed}
            left |= {name: without(getattr(row, name), keys) for name, keys in rule.keys.items()}
            left |= {name: _emptied(rule, name, getattr(row, name)) for name in rule.emptied}
            if any(getattr(row, name) != value for name, value in left.items()):
                type(row)._base_manager.filter(pk=row.pk).update(**left)
                changed += 1
    return changed


def _pseudonym(source_id: str, pseudonyms: Pseudonyms) -> str:
    name, mark, number = source_id.rpartition("#")
    return f"{pseudonyms.of(name)}{mark}{number}" if mark and number.isdecimal() else pseudonyms.of(source_id)


def _emptied(rule: Rule, name: str, value: Any) -> Any:
    field = rule.model._meta.get_field(name)
    if isinstance(field, models.JSONField):
        return field.get_default()
    return GONE if value else value


def clear_rows(engagement: Engagement, ids: Mapping[str, set[str]]) -> dict[str, int]:
    """Rows that are about one of the person's records, whichever run made them. ids: object -> ids of their records as they were."""
    pseudonyms, counts = pseudonyms_of(engagement), dict[str, int]()
    for rule in rules().models:
        if rule.of_records:
            changed = 0
            for name, of_object in ids.items():
                for some in store.batched(sorted(of_object), AT_ONCE):
                    rows = rule.of(engagement).filter(object_name=name, source_id__in=some)
                    changed += rows.delete()[0] if rule.of_records == "delete" else _rename(rule, rows, pseudonyms)
            counts[rule.name] = changed
    return counts


def clear_texts(engagement: Engagement, sought: Sought) -> dict[str, int]:
    """Texts and samples in which the person is named: what names them is replaced, or taken out of a list."""
    counts = {rule.name: _strike(rule, engagement, sought) for rule in rules().models if rule.mentions}
    return counts | {"admin.LogEntry": _forget_words(engagement, sought)}


def _strike(rule: Rule, engagement: Engagement, sought: Sought) -> int:
    changed = 0
    for row in (
        rule.of(engagement)
        .only("pk", *rule.mentions, *(["redacted_hash"] if rule.is_redactable else []), *(["dataset"] if rule.model is SourceField else []))
        .iterator(chunk_size=200)
    ):
        left = {name: _struck(rule, row, name, sought) for name in rule.mentions}
        if all(getattr(row, name) == value for name, value in left.items()):
            continue
        changed += 1
        if rule.is_redactable:
            redaction.redact(row, **left)
        else:
            rule.model._base_manager.filter(pk=row.pk).update(**left)
    return changed


def _struck(rule: Rule, row: models.Model, name: str, sought: Sought) -> Any:
    value = getattr(row, name)
    if isinstance(row, SourceField):
        value = _of_profile(row, value, sought)
    left, longest = sought.struck(value, name), getattr(rule.model._meta.get_field(name), "max_length", None)
    return left[:longest] if isinstance(left, str) and longest else left


def _of_profile(field: SourceField, value: Any, sought: Sought) -> Any:
    """What a profile says without the values that the person alone has: they are the top ones of a field where all are different."""
    if isinstance(value, list):
        return [[one, times] for one, times in value if not sought.has_alone(field.dataset_id, str(one), times)]
    return "" if sought.has_alone(field.dataset_id, value, 1) else value


def _forget_words(engagement: Engagement, sought: Sought) -> int:
    """What Django's admin noted of the engagement's rows and names the person."""
    types = [ContentType.objects.get_for_model(rule.model) for rule in rules().of_engagements]
    changed = 0
    for entry in LogEntry.objects.filter(content_type__in=types).exclude(object_repr=GONE).iterator(chunk_size=500):
        if sought.is_in(entry.object_repr) or sought.is_in(entry.change_message):
            changed += LogEntry.objects.filter(pk=entry.pk).update(object_repr=GONE, change_message="")
    return changed


def rows_of(run: Run, found: Found) -> Iterator[tuple[str, str]]:
    """(table, row id) of the rows that a load staged for these records."""
    phases = run.phases.filter(kind=Phase.Kind.ROWS, object_name__in=list(found)).exclude(table="")
    for phase in [] if run.is_rollback else phases.select_related("run__engagement"):
        paths = [str(path) for path in staged.rows_of(phase)]
        with store.database() as con:
            query = "SELECT DISTINCT row_id FROM read_parquet(?) WHERE position IN (SELECT unnest(?))"
            rows = con.execute(query, [paths, list(found[phase.object_name])]).fetchall() if paths else []
        yield from ((phase.table, row_id) for (row_id,) in rows)


def removed_again(engagement: Engagement, row_ids: Iterable[str]) -> set[str]:
    """Those of the rows that a rollback removed."""
    gone: set[str] = set()
    for some in store.batched(sorted(row_ids), AT_ONCE):
        known = Crosswalk.objects.filter(environment__engagement=engagement, row_id__in=[UUID(row_id) for row_id in some])
        gone |= {str(row_id) for row_id in known.filter(state=Crosswalk.State.REMOVED).values_list("row_id", flat=True)}
    return gone
