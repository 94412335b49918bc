"""Records that wait for somebody's answer, as the pages of the admin and the portal show them: beside each what it may be answered."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models.fields.json import KT

from loads import quality
from loads.desk import candidates, groups
from loads.desk.candidates import Candidate
from loads.desk.groups import Group
from loads.models import LedgerEntry, Run
from mapping.models import Remedy
from mapping.quality.remedies import ASKED, PICKED, ROW, SKIP
from mapping.quality.rules import Choice
from mapping.workshop.tables import Known
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement

PER_PAGE = 25
KEY = re.compile(r"\d{1,18}")  # of an entry
FIELD = "answer-"  # of a form, with the entry's id behind it: an answer, a row as "row:table:id"


@dataclass(frozen=True, slots=True)
class Line:
    """A record. source: what tells it apart there. rows: that may be its own. answer: as the form has it, '' where there is none yet."""

    entry: LedgerEntry
    source: str
    rows: Sequence[Candidate]
    answer: str

    @property
    def name(self) -> str:
        """Its field of the form."""
        return f"{FIELD}{self.entry.pk}"

    @property
    def columns(self) -> Sequence[tuple[Candidate, str]]:
        """The rows with what answering so is called."""
        return [(row, f"{ROW}:{row.key}") for row in self.rows]


@dataclass(frozen=True, slots=True)
class Asked:
    """A page of a group's records. choices: of one record, beside its rows; for_all: of all of them at once.

    silent: why the destination's rows aren't shown, in words.
    """

    group: Group
    page: Page
    lines: Sequence[Line] = ()
    choices: Sequence[Choice] = ()
    for_all: Sequence[Choice] = ()
    silent: str = ""


def asked(run: Run) -> list[Group]:
    """The groups of a run whose records wait for an answer about themselves."""
    return [group for group in groups.groups(run, tuple(ASKED)) if group.asks]


def waiting(run: Run) -> int:
    """How many records of a run wait for an answer about themselves that nobody has given yet."""
    return sum(max(0, group.records - group.remedied) for group in asked(run))


def waiting_in(engagement: Engagement) -> tuple[int, Run | None]:
    """How many records of an engagement's newest run wait for an answer, and that run."""
    run = quality.newest(engagement)
    return (waiting(run) if run else 0), run


def page_of(run: Run, group: Group, number: str | None) -> Asked:
    """A page of a group's records, those that are asked about together beside each other; rows are read from the destination."""
    alike = groups.entries(run, [group.place]).annotate(detail=KT("reasons__0__detail")).order_by("detail", "position", "pk")
    page = Paginator(alike, PER_PAGE).get_page(number)
    entries, silent = list(page), ""
    rows: Mapping[int, Sequence[Candidate]] = {}
    if group.asks_for_rows:
        try:
            rows = candidates.of(run, entries)
        except WorkbenchError as error:
            silent = f"The rows can't be shown now. {error} {error.remedy}"
    sources, known = candidates.at_the_source(run, entries), _answers(run, group, entries)
    lines = [Line(one, sources.get(one.pk, ""), rows.get(one.pk, ()), known.get(one.source_id, "")) for one in entries]
    offered = groups.offered(group, Known(run.engagement, run.environment))
    of_one = [choice for choice in offered if choice.name not in (ROW, *PICKED)]
    return Asked(group, page, lines, of_one, [choice for choice in offered if choice.name != ROW], silent)


def _answers(run: Run, group: Group, entries: Sequence[LedgerEntry]) -> dict[str, str]:
    """Record -> its answer, as the form has it; who is left out is left out whatever else was answered."""
    names, question = [entry.source_id for entry in entries], ASKED[group.code][0]
    given = groups.standing(run).filter(object_name=group.object_name, source_id__in=names, table="", column="")
    found: dict[str, str] = {}
    for one in given.filter(question__in=("", question)):
        if one.question or one.choice == SKIP:
            found[one.source_id] = found[one.source_id] if found.get(one.source_id) == SKIP else _as_form(one)
    return found


def _as_form(remedy: Remedy) -> str:
    return f"{ROW}:{remedy.value}" if remedy.choice == ROW else remedy.choice


def answers(given: Mapping[str, str]) -> dict[int, tuple[str, str]]:
    """What a form says of single records: the entry's id -> (choice, value)."""
    fields = ((name.removeprefix(FIELD), str(text)) for name, text in given.items() if name.startswith(FIELD) and text)
    told = {int(pk): text.partition(":") for pk, text in fields if KEY.fullmatch(pk)}
    return {pk: (choice, value) for pk, (choice, _, value) in told.items()}
