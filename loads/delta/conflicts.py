"""Deciding about rows that a person edited and the source would change: field by field, one row or many, each batch in the history."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from loads.delta.models import KEEP, OVERWRITE, Conflict
from loads.models import LedgerEntry, Phase
from workbench.engagements import background, history
from workbench.engagements.access import roles_of
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Engagement, Role

MERGE, TAKE_BACK = "merge", "take_back"
# What is chosen of a field that only the person changed, that only the source changed, and that both did.
WHOLE: Mapping[str, tuple[str, str, str]] = {
    "keep": (KEEP, KEEP, KEEP),
    "overwrite": (OVERWRITE, OVERWRITE, OVERWRITE),
    "merge_keep": (KEEP, OVERWRITE, KEEP),
    "merge_overwrite": (KEEP, OVERWRITE, OVERWRITE),
}
WORDS: Mapping[str, str] = {
    MERGE: "Merge the rows of which no field was changed on both sides",
    "merge_keep": "Merge; where both sides changed a field, keep what is there",
    "merge_overwrite": "Merge; where both sides changed a field, write what the source says",
    "keep": "Keep what is there in every field",
    "overwrite": "Write what the source says into every field",
    TAKE_BACK: "Take decisions back that no run has taken yet",
}
PENDING = (Conflict.State.OPEN, Conflict.State.DECIDED)
AT_ONCE = 1_000
IN_REQUEST = 5_000  # rows that are decided about within a web request
STEP = "decide"  # that does it for more of them


class MayNotDecide(WorkbenchError):
    """Conflicts are decided by the engagement's engineers and the customer's approvers."""

    remedy = "Ask one of them; the engagement's members are on its page."


def reach(chosen: QuerySet[Conflict], how: str) -> QuerySet[Conflict]:
    """Those of the chosen conflicts that a bulk choice decides: pending ones, of MERGE the clear ones alone. Raises BadInput.

    Of TAKE_BACK they are those that are decided.
    """
    if how not in WORDS:
        raise BadInput("There is no such choice.", remedy="Take one of those that are offered.")
    if how == TAKE_BACK:
        return chosen.filter(state=Conflict.State.DECIDED)
    pending = chosen.filter(state__in=PENDING)
    return pending.filter(is_clear=True) if how == MERGE else pending


def require_as_shown(chosen: QuerySet[Conflict], how: str, shown: str) -> None:
    """Raises BadInput where a bulk choice reaches another number of rows than somebody was shown."""
    count = reach(chosen, how).count()
    if shown != str(count):
        raise BadInput(f"This would be about {count:,} rows by now.", remedy="Look at the numbers again, then decide.")


def decide_all(engagement: Engagement, chosen: QuerySet[Conflict], how: str, *, user: User, comment: str = "") -> int | None:
    """As `decide_many`; None where they are so many that workers do it, a step for each environment, which tells how far it is.

    Raises also what beginning a step raises; decisions are taken back only while no workers decide.
    """
    _require_role(engagement, user)
    if how == TAKE_BACK:
        background.require_none(STEP, engagement)
    wanted = reach(chosen, how).filter(environment__engagement=engagement).order_by()
    if wanted.count() <= IN_REQUEST:
        return decide_many(engagement, chosen, how, user=user, comment=comment)
    with transaction.atomic():
        for environment in engagement.environments.filter(pk__in=wanted.values("environment")):
            ranges, rows = _ranges(wanted.filter(environment=environment).order_by("pk").values_list("pk", flat=True).iterator())
            asked = {"how": how, "comment": comment, "user": user.pk, "ranges": ranges, "rows": rows}
            background.begin(STEP, environment, asked, user=user)
    return None


def _ranges(ids: Iterable[int]) -> tuple[list[list[int]], int]:
    """[first, last] of ids that follow each other, which are few where a run found the rows, and how many ids there are."""
    found, count = list[list[int]](), 0
    for pk in ids:
        count += 1
        if found and found[-1][1] == pk - 1:
            found[-1][1] = pk
        else:
            found.append([pk, pk])
    return found, count


def decide_many(engagement: Engagement, chosen: QuerySet[Conflict], how: str, *, user: User, comment: str = "") -> int:
    """Decide whole rows by one choice, or take decisions back; of how many. Raises BadInput, MayNotDecide.

    AT_ONCE of them are decided at a time, with an entry of the history each: where it is interrupted, what was decided before stands.
    """
    _require_role(engagement, user)
    wanted = reach(chosen, how).filter(environment__engagement=engagement)
    if how == TAKE_BACK:
        return sum(_take_back(engagement, ids, user) for ids in _batches(wanted))
    theirs, ours, both = WHOLE["merge_keep" if how == MERGE else how]
    by_proposal = {KEEP: theirs, OVERWRITE: ours, "": both}

    def choices(row: Conflict) -> Mapping[str, str]:
        return {field["column"]: by_proposal[field["proposed"]] for field in row.fields}

    return sum(_decide(engagement, ids, choices, how, user, comment) for ids in _batches(wanted))


def _batches(wanted: QuerySet[Conflict]) -> Iterator[list[int]]:
    """Ids of conflicts, AT_ONCE together; they may be changed meanwhile."""
    ids, last = wanted.order_by("pk").values_list("pk", flat=True), 0
    while some := list(ids.filter(pk__gt=last)[:AT_ONCE]):
        yield some
        last = some[-1]


def decide(conflict: Conflict, choices: Mapping[str, str], *, user: User, comment: str = "") -> None:
    """Decide one row field by field. Raises BadInput where a field has no choice or the row is settled, and MayNotDecide."""
    engagement, columns = conflict.environment.engagement, [field["column"] for field in conflict.fields]
    if set(choices) != set(columns) or not set(choices.values()) <= {KEEP, OVERWRITE}:
        raise BadInput("Not every field has a choice.", remedy="Choose for each field what stands.")
    if conflict.state not in PENDING:
        raise BadInput(f"{conflict} is {conflict.get_state_display().lower()}.", remedy="Open the list of conflicts again.")
    _require_role(engagement, user)
    _decide(engagement, [conflict.pk], lambda row: choices, "field by field", user, comment)


def take_back(engagement: Engagement, chosen: QuerySet[Conflict], *, user: User) -> int | None:
    """Open decided conflicts again, as long as no run has taken the decisions; how many, see `decide_all`. Raises MayNotDecide."""
    return decide_all(engagement, chosen, TAKE_BACK, user=user)


@transaction.atomic
def _take_back(engagement: Engagement, ids: Sequence[int], user: User) -> int:
    rows = Conflict.objects.select_for_update().filter(pk__in=ids, state=Conflict.State.DECIDED)
    detail = _detail(rows)
    count = rows.update(state=Conflict.State.OPEN, choices={}, decided_by="", decided_at=None, comment="")
    if count:
        history.record(engagement, actor=user, action="took decisions back", subject=f"conflicts, {count} rows", detail=detail)
    return count


@transaction.atomic
def _decide(
    engagement: Engagement, ids: Sequence[int], choices: Callable[[Conflict], Mapping[str, str]], how: str, user: User, comment: str
) -> int:
    """Decide conflicts that are pending still; how many. Rows whose choices are alike are updated together."""
    rows, alike = list(Conflict.objects.select_for_update().filter(pk__in=ids, state__in=PENDING)), dict[tuple, list[int]]()
    for row in rows:
        row.choices = dict(choices(row))
        alike.setdefault(tuple(row.choices.items()), []).append(row.pk)
    decided = {"state": Conflict.State.DECIDED, "comment": comment.strip(), "decided_by": str(user)[:150], "decided_at": timezone.now()}
    for chosen, of in alike.items():
        Conflict.objects.filter(pk__in=of).update(choices=dict(chosen), **decided)
    if rows:
        detail = {"how": how, "comment": comment.strip(), **_detail(rows)}
        history.record(engagement, actor=user, action="decided conflicts", subject=f"conflicts, {len(rows)} rows", detail=detail)
    return len(rows)


def _require_role(engagement: Engagement, user: User) -> None:
    if not {Role.ENGINEER, Role.APPROVER} & set(roles_of(user, engagement)):
        raise MayNotDecide("Conflicts are decided by engineers and approvers.")


def _detail(rows: Sequence[Conflict] | QuerySet[Conflict]) -> dict[str, Any]:
    """The rows with what is chosen, without their values: those of people stay out of the history."""
    return {"rows": [{"table": row.table, "row": str(row.row_id), "choices": row.choices} for row in rows]}


def keep(found: Sequence[Conflict]) -> None:
    """Keep conflicts in place of what was known of the same rows, decisions on other values among it."""
    for one in found:
        one.is_clear = all(field["proposed"] for field in one.fields)
    Conflict.objects.bulk_create(
        found,
        batch_size=AT_ONCE,
        update_conflicts=True,
        unique_fields=["environment", "table", "row_id", "kind"],
        update_fields=[
            "run", "object_name", "source_id", "fields", "is_clear", "edited_by", "edited_at", "state", "choices", "comment", "decided_by",
            "decided_at", "found_at",
        ],
    )  # fmt: skip


def of(phase: Phase) -> QuerySet[Conflict]:
    """What is known of edited rows with which the phase does the same."""
    return Conflict.objects.filter(
        environment_id=phase.run.environment_id, object_name=phase.object_name, table=phase.table, kind=phase.kind
    )


def decided(phase: Phase) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Row id -> column -> {"now", "new", "choice"} as they were decided for what is done late: to be done by this run, or to be kept.

    What was kept holds on until one of the values changes. What was written over once is asked about again when somebody edits it again.
    """
    known = of(phase).filter(state__in=(Conflict.State.DECIDED, Conflict.State.APPLIED))
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row_id, state, fields, choices in known.values_list("row_id", "state", "fields", "choices").iterator():
        holds = (KEEP, OVERWRITE) if state == Conflict.State.DECIDED else (KEEP,)
        told = {one["column"]: {**one, "choice": choices.get(one["column"])} for one in fields}
        found[str(row_id)] = {column: one for column, one in told.items() if one["choice"] in holds}
    return found


def close(phase: Phase) -> None:
    """A phase that balanced took what was decided; what it didn't meet as a conflict any more is none.

    Of a sample nothing is known to be settled: it leaves rows out, and what it did a whole run finds done.
    """
    if phase.run.is_sample or not of(phase).filter(state__in=PENDING).exists():
        return
    refused = LedgerEntry.objects.filter(phase=phase, row_id__isnull=False).values("row_id")
    taken = of(phase).filter(run=phase.run, state=Conflict.State.DECIDED).exclude(row_id__in=refused)
    taken.update(state=Conflict.State.APPLIED)
    of(phase).filter(state__in=PENDING).exclude(run=phase.run).update(state=Conflict.State.GONE)
