"""What people do in a browser: the customer reads, signs, decides and raises tickets on a phone, the engineer answers and edits."""

import uuid

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from connectors.base import Finding
from loads.delta.models import Conflict
from mapping import plan
from mapping.checks.keeping import keep
from mapping.models import EventType, FieldMap, OwnerMatch, SplitRule
from reports.book import Book, Column, PageOf, Part, Table
from reports.documents import write_book, write_json
from tests.pages import cast
from workbench.engagements.models import SignOff
from workbench.hypercare.models import Ticket
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# How many tables of the admin scroll sideways.
SIDEWAYS = "[...document.querySelectorAll('.mw-scroll')].filter(box => box.scrollWidth > box.clientWidth).length"


@pytest.fixture
def northwind():
    engagement = cast.make_engagement("Northwind")
    cast.make_discovered(engagement)
    Step.objects.create(engagement=engagement, name="discover", state="done", requested_by="ada")
    return engagement


@pytest.fixture
def people(northwind):
    return cast.make_cast(northwind)


def test_the_approver_signs_the_matrix_on_a_phone(northwind, people, signed_in):
    page = signed_in(people.approver, width=390)
    page.get_by_role("link", name="Read the split matrix and sign it.").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Who becomes a lead, who a contact")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("checkbox").check()
    page.get_by_label("Note (optional)").fill("Agreed with sales.")
    page.get_by_role("button", name="Sign as").click()
    expect(page.get_by_text("nothing that it covers has changed since")).to_be_visible()
    signoff = SignOff.objects.get(engagement=northwind)
    assert (signoff.signed_by, signoff.note) == (people.approver, "Agreed with sales.")


def test_the_rules_are_read_on_a_phone_by_the_customer_and_the_engineer(northwind, people, signed_in):
    for number, name in enumerate(("customEvent", "subscriptionEvent")):
        given = {"engagement": northwind, "dataset": northwind.datasets.first(), "object_name": name}
        EventType.objects.create(name=f"aVeryLongNameOfAnEvent{number}", count=1_300_000, samples=1_000, unflattenable=10, **given)
    page = signed_in(people.viewer, width=390)
    page.goto("/engagements/northwind/")
    page.get_by_role("link", name="Rules of the move").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Rules of the move")
    expect(page.get_by_text("1,300,000 events of 1 name").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    engineer = signed_in(people.engineer, width=390)
    engineer.goto(f"/admin/engagements/engagement/{northwind.pk}/rules/")
    expect(engineer.get_by_text("companies of e-mail domains")).to_be_visible()
    assert engineer.evaluate("document.documentElement.scrollWidth") <= 390
    assert engineer.evaluate(SIDEWAYS) == 0


def test_the_engineer_edits_a_split_rule(northwind, people, signed_in):
    page = signed_in(people.engineer)
    page.goto("/admin/mapping/splitrule/")
    row = page.get_by_role("row").filter(has_text="subscriber")
    row.get_by_role("combobox", name="Outcome").select_option("skip")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("nobody has confirmed or signed yet")).to_be_visible()
    assert SplitRule.objects.get(engagement=northwind, stage="subscriber").outcome == "skip"
    assert plan.current(northwind)["split"].content["matrix"]["subscriber"] == "skip"


def test_an_edited_row_with_a_long_id_and_long_values_is_decided_without_scrolling_sideways(northwind, people, signed_in):
    run = cast.make_run(northwind, people.engineer)
    values = {"last": "W" * 200, "now": "V" * 200, "new": "U" * 200}
    field = {"column": "mwb_original_stage_of_the_person_at_the_source", "proposed": "", **values}
    given = {"environment": run.environment, "run": run, "object_name": "user", "table": "contact", "row_id": uuid.uuid4()}
    conflict = Conflict.objects.create(source_id="x" * 120, fields=[field], **given)
    page = signed_in(people.engineer, width=1280)
    page.goto("/admin/loads/conflict/decide/?table=contact")
    expect(page.get_by_role("link", name="x" * 120)).to_be_visible()
    assert page.evaluate(SIDEWAYS) == 0
    page.goto(f"/admin/loads/conflict/{conflict.pk}/change/")
    assert page.evaluate(SIDEWAYS) == 0
    page.get_by_role("radiogroup", name=field["column"]).get_by_label("Keep").check()
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_text("The next run takes it")).to_be_visible()


def test_owners_and_field_maps_with_long_names_are_read_without_scrolling_sideways(northwind, people, signed_in):
    problems = dict.fromkeys(("sandbox", "production"), "There is no enabled user of that name.")
    answered = {"kind": "user", "answer": "b@corp.example", "assignee": people.engineer, "due_on": "2026-05-12", "problems": problems}
    OwnerMatch.objects.create(engagement=northwind, source_owner=f"{'w' * 60}@corp.example", records=1_000, **answered)
    decided = {"decided_by": str(people.engineer), "decided_at": timezone.now()}
    cast.make_field_map(northwind, "w" * 60, alias="An offer's words", score=0.9, transform="multichoice", reason="Alike. " * 30, **decided)
    page = signed_in(people.engineer, width=1280)
    for listed in ("ownermatch", "fieldmap"):
        page.goto(f"/admin/mapping/{listed}/?engagement={northwind.pk}")
        expect(page.locator("#result_list")).to_contain_text("w" * 60)
        assert page.evaluate("(table => table.scrollWidth - table.parentElement.clientWidth)(document.querySelector('#result_list'))") <= 0


def test_the_dynamics_admin_decides_about_findings_on_a_phone(northwind, people, signed_in):
    production = northwind.environments.get(kind="production")
    steps = [Finding("quiet_plugin_steps", "warning", "Runs on Create of lead.", subject=f"Contoso.Plugins.Step{n}") for n in range(3)]
    keep(northwind, production, steps, actor="discovery")
    page = signed_in(people.admin, width=390)
    page.goto(f"/engagements/{northwind.slug}/decisions/")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    card = page.locator("section").filter(has_text="Plug-in steps")
    card.get_by_role("checkbox", name="Contoso.Plugins.Step1").check()
    card.get_by_role("radio", name="Bypass by request header").check()
    card.get_by_role("button", name="Decide").click()
    expect(page.get_by_text("2 open")).to_be_visible()
    assert [row.subject for row in northwind.findings.filter(decision="bypass")] == ["Contoso.Plugins.Step1"]


def test_the_viewer_reads_a_long_document_on_a_phone_and_follows_its_references(northwind, people, signed_in):
    longest = "W" * 400
    index = Table([Column("Part", 2), Column("Words", 2), Column("Page", 1)], [[longest, longest, PageOf("last")]])
    rows = [[f"row {n}", longest] for n in range(100)]
    long = [Part(f"Chapter {n}", table=Table([Column("Row", 1), Column("Words", 1)], rows)) for n in range(2)]
    parts = [Part("Index", facts=[(longest, longest)], table=index), *long, Part("Last", key="last", text=["The end."]), Part(longest)]
    write_book(write_json(northwind, "journeys", {}), Book("Journey inventory", longest, parts))
    page = signed_in(people.viewer, width=390)
    page.goto(f"/engagements/{northwind.slug}/documents/")
    page.get_by_role("link", name="Journeys", exact=True).click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("cell").get_by_role("link").click()
    expect(page.get_by_text("The end.")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_ticket_about_a_record_goes_from_the_customers_phone_to_the_engineer_and_back(northwind, people, signed_in):
    phone = signed_in(people.approver, width=390)
    phone.goto("/engagements/northwind/tickets/")
    phone.get_by_role("link", name="Raise a ticket").click()
    phone.get_by_label("What is wrong, in one line").fill("Ada is missing")
    phone.get_by_label("What do you see").fill("She was in Iterable.")
    phone.get_by_label("Which records is it about").fill("user:u-1")
    phone.get_by_role("button", name="Raise the ticket").click()
    expect(phone.get_by_text("Ticket 1 is raised.")).to_be_visible()
    expect(phone.get_by_role("heading", name="user: u-1")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390

    desk = signed_in(people.engineer)
    desk.goto(f"/admin/engagements/engagement/{northwind.pk}/change/")
    desk.get_by_role("link", name="Tickets", exact=True).first.click()
    desk.get_by_role("link", name="Ada is missing").click()
    desk.get_by_label("It is").select_option("bug")
    desk.get_by_role("button", name="Triage").click()
    desk.get_by_label("Text", exact=True).fill("She is there now.")
    desk.get_by_role("button", name="Answer", exact=True).click()
    expect(desk.get_by_text("Waits for the customer").first).to_be_visible()

    phone.goto("/")
    phone.get_by_role("link", name="1 ticket waits for your answer.").click()
    phone.get_by_role("link", name="1. Ada is missing").click()
    expect(phone.get_by_text("She is there now.")).to_be_visible()
    told = phone.get_by_role("listitem").filter(has_text="State:").all_inner_texts()
    assert [words.split("State: ")[1].splitlines()[0] for words in told] == ["Open → Triaged", "Triaged → Answered"]
    phone.get_by_role("button", name="Close").click()
    expect(phone.get_by_text("The ticket is closed.")).to_be_visible()
    assert Ticket.objects.get(engagement=northwind).state == "closed"


def test_the_engineer_changes_where_a_field_goes_and_confirms_many_at_once(northwind, people, signed_in):
    changed, other, _ = (cast.make_field_map(northwind, name, column="jobtitle") for name in ("firstName", "lastName", "email"))
    page = signed_in(people.engineer)
    page.goto(f"/admin/mapping/fieldmap/{changed.pk}/change/")
    page.get_by_role("combobox", name="Column").fill("nickname")
    expect(page.locator("#samples")).to_contain_text("Ada1")
    page.get_by_role("button", name="Save", exact=True).click()

    for row in (changed, other):
        page.get_by_role("row").filter(has_text=row.source).get_by_role("checkbox").check()
    page.get_by_role("combobox", name="Action").select_option(label="Confirm…")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("2 field maps would change")).to_be_visible()
    assert not FieldMap.objects.filter(state="confirmed").exists()
    page.get_by_label("Comment").fill("As agreed with sales.")
    page.get_by_role("button", name="Confirm: 2").click()
    expect(page.get_by_text("Confirm: 2 field maps.")).to_be_visible()
    rows = FieldMap.objects.order_by("pk").values_list("column", "state")
    assert list(rows) == [("nickname", "confirmed"), ("jobtitle", "confirmed"), ("jobtitle", "proposed")]

    page.goto(f"/admin/mapping/fieldmap/{changed.pk}/history/")
    expect(page.get_by_text("jobtitle").first).to_be_visible()
    expect(page.get_by_role("cell", name="set field maps confirmed As agreed with sales.")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.evaluate(SIDEWAYS) == 0
