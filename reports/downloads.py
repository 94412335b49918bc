"""What documents are called and how they are handed out: always as a download under a name of our own, never shown in a page's origin."""

from dataclasses import dataclass

from django.http import FileResponse, Http404

from connectors import store
from reports.models import Document


@dataclass(frozen=True, slots=True)
class Title:
    """A kind of document in words, and what is in it."""

    name: str
    holds: str


TITLES = {
    "scope": Title("Scope", "What is there, what moves where, what was found and decided, and the estimate."),
    "schema": Title("Schema plan", "Tables, columns and choices, the offer's names beside the true ones; where each source field goes."),
    "admin_sheet": Title("Sheet for the Dynamics admin", "Form tabs, views, navigation, roles, timeline and switches, in order."),
    "reconciliation": Title("Reconciliation", "Every source record and every row accounted for, every value read back, owners."),
    "quality": Title("Data quality", "What would fail or lose something, by object, field and rule, with examples and what was decided."),
    "diff": Title("Sample diff", "Of a sample of rows what the source held, what was meant and what was read back, side by side."),
    "certificate": Title("Certificate of signature", "Who signed what, when and from where, with the hashes to check it by."),
    "templates": Title("Templates", "What each template says and reads, where that is at the destination, and how to rebuild it."),
    "journeys": Title("Journeys", "What each journey does as far as it is known, where each line comes from, and with what to rebuild it."),
    "catalog_xref": Title("Catalog cross-reference", "Which product each catalog item became, in each environment, at which prices."),
    "consent": Title("Consent list", "What each address agreed to, by purpose and topic, for a system that keeps consent by address."),
    "exceptions": Title("Exceptions", "Every record that didn't load as planned, with its value and reason, to say what is done about it."),
    "exceptions_sent": Title("Exceptions, sent back", "The workbook of exceptions as it came back, with what is to be done about each."),
    "purge": Title("Certificate of purge", "What was removed, what became a keyed hash, what was kept, and the sums as they stood before."),
    "erasure": Title(
        "Record of an erasure", "What was taken out of one person's data, and their rows at the destination. It names nobody."
    ),
    "losses": Title("Losses and records not loaded", "Every shortened or left-out value, every record that didn't load, with reasons."),
}


def title_of(kind: str) -> Title:
    """The words for a kind; its own name made readable where nobody wrote any."""
    return TITLES.get(kind) or Title(kind.replace("_", " ").capitalize(), "")


def file_name(document: Document) -> str:
    """The name that a download gets: engagement, kind, and for a run's document the environment and the run."""
    run = f"-{document.run.environment.kind}-{document.run.key}" if document.run else ""
    return f"{document.engagement.slug}-{document.kind}{run}.{document.format}"


def response(document: Document) -> FileResponse:
    """The file as a download. Raises Http404 where it isn't in the store, or its path leads out of the store."""
    file = (store.root() / document.path).resolve()
    if not file.is_relative_to(store.root().resolve()) or not file.is_file():
        raise Http404("The file isn't in the store any more.")
    answer = FileResponse(file.open("rb"), as_attachment=True, filename=file_name(document), content_type="application/octet-stream")
    answer.headers["Cache-Control"] = "private, no-store"
    return answer
