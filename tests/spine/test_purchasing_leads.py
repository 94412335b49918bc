"""The signed purchaser rule 'contact after all': a lead who bought becomes a contact, and so the customer of the deal."""

import pytest

from tests import folders
from tests.folders import user

pytestmark = pytest.mark.django_db
OPTIONS = {"purchasing_leads": "contact", "zones": {"source_zone": "UTC", "day_zone": "Asia/Tokyo"}}
LEAVE = ("list", "listMembership", "campaign", "catalogItem", "subscriptionEvent")
PEOPLE = ("u-buyer", "u-mail", "u-none", "u-review")
MORNING = "2024-03-05 09:10:11 +00:00"


def purchase(key, **fields):
    line = {"id": "P-none", "name": "Sensor", "price": 10.0, "quantity": 2}
    return {"id": key, "total": 20, "currency": "EUR", "createdAt": MORNING, "shoppingCartItems": [line], **fields}


def folder(path):
    users = [
        user("u-buyer", "ada@gmail.com", "lead"),
        user("u-mail", "eva@north.example", "subscriber"),
        user("u-none", "leo@far.example", "lead"),
        user("u-review", "rev@south.example", "nobody knows"),
    ]
    bought = [purchase("pu-buyer", userId="u-buyer"), purchase("pu-mail", email="EVA@north.example")]
    bought += [purchase("pu-review", userId="u-review"), purchase("pu-late", userId="u-buyer", createdAt="2024-03-05 20:00:00 +00:00")]
    events = [{"userId": "u-buyer", "eventName": "login", "createdAt": MORNING}]
    return folders.write(path, users, more={"export/purchase.ndjson": bought, "export/customEvent.ndjson": events})


@pytest.fixture(scope="module")
def played(told):
    """What stands after the first run."""
    return told


def test_everything_balances(played):
    assert all(phase["balanced"] for phase in played.summary["phases"])


def test_leads_who_bought_are_contacts_and_others_stay_leads(played):
    contacts = {row["mwb_sourceid"] for row in played.of_source("contact", "user")}
    leads = {row["mwb_sourceid"] for row in played.of_source("lead", "user")} & {f"user:{name}" for name in PEOPLE}
    assert contacts >= {"user:u-buyer", "user:u-mail"}
    assert leads == {"user:u-none"}


def test_the_contact_is_the_customer_and_has_what_belongs_to_the_person(played):
    contact, deal = played.row("contact", "user:u-buyer"), played.row("opportunity", "purchase:pu-buyer")
    assert (deal["_customerid_value"], deal["statecode"]) == (contact["contactid"], 1)
    assert contact["mwb_hs_original_lifecycle"] == "lead"
    events = [row["_regardingobjectid_value"] for row in played.of_source("task", "customEvent")]
    assert events.count(contact["contactid"]) == 1


def test_a_deal_closes_on_the_day_of_the_signed_zone_at_its_own_moment(played):
    deal = played.row("opportunity", "purchase:pu-late")
    assert (deal["actualclosedate"], deal["estimatedclosedate"]) == ("2024-03-06", "2024-03-06")
    assert played.row("opportunity", "purchase:pu-buyer")["actualclosedate"] == "2024-03-05"
    [close] = [row for row in played.rows("opportunityclose") if row["_opportunityid_value"] == deal["opportunityid"]]
    assert close["actualend"] == "2024-03-05T20:00:00Z"


def test_a_purchase_does_not_take_anybody_out_of_review(played):
    assert played.reasons("u-review") == ["split.review"]
    assert played.reasons("pu-review", "purchase") == ["parent.held"]
