"""A run taken back: the destination is as it was before, but for what people have a hand in, and a new run loads everything again."""

import json
from collections import Counter
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.management import CommandError, call_command
from django.urls import reverse

from connectors.dataverse.metadata import read_tables
from loads import engine, rollback, runs
from loads.dispositions import lookup
from loads.models import Crosswalk, LedgerEntry, Run
from loads.rollback.scope import Scope
from tests import snapshots
from tests.folders import user
from tests.playing import OTHERS, dump, engagement_on
from tests.spine import test_existing_rows, test_objects_again
from tests.spine.test_load_engine import Prepared
from tests.spine.test_second_run import SELLER
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
ANEW = {("opportunityproduct", "opportunitystatecode")}  # of a line made again: the deal's state when it was made
LATE = (("campaign", "states"), ("campaignitem", "ties"), ("listmember", "members"), ("opportunity", "close"), ("product", "publish"))
OUTCOMES = ("removed", "restored", "kept", "refused")
Rows = dict[str, dict[str, dict]]


class Loaded(Prepared):
    """An engagement whose sandbox was dumped, then loaded."""

    def __init__(self, engagement, cast, servers, leave) -> None:
        super().__init__(engagement, cast, servers, leave=leave)
        self.before = self.everything()
        self.run = self.load()

    def load(self) -> Run:
        run = self.finish(self.open())
        assert run.state == Run.State.DONE, run.message
        return run

    def everything(self) -> Rows:
        """The canonical dump of every table of the sandbox: table -> id -> row."""
        client = engine.Destination(self.sandbox).client
        found = {}
        for name in read_tables(client):
            if rows := dump(self.servers.dataverse_sandbox, name, canonical=True):
                key = client.get(f"EntityDefinitions(LogicalName='{name}')", params={"$select": "PrimaryIdAttribute"})["PrimaryIdAttribute"]
                found[name] = {row[key]: row for row in rows}
        return found

    def plan(self, run: Run | None = None, **scope) -> Run:
        """The rollback of a run, planned."""
        with held():
            planned = rollback.open_rollback(run or self.run, self.cast.engineer, Scope(**scope))
        self.work(planned)
        assert planned.state == Run.State.PAUSED, planned.message
        return planned

    def agree(self, run: Run) -> Run:
        """Let it begin, its work not yet taken up."""
        with held():
            rollback.agree(run, self.cast.engineer)
        return run

    def take_back(self, run: Run | None = None, **scope) -> Run:
        """A rollback planned and carried out."""
        done = self.work(self.agree(self.plan(run, **scope)))
        assert done.state == Run.State.DONE, done.message
        found = counts(done)
        assert found["planned"] == sum(found[name] for name in OUTCOMES) > 0
        return done

    def edit(self, table: str, row_id: str, values: dict) -> None:
        """A person changes a row."""
        body = {"table": table, "id": row_id, "values": values, "user": SELLER}
        with requests.Session() as session:
            session.trust_env = False
            assert session.post(f"{self.servers.dataverse_sandbox}/_simulator/edit", json=body, timeout=10).ok

    def make(self, entity_set: str, values: dict) -> None:
        """A person makes a row."""
        client = engine.Destination(self.sandbox).client
        client.post(entity_set, values, {"MSCRMCallerID": SELLER})

    def row(self, table: str, source_id: str) -> dict:
        return next(row for row in dump(self.servers.dataverse_sandbox, table) if row.get("mwb_sourceid") == source_id)


@contextmanager
def held():
    """Nobody takes work up."""
    runs.queue_work, queue = lambda run: None, runs.queue_work
    try:
        yield
    finally:
        runs.queue_work = queue


class Small(Loaded):
    """One that was loaded with all objects."""

    def __init__(self, engagement, cast, servers) -> None:
        super().__init__(engagement, cast, servers, leave=())


class People(Loaded):
    """One that was loaded with people and companies alone."""

    def __init__(self, engagement, cast, servers) -> None:
        super().__init__(engagement, cast, servers, leave=OTHERS)


@contextmanager
def loaded_from(folder: Path, work: Path, leave=()):
    with engagement_on(folder, work, purchasing_leads="contact") as (engagement, cast, servers):
        yield Loaded(engagement, cast, servers, leave)


def changing(path: Path) -> Path:
    """A few people, products, purchases and events, a list and two campaigns; later there are more, and both have sent to the list."""
    source = test_objects_again.folder(path)
    for folder, state, lists in ((source, "Draft", []), (source / "later", "Archived", [7])):
        campaigns = [campaign(71, "Spring", state, lists), campaign(72, "Winter", "Finished", [7])]
        answer = {"campaigns": campaigns, "totalCampaignsCount": len(campaigns)}
        (folder / "iterable" / "campaigns.json").write_text(json.dumps(answer))
        with (folder / "iterable" / "export" / "user.ndjson").open("a") as users:
            users.write(json.dumps(user("u-4", "ivy@gmail.com", emailListIds=lists)) + "\n")
            consent = {"subscribedMessageTypeIds": [902, 903], "unsubscribedChannelIds": [31] if lists else []}
            users.write(json.dumps(user("u-5", "noa@gmail.com", firstName=state, **consent)) + "\n")
    return source


def campaign(number: int, name: str, state: str, lists: list[int]) -> dict[str, Any]:
    given = {"id": number, "name": name, "type": "Blast", "campaignState": state, "messageMedium": "Email", "listIds": lists}
    return {**given, "createdAt": 1_700_000_000_000, "labels": []}


@pytest.fixture
def small(tmp_path):
    with snapshots.put_back(Small, changing, tmp_path, purchasing_leads="contact") as loaded:
        yield loaded


@pytest.fixture
def people(tmp_path):
    with snapshots.put_back(People, changing, tmp_path) as loaded:
        yield loaded


@contextmanager
def lacking(loaded: Loaded, *missing: str):
    """The application user may not do something for a while."""
    with requests.Session() as session:
        session.trust_env = False
        address = f"{loaded.servers.dataverse_sandbox}/_simulator/privileges"
        session.post(address, json={"missing": missing}, timeout=10)
        yield
        session.post(address, json={"missing": []}, timeout=10)


def counts(run: Run) -> Counter:
    found: Counter = Counter()
    for phase in run.phases.all():
        found.update({name: getattr(phase, name) for name in ("planned", *OUTCOMES)})
    return found


def reasons(plan: Run) -> Counter:
    """Why rows will be kept, as a plan says."""
    found: Counter = Counter()
    for phase in plan.phases.all():
        found.update(phase.outlook["reasons"])
    return found


def differences(one: Rows, other: Rows, apart: set = frozenset()) -> list[tuple]:
    """(table, id, column, values) of all that isn't the same, tables and columns to leave apart left out."""
    found = []
    for table in sorted((one.keys() | other.keys()) - {name for name, column in apart if column is None}):
        mine, theirs = one.get(table, {}), other.get(table, {})
        for row_id in sorted(mine.keys() | theirs.keys()):
            a, b = mine.get(row_id, {}), theirs.get(row_id, {})
            keys = sorted((a.keys() | b.keys()) - {column for name, column in apart if name == table})
            found += [(table, row_id, key, a.get(key), b.get(key)) for key in keys if a.get(key) != b.get(key)]
    return found


def kept(run: Run) -> dict[tuple[str, str], str]:
    """(table, source id) -> why a row was kept."""
    entries = LedgerEntry.objects.filter(run=run, outcome="kept").select_related("phase")
    return {(entry.phase.table, entry.source_id): entry.code for entry in entries}


def test_a_whole_load_is_taken_back_and_loads_again(small):
    after, late = small.everything(), {(phase.table, phase.kind) for phase in small.run.phases.exclude(kind="rows").filter(planned__gt=0)}
    assert late >= {*LATE, ("task", "states")}
    plan = small.plan()
    assert not differences(small.everything(), after)  # a plan sends nothing
    done = small.work(small.agree(plan))
    assert done.state == Run.State.DONE, done.message
    assert not differences(small.everything(), small.before)
    found = counts(done)
    assert (found["planned"], found["kept"], found["refused"]) == (found["removed"] + found["restored"], 0, 0)
    assert set(Crosswalk.objects.exclude(alias=True).values_list("state", flat=True)) == {"removed"}
    small.load()
    assert not differences(small.everything(), after, apart=ANEW)


def test_what_was_there_before_the_load_is_put_back(tmp_path):
    with loaded_from(test_existing_rows.folder(tmp_path / "source"), tmp_path, OTHERS) as loaded:
        done = loaded.take_back()
        assert counts(done)["restored"] > 5
        assert not differences(loaded.everything(), loaded.before)


def test_what_people_edited_or_built_upon_is_kept_and_listed(people):
    contact, lead = people.row("contact", "user:u-1"), people.row("lead", "user:u-2")
    people.edit("contact", contact["contactid"], {"jobtitle": "Director"})
    people.make("tasks", {"subject": "Call back", "regardingobjectid_lead_task@odata.bind": f"/leads({lead['leadid']})"})
    plan = people.plan()
    expected = {("contact", "u-1"): "rollback.edited", ("lead", "u-2"): "rollback.built_upon"}
    assert reasons(plan) == {"rollback.edited": 1, "rollback.built_upon": 3}  # the lead, and the companies of both
    made_since = people.row("lead", "user:u-3")
    people.make("tasks", {"subject": "New", "regardingobjectid_lead_task@odata.bind": f"/leads({made_since['leadid']})"})
    done = people.work(people.agree(plan))
    assert done.state == Run.State.DONE, done.message
    found = kept(done)
    assert found.items() >= {**expected, ("lead", "u-3"): "rollback.built_upon"}.items()
    assert people.row("contact", "user:u-1")["jobtitle"] == "Director"
    account = people.row("account", "company:domain:north.example")
    assert people.row("contact", "user:u-1")["_parentcustomerid_value"] == account["accountid"]
    assert [row["subject"] for row in dump(people.servers.dataverse_sandbox, "task")] == ["Call back", "New"]
    states = Counter(Crosswalk.objects.filter(alias=False).values_list("state", flat=True))
    assert states["kept"] == len(found) == 6
    again = people.load()
    found = {phase.table: phase.equal for phase in again.phases.filter(object_name="user", kind="rows")}
    assert (found["contact"], found["lead"]) == (1, 2)
    assert people.row("contact", "user:u-1")["jobtitle"] == "Director"


def test_a_table_or_records_alone_are_taken_back(small):
    before = small.everything()
    done = small.take_back(tables=("opportunityproduct",))
    assert counts(done)["removed"] == len(before["opportunityproduct"])
    without_lines = small.everything()
    assert {table for table, *_ in differences(without_lines, before)} == {"opportunityproduct", "opportunity"}  # its totals
    event = next(row for row in before["task"].values() if str(row.get("mwb_sourceid")).startswith("customEvent:"))
    done = small.take_back(records=(("customEvent", event["mwb_sourceid"].partition(":")[2]),))
    assert counts(done)["removed"] == 1
    found = lookup(small.run, "customEvent", event["mwb_sourceid"].partition(":")[2])
    assert [row["state"] for row in found[0]["rows"]] == ["removed"]
    changed = differences(small.everything(), without_lines)
    assert {(table, row_id) for table, row_id, *_ in changed} == {(table, event["activityid"]) for table in ("activitypointer", "task")}
    small.load()
    assert not differences(small.everything(), before, apart=ANEW)
    contacts = small.plan(tables=("contact",)).phases.get()
    assert contacts.outlook["reasons"] == {"rollback.built_upon": 1}  # the purchase hangs under it and isn't taken back


def test_a_second_run_is_taken_back_to_what_the_first_had_made(small):
    deal = small.row("opportunity", "purchase:pu-1")["opportunityid"]
    engine.Destination(small.sandbox).client.send("PATCH", f"opportunities({deal})", json={"statecode": 0, "statuscode": 1})
    noa = small.row("contact", "user:u-5")["contactid"]
    small.edit("contact", noa, {"lastname": "By hand"})
    middle = small.everything()
    small.servers.advance("iterable")
    small.take(Step.Name.EXTRACT)
    second, after = small.load(), small.everything()
    assert reasons(small.plan(small.run))["rollback.later_run"] >= 3  # the product, the price and the lead that the second run changed
    late = {(phase.table, phase.kind): phase for phase in second.phases.exclude(kind="rows")}
    assert (late["campaignitem", "ties"].created, late["listmember", "members"].created, late["opportunity", "close"].updated) == (3, 2, 5)
    done = small.take_back(second)
    taken = {(phase.table, phase.kind): phase.restored for phase in done.phases.filter(restored__gt=0)}
    assert taken.keys() >= {*((table, "rows") for table in ("campaign", "lead", "product")), *LATE}, taken
    assert differences(small.everything(), middle) == [("contact", noa, "donotbulkemail", True, False)]  # a refusal stays
    assert reasons(done)["rollback.refusal_stays"] == 1
    small.load()
    assert not differences(small.everything(), after, apart=ANEW)


def test_a_rollback_is_planned_and_begun_on_the_runs_page_with_the_rights_that_it_needs(small, client, settings):
    settings.SECURE_SSL_REDIRECT = False
    client.force_login(small.cast.engineer)
    asked = reverse("admin:loads_run_rollback", args=[small.run.pk])
    assert "Roll back…" in client.get(reverse("admin:loads_run_change", args=[small.run.pk])).content.decode()
    assert "isn't a record" in unescape(client.post(asked, {"records": "u-1"}).content.decode())
    page = client.post(asked, {"tables": ["task"]})
    run = Run.objects.get(kind=Run.Kind.ROLLBACK)
    assert page.url == reverse("admin:loads_run_change", args=[run.pk])
    shown = unescape(client.get(page.url).content.decode())
    assert "Planned; nothing was sent yet" in shown
    assert "write the word <strong>Sandbox</strong>" in shown
    begin = reverse("admin:loads_run_begin", args=[run.pk])
    assert "write the word Sandbox" in unescape(client.post(begin, {"word": "go"}, follow=True).content.decode())
    with lacking(small, "prvDeleteActivity"):
        assert "may not: delete rows of task" in unescape(client.post(begin, {"word": "Sandbox"}, follow=True).content.decode())
    with pytest.raises(runs.NotInThatState, match="waits for somebody's word"):
        runs.resume(run, small.cast.engineer)
    assert dump(small.servers.dataverse_sandbox, "task")
    shown = unescape(client.post(begin, {"word": "sandbox"}, follow=True).content.decode())
    run.refresh_from_db()
    assert (run.state, run.agreed_by) == (Run.State.DONE, small.cast.engineer), run.message
    assert not dump(small.servers.dataverse_sandbox, "task")
    assert f"{counts(run)['removed']}</strong>removed" in shown


def test_the_command_shows_the_plan_and_begins_by_a_word(small, capsys):
    before = small.everything()
    call_command("rollback", small.run.key, "--dry-run", "--record", "user:u-2")
    said = capsys.readouterr().out
    assert "records user:u-2" in said
    assert "Nothing was sent yet" in said
    assert not differences(small.everything(), before)
    planned = Run.objects.get(kind=Run.Kind.ROLLBACK)
    call_command("rollback", str(planned.pk), "--yes")
    assert "done: planned 1, removed 1, restored 0, kept 0, refused 0" in capsys.readouterr().out
    assert {table for table, *_ in differences(small.everything(), before)} == {"lead"}
    with pytest.raises(CommandError, match="doesn't have a row of user:nobody"):
        call_command("rollback", str(small.run.pk), "--record", "user:nobody")
