"""Documents: written into the store from the same data that the pages show, each recorded with its hash."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson
from django.db.models import Exists, OuterRef, QuerySet

from connectors import store
from loads.acceptance import exceptions_content, phase_content, remarks_content, verified_content
from loads.models import Phase, Run
from reports.models import Document
from workbench.engagements.models import Engagement


def reconciliation_content(run: Run) -> dict[str, Any]:
    """A run's reconciliation as data: phases with records and rows; of a run that is over the sample read back, exceptions, versions."""
    content = {
        "engagement": run.engagement.name,
        "environment": run.environment.kind,
        "run": run.key,
        "state": run.state,
        "phases": [{**phase_content(phase), "at_destination": phase.at_destination} for phase in run.phases.all()],
    }
    if run.state not in Run.FINISHED:
        return content
    return content | {
        "verified": verified_content(run),
        "exceptions": exceptions_content(run),
        "remarks": remarks_content(run),
        "parts": run.parts,
    }


def write_json(engagement: Engagement, kind: str, content: Mapping[str, Any], run: Run | None = None) -> Document:
    """Write a document as JSON and record it; what was written before stays."""
    text = orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    digest = sha256(text).hexdigest()
    name = f"{kind}-{run.key if run else 'all'}-{digest[:12]}.json"
    folder = store.folder(engagement.slug, "documents")
    store.write(folder / name, text)
    path = str((folder / name).relative_to(store.root()))
    defaults = {"sha256": digest, "size": len(text), "kind": kind, "format": "json", "run": run}
    document, _ = Document.objects.update_or_create(engagement=engagement, path=path, defaults=defaults)
    return document


def write_reconciliation(run: Run) -> Document:
    """The reconciliation report of a run."""
    return write_json(run.engagement, "reconciliation", reconciliation_content(run), run)


def runs_to_report(engagement: Engagement) -> QuerySet[Run]:
    """The runs that have something to report: at least one phase is closed."""
    closed = Phase.objects.filter(run=OuterRef("pk"), state__in=(Phase.State.BALANCED, Phase.State.UNBALANCED))
    return Run.objects.filter(Exists(closed), engagement=engagement).select_related("engagement", "environment").order_by("pk")
