"""A remedy for all records of a group, or for single ones: checked first, all or none, then part of a confirmed plan."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db import transaction

from connectors.store import batched
from loads.desk import candidates, groups
from loads.desk.groups import Group
from loads.models import LedgerEntry, Run
from mapping import plan
from mapping.models import Remedy
from mapping.quality import remedies
from mapping.quality.remedies import OF_RECORDS, PICKED, QUESTION_OF, ROW, SKIP, VALUE, WHICH, WITH_VALUE, Given
from mapping.quality.rules import TEXT
from mapping.workshop.tables import Known
from workbench.engagements import background
from workbench.engagements.errors import BadInput

TOGETHER = 500  # records whose rows are read together
AT_ONCE = 1_000  # records of a group that get a remedy within a web request
STEP = "answer"  # that does it for more of them


def give_all(run: Run, group: Group, choice: str, value: str = "", *, user: User, comment: str = "") -> int | None:
    """Give all records of a group a remedy; of how many. None where they are so many that workers do it, whose step tells how far it is.

    Raises BadInput, what the service raises where a rule picks rows, and what beginning a step raises.
    """
    if group.records <= AT_ONCE:
        return give(run, for_group(run, group, choice, value), user=user, subject=subject_of(run, group), comment=comment)
    _require_for_all(run, group, choice, value)
    asked = {"run": run.pk, "group": group.key, "choice": choice, "value": value, "comment": comment, "user": user.pk}
    background.begin(STEP, run.environment, asked, user=user)
    return None


def for_group(run: Run, group: Group, choice: str, value: str = "") -> list[Given]:
    """A remedy for each record of a group. Raises BadInput where the group doesn't offer it, or the value doesn't fit.

    Where a rule picks the row of each, the rows are read, and it raises what the service raises.
    """
    _require_for_all(run, group, choice, value)
    return _for_each(run, group, groups.records(groups.entries(run, [group.place])), choice, value)


def _require_for_all(run: Run, group: Group, choice: str, value: str) -> None:
    require_possible(group, choice, value, Known(run.engagement, run.environment))
    if choice == ROW and group.records > 1:
        raise BadInput("The records can't all be one row.", remedy="Choose the row of each record, or a rule by which it is picked.")


def _for_each(run: Run, group: Group, entries: Iterable[LedgerEntry], choice: str, value: str) -> list[Given]:
    if choice in PICKED:
        return [one for one in picked(run, ((group, entry, choice) for entry in entries)) if one]
    return [given(run, group, entry, choice, value) for entry in entries]


class Some(NamedTuple):
    """Some exceptions of a group, and a remedy for each whose row is there."""

    entries: list[LedgerEntry]
    given: list[Given]


def some_of_group(run: Run, group: Group, choice: str, value: str, *, after: int) -> Some:
    """A remedy for each of the next records of a group. after: id of the exception behind which they begin. Raises as `for_group`."""
    entries = list(groups.entries(run, [group.place]).filter(pk__gt=after).order_by("pk")[:TOGETHER])
    return Some(entries, _for_each(run, group, entries, choice, value))


def keep(run: Run, found: Sequence[Given], *, by: str, but_since: datetime) -> int:
    """Keep remedies that `confirm` takes into the plan; of how many. but_since: who was answered about later keeps that answer."""
    later = groups.standing(run).filter(source_id__in=[one.source_id for one in found], decided_at__gt=but_since)
    answered: dict[tuple[str, str], list[Remedy]] = {}
    for remedy in later:
        answered.setdefault((remedy.object_name, remedy.source_id), []).append(remedy)
    left = [one for one in found if not any(_is_otherwise(since, one) for since in answered.get((one.object_name, one.source_id), ()))]
    return remedies.keep(run.engagement, left, by=by)


def _is_otherwise(since: Remedy, one: Given) -> bool:
    """Whether a remedy says of the same something else."""
    of_same = since.column == one.column and (since.question == one.question or SKIP in (since.choice, one.choice))
    return of_same and (since.choice, since.value) != (one.choice, one.value)


@transaction.atomic
def confirm(run: Run, group: Group, counts: Mapping[str, int], *, user: User, comment: str) -> None:
    """Take the remedies that were kept for a group's records into the plan, as one entry of the history. counts: of each, how many."""
    detail = _detail(run, comment, of_rows=any(QUESTION_OF.get(choice) == WHICH for choice in counts))
    remedies.tell(run.engagement, counts, user=user, subject=subject_of(run, group), detail=detail)
    plan.confirm(run.engagement, ["quality"], user=user)


def _detail(run: Run, comment: str, *, of_rows: bool) -> dict[str, str]:
    return {"run": run.key, "comment": comment.strip(), **({"environment": run.environment.kind} if of_rows else {})}


def for_records(run: Run, group: Group, answers: Mapping[int, tuple[str, str]]) -> list[Given]:
    """What single records of a group are answered. answers: the entry's id -> (choice, value). Raises BadInput."""
    known = Known(run.engagement, run.environment)
    for choice, value in set(answers.values()):
        require_possible(group, choice, value, known)
    entries = groups.entries(run, [group.place]).filter(pk__in=list(answers))
    return [given(run, group, entry, *answers[entry.pk]) for entry in entries]


def require_possible(group: Group, choice: str, value: str, known: Known) -> None:
    """Raises BadInput where a group doesn't offer a remedy, or the value doesn't fit its column."""
    if choice not in {one.name for one in groups.offered(group, known)}:
        raise BadInput("These records don't offer this remedy.", remedy="Choose one of those that are offered.")
    column = groups.column_of(group, known)
    if choice == VALUE and column is not None:
        if not value.strip():
            raise BadInput("The new value is missing.", remedy="Write the value that takes the place of the one that was refused.")
        remedies.value_for(column, value)
    if choice == TEXT and column is not None and value.strip():
        remedies.fallback_for(column, value, known(group.table))


def given(run: Run, group: Group, entry: LedgerEntry, choice: str, value: str = "") -> Given:
    """The remedy for one record of a group. Raises BadInput for a row that isn't one of those that fit the record."""
    table, column = ("", "") if choice in OF_RECORDS else (group.table, group.column)
    text = _row(entry, value) if choice == ROW else value.strip() if choice in WITH_VALUE else ""
    environment = run.environment.kind if QUESTION_OF.get(choice) == WHICH else ""
    return Given(entry.object_name, entry.source_id, table, column, group.code, choice, text, environment)


def _row(entry: LedgerEntry, value: str) -> str:
    """A row that fits the record, named by its id alone or with its table before it."""
    text = value.strip().lower()
    found = [key for key in candidates.named(entry) if text and text in (key, key.partition(":")[2])]
    if not found:
        raise BadInput(f"No row of that id fits {entry.source_id}.", remedy="Take one of those that stand beside the record.")
    return found[0]


def picked(run: Run, asked: Iterable[tuple[Group, LedgerEntry, str]]) -> Iterator[Given | None]:
    """Of each record the row that its rule picks, in the order given; None where none of its rows is there any more."""
    for some in batched(asked, TOGETHER):
        rows = candidates.of(run, [entry for _, entry, _ in some])
        for group, entry, rule in some:
            row = candidates.pick(rule, rows[entry.pk])
            yield given(run, group, entry, ROW, row.key) if row else None


@transaction.atomic
def give(run: Run, found: Sequence[Given], *, user: User, subject: str, comment: str = "") -> int:
    """Take remedies into the plan and confirm it: a run that is opened now follows them. How many records have one."""
    detail = _detail(run, comment, of_rows=any(one.environment for one in found))
    count = remedies.give(run.engagement, found, user=user, subject=subject, detail=detail)
    plan.confirm(run.engagement, ["quality"], user=user)
    return count


def answer(run: Run, group: Group, answers: Mapping[int, tuple[str, str]], *, user: User, comment: str = "") -> int:
    """Keep what single records of a group are answered anew; of how many. Raises BadInput."""
    names = ("source_id", "choice", "value", "environment")
    asked = for_records(run, group, answers)
    same = groups.standing(run).filter(object_name=group.object_name, source_id__in=[one.source_id for one in asked])
    had = set(same.values_list(*names))
    found = [one for one in asked if tuple(getattr(one, name) for name in names) not in had]
    if not found:
        raise BadInput("No record has a new answer.", remedy="Choose an answer for at least one of them.")
    return give(run, found, user=user, subject=subject_of(run, group), comment=comment)


@transaction.atomic
def take_back(run: Run, group: Group, *, user: User) -> int:
    """Forget the remedies of a group's records. Raises a WorkbenchError while workers give records of the engagement theirs."""
    background.require_none(STEP, run.engagement)
    of_group = groups.entries(run, [group.place]).values_list("object_name", "source_id")
    records, place = of_group.iterator(chunk_size=2_000), {"code": group.code, "environment": run.environment.kind}
    count = remedies.take_back(run.engagement, records, user=user, subject=subject_of(run, group), **place)
    plan.confirm(run.engagement, ["quality"], user=user)
    return count


def subject_of(run: Run, group: Group) -> str:
    """A group as the history names it."""
    return (
        f"{run}: {group.records} of {group.object_name} to {group.table or 'no table'}, {group.code} {group.column or group.field}".strip()
    )
