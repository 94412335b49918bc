"""Taking decisions about groups of the data-quality report: checked first, all or none, each batch an entry of the history.

The customer's approver decides; an engineer may record what the approver said elsewhere, such as on the telephone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from mapping.fieldmaps import rules_of
from mapping.quality import remedies, rules
from mapping.quality.models import QualityDecision
from mapping.transforms import ColumnLike, TimeRules, compile_transform
from workbench.engagements import history
from workbench.engagements.access import roles_of, workable_by
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Engagement, Role


class MayNotDecide(WorkbenchError):
    """What may be lost of the data is the customer's to decide."""

    remedy = "Ask the customer's approver; the portal shows them what there is to decide."


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


@dataclass(frozen=True, slots=True)
class Said:
    """Who of the customer said the decision that an engineer records, and on which day (UTC)."""

    by: User
    on: date


Columns = Callable[[str], Mapping[str, ColumnLike]]  # of a table, by logical name


def decided(engagement: Engagement) -> dict[tuple[str, str, str], QualityDecision]:
    """Every decision by object, field and code."""
    return {decision.key: decision for decision in QualityDecision.objects.filter(engagement=engagement)}


def content(engagement: Engagement) -> dict[str, Any]:
    """The `quality` plan part: the decisions by which staging does anything but what it does by itself, and what remedies there are."""
    changing = [one for one in decided(engagement).values() if rules.changes_load(one.severity, one.choice)]
    names = ("object_name", "field", "code", "choice", "value")
    decisions = sorted(({name: getattr(one, name) for name in names} for one in changing), key=lambda row: list(row.values()))
    given = remedies.content(engagement)
    return {"decisions": decisions, **({"remedies": given} if given else {})}


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
def decide(
    engagement: Engagement,
    subjects: Sequence[Subject],
    choice: str,
    *,
    user: User,
    value: str = "",
    comment: str = "",
    said: Said | None = None,
) -> int:
    """Take one decision about all subjects, or take decisions back (choice ''); how many changed. Raises MayNotDecide, BadInput.

    said: whose decision it is, where an engineer records it. The answer must be possible: see `require_possible`.
    """
    require_right(engagement, user, said)
    Engagement.objects.select_for_update().get(pk=engagement.pk)
    known, value = decided(engagement), value.strip() if choice == rules.DEFAULT else ""
    wanted = (choice, value, comment.strip())
    changed = [one for one in subjects if (was := known.get(one.key)) is None or (was.choice, was.value, was.comment) != wanted]
    changed = [one for one in changed if choice or one.key in known]
    if not changed:
        return 0
    before = [{"object": one.object_name, "field": one.field, "code": one.code, "was": _told(known.get(one.key))} for one in changed]
    given = {"choice": choice, "value": value, "comment": comment.strip(), **signature(user, said)}
    for subject in changed:
        place: dict[str, Any] = {"engagement": engagement, "object_name": subject.object_name, "field": subject.field, "code": subject.code}
        if not choice:
            QualityDecision.objects.filter(**place).delete()
            continue
        # What is decided already keeps the severity that the reason has by itself.
        severity = known[subject.key].severity if subject.key in known else subject.severity
        QualityDecision.objects.update_or_create(**place, defaults={**given, "severity": severity})
    action = f"decided {choice}" if choice else "took decisions back"
    detail: dict[str, Any] = {"value": value, "comment": comment.strip(), "decided": before}
    detail |= {"said_by": str(said.by), "said_on": said.on.isoformat()} if said else {}
    history.record(engagement, actor=user, action=action, subject=f"data quality, {len(changed)} groups", detail=detail)
    return len(changed)


def require_right(engagement: Engagement, user: User, said: Said | None) -> None:
    """Raises MayNotDecide where it isn't the user's to decide, or to record; BadInput where what is recorded can't have been said so."""
    if said is None:
        if Role.APPROVER not in roles_of(user, engagement):
            raise MayNotDecide("The customer's approver decides about the quality of the data.")
        return
    if not workable_by(user).filter(pk=engagement.pk).exists():
        raise MayNotDecide("An engineer of the engagement records what the customer decided.")
    if Role.APPROVER not in roles_of(said.by, engagement):
        raise BadInput(f"{said.by} isn't an approver of {engagement}.", remedy="Choose who of the customer's approvers said it.")
    if said.on > timezone.now().date():
        raise BadInput("The day on which it was said is still to come.", remedy="Enter the day on which the customer said it.")


def signature(user: User, said: Said | None) -> dict[str, Any]:
    """Who decided, and when: of what was said elsewhere the end of that day, as far as it is over."""
    now = timezone.now()
    if said is None:
        return {"decided_by": str(user)[:150], "decided_at": now}
    by = f"{str(said.by)[:60]}, recorded by {str(user)[:60]}"
    return {"decided_by": by, "decided_at": min(now, datetime.combine(said.on, time.max, tzinfo=UTC))}


def _told(decision: QualityDecision | None) -> str:
    return f"{decision.choice} {decision.value}".strip() if decision else ""
