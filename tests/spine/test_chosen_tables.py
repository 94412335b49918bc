"""What an object becomes by choice: events as rows of a table that the plan makes, purchases as orders that are fulfilled."""

import json

import pytest

from tests import folders
from tests.folders import user
from tests.spine import test_iterable_objects as objects
from tests.spine import test_iterable_selling as selling

pytestmark = pytest.mark.django_db
SANDBOX_ONLY = True
LEAVE = ("list",)
OPTIONS = {"events_become": "own_table", "purchases_become": "orders"}
ASK = {"purchaseLine": ["pu-1:1"], "purchase": ["pu-1"]}
TABLE = "mwb_iterable_event"
EVENTS = [objects.EVENTS[number] for number in (0, 2, 4, 5)]


def folder(path):
    """A few of the records of the modules that show what they else become."""
    people = [user("u-c", "ada@north.example"), user("u-l", "leo@south.example", "lead"), user("u-free", "lea@gmail.com", "lead")]
    more = {
        "campaigns.json": {"campaigns": [objects.CAMPAIGN], "totalCampaignsCount": 1},
        "export/customEvent.ndjson": EVENTS,
        "export/emailUnSubscribe.ndjson": [{"userId": "u-c", "createdAt": objects.MORNING, "messageTypeIds": [901]}],
        "export/emailSubscribe.ndjson": [{"email": "leo@south.example", "createdAt": objects.MORNING, "emailListIds": [7]}],
        "export/purchase.ndjson": [one for one in selling.PURCHASES if one.get("id") in ("pu-1", "pu-lead", "pu-free")],
        "catalogs.json": {"msg": "", "code": "Success", "params": {"catalogNames": [{"name": "products"}]}},
        "catalogs/products/items.ndjson": [selling.item("products", "P-1", name="Sensor", price=12.5, currency="EUR")],
    }
    return folders.write(path, people, more=more, rows={"dataverse/transactioncurrency": selling.CURRENCIES})


def test_everything_balances(played):
    assert all(phase["balanced"] for phase in played.summary["phases"])
    tables = {phase["table"] for phase in played.summary["phases"]}
    assert {TABLE, "salesorder", "salesorderdetail"} <= tables
    assert not {"task", "opportunity", "opportunityproduct"} & tables


def test_an_event_is_one_row_of_its_own_table_with_its_person_and_time(played):
    assert played.rows("task") == []
    contact, lead = played.row("contact", "user:u-c"), played.row("lead", "user:u-l")
    rows = played.of_source(TABLE, "customEvent")
    of_contact = [row for row in rows if row.get("_mwb_contactid_value") == contact["contactid"]]
    [of_lead] = [row for row in rows if row.get("_mwb_leadid_value") == lead["leadid"]]
    assert len(of_contact) == 3
    assert of_lead.get("_mwb_contactid_value") is None
    assert (of_lead["mwb_name"], of_lead["mwb_event_name"], of_lead["mwb_activity_source"]) == (
        "demoRequested",
        "demoRequested",
        "IterableEvent",
    )
    assert (of_lead["createdon"], of_lead["mwb_original_timestamp"]) == (objects.MORNING_UTC, objects.MORNING_UTC)
    assert (of_lead["statecode"], of_lead["mwb_seats"]) == (0, 7)
    assert json.loads(of_lead["mwb_event_payload"])["deep"] == {"a": {"b": {"c": 1}}}
    history = played.of_source(TABLE, "subscriptionEvent")
    assert sorted(row["mwb_event_name"] for row in history) == ["emailSubscribe", "emailUnSubscribe"]


def test_events_belong_to_the_migration_team(played):
    owners = {row["_ownerid_value"] for row in played.of_source(TABLE, "customEvent")}
    assert len(owners) == 1


def test_a_purchase_is_a_fulfilled_order_of_its_date_with_the_sum_of_its_lines(played):
    order, contact = played.row("salesorder", "purchase:pu-1"), played.row("contact", "user:u-c")
    assert (order["statecode"], order["statuscode"], order["totalamount"]) == (3, 100001, 25.5)
    assert (order["name"], order["_customerid_value"]) == ("Iterable order A-1", contact["contactid"])
    assert (order["mwb_purchase_order_id"], order["mwb_source_amount"], order["createdon"]) == ("A-1", "25.5", objects.MORNING_UTC)
    assert order["datefulfilled"].startswith("2024-03-05")
    assert order["_campaignid_value"] == played.row("campaign", "campaign:71")["campaignid"]
    [close] = [row for row in played.rows("orderclose") if row["_salesorderid_value"] == order["salesorderid"]]
    assert close["actualend"] == objects.MORNING_UTC


def test_a_leads_order_goes_to_its_account(played):
    order, lead = played.row("salesorder", "purchase:pu-lead"), played.row("lead", "user:u-l")
    assert order["_customerid_value"] == lead["_parentaccountid_value"]
    assert played.reasons("pu-free", "purchase")[0] == "purchase.lead_without_account"


def test_lines_hang_under_their_order_with_product_or_write_in(played):
    order = played.row("salesorder", "purchase:pu-1")
    first, second = played.row("salesorderdetail", "purchaseLine:pu-1:1"), played.row("salesorderdetail", "purchaseLine:pu-1:2")
    assert {first["_salesorderid_value"], second["_salesorderid_value"]} == {order["salesorderid"]}
    products = {row["productid"]: row["productnumber"] for row in played.rows("product")}
    assert (products[first["_productid_value"]], first["priceperunit"], first["quantity"]) == ("products/P-1", 10.0, 2)
    assert (second["isproductoverridden"], second["productdescription"]) == (True, "No longer sold")
    [told] = played.dispositions["pu-1:1"]
    assert told["rows"][0]["row_id"] == first["salesorderdetailid"]
