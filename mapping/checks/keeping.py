"""Keeping what checks found: a new discovery replaces the findings and keeps every decision that still applies."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from connectors.base import Finding
from mapping.canonical import part_hash
from mapping.checks import registry
from mapping.models import DiscoveryFinding, finding_key
from mapping.transforms import clean
from workbench.engagements import history
from workbench.engagements.models import Engagement, Environment

OFF = "off"  # the choice after which something is switched off for the window, and put back after it
FOUND = ["severity", "evidence", "remedy", "facts", "basis", "found_at", "asks", "choices", "proposed", "subject", "gone_at"]
DECIDED = ["decision", "decided_by", "decided_at", "comment", "off_at", "back_at"]


@transaction.atomic
def keep(
    engagement: Engagement,
    environment: Environment | None,
    findings: Iterable[Finding],
    *,
    actor: object,
    unseen: Collection[str] = (),
    only: Collection[str] | None = None,
) -> None:
    """Replace the findings of the source (environment None) or of an environment.

    unseen: checks that could not be carried out, whose earlier findings stay as they are. only: the checks that were made at all; None:
    every one. A decision stays where what it rests on is the same; one that no longer applies is taken back and told in the history.
    """
    Engagement.objects.select_for_update().get(pk=engagement.pk)
    rows = DiscoveryFinding.objects.filter(engagement=engagement, environment=environment)
    known = {row.key: row for row in (rows if only is None else rows.filter(check_name__in=only))}
    now, new, changed, lapsed = timezone.now(), [], [], []
    for made in _rows(engagement, environment, findings, now):
        row = known.pop(made.key, None)
        if row is None:
            new.append(made)
            continue
        if row.decision and row.basis != made.basis:
            lapsed.append({"finding": row.key, "decision": row.decision})
            _take_back(row)
        _take_over(row, made)
        changed.append(row)
    gone = [row for row in known.values() if row.check_name not in unseen]
    kept = [row for row in gone if row.decision == OFF]
    DiscoveryFinding.objects.filter(pk__in=[row.pk for row in kept], gone_at=None).update(gone_at=now)
    DiscoveryFinding.objects.filter(pk__in=[row.pk for row in gone if row.decision != OFF]).delete()
    DiscoveryFinding.objects.bulk_update(changed, [*FOUND, *DECIDED], batch_size=200)
    DiscoveryFinding.objects.bulk_create(new, batch_size=200)
    if lapsed:
        detail = {"lapsed": lapsed}
        history.record(engagement, actor=actor, action="took decisions back", subject="What they rested on changed.", detail=detail)


def _rows(
    engagement: Engagement, environment: Environment | None, findings: Iterable[Finding], now: datetime
) -> Iterator[DiscoveryFinding]:
    """The findings as rows; two of one check about the same subject are told apart by a number."""
    seen: Counter[str] = Counter()
    for finding in findings:
        subject = _text(finding.subject)[:290]
        seen[finding_key(finding.check, subject)] += 1
        if (times := seen[finding_key(finding.check, subject)]) > 1:
            subject = f"{subject} ({times})"
        yield DiscoveryFinding(
            engagement=engagement,
            environment=environment,
            check_name=finding.check[:80],
            subject=subject,
            key=finding_key(finding.check, subject),
            severity=finding.severity,
            evidence=_text(finding.evidence),
            remedy=_text(finding.remedy),
            facts=dict(finding.facts),
            found_at=now,
            **_asked(finding),
        )


def _asked(finding: Finding) -> dict[str, Any]:
    """What the finding asks: its choices, the one proposed, and a hash of what an answer rests on. An information asks nothing."""
    decision = registry.of(finding.check).decision
    if decision is None or finding.severity == "info":
        return {"asks": False}
    offered = [choice.name for choice in decision.choices if not finding.choices or choice.name in finding.choices]
    proposed = finding.default or (decision.default if decision.default in offered else "")
    basis = part_hash({"rests_on": dict(finding.rests_on), "choices": offered})
    return {"asks": True, "choices": offered, "proposed": proposed, "basis": basis}


def _take_over(row: DiscoveryFinding, made: DiscoveryFinding) -> None:
    """What was found now; something that was switched off and is found again has been put back."""
    for name in FOUND:
        setattr(row, name, getattr(made, name))
    if row.decision == OFF and row.off_at and row.back_at is None:
        row.back_at = made.found_at


def _take_back(row: DiscoveryFinding) -> None:
    row.decision, row.decided_by, row.decided_at, row.off_at, row.back_at = "", "", None, None, None


def _text(text: str) -> str:
    """A text as the database takes it, whatever a name at the other end holds."""
    return clean(text, "")[0]
