"""Choosing groups of the data-quality report to decide about at once, as the pages of the portal and the admin do it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.http import QueryDict

from loads import quality
from loads.models import Run
from loads.quality import Line
from loads.quality_decisions import Answers
from loads.reasons import rule_of
from mapping.quality import rules
from workbench.engagements.errors import BadInput

PROPOSED = "proposed"  # for each group the answer that is proposed for it
TEXT_AT_MOST = 2_000


def in_tab(line: Line, tab: str) -> bool:
    """Whether a tab shows a group."""
    shown = {"open": line.is_open, "overdue": line.is_overdue, "decided": line.decision is not None, "info": not line.asks}
    return shown.get(tab, True)


def filtered(lines: Sequence[Line], query: Mapping[str, str]) -> list[Line]:
    """The groups that the list's filters show."""
    return [
        line
        for line in lines
        if in_tab(line, query.get("show", ""))
        and query.get("object", "") in ("", line.group.object_name)
        and query.get("rule", "") in ("", rule_of(line.group.code))
    ]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The groups that a page is about. fields: what the page sends back to mean the same ones."""

    run: Run
    lines: Sequence[Line]
    fields: Sequence[tuple[str, str]]

    @property
    def digest(self) -> str:
        """Stands for exactly these groups as they are counted now."""
        told = [(line.group.pk, line.group.records) for line in self.lines]
        return sha256(repr(sorted(told)).encode()).hexdigest()

    @property
    def records(self) -> int:
        """Records of all groups; one with several problems counts in each."""
        return sum(line.group.records for line in self.lines)

    @property
    def choices(self) -> list[rules.Choice]:
        """The answers that all groups offer."""
        offered = [[choice.name for choice in line.choices] for line in self.lines]
        return [choice for name, choice in rules.CHOICES.items() if all(name in names for names in offered)]

    @property
    def proposed(self) -> list[tuple[rules.Choice, list[Line]]]:
        """What is proposed, with the groups that it is proposed for."""
        by_choice: dict[str, list[Line]] = {}
        for line in self.lines:
            by_choice.setdefault(line.choices[0].name, []).append(line)
        return [(rules.CHOICES[name], lines) for name, lines in by_choice.items()]

    def require_shown(self, given: QueryDict) -> None:
        """Raises BadInput where a form's page showed other groups than these."""
        if given.get("shown") != self.digest:
            raise BadInput("The report changed while this page was open.", remedy="Read the groups again: they are shown as they are now.")

    def answers(self, given: QueryDict) -> Answers:
        """What a form says, about exactly the groups that its page showed. Raises BadInput."""
        self.require_shown(given)
        choice = given.get("choice", "")
        if choice == PROPOSED:
            return [(answer.name, lines) for answer, lines in self.proposed]
        if choice and choice not in rules.CHOICES:
            raise BadInput("No answer is chosen.", remedy="Choose one of the answers.")
        return [(choice, self.lines)]


def texts(given: QueryDict) -> dict[str, Any]:
    """The value of a default and the comment, as a form says them."""
    return {name: given.get(name, "")[:TEXT_AT_MOST] for name in ("value", "comment")}


def chosen(run: Run, given: QueryDict) -> Chosen:
    """The groups that were ticked, or all that the list's filters show, as far as they ask for a decision. Raises BadInput."""
    lines = [line for line in quality.lines(run) if line.asks]
    if given.get("all"):
        query = {name: given.get(name, "") for name in ("show", "object", "rule")}
        found, fields = filtered(lines, query), [("all", "1"), *query.items()]
    else:
        ticked = set(given.getlist("group"))
        found = [line for line in lines if str(line.group.pk) in ticked]
        fields = [("group", str(line.group.pk)) for line in found]
    if not found:
        raise BadInput("No group is chosen that asks for a decision.", remedy="Tick the lines that are to get the same answer.")
    return Chosen(run, found, fields)
