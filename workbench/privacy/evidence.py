"""What stays of an engagement after its purge: sums, hashes, signatures. Taken before that goes which it is computed from."""

from typing import Any

from connectors.models import Dataset
from loads.acceptance import everything_content, phase_content
from loads.models import Run
from reports.models import Document
from workbench.engagements.models import AuditEntry, Engagement, SignOff


def content(engagement: Engagement) -> dict[str, Any]:
    """{"engagement", "slug", "platform", "runs", "datasets", "documents", "signatures", "history"}; ids and values of no record."""
    last = AuditEntry.objects.filter(engagement=engagement).order_by("-number").first()
    return {
        "engagement": engagement.name,
        "slug": engagement.slug,
        "platform": engagement.get_platform_display(),
        "runs": [_run(run) for run in engagement.runs.select_related("environment", "undoes").order_by("pk")],
        "datasets": [_dataset(row) for row in Dataset.objects.filter(engagement=engagement).order_by("pk")],
        "documents": [_document(row) for row in Document.objects.filter(engagement=engagement).select_related("run").order_by("pk")],
        "signatures": [_signature(row) for row in engagement.signoffs.select_related("signed_by").order_by("pk")],
        "history": {"entries": last.number if last else 0, "hash": last.hash if last else ""},
    }


def _run(run: Run) -> dict[str, Any]:
    undoes = run.undoes.key if run.undoes else None
    phases = [{**phase_content(phase), "kind": phase.kind} for phase in run.phases.select_related("run__environment").order_by("number")]
    return {
        "run": run.key, "kind": run.kind, "undoes": undoes, "environment": run.environment.kind, "state": run.state,
        "opened_at": run.created_at.isoformat(), "finished_at": run.finished_at.isoformat() if run.finished_at else None,
        "parts": run.parts, "phases": phases, "read_back": everything_content([run]),
    }  # fmt: skip


def _dataset(dataset: Dataset) -> dict[str, Any]:
    return {
        "object": dataset.object_name, "purpose": dataset.purpose, "derived": dataset.derived, "started_at": dataset.started_at.isoformat(),
        "rows": dataset.rows, "bytes": dataset.size, "sha256": dataset.sha256,
    }  # fmt: skip


def _document(document: Document) -> dict[str, Any]:
    return {
        "kind": document.kind, "format": document.format, "run": document.run.key if document.run else None,
        "written_at": document.written_at.isoformat(), "bytes": document.size, "sha256": document.sha256,
    }  # fmt: skip


def _signature(signoff: SignOff) -> dict[str, Any]:
    return {
        "kind": signoff.kind, "signed_by": signoff.signed_by.get_username(), "signed_at": signoff.signed_at.isoformat(),
        "content_sha256": signoff.content_sha256, "covers": signoff.covers,
    }  # fmt: skip
