"""Who bought, by the stage that the matrix places: the figures beside the split matrix."""

from hashlib import sha256

import pytest

from mapping.models import SplitRule
from mapping.preview import BeingPrepared, matrix_content
from tests.pages import cast

pytestmark = [pytest.mark.database, pytest.mark.django_db]

PEOPLE = [
    cast.person(1, "customer"), cast.person(2, "subscriber"), cast.person(3, "subscriber"), cast.person(4, None),
    cast.person(5, "customer", email="ADA2@customer-2.test", profileUpdatedAt="2020-01-01 00:00:00 +00:00", lastName="Lovelace2"),
    cast.person(6, "subscriber"),
]  # fmt: skip


def bought(user: str | None = None, total=10, currency: str | None = "EUR", **fields) -> dict:
    return {"userId": user, "total": total, "currency": currency, **fields}


PURCHASES = [
    bought("u-1", 100.5), bought("u-1", 1, "usd"), bought("u-2", "20"), bought("u-5", 5), bought("u-3", "a lot"), bought("u-4", -3),
    bought(email="Ada2@Customer-2.test ", total=7), bought("u-nobody", 9, None), bought("u-nobody", 1, email="ada3@customer-3.test"),
]  # fmt: skip


@pytest.fixture
def northwind():
    engagement = cast.make_engagement("Northwind")
    cast.make_discovered(engagement, PEOPLE, objects={"purchase": PURCHASES})
    return engagement


def money(**sums: str) -> list[dict[str, str]]:
    return [{"currency": currency, "total": total} for currency, total in sums.items()]


def test_purchases_are_shown_by_stage_with_people_and_money_and_those_of_nobody_apart(northwind):
    found = matrix_content(northwind)["purchases"]
    assert (found["count"], found["nobody"]) == (9, {"purchases": 1, "money": [{"currency": "", "total": "9.00"}]})
    rows = {row["stage"]: (row["outcome"], row["people"], row["purchases"], row["money"]) for row in found["rows"]}
    assert rows == {
        # u-5 is the older record of the second person: their purchase is that person's.
        "subscriber": ("lead", 2, 5, money(EUR="33.00")),
        "customer": ("contact", 1, 2, money(EUR="100.50", USD="1.00")),
        "": ("review", 1, 1, money(EUR="-3.00")),
    }
    assert found["outcomes"]["lead"] == {"people": 2, "purchases": 5, "money": money(EUR="33.00")}


def test_purchases_of_people_who_are_to_be_forgotten_are_said_to_be_left_out_and_not_held(monkeypatch, client):
    register = [{"hash": sha256(b"u-7").hexdigest()}]
    answers = cast.GivenSource.answers
    monkeypatch.setattr(cast.GivenSource, "answers", lambda source: answers(source) | {"forgotten": register})
    contoso = cast.make_engagement("Contoso")
    cast.make_discovered(contoso, [*PEOPLE, cast.person(7)], objects={"purchase": [*PURCHASES, bought("u-7", 3)]})
    found = matrix_content(contoso)["purchases"]
    assert (found["nobody"]["purchases"], found["forgotten"]) == (1, {"purchases": 1, "money": money(EUR="3.00")})
    client.force_login(cast.make_cast(contoso).approver)
    text = client.get("/engagements/contoso/matrix/", secure=True).content.decode()
    assert "made by people who are to be forgotten: it is left out with them." in text


def test_a_project_without_purchases_shows_none(northwind):
    empty = cast.make_engagement("Empty")
    cast.make_discovered(empty, PEOPLE)
    found = matrix_content(empty)["purchases"]
    assert (found["count"], found["rows"], found["outcomes"]) == (0, [], {})


def test_another_name_of_the_currencys_field_asks_for_the_figures_anew(northwind):
    northwind.options["currency_field"] = "orderCurrency"
    northwind.save()
    with pytest.raises(BeingPrepared):
        matrix_content(northwind)


def test_the_page_shows_what_leads_bought(northwind, client):
    people = cast.make_cast(northwind)
    client.force_login(people.approver)
    text = client.get("/engagements/northwind/matrix/", secure=True).content.decode()
    assert "2 people whose stage makes them leads made 5 purchases of" in text
    assert "33.00 EUR" in text
    SplitRule.objects.filter(engagement=northwind, stage="subscriber").update(outcome="contact")
    assert "Nobody who becomes a lead bought anything" in client.get("/engagements/northwind/matrix/", secure=True).content.decode()


def test_leads_who_bought_stand_among_the_contacts_where_the_rule_makes_them_such(northwind, client):
    found = matrix_content(northwind)
    assert {row["stage"]: row["count"] for row in found["rows"]} == {"subscriber": 3, "customer": 1, "": 1}
    assert found["buyers"] == []
    northwind.options["purchasing_leads"] = "contact"
    northwind.save()
    found = matrix_content(northwind)
    assert {row["stage"]: row["count"] for row in found["rows"]} == {"subscriber": 1, "customer": 1, "": 1}
    [moved] = found["buyers"]
    assert (moved["stage"], moved["outcome"], moved["count"]) == ("subscriber", "contact", 2)
    assert [person["email"] for person in moved["samples"]] == ["ada2@customer-2.test", "ada3@customer-3.test"]
    client.force_login(cast.make_cast(northwind).approver)
    groups = client.get("/engagements/northwind/matrix/", secure=True).context["groups"]
    assert {group["outcome"]: group["count"] for group in groups} == {"lead": 1, "contact": 3, "review": 1}
