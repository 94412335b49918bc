"""Taking decisions about groups of the data-quality report: checked first, all or none, each batch an entry of the history."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from mapping.fieldmaps import rules_of
from mapping.quality import rules
from mapping.quality.models import QualityDecision
from mapping.transforms import ColumnLike, TimeRules, compile_transform
from workbench.engagements import history
from workbench.engagements.access import roles_of
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Engagement, Role


class MayNotDecide(WorkbenchError):
    """The decisions of the data-quality report are the customer's."""

    remedy = "Ask the customer's approver; the portal shows them the report."


@dataclass(frozen=True, slots=True)
class Subject:
    """What is decided about: the records of an object with one reason in one field. mapped: a confirmed map brings the field somewhere."""

    object_name: str
    field: str
    code: str
    severity: str
    mapped: bool

    @property
    def key(self) -> tuple[str, str, str]:
        """Object, field and code."""
        return self.object_name, self.field, self.code


Columns = Callable[[str], Mapping[str, ColumnLike]]  # of a table, by logical name


def decided(engagement: Engagement) -> dict[tuple[str, str, str], QualityDecision]:
    """Every decision by object, field and code."""
    return {decision.key: decision for decision in QualityDecision.objects.filter(engagement=engagement)}


def content(engagement: Engagement) -> dict[str, Any]:
    """The `quality` plan part: the decisions by which staging does anything but what it does by itself."""
    changing = [one for one in decided(engagement).values() if rules.changes_load(one.severity, one.choice)]
    names = ("object_name", "field", "code", "choice", "value")
    return {"decisions": sorted(({name: getattr(one, name) for name in names} for one in changing), key=lambda row: list(row.values()))}


def require_possible(subjects: Sequence[Subject], choice: str, value: str, maps: Mapping[str, Any], columns: Columns) -> None:
    """Raises BadInput where a subject doesn't offer the choice, or where a default doesn't fit every column that its field fills.

    maps: the plan part. columns: as discovery or the destination has them.
    """
    if not choice:
        return
    for subject in subjects:
        if choice not in {one.name for one in rules.choices(subject.severity, mapped=subject.mapped)}:
            told = f"{subject.object_name} {subject.field} ({subject.code})"
            raise BadInput(f"{told} doesn't offer this answer.", remedy="Choose one of the answers that are offered for all chosen lines.")
        if choice == rules.DEFAULT:
            _require_fitting(subject, value, maps, columns)


def _require_fitting(subject: Subject, value: str, maps: Mapping[str, Any], columns: Columns) -> None:
    if not value.strip():
        raise BadInput("A default value is missing.", remedy="Enter the value that takes the place of those that don't fit.")
    for table in maps["objects"][subject.object_name]["tables"]:
        for rule in rules_of(maps, subject.object_name, table):
            if rule.source != subject.field or rule.state != "confirmed" or rule.column not in columns(table):
                continue
            column = columns(table)[rule.column]
            transform = compile_transform(rule.transform, field=rule.source, column=column, options=rule.options, time=TimeRules())
            mapped = transform(value)
            if mapped.value is None or any(issue.severity != "note" for issue in mapped.issues):
                raise BadInput(f"The value doesn't fit the column {rule.column} of {table}.", remedy="Enter one that its type takes.")


@transaction.atomic
def decide(engagement: Engagement, subjects: Sequence[Subject], choice: str, *, user: User, value: str = "", comment: str = "") -> int:
    """Take one decision about all subjects, or take decisions back (choice ''); how many changed. Raises MayNotDecide.

    The answer must be possible: see `require_possible`.
    """
    if Role.APPROVER not in roles_of(user, engagement):
        raise MayNotDecide("The customer's approver decides about the quality of the data.")
    Engagement.objects.select_for_update().get(pk=engagement.pk)
    known, now, value = decided(engagement), timezone.now(), value.strip() if choice == rules.DEFAULT else ""
    wanted = (choice, value, comment.strip())
    changed = [one for one in subjects if (was := known.get(one.key)) is None or (was.choice, was.value, was.comment) != wanted]
    changed = [one for one in changed if choice or one.key in known]
    if not changed:
        return 0
    before = [{"object": one.object_name, "field": one.field, "code": one.code, "was": _told(known.get(one.key))} for one in changed]
    for subject in changed:
        # What is decided already keeps the severity that the reason has by itself.
        severity = known[subject.key].severity if subject.key in known else subject.severity
        place: dict[str, Any] = {"engagement": engagement, "object_name": subject.object_name, "field": subject.field, "code": subject.code}
        if not choice:
            QualityDecision.objects.filter(**place).delete()
            continue
        given = {"choice": choice, "value": value, "comment": comment.strip(), "severity": severity}
        QualityDecision.objects.update_or_create(**place, defaults={**given, "decided_by": str(user)[:150], "decided_at": now})
    action = f"decided {choice}" if choice else "took decisions back"
    detail = {"value": value, "comment": comment.strip(), "decided": before}
    history.record(engagement, actor=user, action=action, subject=f"data quality, {len(changed)} groups", detail=detail)
    return len(changed)


def _told(decision: QualityDecision | None) -> str:
    return f"{decision.choice} {decision.value}".strip() if decision else ""
