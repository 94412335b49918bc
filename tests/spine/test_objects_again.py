"""A second extraction and run of events, subscriptions, lists and purchases: what is there stays as it is, and only what is new is made."""

import json
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from loads.desk import groups, remedying
from loads.models import Crosswalk, Run
from loads.signals import phase_closed
from tests import folders
from tests.folders import organisation_list, user
from tests.playing import collect, dump
from tests.spine.test_exceptions_desk import open_quietly
from tests.spine.test_second_run import SELLER, edit

pytestmark = [pytest.mark.database, pytest.mark.django_db]
OPTIONS = {"purchasing_leads": "contact"}
YEN = "00000000-0000-0000-0000-00000000e001"  # the organisation's own currency, see test_money_decimals
MORNING, EVENING = "2024-03-05 09:10:11 +00:00", "2024-03-05 19:10:11 +00:00"


def login(at, **payload):
    return {"userId": "u-1", "eventName": "login", "createdAt": at, **payload}


def purchase(number, **fields):
    line = {"id": "P-1", "name": "Sensor", "price": 10.0, "quantity": 2}
    return {"id": f"pu-{number}", "userId": "u-1", "orderId": f"A-{number}", "total": 20, "createdAt": MORNING} | {
        "shoppingCartItems": [line], **fields
    }  # fmt: skip


def item(item_id, **value):
    return {"catalogName": "products", "itemId": item_id, "lastModified": 1_700_000_000_000, "size": 1, "value": value}


def folder(path):
    users = [
        user("u-1", "ada@north.example", emailListIds=[7]),
        user("u-2", "leo@south.example", "lead"),
        user("u-3", "eva@west.example", "lead"),
    ]
    stopped = {"userId": "u-1", "createdAt": MORNING, "messageTypeIds": [901]}
    logins = [login(MORNING), login(MORNING), login(EVENING, n=1), login(MORNING, userId="u-3")]
    purchases = [purchase(1), purchase(5), purchase(6)]
    first = {"customEvent": logins, "purchase": purchases, "emailUnSubscribe": [stopped]}
    more = {f"export/{name}.ndjson": rows for name, rows in first.items()}
    more["catalogs.json"] = {"msg": "", "code": "Success", "params": {"catalogNames": [{"name": "products"}]}}
    more["catalogs/products/items.ndjson"] = [
        item("P-1", name="Sensor", price=10), item("P-2", name="Gateway", price=20), item("P-gone", name="Gone", active=False),
        item("P-still-gone", name="Lamp", active=False), item("P-back", name="Back", active=False),
        item("P-retired", name="Retired", price=5), item("P-revising", name="Revising", price=6),
    ]  # fmt: skip
    seller = {"systemuserid": SELLER, "fullname": "Sam Seller", "internalemailaddress": "sam@customer.example", "isdisabled": False}
    rows = {"dataverse/systemuser": [{**seller, "accessmode": 0}]}
    folders.write(path, users, lists=[organisation_list(7, "Newsletter")], more=more, rows=rows)
    later = path / "later" / "iterable" / "export"
    later.mkdir(parents=True)
    again = {
        "user": [users[0], {**users[1], "emailListIds": [7], "profileUpdatedAt": "2026-01-01 00:00:00 +00:00"}, users[2]],
        "customEvent": [*logins, login(MORNING, n=2), login(EVENING, userId="u-3")],
        "purchase": [
            purchases[0],
            purchase(5, total=45),
            purchases[2],
            purchase(2),
            purchase(3, userId="u-3"),
            purchase(4, shoppingCartItems=[{"id": "P-retired"}]),
            purchase(7, shoppingCartItems=[{"id": "P-gone", "price": 20, "quantity": 1}]),
        ],
    }
    for name, rows in again.items():
        (later / f"{name}.ndjson").write_text("".join(json.dumps(one) + "\n" for one in rows))
    changed = [item("P-1", name="Sensor of the second kind", price=12), *more["catalogs/products/items.ndjson"][1:3]]
    changed += [item("P-still-gone", name="Lamp of the second kind", active=False), item("P-back", name="Back again", active=True)]
    changed += more["catalogs/products/items.ndjson"][5:]
    items = path / "later" / "iterable" / "catalogs" / "products"
    items.mkdir(parents=True)
    (items / "items.ndjson").write_text("".join(json.dumps(one) + "\n" for one in changed))
    return path


@pytest.fixture(scope="module")
def twice(told):
    return told


def story(prepared, first):
    engagement, servers = prepared.engagement, prepared.servers
    before = collect(engagement, servers)
    ids = {name: row["productid"] for name, row in products(before).items()}
    edit(servers, "product", ids["P-retired"], {"statecode": 1, "statuscode": 2})
    edit(servers, "product", ids["P-revising"], {"statecode": 3, "statuscode": 3})
    edit(servers, "product", ids["P-revising"], {"description": "half a sentence"})
    reopened = before.row("opportunity", "purchase:pu-6", "sandbox")["opportunityid"]
    edit(servers, "opportunity", reopened, {"statecode": 0, "statuscode": 1})
    [stopped] = rows(before, "task", "subscriptionEvent")
    edit(servers, "task", stopped, {"statecode": 0, "statuscode": 3})
    states = {}
    with each_closing(lambda phase: states.setdefault(phase.kind, states_of_products(servers))):
        second = yield
    phases = {(one.object_name, one.table, one.kind): one for one in second.phases.all()}
    kept = set(Crosswalk.objects.exclude(source_id__contains="@user:").values_list("object_name", flat=True))  # but for placeholders
    after = collect(engagement, servers)
    [group] = [one for one in groups.groups(second) if one.code == "conflict.retired"]
    found = remedying.for_group(second, group, "again")
    remedying.give(second, found, user=prepared.cast.engineer, subject=remedying.subject_of(second, group))
    third = prepared.finish(open_quietly(second, [group], prepared.cast))
    published = third.phases.get(object_name="catalogItem", kind="publish").updated
    answered = collect(engagement, servers)
    yield SimpleNamespace(
        before=before, after=after, answered=answered, run=second, published=published, phases=phases, kept=kept, states=states
    )


@contextmanager
def each_closing(act):
    """Do something whenever a phase of products closes."""

    def closed(sender, phase, **_):
        if phase.table == "product":
            act(phase)

    phase_closed.connect(closed)
    try:
        yield
    finally:
        phase_closed.disconnect(closed)


def states_of_products(servers):
    return {row["mwb_catalog_id"]: row["statecode"] for row in dump(servers.dataverse_sandbox, "product")}


def products(played):
    return {row["mwb_catalog_id"]: row for row in played.of_source("product", "catalogItem", "sandbox")}


def rows(played, table, object_name):
    found = played.of_source(table, object_name, "sandbox")
    return {row[f"{'activity' if table == 'task' else table}id"]: row for row in found}


def test_the_second_run_balances(twice):
    assert twice.run.state == Run.State.DONE, twice.run.message


NEW = [
    ("task", "customEvent", 2, 0),
    ("task", "subscriptionEvent", 0, 0),
    ("opportunity", "purchase", 4, 4),  # three of test_money_decimals get a field that the second discovery found
    ("opportunityproduct", "purchaseLine", 3, 0),
]


@pytest.mark.parametrize(("table", "object_name", "new", "changed"), NEW)
def test_rows_that_are_there_stay_and_new_records_get_theirs(twice, table, object_name, new, changed):
    before, after = rows(twice.before, table, object_name), rows(twice.after, table, object_name)
    assert sum(after[row_id]["mwb_runid"] != row["mwb_runid"] for row_id, row in before.items()) == changed
    assert len(after) == len(before) + new
    phase = twice.phases[object_name, table, "rows"]
    assert (phase.created, phase.equal, phase.updated) == (new, len(before) - changed, changed)


def test_a_product_on_sale_is_revised_and_published_again(twice):
    before, after = products(twice.before), products(twice.after)
    assert {name: row["productid"] for name, row in before.items()} == {name: row["productid"] for name, row in after.items()}
    told = {name: (after[name]["name"], after[name]["statecode"]) for name in ("P-1", "P-2")}
    assert told == {"P-1": ("Sensor of the second kind", 0), "P-2": ("Gateway", 0)}
    phase = twice.phases["catalogItem", "product", "rows"]
    assert (phase.created, phase.updated, phase.equal, phase.refused) == (0, 3, 5, 0)
    amounts = [(row["_transactioncurrencyid_value"] == YEN, row["amount"]) for row in twice.after.rows("productpricelevel", "sandbox")]
    assert sorted(amount for is_ours, amount in amounts if is_ours) == [0, 0, 0, 0.457, 5, 6, 12, 20]
    assert {amount for is_ours, amount in amounts if not is_ours} == {0}


def test_a_product_on_sale_stays_so_while_it_is_changed_and_a_retired_one_stays_retired(twice):
    written = twice.states["rows"]
    assert (written["P-1"], written["P-still-gone"], written["P-back"]) == (0, 1, 1)


def test_retired_products_take_changes_and_those_that_the_source_sells_again_are_on_sale(twice):
    after = products(twice.after)
    told = {name: (after[name]["name"], after[name]["statecode"]) for name in ("P-gone", "P-still-gone", "P-back")}
    assert told == {"P-gone": ("Gone", 1), "P-still-gone": ("Lamp of the second kind", 1), "P-back": ("Back again", 0)}


def test_a_product_that_an_earlier_run_retired_is_on_sale_for_a_new_line_and_retired_again(twice):
    [line] = [row for row in twice.after.rows("opportunityproduct", "sandbox") if row["mwb_sourceid"] == "purchaseLine:pu-7:1"]
    assert (line["_productid_value"], line["extendedamount"]) == (products(twice.after)["P-gone"]["productid"], 20)
    assert (twice.states["publish"]["P-gone"], twice.states["states"]["P-gone"]) == (0, 1)


def test_what_a_person_retired_or_is_revising_is_left_so_and_says_why(twice):
    after = products(twice.after)
    assert (after["P-retired"]["statecode"], after["P-revising"]["statecode"]) == (1, 3)
    assert after["P-revising"]["description"] == "half a sentence"
    assert twice.after.reasons("products/P-retired", "catalogItem", "sandbox") == ["conflict.retired"]
    assert twice.after.reasons("products/P-revising", "catalogItem", "sandbox") == ["conflict.under_revision"]
    phase = twice.phases["catalogItem", "product", "publish"]
    assert (phase.updated, phase.equal, phase.refused, phase.at_destination) == (2, 4, 2, 6)
    assert twice.after.reasons("pu-4:1", "purchaseLine", "sandbox") == ["parent.not_loaded"]


def test_a_retired_product_is_on_sale_again_where_somebody_says_so_and_what_waited_for_it_loads(twice):
    states = {name: row["statecode"] for name, row in products(twice.answered).items()}
    assert (states["P-retired"], states["P-revising"]) == (0, 3)
    assert [row for row in twice.answered.rows("opportunityproduct", "sandbox") if row["mwb_sourceid"] == "purchaseLine:pu-4:1"]
    assert twice.published == 1


def test_all_events_are_completed_and_each_deal_was_closed_once(twice):
    [reopened] = [row for row in twice.after.rows("task", "sandbox") if row["statecode"] != 1]
    assert (reopened["statuscode"], reopened["mwb_sourceid"].partition(":")[0]) == (3, "subscriptionEvent")  # by a person
    assert twice.after.reasons(reopened["mwb_sourceid"].partition(":")[2], "subscriptionEvent", "sandbox") == ["conflict.edited"]
    assert twice.phases["subscriptionEvent", "task", "states"].refused == 1
    open_ones = [row["mwb_sourceid"] for row in rows(twice.after, "opportunity", "purchase").values() if row["statecode"] != 1]
    assert open_ones == ["purchase:pu-6"]  # which a person reopened
    assert twice.after.reasons("pu-6", "purchase", "sandbox") == ["conflict.edited"]
    closed = [row["_opportunityid_value"] for row in twice.after.rows("opportunityclose", "sandbox")]
    assert sorted(closed) == sorted(row["opportunityid"] for row in twice.after.of_source("opportunity", "purchase", "sandbox"))


def test_a_won_deal_that_changed_is_won_anew_and_loses_its_earlier_close(twice):
    deal = twice.after.row("opportunity", "purchase:pu-5", "sandbox")
    assert (deal["statecode"], deal["statuscode"], deal["estimatedvalue"], deal["actualvalue"]) == (1, 3, 45, 45)
    closes = [row for row in twice.after.rows("opportunityclose", "sandbox") if row["_opportunityid_value"] == deal["opportunityid"]]
    assert [row["actualrevenue"] for row in closes] == [45]


def test_who_came_onto_a_list_is_added_to_it(twice):
    assert (len(twice.before.rows("listmember", "sandbox")), len(twice.after.rows("listmember", "sandbox"))) == (1, 2)


def test_the_crosswalk_keeps_only_what_others_look_up_to(twice):
    assert twice.kept >= {"company", "user", "list", "purchase"}
    assert not twice.kept & {"customEvent", "subscriptionEvent", "purchaseLine", "listMembership"}


def test_a_lead_of_the_first_run_who_bought_since_is_a_contact_now_and_the_lead_is_kept(twice):
    lead, contact = twice.after.row("lead", "user:u-3", "sandbox"), twice.after.row("contact", "user:u-3", "sandbox")
    assert twice.before.row("lead", "user:u-3", "sandbox")["leadid"] == lead["leadid"]
    assert (lead["statecode"], lead["statuscode"], lead["_parentcontactid_value"]) == (1, 3, contact["contactid"])
    assert contact["_originatingleadid_value"] == lead["leadid"]
    assert lead["_parentaccountid_value"] == contact["_parentcustomerid_value"] is not None
    told = [(row["_regardingobjectid_value"], row["actualend"][11:13]) for row in rows(twice.after, "task", "customEvent").values()]
    events = {hour: row_id for row_id, hour in told if row_id in (lead["leadid"], contact["contactid"])}
    assert events == {"09": lead["leadid"], "19": contact["contactid"]}
    assert twice.after.row("opportunity", "purchase:pu-3", "sandbox")["_customerid_value"] == contact["contactid"]
