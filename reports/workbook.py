"""The mapping workbook: every field map and value map as XLSX, to be checked, signed off and sent back; and a sent one read again."""

from collections.abc import Iterator, Sequence
from typing import IO, Any

from django.db import transaction

from mapping import plan
from mapping.models import FieldMap
from mapping.workshop import completeness, decisions, sheets
from mapping.workshop.sheets import ImportPlan, Sent
from reports import sent_book
from reports.documents import write_sheets
from reports.models import Document
from reports.sent_book import document_file
from reports.xlsx import Sheet
from workbench.engagements.errors import BadInput
from workbench.engagements.models import Engagement

KIND, IMPORT_KIND = "mapping_workbook", "mapping_import"
MAPS, VALUES, OPTIONS, ABOUT = "Field maps", "Value maps", "Options", "About"
HOW = (
    "Check each row of 'Field maps': where the source field goes, or why it is left behind.",
    "You may edit these columns of 'Field maps': column, transform, options, state, reason, comment; and 'option' of 'Value maps'.",
    "States: Proposed, Confirmed, Left behind (needs a reason), Deferred. Only confirmed fields move.",
    "Leave the columns 'id' and 'print' as they are. Rows may be sorted, filtered and left out.",
    "Send the file back: before anything changes, the workbench shows what would, and what can't be.",
)


def write(engagement: Engagement) -> Document:
    """Write the workbook of an engagement's field maps and record it."""
    maps, values, options = sheets.MAPS_HEADER, sheets.VALUES_HEADER, ("table", "column", "option", "label")
    return write_sheets(
        engagement,
        KIND,
        [
            Sheet(ABOUT, ("what", "content"), _about(engagement), widths=(28, 110)),
            Sheet(MAPS, maps, sheets.map_rows(engagement), widths=(8, 14, 28, 8, 40, 14, 30, 26, 12, 20, 14, 50, 30, 8, 40, 20, 18, 18)),
            Sheet(VALUES, values, sheets.value_rows(engagement), widths=(8, 40, 40, 10, 12, 30)),
            Sheet(OPTIONS, options, sheets.option_rows(engagement), widths=(16, 30, 12, 40)),
        ],
    )


def _about(engagement: Engagement) -> Iterator[Sequence[Any]]:
    version = plan.current(engagement).get("maps")
    yield "Engagement", engagement.name
    yield "Source", engagement.get_platform_display()
    yield "Maps", f"version {version.version}, SHA-256 {version.sha256}" if version else "no version yet"
    for line in completeness.of(engagement):
        told = f"{line.moved} to a column, {line.left} left with a reason, {line.open} open, {line.lost} without a line"
        yield f"Object {line.object_name}", f"{line.fields} fields: {line.reason or told}"
    for number, sentence in enumerate(HOW, start=1):
        yield f"How to, {number}", sentence
    for asked in ("Checked by", "Date", "Signature"):
        yield asked, ""


def keep_sent(engagement: Engagement, content: bytes) -> Document:
    """Keep a workbook that was sent, as it came. Raises BadInput for what is no workbook of ours or is too large."""
    document = sent_book.keep_sent(engagement, IMPORT_KIND, content)
    with document_file(document).open("rb") as file:
        list(read(file))  # what can't be read is refused before anyone looks at its plan
    return document


def read(file: IO[bytes]) -> Iterator[Sent]:
    """The rows of a workbook that was sent back, in its order. Raises BadInput where it can't be read or lacks a sheet or column."""
    with sent_book.opened(file) as book:
        values: dict[str, dict[str, str]] = {}
        for _, cells in sent_book.rows(book, VALUES, sheets.VALUES_HEADER):
            values.setdefault(cells["id"], {})[cells["value"]] = cells["option"].strip()
        for number, cells in sent_book.rows(book, MAPS, sheets.MAPS_HEADER):
            yield Sent(
                number=number,
                map_id=int(cells["id"]) if cells["id"].isdecimal() and len(cells["id"]) < len(str(2**63)) else 0,
                cells={name: cells[name] for name in sheets.EDITABLE},
                values=values.get(cells["id"], {}),
                print=cells["print"].strip(),
            )


def planned(document: Document) -> ImportPlan:
    """What a sent workbook would change as things stand now."""
    with document_file(document).open("rb") as file:
        return sheets.plan_import(document.engagement, read(file))


@transaction.atomic
def apply(document: Document, *, user: object, shown: str) -> int:
    """Carry out a sent workbook as one entry of the history; returns how many maps changed.

    shown: digest of the plan that the person saw. Raises BadInput where it isn't the plan any more.
    """
    list(FieldMap.objects.select_for_update().filter(engagement=document.engagement).values_list("pk"))  # nobody edits meanwhile
    found = planned(document)
    if found.digest != shown:
        raise BadInput("Something was changed since this was shown.", remedy="Look at what would change now, then apply it.")
    detail = {"document": document.kind, "sha256": document.sha256, "rejected": len(found.rejected)}
    decisions.change_many([one.map for one in found.changes], user=user, action="imported a mapping workbook", detail=detail)
    return len(found.changes)
