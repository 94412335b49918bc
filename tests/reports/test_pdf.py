"""PDF documents: they say what the data says, whatever others wrote is printed as text, and the same content gives the same bytes."""

import json
from datetime import UTC, datetime

import pypdf
import pytest

from connectors import store
from loads.acceptance import verified_content
from loads.models import Phase
from reports import certificate, diff, pdf, reconciliation
from reports.book import Book, Column, Cover, Kind, Note, PageOf, Part, Stacked, Status, Table, Tone, number
from reports.documents import write_book, write_json
from reports.printable import shown
from reports.printout import printed
from tests.pages import cast
from tests.reports.paper import run_together, words
from workbench.engagements import signoffs
from workbench.engagements.models import SignOff
from workbench.pipeline import tasks
from workbench.pipeline.models import Step

COVER = Cover("Northwind <b>&", 3, datetime(2026, 5, 4, 12, tzinfo=UTC), "ab" * 32)
HOSTILE = (
    "#let x = $a*b_c@d\\ `e` <f> // g",
    "= h1 - li + en / t: d",
    "https://x.example/a?b=1#c",
    "Ελληνικά Кириллица",
    "-- ... 'q' \"r\"",
)


def write(path, book) -> None:
    with printed(book, COVER) as printout:
        pdf.write(path, printout)


def test_what_others_wrote_is_printed_as_text_wherever_it_stands(tmp_path):
    table = Table(
        [Column(HOSTILE[0], 1), Column("C", 1, Kind.CODE), number("N", 1)], [[Stacked(text, text), text, 1234567] for text in HOSTILE]
    )
    parts = [Part(text, text=[text], notes=[Note(text)], facts=[(text, Status(text, Tone.BAD))], table=table) for text in HOSTILE]
    write(tmp_path / "a.pdf", Book(HOSTILE[0], HOSTILE[1], parts))
    found = run_together(tmp_path / "a.pdf")
    for text in HOSTILE:
        assert found.count(text.replace(" ", "")) >= 5 + 3 * len(HOSTILE)
    assert "1,234,567" in found
    assert "Northwind<b>&" in found


def test_long_words_break_and_what_nobody_can_see_or_print_is_replaced_or_kept_to_be_copied(tmp_path):
    odd = "a\x00b\x1bc\ud800d\u202ee"
    rows = [["x" * 10_000, odd], ["W" * 300, "\N{PARTY POPPER} \u05e2\u05d1\u05e8\u05d9\u05ea"], ["\u304b\u4e2d\ud55c", "\u0e01"]]
    write(tmp_path / "a.pdf", Book("Odd", "", [Part("Odd", table=Table([Column("A", 1), Column("B", 1)], rows))]))
    found = run_together(tmp_path / "a.pdf")
    assert found.count("x") >= 10_000
    assert "a\ufffdb\ufffdc\ufffdd\ufffde" in found
    assert "\N{PARTY POPPER}" in found
    assert "\u304b\u4e2d\ud55c" in found
    assert "\u0e01" in found  # no font here has it: a box is shown, the text is there for whoever copies it
    fonts = [
        font.get_object()["/BaseFont"]
        for page in pypdf.PdfReader(tmp_path / "a.pdf").pages
        for font in page["/Resources"]["/Font"].values()
    ]
    assert all(any(name in font for font in fonts) for name in ("DroidSansFallback", "NanumGothic", "WorkbenchBoxes"))
    assert len(pypdf.PdfReader(tmp_path / "a.pdf").pages) > 3  # the words broke: else each would take one line


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (True, "yes"), (12.5, "12.5"), (2.0, "2"), ("a\r\nb\tc", "a\nb c")])
def test_values_are_printed_as_people_read_them(value, text):
    assert shown(value) == text
    assert shown("y" * 50, longest=10) == f"{'y' * 10}… (40 characters more)"


def test_a_long_table_repeats_its_header_and_one_that_is_cut_says_where_the_rest_is(tmp_path):
    table = Table([number("Count of things", 1), Column("Words", 3)], ([n, f"row {n} end"] for n in range(10**9)), most=130)
    write(tmp_path / "a.pdf", Book("Long", "", [Part("Long", table=table)]))
    pages = [page.extract_text() for page in pypdf.PdfReader(tmp_path / "a.pdf").pages]
    assert all("Count of things" in page for page in pages[1:])
    assert [f"{n} of {len(pages)}" in page for n, page in enumerate(pages, 1)] == [True] * len(pages)
    assert "row 129 end" in pages[-1]
    assert "row 130 end" not in pages[-1]
    assert "The first 130 rows are shown. The workbook holds all of them." in words(tmp_path / "a.pdf")


def test_a_reference_says_on_which_page_its_part_begins(tmp_path):
    keys = [f"part{n}" for n in range(40)]
    index = Table([Column("Part", 1), number("Page", 1)], [[key, PageOf(key)] for key in keys])
    parts = [Part("Index", table=index), *(Part(f"Heading of {key}", key=key, text=["words " * 150] * 2) for key in keys)]
    write(tmp_path / "a.pdf", Book("Referring", "", parts))
    pages = [page.extract_text().split("\n") for page in pypdf.PdfReader(tmp_path / "a.pdf").pages]
    begins = {key: n for n, lines in enumerate(pages, 1) for key in keys if n > 4 and f"Heading of {key}" in lines}
    told = " ".join(" ".join(lines) for lines in pages[:5])
    assert len(set(begins.values())) > 5
    for key, page in begins.items():
        assert f"{key} {page} " in told


@pytest.fixture
def run(db):
    engagement = cast.make_engagement("Northwind")
    cast.make_planned(engagement)
    people = cast.make_cast(engagement)
    run = cast.make_run(engagement, people.engineer)
    cast.make_exception(run, "u-9")
    cast.make_verified(run, "u-1")
    differing = [{"column": "lastname", "source": "Lovelace-Byron", "meant": "Lovelace", "found": "Love#lace", "verdict": "wrong"}]
    cast.make_verified(run, "u-2", "wrong", differing)
    return run


@pytest.mark.django_db
def test_the_reconciliation_on_paper_says_what_its_json_says_and_is_the_same_bytes_when_written_again(run):
    first = reconciliation.write_pdf(run)
    told = run.documents.get(kind="reconciliation", format="json")
    text = words(store.root() / first.path)
    for phase in json.loads((store.root() / told.path).read_text())["phases"]:
        assert f"{phase['object']} to {phase['table']}" in text
        assert f"{phase['extracted']} extracted = {phase['loaded']} loaded + {phase['merged']} merged" in text
        assert f"{phase['rows']['planned']} planned = {phase['rows']['created']} created + {phase['rows']['updated']} updated" in text
    assert "All 2 phases balance" in text
    assert told.sha256 in text
    assert (reconciliation.write_pdf(run).pk, run.documents.filter(format="pdf").count()) == (first.pk, 1)

    Phase.objects.filter(run=run, table="contact").update(state="unbalanced", held=0)
    text = words(store.root() / reconciliation.write_pdf(run).path)
    assert "1 phase of 2 don't balance: user to contact" in text
    assert "Version 2" in text
    assert (store.root() / first.path).exists()


@pytest.mark.django_db
def test_the_sample_diff_shows_source_mapped_and_read_back_with_the_wrong_rows_first(run):
    text = words(store.root() / diff.write_pdf(run).path)
    assert "lastname Lovelace-Byron Lovelace Love#lace Wrong" in text
    assert text.index("u-2") < text.index("u-1")
    sheets = {sheet.name: [list(row) for row in sheet.rows] for sheet in diff.sheets(run)}
    assert sheets["Values"][0][-5:] == ["lastname", "Lovelace-Byron", "Lovelace", "Love#lace", "wrong"]


@pytest.mark.django_db
def test_the_sample_diff_counts_all_that_people_changed_meanwhile_and_lists_the_first_of_them_and_the_workbook_all(run, monkeypatch):
    monkeypatch.setattr(diff, "LISTED", 2)
    edited = [{"column": "jobtitle", "source": "Clerk", "meant": "Clerk", "found": "Head", "verdict": "edited"}]
    for name in "abcde":
        cast.make_verified(run, f"u-edited-{name}", "edited", edited)
    told = diff.content(run)
    assert (told["counts"]["edited"], [one["edited"] for one in told["tables"]]) == (5, [5])
    assert [row["source_id"] for row in told["rows"] if row["verdict"] == "edited"] == ["u-edited-a", "u-edited-b"]
    assert "3 further rows of these: see the workbook" in words(store.root() / diff.write_pdf(run).path)
    [rows, _] = diff.sheets(run)
    assert sum(line[-1] == "edited" for line in rows.rows) == 5


def sign_sandbox(run) -> SignOff:
    content = {"run": run.key, "phases": [], "verified": verified_content(run), "exceptions": [], "owners": [], "parts": run.parts}
    approver = run.engagement.memberships.get(role="approver").user
    return signoffs.sign(
        engagement=run.engagement, kind=SignOff.Kind.SANDBOX, covers=run.parts, content=content, user=approver,
        shown_sha256=signoffs.content_hash(content), address="2001:db8::7", note="#Fine",
    )  # fmt: skip


@pytest.mark.django_db
def test_the_certificate_says_who_signed_what_and_its_json_holds_what_its_hash_is_of(run):
    signed = sign_sandbox(run)
    approver = signed.signed_by
    document = certificate.write_pdf(signed)
    assert document.run == run
    text, entry = words(store.root() / document.path), run.engagement.history.get(action="signed sandbox")
    told = [
        signoffs.STATEMENTS[signed.kind],
        approver.email,
        "Customer approver",
        "2001:db8::7",
        f"{signed.signed_at:%Y-%m-%d %H:%M:%S} UTC",
        "#Fine",
    ]
    for word in (*told, signed.content_sha256, entry.hash, "manage.py verify_history northwind", run.parts["maps"]["sha256"]):
        assert word in text
    as_json = json.loads((store.root() / run.documents.get(kind="certificate", format="json").path).read_text())
    assert signoffs.content_hash(as_json["content"]) == as_json["content_sha256"] == signed.content_sha256


@pytest.mark.django_db
def test_the_certificate_of_a_run_is_written_though_the_engagement_has_one_that_is_up_to_date(run):
    matrix = write_book(write_json(run.engagement, "certificate", {}), Book("Certificate", "", []))
    signed = sign_sandbox(run)
    step = Step.objects.create(engagement=run.engagement, name=Step.Name.DOCUMENTS, requested_by="ada")
    tasks.carry_out(step.pk)
    [written] = run.documents.filter(kind="certificate", format="pdf")
    assert (written.written_at, matrix.run) == (signed.signed_at, None)
