"""Documents in the portal: whoever sees the engagement gets them as downloads under safe names, and nobody else."""

import pytest
from django.urls import reverse

from connectors import store
from reports.documents import write_json, write_sheets
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
