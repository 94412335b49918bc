"""Decisions about findings, taken one by one or many at once, each with who, when, why and what it replaced in the history."""

from collections.abc import Iterable, Mapping, Sequence

from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from mapping.checks import registry
from mapping.models import DiscoveryFinding
from workbench.engagements import history
from workbench.engagements.access import roles_of, workable_by
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Engagement, Membership, Role


class MayNotDecide(WorkbenchError):
    """A decision belongs to a role that this person doesn't have in the engagement."""

    remedy = "Ask the person whose decision it is; the portal shows it to them."


def deciders(user: User | AnonymousUser, engagement: Engagement) -> set[str]:
    """The roles in whose name a person may decide in an engagement; who works on it in the admin decides as an engineer."""
    roles = roles_of(user, engagement)
    return roles | {Role.ENGINEER.value} if workable_by(user).filter(pk=engagement.pk).exists() else roles


def roles_everywhere(user: User | AnonymousUser) -> dict[int, set[str]]:
    """Engagement id -> the roles in whose name a person may decide there."""
    roles: dict[int, set[str]] = {pk: {Role.ENGINEER.value} for pk in workable_by(user).values_list("pk", flat=True)}
    for pk, role in Membership.objects.filter(user=user.pk).values_list("engagement", "role"):
        roles.setdefault(pk, set()).add(role)
    return roles


@transaction.atomic
def decide(findings: QuerySet[DiscoveryFinding], choice: str, *, user: User, comment: str = "") -> int:
    """Take one decision about each of the findings, or take it back (choice ''); how many of them changed.

    Raises BadInput where one of them doesn't offer the choice, MayNotDecide where one of them is another role's. Then none is decided.
    """
    rows = list(findings.select_for_update(of=("self",)).select_related("engagement", "environment").order_by("pk"))
    _require_offered(rows, choice)
    for engagement in {row.engagement for row in rows}:
        mine = [row for row in rows if row.engagement == engagement]
        _require_role(mine, deciders(user, engagement))
    changed = [row for row in rows if (row.decision, row.comment) != (choice, comment.strip())]
    for engagement in {row.engagement for row in changed}:
        _decide(engagement, [row for row in changed if row.engagement == engagement], choice, user, comment.strip())
    return len(changed)


def _require_offered(rows: Sequence[DiscoveryFinding], choice: str) -> None:
    without = [row for row in rows if not row.asks or (choice and choice not in row.choices)]
    if without:
        raise BadInput(f"{without[0]} doesn't offer the answer {choice!r}.", remedy="Choose one of the answers that are offered.")
    if standing := [row for row in rows if not choice and row.off_at and not row.back_at]:
        raise BadInput(f"{standing[0]} is switched off.", remedy="Put it back first, then change the decision.")


def _require_role(rows: Sequence[DiscoveryFinding], roles: set[str]) -> None:
    for row in rows:
        decision = registry.of(row.check_name).decision
        if decision and decision.who not in roles:
            raise MayNotDecide(f"{row} is to be decided by the {Role(decision.who).label.lower()}.")


def _decide(engagement: Engagement, rows: Sequence[DiscoveryFinding], choice: str, user: User, comment: str) -> None:
    before = [{"finding": row.key, "environment": _place(row), "was": row.decision, "comment": row.comment} for row in rows]
    was, now = {row.pk: row.decision for row in rows}, timezone.now()
    for row in rows:
        row.decision, row.comment = choice, comment
        row.decided_by, row.decided_at = (str(user)[:150], now) if choice else ("", None)
        if row.back_at:  # the round of off and back is over: a new decision starts a new one
            row.off_at = row.back_at = None
    DiscoveryFinding.objects.bulk_update(rows, ["decision", "comment", "decided_by", "decided_at", "off_at", "back_at"], batch_size=200)
    subject = f"{registry.of(rows[0].check_name).title} {rows[0].subject}".strip() if len(rows) == 1 else f"{len(rows)} findings"
    action = f"decided {choice}" if choice else "took decisions back"
    history.record(engagement, actor=user, action=action, subject=subject, detail={"comment": comment, "decided": before})
    for name in sorted({row.check_name for row in rows}):
        if carry_out := registry.of(name).carry_out:
            carry_out(engagement, [row for row in rows if row.check_name == name], was, user)


def _place(row: DiscoveryFinding) -> str:
    return row.environment.kind if row.environment else "source"


def waiting_for(engagement: Engagement, roles: set[str]) -> int:
    """Decisions of an engagement that wait for a person with these roles; what was found in two environments counts once."""
    undecided = DiscoveryFinding.objects.filter(engagement=engagement).undecided()
    names = undecided.values_list("check_name", "key").distinct().order_by("key")
    return sum((decision := registry.of(name).decision) is not None and decision.who in roles for name, _ in names)


def choice_of(finding: DiscoveryFinding) -> registry.Choice | None:
    """What was decided, in words; None where nothing is."""
    decision = registry.of(finding.check_name).decision
    return decision.choice(finding.decision) if decision else None


def offered(finding: DiscoveryFinding) -> list[registry.Choice]:
    """The choices that the finding offers."""
    decision = registry.of(finding.check_name).decision
    return [choice for choice in decision.choices if choice.name in finding.choices] if decision else []


def common(findings: Sequence[DiscoveryFinding]) -> Mapping[str, registry.Choice]:
    """Choices that all of the findings offer, by name."""
    kinds = [{choice.name: choice for choice in offered(finding)} for finding in findings]
    return {name: choice for name, choice in kinds[0].items() if all(name in kind for kind in kinds)} if kinds else {}


def proposals(findings: Iterable[DiscoveryFinding]) -> list[tuple[str, str, list[int]]]:
    """What the checks propose: (role, choice, ids of the findings); findings for which nothing is proposed are left out."""
    grouped: dict[tuple[str, str], list[int]] = {}
    for finding in findings:
        decision = registry.of(finding.check_name).decision
        if decision and finding.proposed:
            grouped.setdefault((decision.who, finding.proposed), []).append(finding.pk)
    return [(who, choice, ids) for (who, choice), ids in sorted(grouped.items())]
