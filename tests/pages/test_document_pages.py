"""Documents in the portal: whoever sees the engagement reads them on pages and gets them under safe names, and nobody else."""

import re

import pytest
from django.urls import reverse
from django.utils.html import escape

from connectors import store
from reports import preview
from reports.book import Book, Code, Column, Figure, Kind, Note, PageOf, Part, Stacked, Status, Table, Tone, number
from reports.documents import write_book, write_json, write_sheets
from reports.models import Document
from reports.xlsx import Sheet
from tests.pages import cast

pytestmark = pytest.mark.django_db
LIST = "/engagements/northwind/documents/"


@pytest.fixture
def written(northwind, people):
    run = cast.make_run(northwind, people.engineer)
    return {
        "old": write_json(northwind, "schema", {"version": 1}),
        "schema": write_json(northwind, "schema", {"version": 2}),
        "losses": write_sheets(northwind, "losses", [Sheet("Losses", ["Id"], [["=1"]])], run),
    }


@pytest.mark.parametrize("role", ["approver", "viewer", "admin", "engineer"])
def test_the_newest_of_each_document_is_listed_and_downloaded_as_an_attachment(written, people, as_user, role):
    client = as_user(getattr(people, role))
    text = client.get(LIST).content.decode()
    assert text.count("Download") == 2
    assert f"{LIST}{written['schema'].pk}/" in text
    assert written["schema"].sha256[:16] in text
    assert "Losses and records not loaded" in text
    assert not cast.INLINE_CODE.search(text)
    before = client.get(f"{LIST}{written['old'].pk}/")  # what was written before stays
    assert b"1" in b"".join(before.streaming_content)
    losses = written["losses"]
    answer = client.get(f"{LIST}{losses.pk}/")
    assert b"".join(answer.streaming_content) == (store.root() / losses.path).read_bytes()
    assert answer["Content-Disposition"] == f'attachment; filename="northwind-losses-sandbox-{losses.run.key}.xlsx"'
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("application/octet-stream", "private, no-store")


def test_a_document_of_another_engagement_is_not_there(written, people, as_user):
    other = cast.make_engagement("Contoso")
    theirs = write_json(other, "schema", {"version": 1})
    client = as_user(people.approver)
    for page in (f"{LIST}{theirs.pk}/", "/engagements/contoso/documents/", f"/engagements/contoso/documents/{theirs.pk}/"):
        assert client.get(page).status_code == 404
    assert "Contoso" not in client.get(LIST).content.decode()


def test_a_file_outside_the_store_or_gone_is_never_handed_out(northwind, people, as_user, written):
    (store.root().parent / "secret.txt").write_text("secret")
    escape = Document.objects.create(engagement=northwind, kind="schema", format="txt", path="../secret.txt", sha256="0" * 64)
    (store.root() / written["schema"].path).unlink()
    client = as_user(people.approver)
    assert client.get(f"{LIST}{escape.pk}/").status_code == 404
    assert client.get(f"{LIST}{written['schema'].pk}/").status_code == 404


def test_nobody_downloads_without_signing_in_and_an_empty_list_says_when_documents_come(client, northwind, people, as_user):
    assert client.get(reverse("portal:documents", args=["northwind"])).status_code == 302
    assert "at the hand-off" in as_user(people.viewer).get(LIST).content.decode()


HOSTILE = "<script>alert('x')</script> {{ x }} {% now %} \u202eevil"


def book(version=1, sections=3):
    """A book with everything that a part can hold, and sections."""
    columns = [Column("What", 2), Column("Column", 1, Kind.CODE), number("Count", 1), number("Page", 1)]
    rows = [
        [Stacked(HOSTILE, HOSTILE), HOSTILE, 1234567, PageOf("section0")],
        [Status(HOSTILE, Tone.BAD, HOSTILE), Code(HOSTILE), None, ""],
    ]
    yield Part(HOSTILE, text=[HOSTILE], notes=[Note(HOSTILE, Tone.WARN)], figures=[Figure(version, HOSTILE)],
               facts=[(HOSTILE, Code(HOSTILE)), ("Two", "first\nsecond")], table=Table(columns, rows))  # fmt: skip
    yield Part("Sections", text=["All of them."])
    for place in range(sections):
        table = Table([Column("Word", 1)], ([f"word {place}-{n}"] for n in range(70)))
        yield Part(f"Section {place}", level=2, key=f"section{place}", table=table)


def write_schema(engagement, version=1, sections=3):
    return write_book(write_json(engagement, "schema", {"version": version}), Book("Schema plan", "Tables.", book(version, sections)))


def test_a_document_is_read_page_by_page_with_what_others_wrote_as_text(northwind, people, as_user, monkeypatch):
    monkeypatch.setattr(preview, "LENGTH", 1_600)  # each section fills most of a page
    address = f"{LIST}{write_schema(northwind).pk}/read/"
    client = as_user(people.viewer)
    assert f'href="{address}"' in client.get(LIST).content.decode()
    answer = client.get(address)
    first = answer.content.decode()
    assert first.count(escape(HOSTILE.replace("\u202e", "\ufffd"))) == 13
    assert "<script>" not in first
    assert not cast.INLINE_CODE.search(first)
    assert "style-src 'self'" in answer["Content-Security-Policy"]
    for words in ("1,234,567", "Tables.", "first\nsecond", northwind.documents.get(format="json").sha256, '<a href="?page=2#part2">2</a>'):
        assert words in first
    assert "word 0-0" not in first
    pages = [client.get(f"{address}?page={page}").content.decode() for page in range(1, 5)]
    assert ['id="part2"' in page for page in pages] == [False, True, False, False]
    assert [f"word {n}-0" in pages[n + 1] for n in range(3)] == [True] * 3
    assert "\u200b" not in "".join(pages)
    assert "Previous" in pages[3]
    assert "Next" not in pages[3]
    for page in ("0", "5", "x", "-1", "9" * 30):
        assert client.get(address, {"page": page}).status_code == 404


def test_a_table_that_is_longer_than_a_page_goes_on_on_the_next_ones_with_each_row_once(northwind, people, as_user):
    rows = [(Stacked(f"journey {n}", "x" * 150), PageOf("last")) for n in range(400)]
    columns = [Column("Journey", 2), number("Page", 1)]
    parts = [
        Part("Before", text=["First."]),
        Part("All journeys", text=["At a glance."], table=Table(columns, rows, most=300)),
        Part("Last", key="last"),
    ]
    pdf = write_book(write_json(northwind, "journeys", {"version": 1}), Book("Journeys", "All.", parts))
    client = as_user(people.viewer)
    count = len(preview.of(pdf).pages)
    pages = [client.get(f"{LIST}{pdf.pk}/read/", {"page": page}).content.decode() for page in range(1, count + 1)]
    assert count > 4
    assert max(map(len, pages)) < 40_000
    held = [re.findall(r"journey (\d+)<", page) for page in pages]
    assert [int(one) for found in held for one in found] == list(range(300))
    assert [page.count("All journeys, continued</h2>") for page in pages] == [0, 0, *[1] * (count - 3), 0]
    assert ["At a glance." in page for page in pages].count(True) == 1
    assert ["The first 300 rows are shown." in page for page in pages].index(True) == count - 2
    assert f'<a href="?page={count}#part2">{count}</a>' in pages[1]


def test_every_version_can_be_read_and_an_earlier_one_says_which_is_current(northwind, people, as_user):
    first, second = write_schema(northwind, 1, 1), write_schema(northwind, 2, 1)
    client = as_user(people.approver)
    old, new = (client.get(f"{LIST}{one.pk}/read/").content.decode() for one in (first, second))
    assert f'<a href="{LIST}{second.pk}/read/">Read version 2</a>' in old
    assert "This is an earlier version" not in new
    for text, pdf in ((old, first), (new, second)):
        [source] = northwind.documents.filter(format="json", written_at__lte=pdf.written_at).order_by("-written_at")[:1]
        assert text.index(f"{LIST}{pdf.pk}/") < text.index("All 2 versions")
        assert source.sha256 in text[: text.index("All 2 versions")]

    again = write_schema(northwind, 1, 1)  # what was first comes again: a version of its own
    assert "Version 3" in client.get(f"{LIST}{again.pk}/read/").content.decode()
    current, earlier = client.get(LIST).content.decode().split("Earlier versions (2)")
    assert f"{LIST}{again.pk}/read/" in current
    assert [f"{LIST}{one.pk}/read/" in earlier for one in (first, second)] == [True, True]
    assert preview.of(again).cover["version"] == 3


def test_nobody_reads_what_is_another_s_or_has_no_pages(northwind, people, as_user, client):
    other = cast.make_engagement("Contoso")
    theirs, ours = write_schema(other, sections=1), write_schema(northwind, sections=1)
    assert client.get(f"{LIST}{ours.pk}/read/").status_code == 302
    source = northwind.documents.get(format="json")
    signed_in = as_user(people.approver)
    for address in (f"{LIST}{theirs.pk}/read/", f"/engagements/contoso/documents/{theirs.pk}/read/", f"{LIST}{source.pk}/read/"):
        assert signed_in.get(address).status_code == 404
    preview.path_of(ours).unlink()  # as of documents that were written before there were pages
    assert signed_in.get(f"{LIST}{ours.pk}/read/").status_code == 404
    assert f"{LIST}{ours.pk}/read/" not in signed_in.get(LIST).content.decode()
