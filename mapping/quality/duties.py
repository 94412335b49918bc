"""Who sees to it that a group of the data-quality report gets its decision, and until when: a member of the engagement and a day (UTC)."""

from collections.abc import Sequence
from datetime import date

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from mapping.quality.models import QualityDuty
from workbench.engagements import history
from workbench.engagements.access import roles_of, workable_by
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Engagement, Role

Key = tuple[str, str, str]  # object, field and code


class MayNotAssign(WorkbenchError):
    """Who isn't asked to lead the work on the data doesn't hand it out."""

    remedy = "Ask the customer's approver or an engineer of the engagement."


def of(engagement: Engagement) -> dict[Key, QualityDuty]:
    """Every duty by object, field and code."""
    return {duty.key: duty for duty in QualityDuty.objects.filter(engagement=engagement).select_related("owner")}


def members(engagement: Engagement) -> QuerySet[User]:
    """Who may own a group."""
    return User.objects.filter(memberships__engagement=engagement).distinct().order_by("username")


def may_assign(user: User, engagement: Engagement) -> bool:
    """Whether the person is an approver or an engineer of the engagement."""
    return Role.APPROVER in roles_of(user, engagement) or workable_by(user).filter(pk=engagement.pk).exists()


@transaction.atomic
def assign(engagement: Engagement, keys: Sequence[Key], *, owner: User, due_on: date, user: User) -> int:
    """Give all groups one owner and one day; how many changed. Raises MayNotAssign, BadInput."""
    if not may_assign(user, engagement):
        raise MayNotAssign("The customer's approver and the engineers say who sees to which data.")
    if not members(engagement).filter(pk=owner.pk).exists():
        raise BadInput(f"{owner} isn't a member of {engagement}.", remedy="Choose somebody who takes part in the engagement.")
    if due_on < timezone.now().date():
        raise BadInput("The day is over.", remedy="Enter today or a later day.")
    Engagement.objects.select_for_update().get(pk=engagement.pk)
    known = of(engagement)
    changed = [key for key in keys if key not in known or (known[key].owner, known[key].due_on) != (owner, due_on)]
    for object_name, field, code in changed:
        given = {"owner": owner, "due_on": due_on}
        QualityDuty.objects.update_or_create(engagement=engagement, object_name=object_name, field=field, code=code, defaults=given)
    if changed:
        groups = [dict(zip(("object", "field", "code"), key, strict=True)) for key in changed]
        detail = {"owner": str(owner), "due_on": due_on.isoformat(), "groups": groups}
        history.record(engagement, actor=user, action="gave data to clean", subject=f"data quality, {len(changed)} groups", detail=detail)
    return len(changed)
