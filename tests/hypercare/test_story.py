"""The story of records of a played engagement: loaded, held, merged, forgotten, an event that no crosswalk knows; and their pages.

The organisations that it is played on have plug-ins, workflows, flows, rules and journeys: nothing of them is set off, and all is put back.
"""

import shutil
from collections.abc import Iterator
from hashlib import sha256
from types import SimpleNamespace

import pytest
import requests
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client

from connectors import landing
from loads.destination import page_of
from loads.models import Crosswalk, Run
from mapping.models import DiscoveryFinding
from tests import database, folders, simulated
from tests.folders import organisation_list, user
from tests.pages import cast as people
from tests.playing import dump, engagement_on
from workbench.engagements.models import Membership
from workbench.hypercare import references, tickets
from workbench.hypercare.forgetting import Register
from workbench.hypercare.models import TicketRecord
from workbench.hypercare.story import story_of
from workbench.hypercare.ticket_page import FORGOTTEN
from workbench.hypercare.tickets import Side
from workbench.pipeline import demonstration, steps
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.database, pytest.mark.django_db]
MARKUP = "<script>alert(1)</script>"
LONG_TITLE = "Keeper of " + "very " * 40 + "old keys"


LEAVE = ("list", "listMembership")  # nothing of the world is registered on their tables
WRITTEN = ("account", "contact", "lead", "opportunity", "task")
QUIETED = ("sla", "workflow", "msdyn_segment", "mailbox", "msdynmkt_journey")


def folder(path):
    """Our records, and the organisations of a world."""
    world = simulated.world(path / "world", people=10)
    shutil.rmtree(world / "iterable")
    return folders.joined(path / "all", [records(path / "own"), world])


def records(path):
    users = [
        user("u-loaded", "ada@northpine.example", "Customer", emailListIds=[1], jobTitle=LONG_TITLE, score=42, plan=MARKUP),
        user("u-held", "odd@northpine.example", "dormant"),
        user("u-old", "twin@northpine.example", firstName="Old", profileUpdatedAt="2024-01-01 00:00:00 +00:00"),
        user("u-new", "twin@northpine.example", firstName="New", profileUpdatedAt="2025-01-01 00:00:00 +00:00"),
        user("u-lead", "leo@northpine.example", "lead"),
        user("u-forgotten", "gone@northpine.example", "customer", firstName="Secret"),
        b'{"email": "broken@northpine.example", ',
    ]
    events = [
        {"userId": who, "eventName": "login", "createdAt": "2024-03-05 09:10:11 +00:00", "device": who + " phone"}
        for who in ("u-loaded", "u-forgotten")
    ]
    bought = {"id": "pu-1", "userId": "u-loaded", "total": 20, "createdAt": "2024-03-05 09:10:11 +00:00"}
    bought["shoppingCartItems"] = [{"id": "sku-1", "name": "Chair", "price": 20, "quantity": 1}]
    return folders.write(
        path,
        users,
        lists=[organisation_list(1, "Company: Northpine")],
        forgotten=[sha256(b"gone@northpine.example").hexdigest(), {"a": 1}, None, ["x"]],
        fields={"score": "long", "plan": "string", "jobTitle": "string"},
        more={"export/customEvent.ndjson": events, "export/purchase.ndjson": [bought]},
    )


@pytest.fixture(scope="module")
def played(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[SimpleNamespace]:
    """The engagement once production is loaded, still in the database, with the store that its records lie in."""
    with django_db_blocker.unblock():
        try:
            source, work = folder(tmp_path_factory.mktemp("source")), tmp_path_factory.mktemp("work")
            with engagement_on(source, work) as (engagement, cast, servers):
                before = {table: dump(servers.dataverse, table) for table in QUIETED}
                demonstration.play(engagement, cast, lambda words: None, LEAVE)
                quiet = seen_of_the_world(engagement, cast, servers, before)
                store = django_settings.STORE_URL
            yield SimpleNamespace(engagement=engagement, cast=cast, store=store, quiet=quiet)
        finally:
            database.empty()


def seen_of_the_world(engagement, cast, servers, before) -> SimpleNamespace:
    """What the engagement set off, what it left of all that was switched, and what another look at both environments finds."""
    # Of tables that are left no column is demanded any more.
    findings = DiscoveryFinding.objects.filter(engagement=engagement).exclude(check_name="required_columns")
    found = set(findings.values_list("environment", "check_name", "subject"))
    step = steps.request(engagement, Step.Name.CHECK, user=cast.engineer)
    step.refresh_from_db()
    return SimpleNamespace(
        fired=[fired(address) for address in (servers.dataverse, servers.dataverse_sandbox)],
        before=before,
        after={table: dump(servers.dataverse, table) for table in before},
        unwritten=[table for table in WRITTEN if not any(row.get("mwb_runid") for row in dump(servers.dataverse, table))],
        checked=step.state,
        found=found,
        found_again=set(findings.values_list("environment", "check_name", "subject")),
    )


def fired(address):
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"{address}/_simulator/fired", timeout=10).json()


@pytest.fixture(autouse=True)
def _same_store(settings, played):
    settings.STORE_URL = played.store
    settings.SECURE_SSL_REDIRECT = False
    settings.WHITENOISE_AUTOREFRESH = True


def story(played, text):
    [reference] = references.read(played.engagement, text)
    record = reference.of(None)
    return story_of(record, Register(played.engagement))


def row_of(played, source_id, table="contact", environment="production"):
    rows = Crosswalk.objects.filter(environment__engagement=played.engagement, environment__kind=environment, source_id=source_id)
    return rows.get(table=table).row_id


def test_nothing_of_the_world_is_set_off_and_everything_is_put_back(played):
    quiet, states = played.quiet, ("statecode", "statuscode", "actdeliverymethod")
    assert quiet.fired == [{}, {}]
    assert [[row.get(name) for name in states] for rows in quiet.after.values() for row in rows] == [
        [row.get(name) for name in states] for rows in quiet.before.values() for row in rows
    ]
    assert all(quiet.before.values())
    assert quiet.unwritten == []
    findings = DiscoveryFinding.objects.filter(engagement=played.engagement)
    decided = findings.filter(environment__kind="production", decision="off")
    assert decided.count() == decided.exclude(off_at=None).exclude(back_at=None).count() >= 6
    assert quiet.checked == "done"
    assert quiet.found_again == quiet.found
    assert not findings.undecided().exists()


def test_a_loaded_record_is_told_from_the_source_to_its_row(played):
    told = story(played, "user:u-loaded")
    [record] = told.records
    assert (record.disposition, record.table, told.run.environment.kind) == ("loaded", "contact", "production")
    assert '"jobTitle": "Keeper of' in record.raw
    [row] = record.rows
    base = played.engagement.environments.get(kind="production").connection.base_url
    assert row.address == f"{base}/main.aspx?etn=contact&pagetype=entityrecord&id={row_of(played, 'u-loaded')}"
    assert (row.origin, row.state, row.action) == ("Created", "Present", "create")


def test_the_rules_that_took_it_there_are_told_with_what_they_looked_at(played):
    [record] = story(played, "user:u-loaded").records
    rules = {rule.title: (rule.given, rule.answer) for rule, _ in record.rules}
    assert rules["Split by lifecycleStage"] == ("Customer", "contact")
    assert rules["Company"] == (None, "company:list:1, loaded")
    assert rules["Owner by ownerEmail"][1].endswith(("(team)", "(user)"))
    [company] = [address for rule, address in record.rules if rule.title == "Company"]
    assert f"etn=account&pagetype=entityrecord&id={row_of(played, 'list:1', 'account')}" in company


def test_each_field_is_told_with_its_column_and_the_value_as_it_was_sent(played):
    [record] = story(played, "user:u-loaded").records
    fields = {field.source: field for field in record.rows[0].fields}
    assert (fields["score"].value, fields["score"].column, fields["score"].staged, fields["score"].verdict) == (
        42,
        "mwb_score",
        42,
        "equal",
    )
    title = fields["jobTitle"]
    assert title.value == LONG_TITLE
    assert LONG_TITLE.startswith(title.staged)
    assert (title.lossy, title.verdict) == (True, "lossy")
    further = dict(record.rows[0].further)
    assert further["mwb_sourceid"] == "user:u-loaded"
    assert further["mwb_name_derived"] is False


def test_who_confirmed_and_signed_what_the_run_used_is_told(played):
    approvals = {one.part: one for one in story(played, "user:u-loaded").approvals}
    assert approvals["split"].confirmed_by == str(played.cast.engineer)
    assert approvals["split"].signoff.signed_by == played.cast.approver
    assert approvals["maps"].signoff.kind == "sandbox"


def test_a_held_record_is_told_with_its_reason_and_without_a_row(played):
    [record] = story(played, "user:u-held").records
    assert (record.disposition, [reason["code"] for reason in record.reasons], list(record.rows)) == ("held", ["split.review"], [])
    assert [entry.outcome for entry in record.ledger] == ["held"]
    assert ("dormant", "review") in {(rule.given, rule.answer) for rule, _ in record.rules}


def test_a_merged_record_is_told_with_the_row_of_its_survivor(played):
    [record] = story(played, "user:u-old").records
    assert (record.disposition, record.into) == ("merged", "u-new")
    [row] = record.rows
    assert (row.row_id, row.of_survivor, row.state) == (str(row_of(played, "u-new")), True, "Present")
    [first] = [field for field in row.fields if field.source == "firstName"]
    assert (first.value, first.staged) == ("Old", "New")


def test_a_pasted_address_and_an_e_mail_lead_to_the_same_story(played):
    environment = played.engagement.environments.get(kind="production")
    pasted = story(played, page_of(environment, "contact", row_of(played, "u-new")))
    assert pasted.source_id == story(played, "user:twin@northpine.example").source_id == "u-new"


def test_the_sandboxs_row_has_the_story_of_the_sandboxs_run(played):
    environment = played.engagement.environments.get(kind="sandbox")
    told = story(played, page_of(environment, "contact", row_of(played, "u-loaded", environment="sandbox")))
    assert told.run.environment == environment


def test_an_event_is_found_by_its_row_though_the_crosswalk_leaves_it_out(played):
    production = Run.objects.get(engagement=played.engagement, environment__kind="production")
    dataset = played.engagement.datasets.get(pk=production.datasets["customEvent"])
    known = next(landed.source_id for landed in landing.scan(dataset) if b"u-loaded" in landed.raw)
    [record] = story(played, f"customEvent:{known}").records
    [row] = record.rows
    by_row = story(played, f"task {row.row_id}")
    assert (by_row.object_name, by_row.source_id) == ("customEvent", known)
    assert "user:u-loaded, loaded" in {rule.answer for rule, _ in by_row.records[0].rules}


@pytest.mark.parametrize("named", ["user:u-forgotten", "user:gone@northpine.example"])
def test_of_a_forgotten_person_nothing_is_told_but_that(played, named):
    told = story(played, named)
    assert told.forgotten
    assert (told.source_id, told.records, told.run, told.row_address) == ("", (), None, "")


def test_of_a_forgotten_persons_event_nothing_is_told_either(played):
    production = Run.objects.get(engagement=played.engagement, environment__kind="production")
    dataset = played.engagement.datasets.get(pk=production.datasets["customEvent"])
    known = next(landed.source_id for landed in landing.scan(dataset) if b"u-forgotten" in landed.raw)
    assert story(played, f"customEvent:{known}").forgotten


LEFT_OUT = {"disposition": "skipped", "source_id": "u-1", "reasons": [{"code": "split.skip"}]}


@pytest.mark.parametrize(
    ("record", "codes", "parents", "covered"),
    [
        ({"email": " Gone@Northpine.example"}, set(), [], True),
        ({"userId": "u-1"}, {"parent.skipped"}, [], True),  # who it was can't be told any more
        ({"userId": "u-1"}, {"parent.skipped"}, [LEFT_OUT], False),
        ({"userId": "u-1"}, {"parent.held"}, [], False),
    ],
)
def test_what_belongs_to_a_forgotten_person_is_known_by_address_or_taken_for_it_in_doubt(played, record, codes, parents, covered):
    assert Register(played.engagement).covers(record, codes, parents) is covered


def test_a_line_that_was_no_record_is_told_as_it_came(played):
    production = Run.objects.get(engagement=played.engagement, environment__kind="production")
    dataset = played.engagement.datasets.get(pk=production.datasets["user"])
    broken = next(landed.source_id for landed in landing.scan(dataset) if landed.problem)
    [record] = story(played, f"user:{broken}").records
    assert (record.disposition, record.problem, record.raw) == ("rejected", "not JSON", '{"email": "broken@northpine.example", ')


def test_what_no_run_knows_says_so(played):
    assert story(played, "user:u-nobody").records == ()
    row = story(played, "contact 0f8fad5b-d9cb-469f-a165-70867728950e")
    assert (row.source_id, row.records) == ("", ())
    assert row.row_address.endswith("etn=contact&pagetype=entityrecord&id=0f8fad5b-d9cb-469f-a165-70867728950e")


def raised(played, text):
    about = references.read(played.engagement, text)
    given = {"title": "Look at these", "text": MARKUP, "kind": "wrong", "about": about}
    return tickets.raise_ticket(played.engagement, by=played.cast.approver, side=Side.CUSTOMER, **given)


def signed_in(who: User) -> Client:
    client = Client()
    client.force_login(who)
    return client


def test_the_pages_of_a_ticket_show_the_story_beside_it_to_whoever_may_see_it(played):
    ticket = raised(played, "user:u-loaded\nuser:u-forgotten\nuser:u-held")
    viewer = people.make_user("viewer")
    Membership.objects.create(engagement=played.engagement, user=viewer, role="viewer")
    admin = f"/admin/hypercare/ticket/{ticket.pk}/change/"
    portal = f"/engagements/{played.engagement.slug}/tickets/{ticket.number}/"
    held = TicketRecord.objects.get(source_id="u-held")
    forgotten = TicketRecord.objects.get(source_id="u-forgotten")
    for client, page in ((signed_in(played.cast.engineer), admin), (signed_in(viewer), portal)):
        text = client.get(page).content.decode()
        assert "mwb_score" in text
        assert "Split by lifecycleStage" in text
        assert MARKUP not in text
        assert "u-forgotten" not in text
        assert "The signed matrix sends this stage to review." in client.get(page, {"record": held.pk}).content.decode()
        gone = client.get(page, {"record": forgotten.pk}).content.decode()
        assert FORGOTTEN in gone
        assert "Secret" not in gone
        assert "mwb_score" not in gone
    assert not people.INLINE_CODE.search(signed_in(viewer).get(portal).content.decode())


def test_a_story_costs_the_same_however_many_records_were_loaded(played, django_assert_max_num_queries):
    ticket = raised(played, "user:u-loaded")
    with django_assert_max_num_queries(90):
        signed_in(played.cast.approver).get(f"/engagements/{played.engagement.slug}/tickets/{ticket.number}/")
