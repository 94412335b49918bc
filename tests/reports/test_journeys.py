"""The journey inventory as it is written: three sources joined, each line with its origin, conflicts named, hostile names as text."""

import json

import openpyxl
import pytest

from connectors import landing, store
from mapping.discovery.objects import LandedObjects
from mapping.journeys import keeping
from mapping.journeys.definition import FORMAT
from mapping.journeys.models import EnteredJourney
from mapping.models import DiscoveryFinding
from reports import journeys
from tests.pages import cast
from tests.reports import paper
from tests.spine.hostile_source import TEXTS

pytestmark = [pytest.mark.django_db, pytest.mark.database]

MS = 1_700_000_000_000
LOOKUP = "Hi {{firstName}} {{#catalog 'Products' productId as |p|}}{{p.name}}{{/catalog}} {{#catalog \"ghosts\" 'g-1' as |g|}}{{/catalog}}"
JOURNEYS = [
    {"id": 55, "name": "Welcome", "enabled": True, "isArchived": False, "journeyType": "Published", "lifetimeLimit": 1,
     "simultaneousLimit": 1, "triggerEventNames": ["signup", "neverTracked"]},
    {"id": 56, "name": "Win-back", "enabled": True, "triggerEventNames": []},
    {"id": 57, "name": "Old", "isArchived": True},
]  # fmt: skip
CAMPAIGNS = [
    {"id": 71, "name": "Welcome 1", "campaignState": "Running", "messageMedium": "Email", "workflowId": 55, "templateId": 81},
    {"id": 72, "name": "Welcome 2", "campaignState": "Running", "messageMedium": "SMS", "workflowId": 55, "templateId": 99},
    {"id": 73, "name": "Spring", "campaignState": "Finished", "messageMedium": "Email"},
]
TEMPLATES = [{"templateId": 81, "name": "Hello", "messageMedium": "Email", "templateType": "Workflow", "html": LOOKUP}]
ITEMS = [{"catalogName": "products", "itemId": "P-1", "lastModified": MS, "value": {"name": "Sensor"}}]
OBJECTS = {
    "journey": JOURNEYS, "campaign": CAMPAIGNS, "template": TEMPLATES, "catalogItem": ITEMS,
    "customEvent": [{"userId": "u-1", "eventName": "signup", "createdAt": "2024-03-05 09:10:11 +00:00"}],
}  # fmt: skip
STEPS = [
    {"id": "hello", "kind": "send", "channel": "email", "campaign": 71, "catalogs": [{"catalog": "products", "item": "P-404"}]},
    {"id": "pause", "kind": "wait", "wait": "3 days"},
    {"id": "opened", "kind": "branch", "branches": [{"when": "opened", "to": "end"}, {"when": "else", "to": "again"}]},
    {"id": "again", "kind": "send", "channel": "push", "campaign": 72, "template": 81},
]


@pytest.fixture
def northwind():
    engagement = cast.make_engagement("Northwind")
    cast.make_discovered(engagement, objects=OBJECTS)
    return engagement


def give(engagement, *described) -> None:
    content = json.dumps({"format": FORMAT, "journeys": list(described)}).encode()
    keeping.keep(engagement, content, file_name="journeys.json", actor="ada")


def licensed(engagement, edition="enterprise", insights=False) -> None:
    engagement.environments.update(edition=edition, insights_journeys=insights)


def written(engagement) -> dict:
    return json.loads((store.root() / journeys.write(engagement).path).read_text())


def journey(engagement, key) -> dict:
    return next(row for row in written(engagement)["journeys"] if row["id"] == key)


def sheet(engagement, name, formulas=None) -> list[list]:
    book = openpyxl.load_workbook(store.root() / journeys.write_workbook(engagement).path)
    if formulas is not None:
        formulas += [cell for page in book.worksheets for row in page.iter_rows() for cell in row if cell.data_type == "f"]
    return [list(row) for row in book[name].iter_rows(min_row=2, values_only=True)]


def test_from_the_api_alone_come_names_triggers_limits_and_sends_and_the_step_count_is_a_lower_bound(northwind):
    row = journey(northwind, "55")
    assert (row["name"], row["state"]) == ({"value": "Welcome", "origin": "api"}, {"value": "running", "origin": "api"})
    assert row["trigger"]["kind"] == {"value": "event", "origin": "api"}
    assert [(one["value"], one["counted"]) for one in row["trigger"]["names"]] == [("signup", 1), ("neverTracked", 0)]
    assert row["limits"]["reentry"] == {"value": "once", "origin": "api"}
    assert (row["steps"]["count"], row["steps"]["known"]) == (2, "lower bound")
    told = [(one["number"], one["kind"], one["channel"], one["campaign"], one["origin"]) for one in row["steps"]["rows"]]
    assert told == [(None, "send", "email", "71", "api"), (None, "send", "sms", "72", "api")]
    templates = [(one["template"]["id"], one["template"]["name"], one["template"]["found"]) for one in row["campaigns"]]
    assert templates == [("81", "Hello", True), ("99", "", False)]
    assert [(one["catalog"], one["item"], one["where"], one["found"]) for one in row["catalogs"]] == [
        ("Products", "", "template 81", True),
        ("ghosts", "g-1", "template 81", False),
    ]


def test_a_journey_of_which_nothing_is_known_says_so_and_still_has_a_recommendation(northwind):
    row = journey(northwind, "57")
    assert (row["state"]["value"], row["trigger"]["kind"]) == ("archived", {"value": "", "origin": "unknown"})
    assert (row["steps"], row["channels"], row["branches"]) == ({"count": 0, "known": "not known", "rows": []}, [], [])
    assert (row["recommendation"]["tool"], row["recommendation"]["effort"]["at_least"]) == ("flow", True)
    assert "isn't known" in row["recommendation"]["reason"]
    values = {what: (value, origin) for key, _, what, value, origin in sheet(northwind, "Values") if key == "57"}
    assert values["Trigger"] == ("", "Not known")
    assert values["Entries at all"] == ("none given", "API")


def test_steps_of_the_file_count_and_what_the_api_says_otherwise_is_a_conflict(northwind):
    given = {"id": 55, "name": "Welcome!", "trigger": {"kind": "event", "names": ["signup"]}, "limits": {"lifetime": 2}, "complete": True}
    give(northwind, {**given, "steps": STEPS})
    row = journey(northwind, "55")
    assert (row["steps"]["count"], row["steps"]["known"]) == (4, "known")
    assert {one["origin"] for one in row["steps"]["rows"]} == {"file"}
    assert [(one["step"], one["when"], one["to"]) for one in row["branches"]] == [("opened", "opened", "end"), ("opened", "else", "again")]
    assert row["conflicts"] == [
        "The file calls it 'Welcome!', the API 'Welcome'.",
        "The file says that it is started by signup, the API by signup, neverTracked.",
        "The file gives 2 entries at all, the API 1.",
        "Step hello names the item P-404 of the catalog products, which the API doesn't have.",
        "Step again sends the campaign 72 by Push, the API SMS.",
        "Step again names the template 81, the API's campaign 72 uses 99.",
    ]
    assert row["limits"]["lifetime"] == {"value": 1, "origin": "api"}
    steps = [line for line in sheet(northwind, "Steps") if line[0] == "55"]
    assert [(line[2], line[4], line[8], line[-1]) for line in steps] == [
        (1, "Send a message", "", "Definition file"),
        (2, "Wait", "3 days", "Definition file"),
        (3, "Branch on a condition", "", "Definition file"),
        (4, "Send a message", "", "Definition file"),
    ]
    assert [line[9] for line in steps][0] == "products: P-404"


def test_a_send_that_no_step_names_makes_the_count_a_lower_bound_again(northwind):
    give(northwind, {"id": 55, "name": "Welcome", "complete": True, "steps": STEPS[:2]})
    row = journey(northwind, "55")
    assert (row["steps"]["count"], row["steps"]["known"]) == (3, "lower bound")
    assert [one["origin"] for one in row["steps"]["rows"]] == ["file", "file", "api"]
    assert "No step names what the API ties to the journey: campaign 72." in row["conflicts"]


def test_a_journey_that_the_api_does_not_have_and_a_campaign_that_is_unknown_are_named(northwind):
    steps = [
        {"id": "a", "kind": "send", "channel": "email", "campaign": 404, "template": 405, "next": "end"},
        {"id": "b", "kind": "send", "channel": "email", "campaign": 71},
    ]
    give(northwind, {"id": "gone", "name": "Gone", "trigger": {"kind": "list", "names": ["VIPs"]}, "complete": True, "steps": steps})
    row = journey(northwind, "gone")
    assert row["conflicts"] == [
        "The API has no journey of this id: it was deleted, is another project's, or the id is mistaken.",
        "Step a names the campaign 404, which the API doesn't have.",
        "Step a names the template 405, which the API doesn't have.",
        "No path leads to step b.",
    ]
    assert (row["state"]["origin"], row["name"]["origin"], row["trigger"]["names"][0]["origin"]) == ("unknown", "file", "file")
    assert [(one["id"], one["found"], one["name"], one["origin"]) for one in row["campaigns"]] == [
        ("404", False, "", "file"),
        ("71", True, "Welcome 1", "file"),
    ]
    assert ["404", "not there"] in [[line[2], line[8]] for line in sheet(northwind, "Messages")]


def test_a_campaign_of_another_journey_is_a_conflict(northwind):
    give(northwind, {"id": 56, "name": "Win-back", "steps": [{"id": "a", "kind": "send", "channel": "email", "campaign": 71}]})
    assert "Step a names the campaign 71, which the API ties to the journey 55." in journey(northwind, "56")["conflicts"]


def test_steps_that_were_entered_count_before_those_of_the_file_and_fill_what_the_api_leaves_open(northwind):
    give(northwind, {"id": 56, "name": "Win-back", "steps": STEPS[:2], "note": "Marketing owns it."})
    row = EnteredJourney.objects.create(
        engagement=northwind, journey_id="56", trigger="segment", names="Idle 90 days\n\nVIPs ", reentry="after_exit", complete=True
    )
    row.steps.create(number=1, kind="branch", condition="bought", target="end")
    row.steps.create(number=1, kind="branch", condition="else")
    row.steps.create(number=2, kind="send", channel="email", campaign="73", catalog="products", item="P-1")
    told = journey(northwind, "56")
    assert [(one["kind"], one["origin"]) for one in told["steps"]["rows"]] == [("branch", "entered"), ("send", "entered")]
    assert told["steps"]["known"] == "known"
    assert told["trigger"]["kind"] == {"value": "segment", "origin": "entered"}
    assert [one["value"] for one in told["trigger"]["names"]] == ["Idle 90 days", "VIPs"]
    assert told["notes"] == [{"value": "Marketing owns it.", "origin": "file"}]
    assert told["conflicts"] == ["The file has 2 steps and 2 were entered; those that were entered count."]
    assert told["retrigger"]["source"].startswith("The person comes into a segment (Idle 90 days, VIPs). Entries: again, after")
    assert [line[3:5] for line in sheet(northwind, "Branches")] == [["bought", "end"], ["else", "next step"]]


def test_every_journey_says_that_a_sales_sequence_is_cadence_based(northwind):
    licensed(northwind)
    rows = written(northwind)["journeys"]
    assert all("cadence-based, not event-triggered" in row["retrigger"]["sequence"] for row in rows)
    assert journey(northwind, "55")["retrigger"]["source"] == (
        "An event happens (signup, neverTracked). Entries: once in a lifetime; 1 at one time."
    )
    assert journey(northwind, "55")["retrigger"]["origins"] == ["api"]


MAILS = {"id": 56, "name": "Win-back", "complete": True, "trigger": {"kind": "segment"}, "steps": [
    {"id": "a", "kind": "send", "channel": "email"}, {"id": "b", "kind": "wait", "wait": "3 days"},
    {"id": "c", "kind": "send", "channel": "email"}, {"id": "d", "kind": "ai", "branches": [{"when": "AI", "to": "end"}]},
]}  # fmt: skip


@pytest.mark.parametrize(
    ("edition", "insights", "tool", "otherwise"),
    [
        ("premium", True, "journey", ""),
        ("enterprise", False, "sequence", "Customer Insights - Journeys"),
        ("professional", False, "flow", "Customer Insights - Journeys"),
        ("", None, "flow", "Customer Insights - Journeys"),
    ],
)
def test_the_recommendation_follows_the_licences_and_says_why_what_is_lost_and_how_much_work_it_is(
    northwind, edition, insights, tool, otherwise
):
    licensed(northwind, edition, insights)
    give(northwind, MAILS)
    found = journey(northwind, "56")["recommendation"]
    assert (found["tool"], found["otherwise"]) == (tool, otherwise)
    assert found["reason"]
    assert "AI decisions: a person must write the rule that takes their place." in found["limits"]
    assert (found["effort"]["name"], found["effort"]["at_least"], found["effort"]["points"]) == ("M", False, 2 + 4 + 1 + 5 + 1)
    [line] = [line for line in sheet(northwind, "Recommendations") if line[0] == "56"]
    assert line[2] == found["title"]


@pytest.mark.parametrize(
    ("steps", "tool"),
    [
        ([{"id": "a", "kind": "update"}], "flow"),  # nothing is sent
        ([{"id": "a", "kind": "send", "channel": "sms"}, {"id": "b", "kind": "send", "channel": "email"}], "flow"),
        ([{"id": "a", "kind": "send", "channel": "email"}, {"id": "b", "kind": "webhook"}], "flow"),
        ([{"id": "a", "kind": "send", "channel": "email"}, {"id": "b", "kind": "send", "channel": "email"}], "sequence"),
    ],
)
def test_what_a_journey_does_decides_too(northwind, steps, tool):
    licensed(northwind)
    give(northwind, {"id": 56, "name": "Win-back", "complete": True, "steps": steps})
    assert journey(northwind, "56")["recommendation"]["tool"] == tool


def test_what_discovery_found_installed_stands_in_for_a_licence_that_nobody_entered(northwind):
    production = northwind.environments.get(kind="production")
    DiscoveryFinding.objects.create(
        engagement=northwind, environment=production, check_name="quiet_journeys", subject="Welcome a new contact", severity="warning"
    )
    told = written(northwind)
    assert (told["licences"]["journeys"], told["licences"]["journeys_by"]) == (True, "discovery")
    assert ["Customer Insights - Journeys", "yes (by what discovery found)"] in sheet(northwind, "About")


def test_an_engagement_without_any_source_has_an_empty_inventory(db):
    engagement = cast.make_engagement("Contoso")
    told = written(engagement)
    assert (told["landed"], told["definition"], told["journeys"]) == (None, None, [])
    assert sheet(engagement, "Journeys") == []
    assert "No journey was found." in " ".join(paper.pages(journeys.write_pdf(engagement)))


def test_the_pdf_tells_each_journey_with_steps_branches_catalogs_origins_and_what_to_rebuild_it_with(northwind):
    licensed(northwind)
    give(northwind, {"id": 55, "name": "Welcome", "complete": True, "steps": STEPS}, {**MAILS, "note": "Marketing owns it."})
    pages = paper.pages(journeys.write_pdf(northwind))
    text = " ".join(pages)
    told = {row["id"]: row for row in written(northwind)["journeys"]}
    welcome = text[text.index("Id 55") :]
    for words in (
        "State Running API",
        "Started by An event happens: signup, neverTracked API",
        "Counted at the source signup 1, neverTracked 0 Discovery",
        "Entry and re-entry An event happens (signup, neverTracked). Entries: once in a lifetime; 1 at one time. API",
        "1 Send a message hello looks up products: P-404 E-mail Welcome 1 (71) template Hello (81) – Definition file",
        "2 Wait pause waits 3 days – – – Definition file",
        "3 Branch on a condition opened – – opened → end else → again Definition file",
        "4 Send a message again Push Welcome 2 (72) template 81 – Definition file",
        "products, not at the source P-404 step hello Definition file",
        "Products computed template 81 API",
        told["55"]["recommendation"]["title"],
        told["55"]["recommendation"]["reason"],
        told["55"]["retrigger"]["tool"],
        *told["55"]["recommendation"]["limits"],
        told["55"]["recommendation"]["effort"]["rule"],
    ):
        assert words in welcome
    for words in told["55"]["conflicts"]:
        assert words in text
    assert "Note Marketing owns it. Definition file" in text
    assert "No source says what it does" in text  # of journey 57
    assert "A sales sequence is cadence-based, not event-triggered" in text
    begins = next(number for number, page in enumerate(pages, 1) if "Id 56" in page)
    assert f"effort M {begins} " in text[text.index("All journeys", text.index("Summary The API")) :]


HOSTILE = [
    {"id": 1, "name": TEXTS["formula"], "enabled": "perhaps", "isArchived": [], "triggerEventNames": "x", "lifetimeLimit": -1},
    {"id": "two", "name": "Nul\u0000", "description": {"a": 1}, "triggerEventNames": [None, 7, TEXTS["at"], TEXTS["at"]]},
    {"id": None, "name": None}, {"name": TEXTS["markup"], "id": 3, "isArchived": True}, {}, {"id": 3, "name": "the same id again"},
]  # fmt: skip


def test_hostile_journeys_campaigns_and_templates_are_told_as_text_with_what_cannot_be_read():
    engagement = cast.make_engagement("Northwind")
    deep: object = LOOKUP
    for _ in range(100):
        deep = [deep]
    objects = {
        "journey": HOSTILE,
        "campaign": [
            {"id": 71, "name": ["x"], "workflowId": 3, "templateId": 81, "messageMedium": TEXTS["markup"]},
            {"id": {"a": 1}, "workflowId": 3},
        ],
        "template": [{"templateId": 81, "name": TEXTS["formula"], "html": "{{#catalog '=1+1' 'a" + "b" * 300 + "'", "deep": deep}],
    }
    cast.make_discovered(engagement, objects=objects)
    give(engagement, {"id": TEXTS["plus"], "name": TEXTS["formula"], "note": TEXTS["markup"], "steps": [
        {"id": TEXTS["at"], "kind": "send", "channel": "email", "name": TEXTS["minus"], "campaign": TEXTS["formula"]}]})  # fmt: skip
    told = {row["id"]: row for row in written(engagement)["journeys"]}
    assert len(told) == 6
    assert told["1"]["conflicts"] == [
        "The API doesn't say whether it is switched on.",
        "The API's trigger events are no list.",
        "The API's lifetimeLimit can't be read.",
    ]
    assert told["two"]["name"]["value"] == "Nul\ufffd"
    assert [one["value"] for one in told["two"]["trigger"]["names"]] == [TEXTS["at"]]
    assert told["3"]["conflicts"][0] == "The API gives this id 2 times; the last one is shown."
    assert [(one["channel"], one["template"]["name"]) for one in told["3"]["campaigns"]] == [("other", TEXTS["formula"])]
    formulas: list = []
    names = {line[0]: line[1] for line in sheet(engagement, "Journeys", formulas)}
    assert formulas == []
    assert names[TEXTS["plus"]] == TEXTS["formula"]
    text = paper.run_together(store.root() / journeys.write_pdf(engagement).path)
    for name in ("formula", "plus", "minus", "at", "markup"):
        assert TEXTS[name].replace(" ", "") in text


def test_the_full_extraction_counts_before_discovery_and_only_the_records_asked_for_are_read(northwind):
    dataset = landing.open_dataset(engagement=northwind, object_name="journey", purpose="load")
    landing.land_piece(
        dataset, "all", [json.dumps({**JOURNEYS[0], "name": "Welcome 2"}).encode(), b"no journey"], lambda row: str(row["id"])
    )
    landing.seal(dataset)
    told = written(northwind)
    assert [row["name"]["value"] for row in told["journeys"]] == ["Welcome 2"]
    assert (told["landed"]["purpose"], told["landed"]["sha256"], told["landed"]["unreadable"]) == ("load", dataset.sha256, 1)
    assert [key for key, _ in LandedObjects(northwind).identified("campaign", {"73"})] == ["73"]


def test_many_journeys_take_no_more_queries_than_few(django_assert_max_num_queries):
    engagement = cast.make_engagement("Northwind")
    cast.make_discovered(engagement, objects={**OBJECTS, "journey": [{**JOURNEYS[0], "id": 1_000 + n} for n in range(300)]})
    give(engagement, *({"id": 1_000 + n, "name": "Welcome", "steps": STEPS} for n in range(300)))
    for n in range(50):
        EnteredJourney.objects.create(engagement=engagement, journey_id=str(n)).steps.create(number=1, kind="update")
    with django_assert_max_num_queries(20):
        assert len(journeys.content(engagement)["journeys"]) == 350
