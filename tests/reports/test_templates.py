"""The inventory of templates over landed records: what it says of each expression, and what stands in the written files."""

import json
from datetime import UTC, datetime

import pytest
from openpyxl import load_workbook

from connectors import landing, rawjson, store
from connectors.dataverse.columns import Column, Table
from connectors.models import Dataset
from mapping import plan
from mapping.models import SourceField
from mapping.workshop import tables
from reports import templates
from tests.pages import cast
from tests.reports import paper
from tests.spine.hostile_source import TEXTS
from workbench.engagements.errors import BadInput

pytestmark = pytest.mark.django_db
READ = datetime(2026, 5, 4, 12, tzinfo=UTC)
RECENT, OLD = 1_775_000_000_000, 1_600_000_000_000  # March 2026, September 2020
SNIPPETS = [
    {"id": 5, "name": "footer", "content": "<a href='{{unsubscribeUrl}}'>x</a> {{year}} {{snippet 'legal'}}", "variables": ["year"]},
    {"id": 6, "name": "legal", "content": "{{petName}} {{snippet 'footer'}} {{#if x}}", "variables": []},
]
CAMPAIGNS = [
    {"id": 71, "name": "Spring", "templateId": 1, "campaignState": "Running", "createdAt": RECENT, "startAt": RECENT},
    {"id": 72, "name": "Autumn", "templateId": 1, "campaignState": "Finished", "createdAt": OLD, "endedAt": OLD},
    {"id": 73, "name": "Long ago", "templateId": 3, "campaignState": "Finished", "createdAt": OLD, "endedAt": OLD},
]


def email(number, html="", **fields):
    known = {"templateId": number, "name": f"Template {number}", "messageMedium": "Email", "templateType": "Blast", "html": html}
    return known | {"subject": "", "createdAt": RECENT, "updatedAt": RECENT} | fields


def land(engagement, object_name, records, purpose="discovery"):
    """Land records as the extraction does."""
    dataset = landing.open_dataset(engagement=engagement, object_name=object_name, purpose=purpose)
    dataset.started_at = READ
    dataset.save()
    landing.land_piece(dataset, "all", map(rawjson.write, records), lambda record: str(record.get("id")))
    return landing.seal(dataset)


def made(*records, snippets=SNIPPETS, campaigns=CAMPAIGNS):
    """An engagement with these landed, and a plan that maps firstName and petName, leaves two fields and is open about plan."""
    engagement = cast.make_engagement("Northwind")
    for name, given in (("template", records), ("snippet", snippets), ("campaign", campaigns)):
        land(engagement, name, given)
    pet = {"name": "mwb_petname", "kind": "String", "display_name": "Pet; {name}", "max_length": 100}
    for table in ("contact", "lead"):
        more = {"table": table, "state": "confirmed"}
        cast.make_field_map(engagement, "firstName", column="firstname", **more)
        cast.make_field_map(engagement, "userId", column="nickname", **more)
        cast.make_field_map(engagement, "petName", column="mwb_petname", new_column=pet, **more)
        cast.make_field_map(engagement, "plan", table=table, state="deferred")
        for name, why in (("secretScore", "Nobody may see it."), ("shoppingCartItems", "A cart not yet bought.")):
            cast.make_field_map(engagement, name, table=table, column="", state="left", reason=why)
    dataset = Dataset.objects.create(engagement=engagement, object_name="purchase")
    for name in ("userId", "coupon"):
        SourceField.objects.create(engagement=engagement, dataset=dataset, object_name="purchase", name=name)
    names = Column("contact", "firstname", "String", max_length=50, display_name="First Name")
    tables.keep(
        engagement.environments.get(kind="production"), {"contact": Table("contact", "contacts", "contactid", {"firstname": names})}
    )
    cast.make_planned(engagement)
    return engagement


def one(engagement, number=1):
    return next(entry for entry in templates.content(engagement)["templates"] if entry["id"] == str(number))


def by_text(entry):
    return {expression["text"]: expression for expression in entry["expressions"]}


def codes(expression):
    return [reason["code"] for reason in expression["reasons"]]


def test_an_expression_names_its_columns_and_their_tokens():
    found = by_text(one(made(email(1, subject="Hi {{defaultIfEmpty firstName 'there'}}"))))["{{defaultIfEmpty firstName 'there'}}"]
    assert (found["status"], found["field"], found["paths"][0]["resolved"]) == ("resolved", "subject", True)
    told = [(column["table"], column["column"], column["sales_token"], column["journeys_token"]) for column in found["paths"][0]["columns"]]
    assert told == [
        ("contact", "firstname", "{!Contact:First Name;there}", "{{contact.firstname}}"),
        ("lead", "firstname", "{!Lead:First Name;there}", "{{lead.firstname}}"),
    ]
    assert [column["assumed"] for column in found["paths"][0]["columns"]] == [False, True]  # the lead's columns weren't read


WHY = [
    ("{{secretScore}}", "by_hand", "left", "Nobody may see it."),
    ("{{plan}}", "by_hand", "undecided", "plan"),
    ("{{FirstName}}", "by_hand", "no_such_field", "There is firstName; names are told apart by case."),
    ("{{coupon}}", "by_hand", "event", "purchase"),
    ("{{shoppingCartItems.[0].name}}", "by_hand", "left", "A cart not yet bought."),
    ("{{petName.length}}", "by_hand", "size", "petName goes to contact.mwb_petname, lead.mwb_petname"),
    ("{{petName.breed}}", "by_hand", "part", "petName goes to contact.mwb_petname, lead.mwb_petname"),
    ("[[petName]]", "by_hand", "feed", "petName"),
    ("{{reverse petName}}", "by_hand", "unknown_helper", "reverse"),
    ("{{> header}}", "by_hand", "partial", "header"),
    ("{{snippet 'gone'}}", "by_hand", "snippet_missing", "gone"),
    ("{{#catalog 'shops' petName}}", "by_hand", "catalog", "shops"),
    ("{{sendSkip cause='x'}}", "by_hand", "send", "sendSkip"),
    ("{{unsubscribeUrl}}", "replaced", "platform", "unsubscribeUrl"),
    ("{{snippet 'footer'}}", "replaced", "snippet", "footer"),
    ("{{upper petName}}", "resolved", "computed", "upper"),
]


def test_what_is_not_simply_a_column_says_why():
    html = " ".join(text for text, *_ in WHY).replace("'shops' petName}}", "'shops' petName}}{{/catalog}}")
    found = by_text(one(made(email(1, html=html))))
    told = [(text, found[text]["status"], *[value for reason in found[text]["reasons"] for value in reason.values()]) for text, *_ in WHY]
    assert told == WHY


def test_a_name_that_no_token_can_hold_gets_none():
    found = by_text(one(made(email(1, html="{{petName}}{{defaultIfEmpty firstName 'a;b'}}"))))
    assert found["{{petName}}"]["paths"][0]["columns"][0]["sales_token"] == ""
    assert found["{{defaultIfEmpty firstName 'a;b'}}"]["paths"][0]["columns"][0]["sales_token"] == "{!Contact:First Name;}"


def test_a_field_that_feeds_may_bring_and_one_that_events_may_hide_say_so():
    engagement = made(
        email(1, html="{{offer.title}}", dataFeedIds=[3], mergeDataFeedContext=True),
        email(2, html="{{userId}} {{firstName}} {{profile.userId}}", templateType="Triggered"),
        email(3, html="{{userId}}"),
    )
    assert codes(by_text(one(engagement))["{{offer.title}}"]) == ["feed_merged"]
    notes = {text: found["paths"][0]["note"] for text, found in by_text(one(engagement, 2)).items()}
    assert "own value instead" in notes["{{userId}}"]
    assert (notes["{{firstName}}"], notes["{{profile.userId}}"]) == ("", "")
    assert by_text(one(engagement, 3))["{{userId}}"]["paths"][0]["note"] == ""  # no event sends a blast


def test_snippets_are_followed_into_their_own_content_once():
    engagement = made(email(1, html="{{snippet 'footer'}}{{snippet 'footer'}}{{petName}}"))
    told = [(found["via"], found["text"]) for found in one(engagement)["expressions"]]
    assert told == [
        ("", "{{snippet 'footer'}}"),
        ("footer", "{{unsubscribeUrl}}"),
        ("footer", "{{year}}"),
        ("footer", "{{snippet 'legal'}}"),
        ("footer > legal", "{{petName}}"),
        ("footer > legal", "{{snippet 'footer'}}"),
        ("footer > legal", "{{#if x}}"),
        ("", "{{snippet 'footer'}}"),
        ("", "{{petName}}"),
    ]
    footer, legal = templates.content(engagement)["snippets"]
    assert (footer["templates"], legal["templates"], legal["counts"]["mistakes"]) == (1, 1, 1)
    assert codes(footer["expressions"][1]) == ["variable"]


def test_campaigns_that_use_a_template_are_listed_the_newest_first():
    used = one(made(email(1)))["campaigns"]
    assert (used["count"], used["running"], [row["name"] for row in used["rows"]]) == (2, 1, ["Spring", "Autumn"])
    assert used["last"].startswith("2026-03-31")


RECOMMENDED = [
    (email(1, html="<p>{{firstName}}</p>"), "sales", "S"),
    (email(2, html="<p>{{firstName}}</p>" + " " * 60_000), "sales", "M"),
    (email(4, html="{{#if petName}}{{firstName}}{{/if}}"), "journeys", "M"),
    (email(5, html="{{upper firstName}}"), "journeys", "M"),
    (email(6, html="{{secretScore}}"), "by_hand", "M"),
    (email(7, html="[[#each items]][[this]][[/each]]"), "by_hand", "L"),
    (email(8, html="{{#each shoppingCartItems}}{{name}}{{/each}}"), "by_hand", "L"),
    (email(9, html="{{#if a}}"), "by_hand", "M"),
    ({**email(10), "messageMedium": "SMS", "message": "{{firstName}}"}, "journeys", "S"),
    (email(11, html="x", messageMedium="InApp"), "by_hand", "L"),
    (email(3, html="{{firstName}}", updatedAt=OLD, createdAt=OLD), "drop", "none"),
    (email(12, html="{{firstName}}", updatedAt=OLD, createdAt=OLD), "drop", "none"),
    (email(13), "drop", "none"),
    (email(14, html="{{#catalog 'shops' firstName}}{{/catalog}}"), "by_hand", "L"),
    (email(15, html="{{reverse firstName}}"), "by_hand", "M"),
]


def test_the_recommendation_follows_the_table_of_rules():
    found = [entry["recommendation"] for entry in templates.content(made(*(record for record, _, _ in RECOMMENDED)))["templates"]]
    assert [(one["name"], one["effort"]) for one in found] == [(name, effort) for _, name, effort in RECOMMENDED]
    assert found[10]["why"] == "The campaigns that use it (1) are over, the last one for 67 months."


def test_the_written_json_is_the_content_and_the_same_as_long_as_nothing_changes():
    engagement = made(email(1, html="{{firstName}}{{secretScore}}"), email(2, html="{{upper petName}}"))
    first, second = templates.write(engagement), templates.write(engagement)
    written = json.loads((store.root() / first.path).read_text())
    assert written == json.loads(json.dumps(templates.content(engagement)))
    assert (first.sha256, written["maps"]["version"], written["basis"]) == (
        second.sha256,
        plan.current(engagement)["maps"].version,
        "discovery",
    )
    summary = written["summary"]
    assert (summary["templates"], summary["expressions"], summary["statuses"]) == (2, 3, {"resolved": 2, "by_hand": 1})
    assert summary["unresolved_fields"] == [{"path": "secretScore", "expressions": 1}]


def rows(book, sheet):
    header, *others = [[cell.value for cell in row] for row in book[sheet].iter_rows()]
    return [dict(zip(header, row, strict=True)) for row in others]


def test_the_workbook_says_the_same_in_cells_that_are_text():
    number = 12345678901234567
    engagement = made(email(number, "<h1>{{firstName}}</h1>{{coupon}}{{#if z}}", name=TEXTS["formula"], subject="=1+1"), campaigns=[])
    book = load_workbook(store.root() / templates.write_workbook(engagement).path)
    assert book.sheetnames == ["Summary", "Templates", "Expressions", "Unresolved", "Snippets"]
    assert all(sheet.freeze_panes == "A2" and sheet.auto_filter.ref for sheet in book)
    [told] = rows(book, "Templates")
    assert (told["Id"], told["Name"], told["Subject"], told["Sections"], told["Mistakes"]) == (str(number), TEXTS["formula"], "=1+1", 1, 1)
    assert {cell.data_type for row in book["Templates"].iter_rows() for cell in row} <= {"inlineStr", "s", "n"}
    found = [(row["Expression"], row["Table"], row["Token of a Sales template"], row["Assumed"]) for row in rows(book, "Expressions")]
    assert found[:3] == [
        ("{{firstName}}", "contact", "{!Contact:First Name;}", "no"),
        ("{{firstName}}", "lead", "{!Lead:First Name;}", "yes"),
        ("{{coupon}}", "", "", None),
    ]
    assert [(row["Code"], row["Status"]) for row in rows(book, "Unresolved")] == [
        ("event", "by hand"),
        ("no_such_field", "by hand"),
        ("block.not_closed", "by hand"),
    ]
    assert [(row["Name"], row["Reads"]) for row in rows(book, "Snippets")] == [
        ("footer", "unsubscribeUrl, year"),
        ("legal", "petName, x"),
    ]
    assert {row["Which"] for row in rows(book, "Summary") if row["What"] == "Recommendation"} == {"Rebuild by hand"}


def test_the_pdf_tells_each_template_with_its_structure_expressions_tokens_and_recommendation():
    html = "<h1>Hello {{firstName}}</h1><a class='btn' href='https://x.test/{{petName}}'>Buy</a>{{secretScore}}{{firstName}}{{#if z}}"
    feeds = {"dataFeedIds": [3], "mergeDataFeedContext": True}
    engagement = made(email(1, html, subject="Hi {{defaultIfEmpty firstName 'there'}}", **feeds), email(2, html="<p>{{firstName}}</p>"))
    pages = paper.pages(templates.write_pdf(engagement))
    text = " ".join(pages)
    told = one(engagement)
    first = text[text.index("Id 1 ") :]
    for words in (
        "Email, Blast",
        "Used by 2 campaigns, 1 running, last 2026-03-31 23:33 UTC Spring (71), Autumn (72)",
        "Hello {{firstName}} 1 8 0 0 1 5 1",  # the section: level, characters, links, images, buttons, expressions, blocks
        "Button Buy https://x.test/{{petName}}",
        "{{defaultIfEmpty firstName 'there'}} subject, line 1 contact.firstname lead.firstname display name of lead assumed"
        " {!Contact:First Name;there} {!Lead:First Name;there} {{contact.firstname}} {{lead.firstname}} Column",
        "{{secretScore}} html, line 1 – – By hand The field is left behind: Nobody may see it.",
        "html, line 1 The block isn't closed.",
    ):
        assert words in first
    assert text.count("{{firstName}} html, line 1") == 2  # once in each template, though the first has it twice
    assert "Subject Hi {{defaultIfEmpty firstName 'there'}} Id 1 " in text
    assert "1 place can't be read" in text
    assert "Reads data feeds: 3, mixed into the person's own fields." in text
    assert told["recommendation"]["why"] in text
    assert "secretScore 1" in text  # a field without a column
    begins = next(number for number, page in enumerate(pages, 1) if "Id 2 Medium" in page)
    assert f"Rebuild as a Dynamics e-mail template effort S: under an hour {begins} " in text


def test_records_of_any_shape_are_told_and_written():
    odd = [
        {},
        {"templateId": None, "name": ["x"], "html": 7},
        email("two", "half \ud83d {{a\x00b}} {{", name="Nul\u0000 inside", createdAt="soon"),
    ]
    odd += [email(n, html=text, subject=text) for n, text in enumerate(TEXTS.values(), 10)]
    snippets = [{}, {"id": "x", "name": None, "content": {"a": 1}}, {"id": [1], "name": "half \ud83d", "content": "{{a"}]
    engagement = made(*odd, snippets=snippets, campaigns=[{}, {"templateId": {"a": 1}, "id": True, "startAt": []}])
    written = json.loads((store.root() / templates.write(engagement).path).read_text())
    assert len(written["templates"]) == len(odd)
    book = load_workbook(store.root() / templates.write_workbook(engagement).path)
    assert len(rows(book, "Templates")) == len(odd)
    text = paper.run_together(store.root() / templates.write_pdf(engagement).path)
    for name in ("formula", "minus", "at", "markup", "handlebars", "liquid", "quotes", "path", "odata", "entity"):
        assert TEXTS[name].replace(" ", "") in text


def test_templates_of_the_full_extraction_take_the_place_of_discovery_s():
    engagement = made(email(1))
    land(engagement, "template", [email(2), email(3)], purpose="load")
    found = templates.content(engagement)
    assert (found["basis"], [entry["id"] for entry in found["templates"]]) == ("load", ["2", "3"])


def test_an_engagement_without_templates_has_an_empty_inventory_and_other_platforms_none():
    engagement = cast.make_engagement("Empty")
    found = templates.content(engagement)
    assert (found["templates"], found["snippets"], found["read_at"], found["maps"]) == ([], [], None, None)
    templates.write_workbook(engagement)
    assert "No template was found." in " ".join(paper.pages(templates.write_pdf(engagement)))
    engagement.platform = "wetroo"
    with pytest.raises(BadInput):
        templates.content(engagement)
