"""What came of an engagement in figures, as the demonstration's JSON has it."""

from collections.abc import Iterator
from typing import Any

from connectors import landing, store
from connectors.models import Dataset
from loads import callers
from loads.acceptance import everything_content, phase_content
from loads.delta.changes import deltas, total
from loads.models import Phase, Run
from loads.reconciliation import RECORDS, ROWS
from mapping.models import DiscoveryFinding
from mapping.playbooks import load_playbook
from reports.models import Document
from workbench.engagements.models import Engagement
from workbench.pipeline.demonstration import ASSUMPTIONS


def summary(engagement: Engagement) -> dict[str, Any]:
    """What came of it: phases, documents, findings, what was read back, assumptions; and of the load of what changed later, if any.

    The phases are those of the first loads: each record is counted in one of them. Objects that are documented only have one of no
    environment.
    """
    later = deltas(engagement)
    firsts = Run.objects.loads().filter(engagement=engagement).exclude(pk__in=later.values("pk"))
    phases = Phase.objects.filter(run__in=firsts).select_related("run__environment").order_by("run__pk", "number")
    return {
        "phases": [
            *({**phase_content(phase), **_effort(phase.seconds, phase.requests, phase.retries)} for phase in phases),
            *documented_content(engagement),
        ],
        "delta": delta_content(newest) if (newest := later.order_by("-pk").first()) else None,
        "documents": [
            {"kind": row.kind, "format": row.format, "path": str(store.root() / row.path), "sha256": row.sha256}
            for row in Document.objects.filter(engagement=engagement).newest()
        ],
        "findings": [
            {"check": row.check_name, "severity": row.severity, "evidence": _placed(row)}
            for row in DiscoveryFinding.objects.filter(engagement=engagement)
        ],
        "verified": everything_content(firsts),
        "tuning": [
            {"environment": run.environment.kind, "run": run.key, **callers.content(run)}
            for run in Run.objects.filter(engagement=engagement).select_related("environment").order_by("pk")
        ],
        "assumptions": ASSUMPTIONS,
    }


def _effort(seconds: float, requests: int, retries: int) -> dict[str, Any]:
    return {"seconds": round(seconds, 3), "requests": requests, "retries": retries}


def documented_content(engagement: Engagement) -> Iterator[dict[str, Any]]:
    """What became of the records of which nothing moves: an inventory tells of them. Of several with one id it tells of one."""
    purposes = (Dataset.Purpose.LOAD, Dataset.Purpose.DISCOVERY)
    for rule in load_playbook(engagement.platform).datasets:
        found = filter(None, (landing.latest(engagement, rule.name, purpose) for purpose in purposes if rule.documented))
        if dataset := next(found, None):
            told = len({landed.source_id for landed in landing.scan(dataset) if landed.problem is None})
            counts = {**dict.fromkeys(RECORDS, 0), "documented": told, "merged": dataset.rows - dataset.bad_rows - told}
            yield {
                "environment": None,
                "object": rule.name,
                "table": None,
                "extracted": dataset.rows,
                **counts,
                "rejected": dataset.bad_rows,
                "balanced": True,  # by the sums above: each record is told, one with another, or no record
                "rows": dict.fromkeys(("planned", *ROWS), 0),
                **_effort(sum(piece.seconds for piece in dataset.pieces.all()), 0, 0),
            }


def delta_content(run: Run) -> dict[str, Any]:
    """What a run of what changed did, in counts: records at the source, rows that people had edited, and whether it balances."""
    return {
        "environment": run.environment.kind,
        **total(run),
        "conflicts": run.conflicts.count(),
        "balanced": run.state == Run.State.DONE and all(phase.balanced for phase in run.phases.all()),
    }


def _placed(finding: DiscoveryFinding) -> str:
    """The evidence, with the environment that it was found in."""
    return f"{finding.environment.get_kind_display()}: {finding.evidence}" if finding.environment else finding.evidence
