"""What is off for the window: switched off before a load and put back after it, each kept with when and by whom.

What has an address is switched by the application user; what hasn't, such as a cloud flow, by a person, who says so.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from connectors.dataverse.client import Client, Operation
from mapping.checks.keeping import OFF
from mapping.models import DiscoveryFinding, FindingQuerySet
from workbench.engagements import history
from workbench.engagements.models import Environment

BATCH = 100
THERE = {"If-Match": "*"}  # a row that is gone isn't made anew


@dataclass(frozen=True, slots=True)
class Switched:
    """What came of it: what is switched now, what has to be switched by hand, and refusals by finding, in the service's words."""

    done: list[DiscoveryFinding]
    by_hand: list[DiscoveryFinding]
    refused: dict[str, str]


def to_switch_off(environment: Environment) -> FindingQuerySet:
    """What was decided to be off and isn't yet."""
    waiting = Q(off_at=None) | Q(back_at__isnull=False)
    return DiscoveryFinding.objects.filter(waiting, environment=environment, decision=OFF, gone_at=None)


def to_put_back(environment: Environment) -> FindingQuerySet:
    """What is off and has to be put back."""
    return DiscoveryFinding.objects.filter(environment=environment, off_at__isnull=False, back_at=None)


def switch_off(environment: Environment, *, actor: object) -> Switched:
    """Switch off what was decided to be off for the window. Raises what the service raises where it can't be reached."""
    return _switch(environment, list(to_switch_off(environment)), "off", actor)


def put_back(environment: Environment, *, actor: object) -> Switched:
    """Put back what was switched off."""
    return _switch(environment, list(to_put_back(environment)), "on", actor)


def note(findings: Iterable[DiscoveryFinding], to: str, *, actor: object) -> int:
    """A person says that these are off (`to` "off") or on again ("on"), having done it by hand."""
    rows = list(findings)
    for environment in {row.environment for row in rows if row.environment}:
        _keep(environment, [row for row in rows if row.environment == environment], to, actor, "by hand")
    return len(rows)


def _switch(environment: Environment, findings: Sequence[DiscoveryFinding], to: str, actor: object) -> Switched:
    able = [finding for finding in findings if finding.facts.get("switch")]
    refused = _send(environment, able, to) if able else {}
    done = [finding for finding in able if finding.key not in refused]
    _keep(environment, done, to, actor, "by the application user")
    return Switched(done, [finding for finding in findings if finding not in able], refused)


def _send(environment: Environment, findings: Sequence[DiscoveryFinding], to: str) -> dict[str, str]:
    """Finding -> why it was refused, of those that were. Switching twice does no harm, so a lost answer is asked for again."""
    client = Client.from_connection(environment.connection)
    wanted = [
        (finding.key, Operation("PATCH", f"{one['set']}({one['id']})", one[to], THERE)) for finding in findings for one in _rows(finding)
    ]
    refused: dict[str, str] = {}
    for start in range(0, len(wanted), BATCH):
        part = wanted[start : start + BATCH]
        outcomes = client.batch([operation for _, operation in part], repeatable=True)
        refused |= {key: outcome.message or outcome.code for (key, _), outcome in zip(part, outcomes, strict=True) if not outcome.ok}
    return refused


def _rows(finding: DiscoveryFinding) -> Iterator[dict[str, Any]]:
    yield from finding.facts["switch"]


@transaction.atomic
def _keep(environment: Environment, findings: Sequence[DiscoveryFinding], to: str, actor: object, how: str) -> None:
    if not findings:
        return
    now = timezone.now()
    for finding in findings:
        finding.off_at, finding.back_at = (now, None) if to == "off" else (finding.off_at or now, now)
    DiscoveryFinding.objects.bulk_update(findings, ["off_at", "back_at"], batch_size=200)
    detail = {"how": how, "findings": [finding.key for finding in findings]}
    action = "switched off" if to == "off" else "put back"
    history.record(environment.engagement, actor=actor, action=action, subject=f"{len(findings)} in {environment}", detail=detail)
