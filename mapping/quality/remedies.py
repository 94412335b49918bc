"""Remedies: what is done about single records that didn't load, decided group by group or in a workbook, and carried out by staging.

They are part of the plan's `quality`, so that a run follows exactly the ones that it was opened with and the customer's signature covers
them. Records stand in the plan as digests of their ids, since ids may be addresses.

Some are answers to a question that staging holds records for: which row of the destination a record is, whether records are one person,
whether a person is a lead. Those about rows name an environment, since each has rows of its own; they are no part of the plan, as what is
decided about edited rows isn't: they hold from the environment's next staging on.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from mapping.likeness.evidence import labels_of
from mapping.quality.models import Remedy
from mapping.quality.rules import TEXT, Choice
from mapping.transforms import ColumnLike, TimeRules, Value, compile_transform
from workbench.engagements import history
from workbench.engagements.errors import BadInput
from workbench.engagements.models import Engagement

SKIP, BLANK, TRUNCATE, VALUE, OWNER, PLACEHOLDER, APART = "skip", "blank", "truncate", "value", "owner", "parent", "apart"
ROW, OLDEST, NEWEST, NEW, AGAIN, LEAVE = "row", "oldest", "newest", "new", "again", "leave"
ONE, SEVERAL, MATRIX, CONTACT, LEAD = "one", "several", "matrix", "contact", "lead"
REMEDIES: Mapping[str, Choice] = {
    choice.name: choice
    for choice in (
        Choice(TRUNCATE, "Shorten", "The text is cut to what the column takes; the whole stays in the column of original values."),
        Choice(
            TEXT,
            "Keep as text",
            "The row loads with what fits, or without the value; the whole is kept in the column of original values or the one named here.",
        ),
        Choice(VALUE, "Another value", "The row loads with the value given here."),
        Choice(BLANK, "Leave empty", "The row loads without the value; a text stays whole in the column of original values."),
        Choice(OWNER, "Fallback owner", "The row goes to the owner of rows without an owner."),
        Choice(
            PLACEHOLDER,
            "Placeholder parent",
            "A marked row stands for the missing parent, one for all records that name it; when the parent comes, it takes that row over.",
        ),
        Choice(ROW, "Load into this row", "The record fills the row that is named, as far as the signed fill rule lets it."),
        Choice(OLDEST, "Oldest row", "Of the rows that fit, each record fills the one that was created first."),
        Choice(NEWEST, "Most recently changed row", "Of the rows that fit, each record fills the one that was changed last."),
        Choice(NEW, "Make a new row", "None of the rows that fit is the record's; it gets one of its own."),
        Choice(
            AGAIN,
            "Make again",
            "The row that somebody removed is made again, one that was retired is on sale again; once, not whenever it happens.",
        ),
        Choice(
            LEAVE, "Leave it so", "What somebody did to the row stands in this environment; a record whose row is gone isn't loaded there."
        ),
        Choice(
            ONE,
            "One person",
            "All records of the address are one person, whatever the last names: the newest stands, the others are merged.",
        ),
        Choice(SEVERAL, "Different persons", "Each last name of the address is a person with a row of their own."),
        Choice(MATRIX, "As the matrix says", "The address is a person's like any other; the signed matrix says where it goes."),
        Choice(CONTACT, "Contact", "The person becomes a contact."),
        Choice(LEAD, "Lead", "The person becomes a lead."),
        Choice(APART, "Without the parent", "The record loads without the lookup to the row that was removed."),
        Choice(SKIP, "Leave out", "The record isn't loaded; what can't be without it isn't either."),
    )
}
TOO_LONG, NO_PARENT = "0x80044331", "parent.not_in_source"
SHARED_ROW, SEVERAL_ROWS, REMOVED, RETIRED = "match.shared", "match.several", "match.removed", "conflict.retired"
NAMES_DIFFER = "cluster.last_names_differ"
WHICH, WHO, WHERE = QUESTIONS = "row", "person", "table"
# What staging asks about whole records: reason code -> the question, and its answers. Leaving a record out is an answer to any.
ASKED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    SEVERAL_ROWS: (WHICH, (ROW, OLDEST, NEWEST, NEW)),
    SHARED_ROW: (WHICH, (ROW, NEW)),
    REMOVED: (WHICH, (AGAIN, LEAVE)),
    RETIRED: (WHICH, (AGAIN, LEAVE)),
    NAMES_DIFFER: (WHO, (ONE, SEVERAL)),
    "email.role_address": (WHERE, (MATRIX, CONTACT, LEAD)),
    "split.review": (WHERE, (CONTACT, LEAD)),
    "split.stage_blank": (WHERE, (CONTACT, LEAD)),
}
QUESTION_OF: Mapping[str, str] = {choice: question for question, choices in ASKED.values() for choice in choices}
PICKED = (OLDEST, NEWEST)  # they become the row that they pick
OF_RECORDS = (SKIP, PLACEHOLDER, APART, *QUESTION_OF)  # remedies of the whole record
OF_PARENTS: Mapping[str, Sequence[str]] = {NO_PARENT: (PLACEHOLDER,), "parent.removed": (PLACEHOLDER, APART)}
WITH_VALUE = (VALUE, TEXT, ROW)  # remedies with which something is written: the value, the column that keeps it, or the row
TRANSFORM_OF: Mapping[str, str] = {
    "String": "text", "Memo": "memo", "Integer": "integer", "BigInt": "integer", "Decimal": "decimal", "Double": "decimal",
    "Money": "money", "Boolean": "boolean", "DateTime": "datetime", "Choice": "choice", "MultiChoice": "multichoice",
}  # fmt: skip
LOOKUPS = ("Lookup", "Customer")
TEXTS = ("String", "Memo")


@dataclass(frozen=True, slots=True)
class Given:
    """A remedy for one record. table, column: '' where the whole record is meant. code: the reason that it answers.

    environment: its kind, of answers about its rows. A row is named "table:id".
    """

    object_name: str
    source_id: str
    table: str
    column: str
    code: str
    choice: str
    value: str = ""
    environment: str = ""

    @property
    def question(self) -> str:
        """What it is an answer to; '' of other remedies."""
        return QUESTION_OF.get(self.choice, "")


def offered(column: ColumnLike | None, code: str) -> list[Choice]:
    """The remedies that fit a refusal, the likeliest first. column: the one that it is about, None where it is about the record."""
    kind = column.kind if column else ""
    if code in ASKED:
        _, answers = ASKED[code]
        return [REMEDIES[name] for name in (*answers, *([] if LEAVE in answers else [SKIP]))]
    names = [*OF_PARENTS.get(code, ()), SKIP]
    if kind == "Owner":
        names = [OWNER, SKIP]
    elif kind in LOOKUPS:
        names = [BLANK, SKIP]
    elif kind in TRANSFORM_OF:
        names = [*([TRUNCATE] if kind in TEXTS and code == TOO_LONG else []), VALUE, TEXT, BLANK, SKIP]
    return [REMEDIES[name] for name in names]


def value_for(column: ColumnLike, text: str, time: TimeRules | None = None) -> Value:
    """A value that a person wrote, as the Web API takes it for the column. Raises BadInput where it doesn't fit."""
    if column.kind not in TRANSFORM_OF:
        raise BadInput(f"The column {column.name} takes no value from here.", remedy="Choose another remedy.")
    options: dict[str, Any] = {}
    if column.kind in ("Choice", "MultiChoice"):
        labels = labels_of(column)
        options = {"values": {**{label: int(value) for value, label in labels.items()}, **{str(value): int(value) for value in labels}}}
    transform = compile_transform(TRANSFORM_OF[column.kind], field=column.name, column=column, options=options, time=time)
    mapped = transform(text.strip())
    if mapped.value is None or any(issue.severity != "note" for issue in mapped.issues):
        raise BadInput(f"The value doesn't fit the column {column.name} ({column.kind}).", remedy="Write one that its type takes.")
    return mapped.value


def fallback_for(column: ColumnLike, name: str, columns: Mapping[str, ColumnLike]) -> ColumnLike:
    """The text column of a table that is to keep a column's values whole. Raises BadInput where there is no such one."""
    found = columns.get(name.strip())
    if found is None or found.kind not in TEXTS or found.name == column.name:
        raise BadInput(f"There is no other text column {name.strip()[:100]!r}.", remedy="Write a text column's name, or leave it empty.")
    return found


def records_with(choice: str, object_name: str, quality: Mapping[str, Any]) -> list[str]:
    """The digests of an object's records that have a remedy. quality: the plan part."""
    entries = (one for one in quality.get("remedies", ()) if (one["object_name"], one["choice"]) == (object_name, choice))
    return [record for one in entries for record in one["records"]]


def digest(source_id: str) -> str:
    """A record's id as the plan names it."""
    return sha256(source_id.encode("utf-8", "replace")).hexdigest()[:24]


def content(engagement: Engagement) -> list[dict[str, Any]]:
    """The remedies as the `quality` plan part has them: one entry per remedy, with its records. Those of one environment aren't in it."""
    names = ("object_name", "table", "column", "choice", "value")
    rows = sorted(Remedy.objects.filter(engagement=engagement, environment="").values_list(*names, "source_id"))
    return [
        {**dict(zip(names, key, strict=True)), "records": sorted(digest(row[-1]) for row in group)}
        for key, group in groupby(rows, lambda row: row[:-1])
    ]


@transaction.atomic
def give(engagement: Engagement, remedies: Sequence[Given], *, user: User, subject: str, detail: Mapping[str, Any] | None = None) -> int:
    """Let each record have its remedy, see `keep`, as one entry of the history."""
    count = keep(engagement, remedies, by=str(user))
    tell(engagement, Counter(one.choice for one in remedies), user=user, subject=subject, detail=detail)
    return count


def tell(engagement: Engagement, counts: Mapping[str, int], *, user: User, subject: str, detail: Mapping[str, Any] | None = None) -> None:
    """Note in the history how many records got which remedy."""
    told = {"remedies": {choice: counts[choice] for choice in REMEDIES if counts.get(choice)}, **(detail or {})}
    history.record(engagement, actor=user, action="gave remedies", subject=subject, detail=told)


@transaction.atomic
def keep(engagement: Engagement, remedies: Sequence[Given], *, by: str) -> int:
    """Let each record have its remedy, in place of one given before for the same column or question; how many.

    Who is answered about is no longer left out, and of who is left out no answer is kept.
    """
    Engagement.objects.select_for_update().get(pk=engagement.pk)
    now = timezone.now()
    rows = [
        Remedy(
            engagement=engagement, object_name=one.object_name, source_id=one.source_id, table=one.table, column=one.column, code=one.code,
            question=one.question, environment=one.environment, choice=one.choice, value=one.value, decided_by=by[:150], decided_at=now,
        )
        for one in remedies
    ]  # fmt: skip
    for of_records in _of(engagement, ((one.object_name, one.source_id) for one in remedies if one.question)):
        of_records.filter(choice=SKIP).delete()
    for of_records in _of(engagement, ((one.object_name, one.source_id) for one in remedies if one.choice == SKIP)):
        of_records.exclude(question="").delete()
    Remedy.objects.bulk_create(
        rows,
        batch_size=500,
        update_conflicts=True,
        unique_fields=["engagement", "object_name", "source_id", "table", "column", "question", "environment"],
        update_fields=["code", "choice", "value", "decided_by", "decided_at"],
    )
    return len(rows)


@transaction.atomic
def take_back(
    engagement: Engagement, records: Iterable[tuple[str, str]], *, user: User, subject: str, code: str = "", environment: str = ""
) -> int:
    """Forget the remedies of records, (object, source id); how many there were.

    code: the reason that they were for; answers to other questions stay. environment: its kind, of answers about rows.
    """
    question, _ = ASKED.get(code, ("", ()))
    mine = Q(environment__in=("", environment), question__in=("", question))
    taken = sum(found.filter(mine).delete()[0] for found in _of(engagement, records))
    if taken:
        history.record(engagement, actor=user, action="took remedies back", subject=subject, detail={"remedies": taken})
    return taken


def _of(engagement: Engagement, records: Iterable[tuple[str, str]]) -> "Iterator[QuerySet[Remedy]]":
    """The remedies of records, (object, source id), some hundred records at a time."""
    for object_name, group in groupby(sorted(set(records)), lambda record: record[0]):
        ids = [source_id for _, source_id in group]
        for start in range(0, len(ids), 500):
            yield Remedy.objects.filter(engagement=engagement, object_name=object_name, source_id__in=ids[start : start + 500])
