"""What a source may really send of events, purchases, catalogs, campaigns, lists and subscriptions: nothing breaks, nothing gets lost
silently, text stays text, and each bad record tells all its reasons."""  # fmt: skip

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from tests import folders
from tests.folders import organisation_list, user
from tests.spine.hostile_source import TEXTS, deep

pytestmark = [pytest.mark.database, pytest.mark.django_db]
EARLIER = {"profileUpdatedAt": "2020-01-01 00:00:00 +00:00"}
MARK = "\ufeff"  # the byte order mark that some editors put before a file
MORNING = "2024-03-05 09:10:11 +00:00"
MS = 1_700_000_000_000
LONG = "long " * 2_000
NUL, HALF = "Nul\u0000 inside", "half \ud83d"
SUMS = (None, "", "1.000,00", -5, 10**30, True, [1], {"a": 1}, "NaN", 0)
MANY_KEYS = {f"key {n}": n for n in range(600)}
DATES = (
    "0001-01-01 00:00:00 +00:00",
    "1970-01-01 00:00:00 +00:00",
    "9999-12-31 23:59:59 +00:00",
    "31.12.2023",
    "",
    10**30,
    -1,
    True,
    ["x"],
)


def event(name, **payload):
    return {"userId": "u-1", "eventName": name, "createdAt": MORNING, **payload}


def line(**fields):
    return {"id": "P-1", "name": "Sensor", "price": 10.0, "quantity": 1, **fields}


def purchase(key, *lines, **fields):
    return {"id": key, "userId": "u-1", "currency": "EUR", "total": 10, "createdAt": MORNING, "shoppingCartItems": list(lines)} | fields


EVENTS = [
    *(event(f"text {name}", note=text) for name, text in TEXTS.items()),
    *(event(name, note="named") for name in (LONG, NUL, HALF, "=1+1", 7, True, None, ["x"], {"a": 1}, "  ")),
    *({**event("dated"), "createdAt": value} for value in DATES),
    *({**event("whose"), "userId": value} for value in (None, "", 0, 1.5, ["u-1"], {"id": "u-1"}, True, "gone", "x" * 5_000, NUL, HALF)),
    event("deep", tree=deep(150)),
    event("wide", **MANY_KEYS),
    event("twins", Twin=1, twin=2, TWIN=3, **{"": 4, "a.b": 5, "a": {"b": 6}, "contactid": 7, "nul\u0000key": 8, "k" * 400: 9}),
    event("types", n=10**400, f=1e308, s="x" * 200_000, b=True, z=None, l=[1, [2]], o=[{"a": 1}]),
]
PURCHASES = [
    *(purchase(f"pu-t-{name}", line(name=text), orderId=text) for name, text in TEXTS.items()),
    *(purchase(f"pu-c-{n}", line(), currency=value) for n, value in enumerate((None, "", "eur ", "€", 7, ["EUR"], "X" * 300, NUL))),
    *(purchase(f"pu-m-{n}", line(), total=value) for n, value in enumerate(SUMS)),
    *(purchase(f"pu-d-{n}", line(), createdAt=value) for n, value in enumerate(DATES)),
    *({**purchase(f"pu-i-{n}"), "shoppingCartItems": value} for n, value in enumerate((None, "x", {"a": 1}, [None, 7, "x", [1]], 5))),
    purchase("pu-l", line(price="free", quantity="many"), line(price=-3, quantity=-2), line(price=10**20, quantity=10**20), line(name=LONG),
             line(id=["P-1"], name={"x": 1}), line(id="", name=""), line(price=True, quantity=None), {}),
    purchase("pu-twice", line()), purchase("pu-twice", line(), total=11),
    {"userId": "u-1"}, {}, purchase(["x"], line()), purchase({"id": 1}, line()), purchase("x" * 5_000, line()),
    purchase(NUL, line()), purchase(HALF, line(name=HALF)),
    purchase("pu-nobody", line(), userId="gone", email="gone@nowhere.example"),
    purchase("pu-all", userId="gone", currency="XXX", total="lots", createdAt="never"),
    purchase("pu-forgotten", line(), userId="u-forgotten"), purchase("pu-review", line(), userId="u-review"),
]  # fmt: skip
CAMPAIGNS = [
    {"id": 71, "name": LONG, "campaignState": "Finished", "type": "Blast", "createdAt": MS, "listIds": [7, 7, 9_999, "x", None]},
    {"id": 72, "name": TEXTS["markup"], "campaignState": "Exploded", "createdAt": "soon", "startAt": "x", "listIds": "7"},
    {"id": 75, "name": HALF, "campaignState": HALF},
    {"id": 73, "name": NUL, "campaignState": None, "createdAt": -1, "listIds": {"a": 1}, "messageMedium": ["Email"]},
    {"id": 74, "name": None, "campaignState": ["Finished"], "createdAt": 10**30},
    {"name": "without an id", "createdAt": MS},
    {"id": 71, "name": "the same id again", "campaignState": "Draft", "createdAt": MS},
]
METRICS = "id,Total Email Sends,Unique Emails Delivered,Unique Email Opens\n71,many,0,-5\n72,1e400,NaN,\n,1,2,3\n999,1,1,1\n"
LISTS = [
    organisation_list(7, TEXTS["formula"], description=LONG),
    organisation_list(8, NUL, listType="Dynamic", createdAt="x"),
    organisation_list(9, None, description=["x"], listType=7),
    organisation_list(10, ["Newsletter"], createdAt=-1),
    organisation_list(7, "The same id again"),
    {"name": "Company: without an id"}, {"id": None, "name": "Nobody's", "listType": "Dynamic"},
    {"id": "x" * 300, "name": "Company: of a long id", "listType": "Dynamic"}, "text", None,
]  # fmt: skip
CHANNELS = [*folders.CHANNELS, {"name": "without an id"}, {"id": ["x"], "messageMedium": 7}, "text", None]
MESSAGE_TYPES = [*folders.MESSAGE_TYPES, {"name": "without an id"}, {"id": 950, "channelId": None}, {"id": 951}, {"id": "x"}, None]
ITEMS = [
    {"itemId": name, "value": {"name": text, "price": 1, "currency": "EUR", "description": text}} for name, text in TEXTS.items()
] + [
    {"itemId": "nothing", "value": None}, {"itemId": "list", "value": [1]}, {"itemId": "empty", "value": {}},
    {"itemId": "long", "value": {"name": LONG, "price": "12,50", "currency": "eur"}},
    {"itemId": "half", "value": {"name": HALF, "price": 1}}, {"itemId": "nul", "value": {"name": NUL, "price": -1, "currency": "€"}},
    {"itemId": "big", "value": {"name": "Big", "price": 10**30, "currency": 7}},
    {"itemId": "types", "value": {"name": ["x"], "price": {"a": 1}, "active": "perhaps", "tree": deep(60)}},
    {"itemId": "twins", "value": {"Name": "x", "name": "y", "NAME": "z", "": 1, "nul\u0000key": 2}},
]  # fmt: skip
SUBSCRIPTIONS = [
    {"userId": "u-1", "createdAt": MORNING, "messageTypeIds": "x", "channelIds": {"a": 1}, "emailListIds": [None, 10**30, "7"]},
    {"userId": ["u-1"], "createdAt": "never"},
    {"email": "NOT AN ADDRESS", "createdAt": MORNING},
    {},
]
BROKEN = ['{"userId": "u-1", "eventName": "cut"', "null", "[1, 2]", '"text"', '{"eventName": "nan", "userId": "u-1", "n": NaN}']
DOCUMENTS = SANDBOX_ONLY = True
ASK = {"user": ["u-forgotten", "u-erased"], "purchase": ["pu-l", "pu-forgotten"]}


JOURNEYS = [
    {"id": 1, "name": "an earlier one of the same id"},
    {"id": 1, "name": LONG, "enabled": "perhaps", "isArchived": [], "triggerEventNames": "x", "createdAt": "soon"},
    {"id": "two", "name": NUL, "description": {"a": 1}, "triggerEventNames": [None, 7, {"a": 1}]},
    {"id": None, "name": None}, {"name": TEXTS["markup"], "id": 3, "isArchived": True}, {}, "text", None, [1],
    *({"id": 100 + n, "name": text, "description": text, "journeyType": text} for n, text in enumerate(TEXTS.values())),
]  # fmt: skip
TEMPLATES = {
    1: {"templateId": 1, "name": NUL, "html": TEXTS["markup"], "metadata": []},
    2: {"templateId": "two", "name": ["x"], "html": 7},
    3: {"name": "without an id"},
    4: {"templateId": 4, "name": LONG, "html": "{{#each " * 300 + "x", "subject": "{{" * 500, "createdAt": "soon"},
    5: {"templateId": 5, "name": "deep", "html": {"a": deep(150)}, "linkParams": "x", "dataFeedIds": {"a": 1}, "ccEmails": [None, 7]},
    **{
        100 + n: {"templateId": 100 + n, "name": text, "subject": text, "html": f"<p>{text}</p>", "messageTypeId": 901}
        for n, text in enumerate(TEXTS.values())
    },
}
SNIPPETS = [
    {"id": 1, "name": LONG, "content": TEXTS["handlebars"]}, {"id": "x", "name": None, "content": {"a": 1}}, {}, "text", None, [1],
    *({"id": 100 + n, "name": text, "content": text} for n, text in enumerate(TEXTS.values())),
]  # fmt: skip


def hashed(key):
    return hashlib.sha256(key.encode()).hexdigest()


# The first two are people; of all else the check tells that nobody is found by it.
FORGOTTEN = [
    f" {hashed('forgotten@north.example').upper()} ",
    hashed("forgotten@north.example"),
    "",
    "no hash",
    7,
    None,
    {"a": 1},
    ["x"],
    LONG,
]


def lines_of(rows, *broken):
    return "".join(json.dumps(row) + "\n" for row in rows) + "".join(one + "\n" for one in broken)


def folder(path):
    users = [user("u-1", "ada@north.example", emailListIds=[7]), user("u-2", "leo@north.example", "lead", emailListIds=[7, 8])]
    users += [user("u-forgotten", "forgotten@north.example"), user("u-erased", "erased@north.example")]
    users += [user("u-3", "mia@north.example", phoneNumber="+4712345678", subscribedMessageTypeIds=[902, 903])]
    users += [user("u-3", "mia@north.example", **EARLIER, unsubscribedMessageTypeIds=[901], subscribedMessageTypeIds=[902, 903])]
    users += [user("u-review", "review@north.example", "nobody knows")]
    items = [{"catalogName": "products", "lastModified": MS, "size": 1, **item} for item in ITEMS]
    more = {
        "channels.json": MARK + json.dumps({"channels": CHANNELS}),
        "messageTypes.json": {"messageTypes": MESSAGE_TYPES},
        "lists/8.txt": "u-1\n\nu-1\ngone\n=1+1\n" + "x" * 5_000 + "\n",
        "campaigns.json": MARK + json.dumps({"campaigns": CAMPAIGNS}),
        "campaigns/metrics.csv": MARK + METRICS,
        "export/customEvent.ndjson": MARK + lines_of(EVENTS, *BROKEN),
        "export/purchase.ndjson": lines_of(PURCHASES, *BROKEN),
        "export/emailSubscribe.ndjson": lines_of(SUBSCRIPTIONS, *BROKEN),
        "journeys.json": {"journeys": JOURNEYS},
        "snippets.json": {"snippets": SNIPPETS},
        **{f"templates/email/{number}.json": {"templateType": "Blast", **template} for number, template in TEMPLATES.items()},
        "catalogs.json": {"msg": "", "code": "Success", "params": {"catalogNames": [{"name": "products"}]}},
        "catalogs/products/items.ndjson": items,
    }
    currency = {"transactioncurrencyid": "00000000-0000-0000-0000-00000000e001", "isocurrencycode": "EUR", "currencyname": "Euro"}
    currency |= {"exchangerate": 1.0, "currencyprecision": 2}
    rows = {"dataverse/transactioncurrency": [currency], "dataverse_sandbox/transactioncurrency": [currency]}
    more["users/forgottenUserIds.json"] = {"hashedUserIds": [hashed("u-erased"), TEXTS["formula"]]}
    return folders.write(path, users, lists=LISTS, more=more, rows=rows, forgotten=FORGOTTEN)


def test_everything_balances_and_every_record_is_counted(played):
    assert all(phase["balanced"] for phase in played.summary["phases"])
    counted = {"customEvent": len(EVENTS) + len(BROKEN), "purchase": len(PURCHASES) + len(BROKEN)}
    counted |= {"subscriptionEvent": len(SUBSCRIPTIONS) + len(BROKEN), "catalogItem": len(ITEMS)}
    counted |= {"campaign": len(CAMPAIGNS), "list": len(json.loads((played.source / "iterable" / "lists.json").read_text())["lists"])}
    for name, count in counted.items():
        assert sum(one["extracted"] for one in played.summary["phases"] if one["object"] == name) == count, name


@pytest.mark.parametrize("name", TEXTS)
def test_texts_arrive_as_text(played, name):
    [task] = [row for row in played.of_source("task", "customEvent") if row["subject"] == f"text {name}"]
    assert json.loads(task["mwb_event_payload"]) == {"note": TEXTS[name]}
    assert played.row("opportunity", f"purchase:pu-t-{name}")["mwb_purchase_order_id"] == TEXTS[name]
    assert played.row("product", f"catalogItem:products/{name}")["description"] == TEXTS[name]


LATE = [
    "date.before_1753", "date.epoch_zero", "", "date.unparseable", "moment.missing", "date.unparseable", "", "date.unparseable",
    "date.unparseable",
]  # fmt: skip
REASONS = {
    **{f"pu-d-{number}": ["purchase.no_date", code] for number, code in enumerate(LATE) if code},
    "pu-c-3": ["currency.unknown"],
    "pu-c-4": ["currency.unknown"],
    "pu-c-5": ["currency.unknown", "text.from_structure"],
    "pu-c-6": ["currency.unknown", "text.shortened"],
    "pu-c-7": ["currency.unknown", "text.control_characters"],
    "pu-nobody": ["parent.not_in_source"],
    "pu-review": ["parent.held"],
    "pu-all": ["parent.not_in_source", "currency.unknown", "purchase.no_date", "date.unparseable", "purchase.total_from_lines"],
}
# Of records without an id: how many have which reasons.
UNREADABLE = {("record.unreadable",): len(BROKEN)}
NAMELESS = {
    "customEvent": {**UNREADABLE, ("parent.unnamed",): 5, ("parent.not_in_source",): 4},  # 0 is a person's id
    "purchase": {
        **UNREADABLE,
        ("purchase.no_date", "moment.missing", "currency.assumed", "purchase.total_from_lines"): 1,
        ("parent.unnamed", "purchase.no_date", "moment.missing", "currency.assumed", "purchase.total_from_lines"): 1,
    },
    "purchaseLine": {("line.unreadable",): 4, ("parent.held", "line.write_in"): len(REASONS) - 1},
    "subscriptionEvent": {**UNREADABLE, ("parent.unnamed",): 1, ("parent.unnamed", "moment.missing"): 1},
    "listMembership": {("parent.not_in_source",): 3},
    "list": {("record.unreadable",): 2},
    "journey": {("record.unreadable",): 3},
}


def test_every_record_that_does_not_load_says_why_all_at_once(played):
    assert played.reasons("u-review") == ["split.review"]
    told = [one for one in played.exceptions if one["object"] not in ("company", "user")]
    codes = [(one["object"], one["source_id"], [reason["code"] for reason in one["reasons"]]) for one in told]
    assert {source_id: found for name, source_id, found in codes if name == "purchase" and source_id.startswith("pu-")} == REASONS
    counted = Counter((name, *found) for name, source_id, found in codes if name != "purchase" or not source_id.startswith("pu-"))
    assert counted == {(name, *found): count for name, each in NAMELESS.items() for found, count in each.items()}


def test_payloads_that_no_column_can_hold_are_kept_whole(played):
    rows = {row["subject"]: row for row in played.of_source("task", "customEvent")}
    assert json.loads(rows["deep"]["mwb_event_payload"]) == {"tree": deep(150)}
    assert json.loads(rows["wide"]["mwb_event_payload"]) == MANY_KEYS


def test_dates_before_1970_and_after_2199_are_extracted_and_load_where_the_destination_takes_them(played):
    days = {row["mwb_sourceid"]: row["actualclosedate"] for row in played.of_source("opportunity", "purchase")}
    assert (days["purchase:pu-d-2"], days["purchase:pu-d-6"]) == ("9999-12-31", "1969-12-31")


def test_what_belongs_to_forgotten_people_is_left_out_and_to_people_in_review_waits(played):
    [told] = played.dispositions["pu-forgotten"]
    assert (told["disposition"], told["reasons"][0]["code"], told["rows"][0]["state"] if told["rows"] else "") == (
        "skipped",
        "parent.skipped",
        "",
    )
    assert played.reasons("pu-review", "purchase") == ["parent.held"]


def test_forgotten_people_are_left_out_and_entries_that_find_nobody_are_counted(played):
    for source_id in ("u-forgotten", "u-erased"):
        [told] = played.dispositions[source_id]
        assert (told["disposition"], [one["code"] for one in told["reasons"]], told["rows"]) == ("skipped", ["person.forgotten"], [])
    [finding] = [one for one in played.summary["findings"] if one["check"] == "forgotten"]
    assert finding["severity"] == "warning"
    assert "9 e-mail addresses and 2 user ids" in finding["evidence"]
    assert "8 of them are no hexadecimal SHA-256" in finding["evidence"]


def test_channels_and_types_that_nobody_can_name_are_told_and_no_consent_follows_from_them(played):
    told = {one["evidence"] for one in played.summary["findings"] if one["check"] == "answers_without_ids"}
    assert {text.split(" have no")[0] for text in told} == {"3 lists", "2 channels", "4 message types"}
    assert played.row("contact", "user:u-1")["donotbulkemail"] is False


def test_the_consent_list_says_of_each_address_what_all_records_of_its_person_say(played):
    lines = json.loads(written(played, "consent", "json").read_text())
    told = {
        (one["row_id"], one["address"], one["topic"]): (one["consent"], one["said"], one["status"])
        for one in lines
        if one["address"].endswith(("@north.example", "5678"))
    }
    ada, leo, mia = played.row("contact", "user:u-1"), played.row("lead", "user:u-2"), played.row("contact", "user:u-3")
    yes, no = ("opted in", "in", 534120001), ("opted out", "out", 534120002)
    assert told == {
        (ada["contactid"], "ada@north.example", "Weekly"): yes, (ada["contactid"], "ada@north.example", "Offers"): no,
        (leo["leadid"], "leo@north.example", "Weekly"): yes, (leo["leadid"], "leo@north.example", "Offers"): no,
        (mia["contactid"], "mia@north.example", "Weekly"): no, (mia["contactid"], "mia@north.example", "Offers"): yes,
        (mia["contactid"], mia["mobilephone"], "Text offers"): yes,
    }  # fmt: skip
    assert (mia["donotbulkemail"], mia["mwb_sms_opt_out"]) == (True, False)
    with written(played, "consent", "csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["Address"] for row in csv.DictReader(file)] == [line["address"] for line in lines]


def test_journeys_templates_and_snippets_of_any_kind_stop_nothing(played):
    assert not [one for one in played.summary["findings"] if one["severity"] == "blocker"]
    withheld = {one["evidence"] for one in played.summary["findings"] if one["check"] == "template without content"}
    assert len(withheld) == 2
    assert all("has no number as its id" in evidence for evidence in withheld)


def test_journeys_and_templates_are_documented_each_once(played):
    told = {one["object"]: one for one in played.summary["phases"] if one["environment"] is None}
    counts = ("extracted", "documented", "merged", "rejected", "balanced", "table")
    assert [told["journey"][name] for name in counts] == [len(JOURNEYS), len(JOURNEYS) - 4, 1, 3, True, None]
    assert [told["template"][name] for name in counts] == [len(TEMPLATES), len(TEMPLATES), 0, 0, True, None]


def test_the_template_inventory_tells_of_templates_and_snippets_of_any_kind_as_text(played):
    told = json.loads(written(played, "templates", "json").read_text())
    templates = {row["id"]: row for row in told["templates"]}
    assert set(templates) == {"two", "", *(str(number) for number in TEMPLATES if number not in (2, 3))}
    for number, text in enumerate(TEXTS.values(), start=100):
        assert (templates[str(number)]["name"], templates[str(number)]["subject"]) == (text, text)
    assert {one["code"] for one in templates["4"]["mistakes"]} == {"tag.not_closed"}
    assert all(row["recommendation"]["why"] for row in templates.values())
    assert {LONG.strip(), *TEXTS.values()} <= {row["name"].strip() for row in told["snippets"]}


def written(played, kind, format):
    [path] = [one["path"] for one in played.summary["documents"] if (one["kind"], one["format"]) == (kind, format)]
    return Path(path)


def test_the_journey_inventory_tells_of_journeys_of_any_kind_as_text(played):
    rows = json.loads(written(played, "journeys", "json").read_text())["journeys"]
    named = {row["name"]["value"]: row for row in rows}
    assert {LONG, "Nul\ufffd inside", TEXTS["markup"]} <= set(named)
    assert set(TEXTS.values()) <= set(named)
    assert json.loads(written(played, "journeys", "json").read_text())["landed"]["unreadable"] == 3
    switched = "The API doesn't say whether it is switched on."
    twice = "The API gives this id 2 times; the last one is shown."
    assert named[LONG]["conflicts"] == [twice, switched, "The API's trigger events are no list."]
    assert named["Nul\ufffd inside"]["conflicts"] == [switched, "3 of the API's 3 trigger events are no name, or are named twice."]
    assert named[""]["conflicts"] == ["The API gives this journey without an id, so that nothing can be tied to it.", switched]
    assert [row["conflicts"] for row in rows if row["id"] == "3"] == [[]]
    assert all(row["recommendation"]["reason"] for row in rows)


def test_the_catalog_cross_reference_counts_as_the_phases_do_and_its_csv_has_no_formula(played):
    lines = json.loads(written(played, "catalog_xref", "json").read_text())
    phases = [one for one in played.summary["phases"] if one["object"] == "catalogItem"]
    counted = {name: sum(one[name] for one in phases) for name in ("loaded", "merged", "skipped", "rejected", "held")}
    assert Counter(line["disposition"] for line in lines) == Counter({name: count for name, count in counted.items() if count})
    products = {row["productid"]: (row["productnumber"], row["name"]) for row in played.rows("product")}
    assert {line["rows"]["sandbox"]["id"]: (line["product_number"], line["name"]) for line in lines if line["rows"]} == products
    with written(played, "catalog_xref", "csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
