"""What came of an engagement in figures, as the demonstration's JSON has it."""

from typing import Any

from connectors import store
from connectors.models import Piece
from loads import callers
from loads.acceptance import everything_content, phase_content
from loads.delta.changes import deltas, total
from loads.models import Phase, Run
from mapping.models import DiscoveryFinding
from reports.models import Document
from workbench.engagements.models import Engagement
from workbench.pipeline.demonstration import ASSUMPTIONS


def summary(engagement: Engagement) -> dict[str, Any]:
    """What came of it: phases, documents, findings, what was read back, assumptions; and of the load of what changed later, if any.

    The phases are those of the first loads: each record is counted in one of them. Objects that are documented only have one of no
    environment, as the newest of the runs gives account of them.
    """
    later = deltas(engagement)
    firsts = Run.objects.loads().filter(engagement=engagement).exclude(pk__in=later.values("pk"))
    phases = Phase.objects.filter(run__in=firsts).select_related("run__environment").order_by("run__pk", "number")
    documented = [phase for phase in phases if phase.kind == Phase.Kind.DOCUMENT]
    return {
        "phases": [
            *(_phase_content(phase) for phase in phases if phase.kind != Phase.Kind.DOCUMENT),
            *(documented_content(phase) for phase in documented if phase.run_id == documented[-1].run_id),
        ],
        "delta": delta_content(newest) if (newest := later.order_by("-pk").first()) else None,
        "documents": [
            {"kind": row.kind, "format": row.format, "path": str(store.root() / row.path), "sha256": row.sha256}
            for row in Document.objects.filter(engagement=engagement).newest()
        ],
        "findings": [
            {"check": row.check_name, "severity": row.severity, "evidence": _placed(row)}
            for row in DiscoveryFinding.objects.filter(engagement=engagement).select_related("environment")
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


def _phase_content(phase: Phase) -> dict[str, Any]:
    return {**phase_content(phase), **_effort(phase.seconds, phase.requests, phase.retries)}


def documented_content(phase: Phase) -> dict[str, Any]:
    """What became of the records of an object of which nothing moves; what it took is what its landing took."""
    pieces = Piece.objects.filter(dataset=phase.run.datasets[phase.object_name])
    effort = _effort(sum(piece.seconds for piece in pieces), 0, 0)
    return {**phase_content(phase), "environment": None, **effort}


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
