"""A run taken back: the destination is as it was before, but for what people have a hand in, and a new run loads everything again.

One engagement, whose source has records of each kind and whose sandbox has rows of some. Parts of a load of it are taken back, then a
second load of those and of what changed since is, and then all that is left of the first; what stood where is asked afterwards.
"""

import json
from collections import Counter
from contextlib import redirect_stdout
from html import unescape
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import reverse

from loads import engine, runs
from loads.dispositions import lookup
from loads.models import Crosswalk, LedgerEntry, Run
from tests import database, folders
from tests.folders import user
from tests.playing import dump, engagement_on
from tests.spine import test_existing_rows
from tests.spine.taking_back import ANEW, Loaded, Rows, changing, counts, differences, lacking
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.database, pytest.mark.django_db]
LATE = (("campaign", "states"), ("campaignitem", "ties"), ("listmember", "members"), ("opportunity", "close"), ("product", "publish"))
DOUBTFUL = {"u-two-contacts", "u-two-leads", "u-twin", "u-same-list", "u-same-domain", 22, 23}  # of test_existing_rows: held for a person
HOLDERS = {("role", None), ("systemuserroles", None)}  # by which the simulator keeps what a user may not do


def reasons(plan: Run) -> Counter:
    """Why rows will be kept, as a plan says."""
    found: Counter = Counter()
    for phase in plan.phases.all():
        found.update(phase.outlook["reasons"])
    return found


def changed(one: Rows, other: Rows) -> set[tuple[str, str]]:
    """Table and id of the rows that aren't the same, but for what the simulator keeps."""
    return {(table, row_id) for table, row_id, *_ in differences(one, other, apart=HOLDERS)}


def kept(run: Run) -> dict[tuple[str, str], str]:
    """(table, source id) -> why a row was kept."""
    entries = LedgerEntry.objects.filter(run=run, outcome="kept").select_related("phase")
    return {(entry.phase.table, entry.source_id): entry.code for entry in entries}


def ours(rows: Rows) -> dict[str, tuple[str, str]]:
    """Source id -> table and row id."""
    return {
        row["mwb_sourceid"]: (table, row_id) for table, found in rows.items() for row_id, row in found.items() if row.get("mwb_sourceid")
    }


def crosswalk() -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """What stands of each row, and what was applied to it last."""
    columns = ("object_name", "source_id", "table", "role", "state", "applied_run__key", "applied_hash")
    return {tuple(row[:4]): tuple(row[4:]) for row in Crosswalk.objects.filter(alias=False).values_list(*columns)}


def folder(path: Path) -> Path:
    """What changes, people whose rows are there before, and three whom people at the destination have a hand in. Nothing is asked about."""
    kept = [user("e-1", "bo@upper.example"), user("e-2", "kim@middle.example", "lead"), user("e-3", "pat@lower.example", "lead")]
    parts = [changing(path / "changing"), there_before(path / "there"), folders.write(path / "kept", kept)]
    return folders.joined(path / "joined", parts)


def there_before(path: Path) -> Path:
    """Rows of the destination, and the people and companies that each fit one of them, or none."""
    source = test_existing_rows.folder(path) / "iterable"
    lists = json.loads((source / "lists.json").read_text())["lists"]
    users = [one for one in test_existing_rows.users() if one["userId"] not in DOUBTFUL]
    (source / "lists.json").write_text(json.dumps({"lists": [one for one in lists if one["id"] not in DOUBTFUL]}))
    (source / "export" / "user.ndjson").write_text("".join(json.dumps(one) + "\n" for one in users))
    return path


@pytest.fixture(scope="module")
def told(django_db_setup, django_db_blocker, tmp_path_factory) -> SimpleNamespace:
    """What the whole story came to."""
    work = tmp_path_factory.mktemp("work")
    with django_db_blocker.unblock():
        try:
            with engagement_on(folder(work / "source"), work, purchasing_leads="contact") as of:
                loaded = Loaded(*of, leave=())
                parts, second = parts_taken_back(loaded), second_taken_back(loaded)
                return SimpleNamespace(before=loaded.before, parts=parts, second=second, whole=taken_back_whole(loaded))
        finally:
            database.empty()


def parts_taken_back(loaded: Loaded) -> SimpleNamespace:
    """A table of the first run, a record, then on the run's page another table, and another record by the command.

    People were at some of its rows before.
    """
    contacts = reasons(loaded.plan(tables=("contact",)))
    contact, lead = loaded.row("contact", "user:e-1"), loaded.row("lead", "user:e-2")
    loaded.edit("contact", contact["contactid"], {"jobtitle": "Director"})
    loaded.make("tasks", {"subject": "Call back", "regardingobjectid_lead_task@odata.bind": f"/leads({lead['leadid']})"})
    dumps = [loaded.everything()]
    lines = loaded.take_back(tables=("opportunityproduct",))
    dumps.append(loaded.everything())
    event = next(row for row in dumps[0]["task"].values() if str(row.get("mwb_sourceid")).startswith("customEvent:"))
    source_id = event["mwb_sourceid"].partition(":")[2]
    one_event = loaded.take_back(records=(("customEvent", source_id),))
    dumps.append(loaded.everything())
    page = on_the_page(loaded)
    dumps.append(loaded.everything())
    command = by_the_command(loaded)
    dumps.append(loaded.everything())
    return SimpleNamespace(
        contacts=contacts,
        late={(phase.table, phase.kind) for phase in loaded.run.phases.exclude(kind="rows").filter(planned__gt=0)},
        lines=counts(lines),
        event=event,
        one_event=counts(one_event),
        looked_up=lookup(loaded.run, "customEvent", source_id)[0]["rows"],
        page=page,
        command=command,
        dumps=dumps,
    )


def second_taken_back(loaded: Loaded) -> SimpleNamespace:
    """A second run, of what was taken back and of what changed at the source since. Before, a deal was reopened and a name edited."""
    deal = loaded.row("opportunity", "purchase:pu-1")["opportunityid"]
    engine.Destination(loaded.sandbox).client.send("PATCH", f"opportunities({deal})", json={"statecode": 0, "statuscode": 1})
    noa = loaded.row("contact", "user:u-5")["contactid"]
    loaded.edit("contact", noa, {"lastname": "By hand"})
    promoted = loaded.row("lead", "user:u-3")
    middle, known = loaded.everything(), crosswalk()
    loaded.servers.advance("iterable")
    loaded.take(Step.Name.EXTRACT)
    second = loaded.load()
    after, became = loaded.everything(), loaded.row("contact", "user:u-3")
    of_first = reasons(loaded.plan(tables=("lead", "product", "productpricelevel")))
    done = loaded.take_back(second)
    return SimpleNamespace(
        deal=deal,
        noa=noa,
        promoted=promoted["leadid"],
        became=became["contactid"],
        middle=middle,
        after=after,
        of_first=of_first,
        phases={(phase.table, phase.kind): phase for phase in second.phases.exclude(kind="rows")},
        restored={(phase.table, phase.kind) for phase in done.phases.filter(restored__gt=0)},
        reasons=reasons(done),
        back=loaded.everything(),
        known=(known, crosswalk()),
    )


def taken_back_whole(loaded: Loaded) -> SimpleNamespace:
    """All that is left of the first run, while people are at its rows; then everything is loaded again."""
    plan = loaded.plan()
    other = loaded.row("lead", "user:e-3")
    loaded.make("tasks", {"subject": "New", "regardingobjectid_lead_task@odata.bind": f"/leads({other['leadid']})"})
    after, companies = loaded.everything(), {f"company:domain:{name}.example" for name in ("upper", "middle", "lower")}
    places = ours(after)
    done = loaded.work(loaded.agree(plan))
    assert done.state == Run.State.DONE, done.message
    back, states = loaded.everything(), Counter(Crosswalk.objects.filter(alias=False).values_list("state", flat=True))
    again = loaded.load()
    return SimpleNamespace(
        reasons=reasons(plan),
        after=after,
        places=places,
        hands_on={places[name] for name in (*companies, "user:e-1", "user:e-2", "user:e-3", "user:u-5")},
        made={
            row["subject"]: [("task", row_id), ("activitypointer", row_id)]
            for row_id, row in after["task"].items()
            if not row.get("mwb_sourceid")
        },
        counts=counts(done),
        kept=kept(done),
        back=back,
        states=states,
        equal={phase.table: phase.equal for phase in again.phases.filter(object_name="user", kind="rows")},
        again=loaded.everything(),
    )


def on_the_page(loaded: Loaded) -> SimpleNamespace:
    """The tasks taken back on the run's page, whatever is wrong about it first; what each page said."""
    said, client = {}, Client()

    def shown(name: str, response: HttpResponse) -> None:
        said[name] = unescape(response.content.decode())

    with override_settings(SECURE_SSL_REDIRECT=False):
        client.force_login(loaded.cast.engineer)
        asked, of_load = reverse("admin:loads_run_rollback", args=[loaded.run.pk]), reverse("admin:loads_run_change", args=[loaded.run.pk])
        shown("run", client.get(of_load))
        shown("no record", client.post(asked, {"records": "u-1"}))
        answer = client.post(asked, {"tables": ["task"]})
        run = Run.objects.filter(kind=Run.Kind.ROLLBACK).latest("pk")
        shown("planned", client.get(answer.url))
        begin = reverse("admin:loads_run_begin", args=[run.pk])
        shown("wrong word", client.post(begin, {"word": "go"}, follow=True))
        with lacking(loaded, "prvDeleteActivity"):
            shown("no right", client.post(begin, {"word": "Sandbox"}, follow=True))
        with pytest.raises(runs.NotInThatState, match="waits for somebody's word"):
            runs.resume(run, loaded.cast.engineer)
        untouched = dump(loaded.servers.dataverse_sandbox, "task", canonical=True)
        shown("done", client.post(begin, {"word": "sandbox"}, follow=True))
    run.refresh_from_db()
    led_to = (answer.url, reverse("admin:loads_run_change", args=[run.pk]))
    return SimpleNamespace(
        said=said, led_to=led_to, state=run.state, agreed_by=run.agreed_by == loaded.cast.engineer, counts=counts(run), untouched=untouched
    )


def by_the_command(loaded: Loaded) -> SimpleNamespace:
    """A lead taken back by the command, shown first; what it said."""
    planned, done = StringIO(), StringIO()
    with redirect_stdout(planned):
        call_command("rollback", loaded.run.key, "--dry-run", "--record", "user:u-owner-unknown")
    untouched = loaded.everything()
    with redirect_stdout(done):
        call_command("rollback", str(Run.objects.filter(kind=Run.Kind.ROLLBACK).latest("pk").pk), "--yes")
    with pytest.raises(CommandError, match="doesn't have a row of user:nobody"):
        call_command("rollback", str(loaded.run.pk), "--record", "user:nobody")
    return SimpleNamespace(planned=planned.getvalue(), untouched=untouched, done=done.getvalue())


def test_a_whole_load_is_taken_back_but_for_what_people_have_a_hand_in(told):
    whole, found = told.whole, told.whole.counts
    assert told.parts.late >= {*LATE, ("task", "states")}
    assert changed(whole.after, told.second.back) == {*whole.made["New"]}  # a plan sends nothing
    assert changed(whole.back, told.before) == {*whole.hands_on, *whole.made["Call back"], *whole.made["New"]}
    assert (found["planned"], found["kept"], found["refused"]) == (found["removed"] + found["restored"] + 7, 7, 0)
    assert whole.states.keys() == {"removed", "kept"}


def test_what_was_there_before_the_load_is_put_back(told):
    assert told.whole.counts["restored"] > 5
    for table in ("account", "contact", "lead"):
        assert {row_id: told.whole.back[table].get(row_id) for row_id in told.before[table]} == told.before[table]


def test_what_people_edited_or_built_upon_is_kept_and_listed(told):
    whole = told.whole
    expected = {("contact", "e-1"): "rollback.edited", ("contact", "u-5"): "rollback.edited", ("lead", "e-2"): "rollback.built_upon"}
    assert whole.reasons == {"rollback.edited": 2, "rollback.built_upon": 3}  # the lead, and the companies of e-1 and e-2
    assert whole.kept.items() >= {**expected, ("lead", "e-3"): "rollback.built_upon"}.items()
    assert whole.states["kept"] == len(whole.kept) == len(whole.hands_on) == 7
    for rows in (whole.back, whole.again):
        person, company = (
            rows[table][row_id] for table, row_id in (whole.places["user:e-1"], whole.places["company:domain:upper.example"])
        )
        assert (person["jobtitle"], person["_parentcustomerid_value"]) == ("Director", company["accountid"])
    assert sorted(row["subject"] for row in whole.back["task"].values()) == ["Call back", "New"]


def test_what_was_taken_back_is_loaded_again_and_what_was_kept_is_found(told):
    """As the second run had left it, but that the deal is closed, and who had become a contact is that alone."""
    whole, second = told.whole, told.second
    found = differences(whole.again, second.after, apart=ANEW | HOLDERS)
    assert {(table, row_id) for table, row_id, *_ in found} == {
        ("lead", second.promoted), ("contact", second.became), ("opportunity", second.deal), *whole.made["New"],
    }  # fmt: skip
    assert second.promoted not in whole.again["lead"]
    assert {(column, *values) for table, _, column, *values in found if table in ("contact", "opportunity")} == {
        ("_originatingleadid_value", None, second.promoted), ("statecode", 1, 0), ("statuscode", 3, 1),
    }  # fmt: skip
    assert (whole.equal["contact"], whole.equal["lead"]) == (1, 2)


def test_a_second_run_is_taken_back_to_what_the_first_had_made(told):
    second = told.second
    assert second.of_first["rollback.later_run"] >= 3  # the product, the price and the lead that the second run changed
    phases = second.phases
    assert (phases["campaignitem", "ties"].created, phases["listmember", "members"].created) == (3, 2)
    assert phases["opportunity", "close"].updated == 5
    assert second.restored >= {*((table, "rows") for table in ("campaign", "lead", "product")), *LATE}
    assert differences(second.back, second.middle) == [("contact", second.noa, "donotbulkemail", True, False)]  # a refusal stays
    assert second.reasons["rollback.refusal_stays"] == 1
    before, since = second.known
    assert since.items() >= before.items()  # by what was applied last a further run tells what it has to write
    assert {since[name][0] for name in since.keys() - before.keys()} == {"removed"}


def test_a_table_or_records_alone_are_taken_back(told):
    parts = told.parts
    before, without_lines, without_event, *_ = parts.dumps
    assert parts.lines["removed"] == len(before["opportunityproduct"])
    assert {table for table, *_ in differences(without_lines, before)} == {"opportunityproduct", "opportunity"}  # its totals
    assert "opportunityproduct" not in without_lines
    assert parts.one_event["removed"] == 1
    assert [row["state"] for row in parts.looked_up] == ["removed"]
    assert changed(without_event, without_lines) == {(table, parts.event["activityid"]) for table in ("activitypointer", "task")}
    assert parts.contacts == {"rollback.built_upon": 1}  # the purchase hangs under it and isn't taken back


def test_parts_that_were_taken_back_are_loaded_again(told):
    """As they were, but that lines have the product's new name, and an event belongs to whom its person has become since."""
    (before, *_, without), second = told.parts.dumps, told.second
    gone = {(table, row_id) for table, rows in before.items() for row_id in rows.keys() - without.get(table, {}).keys()}
    assert {table for table, _ in gone} >= {"opportunityproduct", "task", "activitypointer", "lead"}
    held_by, kind = "_regardingobjectid_value", "_regardingobjectid_value@Microsoft.Dynamics.CRM.lookuplogicalname"
    moved = ((held_by, second.became, second.promoted), (kind, "contact", "lead"))
    anew = {(table, *found) for table in ("task", "activitypointer") for found in moved}
    anew.add(("opportunityproduct", "opportunityproductname", "Sensor of the second kind", "Sensor"))
    found = [one for one in differences(second.after, before, apart=ANEW | HOLDERS) if one[:2] in gone]
    assert {(table, column, *values) for table, _, column, *values in found} == anew
    [event] = [row_id for row_id, row in before["task"].items() if row.get(held_by) == second.promoted]
    assert [row_id for table, row_id, column, *_ in found if (table, column) == ("task", held_by)] == [event]


def test_a_rollback_is_planned_and_begun_on_the_runs_page_with_the_rights_that_it_needs(told):
    page, (*_, before, after, _) = told.parts.page, told.parts.dumps
    led_to, its_page = page.led_to
    assert led_to == its_page
    for shown, words in {
        "run": "Roll back…",
        "no record": "isn't a record",
        "planned": "Planned; nothing was sent yet",
        "wrong word": "write the word Sandbox",
        "no right": "may not: delete rows of task",
        "done": f"{page.counts['removed']}</strong>removed",
    }.items():
        assert words in page.said[shown], shown
    assert "write the word <strong>Sandbox</strong>" in page.said["planned"]
    assert {row["activityid"]: row for row in page.untouched} == before["task"]
    assert (page.state, page.agreed_by) == (Run.State.DONE, True)
    assert [row["subject"] for row in after["task"].values()] == ["Call back"]


def test_the_command_shows_the_plan_and_begins_by_a_word(told):
    command, (*_, before, after) = told.parts.command, told.parts.dumps
    assert "records user:u-owner-unknown" in command.planned
    assert "Nothing was sent yet" in command.planned
    assert not differences(command.untouched, before)
    assert "done: planned 1, removed 1, restored 0, kept 0, refused 0" in command.done
    assert {table for table, *_ in differences(after, before)} == {"lead"}
