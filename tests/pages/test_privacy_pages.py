"""The pages of a purge and of erasures: what they show before anything is done, and who sees them."""

from html import unescape

import pytest
from django.urls import reverse

from tests.pages import cast
from workbench.engagements.models import ErasedName
from workbench.pipeline.models import Step
from workbench.privacy.models import Erasure

pytestmark = pytest.mark.django_db


def purge_page(engagement) -> str:
    return reverse("admin:privacy_purge_ask", args=[engagement.pk])


def erasure_page(engagement) -> str:
    return reverse("admin:privacy_erasure_ask", args=[engagement.pk])


def test_an_engineer_reads_what_goes_and_what_stays_and_purges_by_the_slug(northwind, people, as_user):
    cast.make_discovered(northwind)
    client = as_user(people.engineer)
    assert purge_page(northwind) in client.get(reverse("admin:engagements_engagement_change", args=[northwind.pk])).content.decode()
    text = unescape(client.get(purge_page(northwind)).content.decode())
    for expected in (
        "Files in landed",
        "Raw records of the source",
        "What stays",
        "Split rules",
        "To purge it, write <strong>northwind</strong>",
    ):
        assert expected in text, expected
    said = unescape(client.post(purge_page(northwind), {"word": "go"}, follow=True).content.decode())
    assert "To purge it, write northwind. Nothing was done." in said
    assert not Step.objects.filter(name="purge").exists()
    assert "The purge is queued." in client.post(purge_page(northwind), {"word": "northwind"}, follow=True).content.decode()
    assert Step.objects.get(engagement=northwind, name="purge").requested_by == people.engineer.username


def test_what_keeps_a_purge_from_beginning_is_listed_in_place_of_the_button(northwind, people, as_user):
    cast.make_planned(northwind)
    cast.make_run(northwind, people.engineer, state="paused")
    text = unescape(as_user(people.engineer).get(purge_page(northwind)).content.decode())
    assert "is paused: end it first." in text
    assert "Purge for good" not in text


def test_an_engineer_sees_what_is_known_of_a_person_and_confirms(northwind, people, as_user):
    client = as_user(people.engineer)
    assert "Give the e-mail address or the id." in client.post(erasure_page(northwind), {"do": "look"}).content.decode()
    asked = {"email": "ada@customer.example", "id": ""}
    text = unescape(client.post(erasure_page(northwind), {**asked, "do": "look"}).content.decode())
    assert "No row is known by this name." in text
    assert "Erase ada@customer.example" in text
    assert not Erasure.objects.exists()
    assert "The erasure is queued." in client.post(erasure_page(northwind), {**asked, "do": "erase"}, follow=True).content.decode()
    erasure = Erasure.objects.get(engagement=northwind)
    assert erasure.person.startswith("hmac:")
    assert not ErasedName.objects.exists()
    page = client.get(reverse("admin:privacy_erasure_change", args=[erasure.pk])).content.decode()
    assert "ada@customer.example" not in page


@pytest.mark.parametrize("role", ["approver", "viewer", "admin", "stranger"])
def test_nobody_but_engineers_of_the_engagement_opens_the_pages(northwind, people, as_user, role):
    user = cast.make_cast(cast.make_engagement("Contoso")).engineer if role == "stranger" else getattr(people, role)
    client = as_user(user)
    for page in (purge_page(northwind), erasure_page(northwind)):
        assert client.get(page).status_code in (302, 403, 404)
        assert client.post(page, {"word": "northwind", "email": "ada@customer.example", "do": "erase"}).status_code in (302, 403, 404)
    assert not Erasure.objects.exists()
    assert not Step.objects.filter(name__in=["purge", "erase"]).exists()
