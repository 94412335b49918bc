"""What the people of a world did, and what marketing made: events, purchases, subscriptions, campaigns, templates, catalogs."""

import csv
import hashlib
import io
import re

import orjson
import pytest

from connectors.simulators.world import write_world

EVENTS, PURCHASES = "export/customEvent", "export/purchase"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    made = tmp_path_factory.mktemp("small")
    write_world(made, 200, 3)
    return made / "iterable"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = tmp_path_factory.mktemp("world")
    write_world(made, 2000, 5)
    return made / "iterable"


def rows(folder, name):
    return [orjson.loads(line) for line in (folder / f"{name}.ndjson").read_bytes().splitlines()]


def answer(folder, name):
    return orjson.loads((folder / name).read_bytes())


def depth(value):
    return 1 + max(map(depth, value.values()), default=0) if isinstance(value, dict) else 0


def keys_of(people):
    return {row.get("email") for row in people} | {row.get("userId") for row in people}


# What the files of people and lists hold, whatever people do; another value means that other worlds changed for everybody.
KNOWN = {
    "export/user.ndjson": "96ebc91b7f6904d9ce926720d94168c3e24d8f8da2d4e9a29d5aa3771fdbdb1e",
    "lists.json": "bbdb82bd181c504107b455c666e902c7d2e19155ef513059d8035f5b76b5e944",
    "lists/4201.txt": "5e17ee48ececa72af3da1840b2b64d74b040b2a3c2414e36a0d436de7ffad5a8",
}


@pytest.mark.parametrize("name", KNOWN)
def test_deeds_change_nothing_about_people_and_lists(small, name):
    assert hashlib.sha256((small / name).read_bytes()).hexdigest() == KNOWN[name]


EVENT_SPECIMENS = {
    "too deep": lambda e: depth(e) > 5,
    "an array of objects": lambda e: isinstance(e.get("steps"), list),
    "an unknown user": lambda e: e.get("userId") == "u-never-seen",
    "nobody": lambda e: not e.get("email") and not e.get("userId"),
    "a parent that was deleted": lambda e: e.get("campaignId") == 999_999,
    "no moment": lambda e: "createdAt" not in e,
    "an unreadable moment": lambda e: str(e.get("createdAt")).startswith("2023-13"),
    "time zero": lambda e: str(e.get("createdAt")).startswith("1970"),
    "no name": lambda e: "eventName" not in e,
    "a name too long": lambda e: len(str(e.get("eventName"))) > 200,
    "text of another type": lambda e: e.get("seats") == "ten",
    "a number too large": lambda e: e.get("count") == 2**63,
    "very long text": lambda e: len(str(e.get("note"))) > 30_000,
    "control characters": lambda e: "\u0000" in str(e.get("note")),
    "a name of the destination's own": lambda e: "activityid" in e,
    "very many keys": lambda e: len(e) > 120,
    "a cart": lambda e: "updatedShoppingCartItems" in e,
}


@pytest.mark.parametrize("kind", EVENT_SPECIMENS)
def test_two_hundred_people_did_a_specimen_of_each_kind_of_dirt(small, kind):
    assert any(map(EVENT_SPECIMENS[kind], rows(small, EVENTS)))


def test_events_are_five_a_person_of_people_in_the_export_but_for_a_few_and_some_are_equal(world):
    events, known = rows(world, EVENTS), keys_of(rows(world, "export/user"))
    assert 4 < len(events) / 2000 < 6
    strangers = [e for e in events if not {e.get("email"), e.get("userId")} & (known - {None})]
    assert 0 < len(strangers) < len(events) / 50
    lines = (world / f"{EVENTS}.ndjson").read_bytes().splitlines()
    assert len(set(lines)) < len(lines)
    moments = [e.get("createdAt") for e in events]
    assert max(map(moments.count, set(moments[:300]))) > 50
    names = {str(e.get("eventName")) for e in events}
    assert {"pageView", "PageView"} <= names


PURCHASE_SPECIMENS = {
    "a total other than its lines": lambda p: total_differs(p),
    "no currency": lambda p: "currency" not in p,
    "an unknown currency": lambda p: p.get("currency") == "Taler",
    "no order id": lambda p: "orderId" not in p,
    "no id": lambda p: "id" not in p,
    "a total as text": lambda p: isinstance(p.get("total"), str),
    "a refund": lambda p: p.get("total") == -25,
    "no lines": lambda p: p.get("shoppingCartItems") == [],
    "lines of another type": lambda p: isinstance(p.get("shoppingCartItems"), str),
    "an unknown buyer": lambda p: str(p.get("email")).startswith("unknown.buyer"),
    "an item that isn't sold": lambda p: any(i.get("id") == "P-NO-LONGER-SOLD" for i in lines(p)),
    "a line without an item": lambda p: any("id" not in i for i in lines(p)),
    "a line without a price": lambda p: any("price" not in i for i in lines(p)),
    "a price as text": lambda p: any(isinstance(i.get("price"), str) for i in lines(p)),
    "a broken quantity": lambda p: any(i.get("quantity") == 0.333 for i in lines(p)),
    "an item in other case": lambda p: any(i.get("id") == "p-1003" for i in lines(p)),
}


def lines(purchase):
    found = purchase.get("shoppingCartItems")
    return found if isinstance(found, list) else []


def total_differs(purchase):
    try:
        return abs(sum(i["price"] * i["quantity"] for i in lines(purchase)) - purchase["total"]) > 1
    except (KeyError, TypeError):
        return False


@pytest.mark.parametrize("kind", PURCHASE_SPECIMENS)
def test_two_thousand_people_bought_a_specimen_of_each_kind_of_dirt(world, kind):
    assert any(map(PURCHASE_SPECIMENS[kind], rows(world, PURCHASES)))


def test_most_purchases_are_good_of_items_in_the_catalogue_and_some_are_of_leads(world):
    found, sold = rows(world, PURCHASES), {row["itemId"] for row in rows(world, "catalogs/products/items")}
    good = [p for p in found if lines(p) and all(i.get("id") in sold for i in lines(p)) and not total_differs(p)]
    assert len(good) > 0.8 * len(found)
    stages = {row.get("userId"): str(row.get("lifecycleStage")).strip().casefold() for row in rows(world, "export/user")}
    bought = {stages.get(p.get("userId")) for p in found}
    assert {"customer", "sql", "lead", "subscriber"} <= bought
    orders = [p.get("orderId") for p in found]
    assert orders.count("A-TWICE") > 1


def test_subscriptions_say_what_the_profiles_say_and_changes_of_mind(world):
    joined, left = rows(world, "export/emailSubscribe"), rows(world, "export/emailUnSubscribe")
    assert len(joined) > len(left) > 100
    assert any(e.get("channelIds") == [31] for e in left)
    refused = {row.get("email") for row in rows(world, "export/user") if row.get("unsubscribedChannelIds")}
    assert any(e.get("emailListIds") == [4101] and e.get("email") not in refused for e in left)
    assert any("createdAt" not in e for e in joined + left)


def test_a_static_list_holds_people_of_both_sides_of_the_split(world):
    people = rows(world, "export/user")
    stages = {str(p.get("lifecycleStage")).strip().casefold() for p in people if 4102 in (p.get("emailListIds") or [])}
    assert {"subscriber", "customer"} <= stages


def test_campaigns_have_every_state_and_metrics_that_fit_but_for_a_few(world):
    campaigns = answer(world, "campaigns.json")["campaigns"]
    assert len({c["campaignState"] for c in campaigns}) == 9
    lists = {entry["id"] for entry in answer(world, "lists.json")["lists"]}
    assert any(set(c["listIds"]) - lists for c in campaigns)
    assert any(set(c["listIds"]) <= lists for c in campaigns)
    assert any("recurringCampaignId" in c for c in campaigns)
    measured = list(csv.DictReader(io.StringIO((world / "campaigns/metrics.csv").read_text(encoding="utf-8"))))
    ids = {int(m["id"]) for m in measured}
    assert ids - {c["id"] for c in campaigns} == {999_999}
    assert {c["id"] for c in campaigns if c["campaignState"] == "Finished"} - ids
    email = next(m for m in measured if m["Total Email Sends"] not in {"", "0"})
    assert int(email["Unique Email Opens"]) <= int(email["Total Emails Delivered"]) <= int(email["Total Email Sends"])


def test_journeys_and_templates_hang_on_campaigns_and_templates_hold_expressions(world):
    campaigns = answer(world, "campaigns.json")["campaigns"]
    journeys = {j["id"]: j for j in answer(world, "journeys.json")["journeys"]}
    assert {c["workflowId"] for c in campaigns if "workflowId" in c} & set(journeys)
    assert {bool(j["isArchived"]) for j in journeys.values()} == {True, False}
    files = {int(path.stem): path for path in world.glob("templates/*/*.json")}
    assert {path.parent.name for path in files.values()} == {"email", "push", "sms", "inapp"}
    assert len([c for c in campaigns if c["templateId"] not in files]) == 1
    kinds = {orjson.loads(path.read_bytes())["templateType"] for path in files.values()}
    assert kinds == {"Base", "Blast", "Triggered", "Workflow"}
    text = " ".join(path.read_text(encoding="utf-8") for path in files.values())
    assert all(sign in text for sign in ("{{#each", "[[#if", "{{defaultIfEmpty", "{{unsubscribeUrl}}", "noSuchHelper"))
    assert answer(world, "snippets.json")["snippets"]


def test_catalogs_share_item_ids_and_hold_dirt(world):
    names = [c["name"] for c in answer(world, "catalogs.json")["params"]["catalogNames"]]
    found = {name: rows(world, f"catalogs/{name}/items") for name in names}
    ids = {name: [row["itemId"] for row in items] for name, items in found.items()}
    assert all(len(set(each)) == len(each) for each in ids.values())
    assert set(ids["products"]) & set(ids["Services-2023"])
    assert [] in ids.values()
    values = [row["value"] for row in found["products"]]
    assert any("price" not in v for v in values)
    assert any(isinstance(v.get("price"), str) for v in values)
    assert any(len(str(v.get("name"))) > 100 for v in values)
    assert {"P-1000", "p-1000"} <= set(ids["products"])


def test_dates_of_deeds_follow_the_seed(world):
    moments = [str(e.get("createdAt")) for e in rows(world, EVENTS)]
    plain = [m for m in moments if re.fullmatch(r"20(1\d|2[0-5])-\d\d-\d\d \d\d:\d\d:\d\d \+00:00", m)]
    assert len(plain) > 0.95 * len(moments)
