"""The documents: which are written, each as a part of its own, so that a large one has a task's whole time.

Those of a run are written when it ends, for the customer to sign by, certificates when something is signed, and all of them at the
hand-off. What was written of the same content stands: it isn't written again.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from connectors.registry import MESSAGE_READERS
from loads.models import Run
from mapping import plan
from reports import (
    admin_sheet,
    catalog_xref,
    certificate,
    consent,
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

Write = Callable[[Any], object]
LOOK_S = 0.2
FORMATS = {"xlsx": " workbook", "pdf": " PDF", "csv": " as CSV"}


@dataclass(frozen=True, slots=True)
class Written:
    """A kind of document: its content as JSON, and the other formats that the same content is written in."""

    name: str
    kind: str
    content: Write
    formats: tuple[tuple[str, Write], ...] = ()


OF_ENGAGEMENTS: Sequence[Written] = (
    Written("scope", scope.KIND, scope.write_scope, (("xlsx", scope.write_workbook), ("pdf", scope.write_pdf))),
    Written("journey inventory", journeys.KIND, journeys.write, (("xlsx", journeys.write_workbook), ("pdf", journeys.write_pdf))),
)
OF_MAPS: Sequence[Written] = (
    Written("schema plan", schema.KIND, schema.write, (("xlsx", schema.write_workbook), ("pdf", schema.write_pdf))),
    Written("admin sheet", admin_sheet.KIND, admin_sheet.write, (("xlsx", admin_sheet.write_workbook), ("pdf", admin_sheet.write_pdf))),
)
OF_MESSAGES: Sequence[Written] = (
    Written("template inventory", templates.KIND, templates.write, (("xlsx", templates.write_workbook), ("pdf", templates.write_pdf))),
)
OF_CATALOGS: Sequence[Written] = (
    Written(
        "catalog cross-reference",
        catalog_xref.KIND,
        catalog_xref.write,
        (("csv", catalog_xref.write_csv), ("xlsx", catalog_xref.write_workbook), ("pdf", catalog_xref.write_pdf)),
    ),
)
OF_PEOPLE: Sequence[Written] = (Written("consent list", consent.KIND, consent.write, (("csv", consent.write_csv),)),)
OF_RUNS: Sequence[Written] = (
    Written(
        "reconciliation",
        reconciliation.KIND,
        reconciliation.write,
        (("xlsx", reconciliation.write_workbook), ("pdf", reconciliation.write_pdf)),
    ),
    Written("data-quality report", quality.KIND, quality.write, (("xlsx", quality.write_workbook), ("pdf", quality.write_pdf))),
    Written("losses", losses.KIND, losses.write, (("xlsx", losses.write_workbook), ("pdf", losses.write_pdf))),
    Written("sample diff", diff.KIND, diff.write, (("xlsx", diff.write_workbook), ("pdf", diff.write_pdf))),
)
OF_SIGNATURES = Written("certificate", certificate.KIND, certificate.write, (("pdf", certificate.write_pdf),))


def parts(step: Step) -> list[Part]:
    """Every document: of the engagement, its maps, templates and catalogs where it has any, of each reported run and each signature.

    The parts are done one after the other; PDFs of other engagements wait for the machine's lock (`reports.pdf`).
    """
    engagement = step.engagement
    kinds = [*OF_ENGAGEMENTS, *(OF_MAPS if "maps" in plan.current(engagement) else ())]
    kinds += OF_MESSAGES if engagement.platform in MESSAGE_READERS else ()
    kinds += OF_PEOPLE if consent.run_of(engagement) else ()
    kinds += OF_CATALOGS if catalog_xref.item_rule(engagement) else ()
    found = [part for kind in kinds for part in _parts(kind, engagement, engagement, "")]
    runs = documents.runs_to_report(engagement)
    return [*found, Part("what is being written", _await_others), *_of_runs(runs), *_of_signatures(engagement)]


def at_once(step: Step) -> list[Part]:
    """What is written without being asked for: the documents of the environment's newest run, where the step has one, and certificates."""
    runs = documents.runs_to_report(step.engagement).filter(environment=step.environment)
    return [*_of_runs(runs.reverse()[:1]), *_of_signatures(step.engagement)]


def _await_others(work: Work) -> bool:
    """Wait while another worker writes the documents of a run, so that none is written twice."""
    others = Step.objects.filter(engagement=work.step.engagement, name=Step.Name.DOCUMENTS, state=Step.State.RUNNING)
    while any(not step.is_silent for step in others.all()):
        if time.monotonic() >= work.time.until:
            return False
        time.sleep(LOOK_S)
    return True


def _of_runs(runs: Iterable[Run]) -> Iterator[Part]:
    for run in runs:
        for kind in OF_RUNS:
            yield from _parts(kind, run.engagement, run, f" of run {run.pk}")


def _of_signatures(engagement: Engagement) -> Iterator[Part]:
    for signoff in certificate.signatures(engagement):
        yield from _parts(OF_SIGNATURES, engagement, signoff, f" of signature {signoff.pk}")


def _parts(kind: Written, engagement: Engagement, of: Run | Engagement | SignOff, suffix: str) -> list[Part]:
    """The content first: by it the other formats are known to be up to date."""
    run = of if isinstance(of, Run) else certificate.run_of(of) if isinstance(of, SignOff) else None

    def written(work: Work, *, write: Write, format: str, name: str) -> None:
        if format == "json" or not documents.is_up_to_date(engagement, kind.kind, format, run):
            work.progress(f"writing the {name} of {of}")
            write(of)

    formats = [("json", kind.name, kind.content), *((format, kind.name + FORMATS[format], write) for format, write in kind.formats)]
    return [Part(f"{name}{suffix}", partial(written, write=write, format=format, name=name)) for format, name, write in formats]
