"""The hand-off: which documents are written, each as a part of its own, so that a large one has a task's whole time."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from connectors.registry import MESSAGE_READERS
from loads.models import Run
from mapping import plan
from reports import (
    admin_sheet,
    catalog_xref,
    certificate,
    diff,
    documents,
    journeys,
    losses,
    quality,
    reconciliation,
    schema,
    scope,
    templates,
)
from workbench.engagements.models import Engagement, SignOff
from workbench.pipeline.models import Step
from workbench.pipeline.work import Part, Work

OF_MAPS: Sequence[tuple[str, Callable[[Engagement], object]]] = (
    ("schema plan", schema.write),
    ("schema plan workbook", schema.write_workbook),
    ("admin sheet", admin_sheet.write),
    ("admin sheet workbook", admin_sheet.write_workbook),
    ("schema plan PDF", schema.write_pdf),
    ("admin sheet PDF", admin_sheet.write_pdf),
)
OF_ENGAGEMENTS: Sequence[tuple[str, Callable[[Engagement], object]]] = (
    ("scope", scope.write_scope),
    ("scope PDF", scope.write_pdf),
    ("journey inventory", journeys.write),
    ("journey inventory workbook", journeys.write_workbook),
)
OF_MESSAGES: Sequence[tuple[str, Callable[[Engagement], object]]] = (
    ("template inventory", templates.write),
    ("template inventory workbook", templates.write_workbook),
)
OF_CATALOGS: Sequence[tuple[str, Callable[[Engagement], object]]] = (
    ("catalog cross-reference", catalog_xref.write),
    ("catalog cross-reference as CSV", catalog_xref.write_csv),
    ("catalog cross-reference workbook", catalog_xref.write_workbook),
)
OF_RUNS: Sequence[tuple[str, Callable[[Run], object]]] = (
    ("reconciliation", reconciliation.write),
    ("reconciliation workbook", reconciliation.write_workbook),
    ("data-quality report", quality.write),
    ("data-quality workbook", quality.write_workbook),
    ("losses", losses.write),
    ("losses workbook", losses.write_workbook),
    ("sample diff", diff.write),
    ("sample diff workbook", diff.write_workbook),
    ("reconciliation PDF", reconciliation.write_pdf),
    ("data-quality PDF", quality.write_pdf),
    ("losses PDF", losses.write_pdf),
    ("sample diff PDF", diff.write_pdf),
)
OF_SIGNATURES: Sequence[tuple[str, Callable[[SignOff], object]]] = (
    ("certificate", certificate.write),
    ("certificate PDF", certificate.write_pdf),
)


def parts(step: Step) -> list[Part]:
    """A part per document: of the engagement, its maps, templates and catalogs where it has any, of each reported run and each signature.

    The parts are done one after the other; PDFs of other engagements wait for the machine's lock (`reports.pdf`).
    """
    engagement = step.engagement
    once = [*OF_ENGAGEMENTS, *(OF_MAPS if "maps" in plan.current(engagement) else ())]
    once += OF_MESSAGES if engagement.platform in MESSAGE_READERS else ()
    once += OF_CATALOGS if catalog_xref.item_rule(engagement) else ()
    found = [Part(name, partial(_write, name=name, write=write, of=engagement)) for name, write in once]
    for run in documents.runs_to_report(engagement):
        found += [Part(f"{name} of run {run.pk}", partial(_write, name=name, write=write, of=run)) for name, write in OF_RUNS]
    for signoff in certificate.signatures(engagement):
        found += [
            Part(f"{name} of signature {signoff.pk}", partial(_write, name=name, write=write, of=signoff)) for name, write in OF_SIGNATURES
        ]
    return found


def _write(work: Work, *, name: str, write: Callable[[Any], object], of: Run | Engagement | SignOff) -> None:
    work.progress(f"writing the {name} of {of}")
    write(of)
