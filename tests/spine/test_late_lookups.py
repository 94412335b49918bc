"""Lookups that lead to rows which come later: of records to each other in a circle, to records of their own kind, of people and companies.

No playbook of today has any: see other_platform.
"""

from types import SimpleNamespace

import orjson
import pytest

from loads import engine
from loads.delta import conflicts
from loads.delta.models import Conflict
from loads.desk import groups
from loads.dispositions import lookup
from loads.losses.models import EMPTIED, Loss
from loads.models import LedgerEntry, Run
from loads.verifying import read_again
from mapping.playbooks.rules import ParentRule, RecordRule
from tests import folders
from tests.folders import user
from tests.playing import OTHERS, dump
from tests.spine.other_platform import tell as tell  # as the module is told
from tests.spine.test_exceptions_desk import open_quietly
from tests.spine.test_second_run import SELLER

pytestmark = [pytest.mark.database, pytest.mark.django_db]
BOSS = "northpine.example"  # a person whose id is the name of a company, which the company's rule looks for
FRIEND, THERE, TAKEN, TOUCHED = (f"00000000-0000-4000-8000-0000000000f{number}" for number in range(1, 5))
LONG = "F" * 60
LEAVE = OTHERS
NAME = "EntityDefinitions(LogicalName='account')/Attributes(LogicalName='name')"
PARENTS = {
    "firm": [("parentaccountid", "firm", "parent"), ("primarycontactid", "employee", "contact")],
    "employee": [("parentcustomerid", "firm", "firm")],
    "user": [("parentcontactid", "user", "referrer")],
    "company": [("primarycontactid", "user", "name")],
}
COLUMNS = {"firm": ("account", "name"), "employee": ("contact", "lastname")}


def as_json(rule):
    return orjson.loads(orjson.dumps(rule))


def extended(content):
    """The maps of a platform whose firms and employees look up to each other, firms and people to others of their kind."""
    objects, fields = {name: dict(one) for name, one in content["objects"].items()}, list(content["fields"])
    for name, (table, column) in COLUMNS.items():
        record = as_json(RecordRule(name, name=("title",)))
        objects[name] = {"tables": [table], "kind": "record", "after": [], "record": record, "parents": [], "computed": []}
        rule = {"object": name, "table": table, "source": "title", "column": column, "transform": "text", "options": {}}
        fields.append({**rule, "state": "confirmed"})
    for name in objects.keys() & PARENTS.keys():
        objects[name]["parents"] = [as_json(ParentRule(name, column, parent, (key,), "leave")) for column, parent, key in PARENTS[name]]
    return {**content, "objects": objects, "fields": fields}


def firm(number, parent=None, **fields):
    return {"id": f"f-{number}", "title": f"Firm {number}", "parent": parent, "contact": f"e-{number}", **fields}


def landed(later):
    """What the connector lands; some firms have other parents later."""
    firms = [
        firm(1, "f-3"),
        firm(2, "f-1"),
        firm(3, "f-none"),
        firm(4, "f-long"),
        firm(5, "f-3" if later else "f-1"),
        firm(6, "f-7" if later else "f-1"),
        firm("long", title=LONG),
        *([firm(7)] if later else ()),
    ]
    employers = {"f-2": "f-7", "f-4": "f-3"} if later else {}
    employees = [{"id": one["contact"], "title": "Employee", "firm": employers.get(one["id"], one["id"])} for one in firms]
    return {"firm": firms, "employee": employees}


def people():
    return [
        user(BOSS, f"boss@{BOSS}"),
        user("u-new", "new@gmail.com", "lead", referrer=BOSS),
        user("u-there", "there@gmail.com", "lead", referrer=BOSS),
        user("u-taken", "taken@gmail.com", "lead", referrer=BOSS),
        user("u-touched", "touched@gmail.com", "lead", referrer=BOSS),
        user("u-review", "review@gmail.com", "no stage"),
        user("u-of-held", "of.held@gmail.com", "lead", referrer="u-review"),
        user("u-of-lead", "of.lead@gmail.com", "lead", referrer="new@gmail.com"),
        user("u-none", "none@gmail.com", "lead"),
    ]


def folder(path):
    seller = {"systemuserid": SELLER, "fullname": "Sam", "internalemailaddress": "sam@x.example", "isdisabled": False, "accessmode": 0}
    lead = {"lastname": "Original", "subject": "Old", "statecode": 0, "statuscode": 1}
    leads = [
        {"leadid": THERE, "emailaddress1": "there@gmail.com", **lead},
        {"leadid": TOUCHED, "emailaddress1": "touched@gmail.com", **lead},
        {"leadid": TAKEN, "emailaddress1": "taken@gmail.com", **lead, "_parentcontactid_value": FRIEND},
    ]
    rows = {"systemuser": [seller], "lead": leads, "contact": [{"contactid": FRIEND, "lastname": "Friend"}]}
    return folders.write(path, people(), rows={f"dataverse/{table}": some for table, some in rows.items()})


def records(other):
    return landed(other.later)


def limit(circle, length):
    """How long the name of an account may be."""
    engine.Destination(circle.sandbox).client.send("PUT", NAME, json={"MaxLength": length})


def move(circle, name, parent):
    """A person puts a firm under another one."""
    row, under = (circle.row("account", f"firm:{one}")["accountid"] for one in (name, parent))
    circle.edit("account", row, {"parentaccountid@odata.bind": f"/accounts({under})"})


def hire(circle, name, firm):
    """An employee is put under another firm by something that calls as the application user too."""
    row, employer = circle.row("contact", f"employee:{name}")["contactid"], circle.row("account", f"firm:{firm}")["accountid"]
    circle.call("PATCH", f"contacts({row})", {"parentcustomerid_account@odata.bind": f"/accounts({employer})"})


def now(circle):
    """What stands at the destination: source id, or the row's id where it has none, -> the row; and the ids of the rows by it."""
    rows = {}
    for table in ("account", "contact", "lead"):
        for row in dump(circle.servers.dataverse_sandbox, table):
            rows[row.get("mwb_sourceid") or row[f"{table}id"]] = {**row, "id": row[f"{table}id"]}
    names = {row["id"]: name for name, row in rows.items()}
    return {name: {column: names.get(value, value) for column, value in row.items()} for name, row in rows.items()}


def late(run):
    return {(one.object_name, one.table): one for one in run.phases.filter(kind="lookups")}


def held(run):
    """Source id and code of the lookups that weren't set, and whether they are held."""
    return {(one.source_id, one.code, one.held) for one in LedgerEntry.objects.filter(run=run, phase__kind="lookups")}


@pytest.fixture(scope="module")
def played(told):
    return told


def story(circle):
    """A run in which a firm is refused; one after the source and people changed lookups; both taken back; and what was edited decided."""
    found = SimpleNamespace()
    yield
    limit(circle, 50)
    first = yield
    limit(circle, 160)
    found.after_first = now(circle)
    asked = ("firm:f-3", "firm:f-4", "user:u-of-held", "user:u-of-lead", "user:u-none")
    found.told = {name: lookup(first, *name.split(":"))[0] for name in asked}
    found.losses = set(Loss.objects.filter(run=first, code="lookup.open").values_list("table", "column", "kind", "values"))
    move(circle, "f-2", "f-3")
    move(circle, "f-5", "f-2")
    hire(circle, "e-4", "f-1")
    second = yield
    found.after_second = now(circle)
    found.verified = {
        one.phase.object_name: (one.tally.wrong_rows + one.tally.edited_rows, one.later)
        for one in read_again(first)
        if one.phase.kind == "lookups"
    }
    yield
    found.between = now(circle)
    circle.edit("account", circle.row("account", "firm:f-6")["accountid"], {"telephone1": "1"})
    circle.edit("lead", TOUCHED, {"parentcontactid@odata.bind": f"/contacts({FRIEND})"})
    yield
    found.left = now(circle)
    third = yield
    found.again = now(circle)
    decide_and_load_again(circle, found, third)
    found.runs, found.held = (first, second, third), [held(run) for run in (first, second, third)]
    found.order = list(first.phases.values_list("object_name", "table", "kind"))
    found.phases = late(first), late(second)
    yield found


def decide_and_load_again(circle, found, third):
    """Of two firms that people edited it is decided which lookup holds, and just those are loaded again."""
    about = Conflict.objects.filter(kind="lookups")
    asked = {one.source_id: one for one in about.filter(state="open")}
    found.asked = {name: [(field["column"], field["proposed"]) for field in one.fields] for name, one in asked.items()}
    for name, choice in (("f-5", "keep"), ("f-6", "overwrite")):
        conflicts.decide_many(circle.engagement, about.filter(pk=asked[name].pk), choice, user=circle.cast.engineer)
    chosen = [group for group in groups.groups(third) if group.code == "conflict.edited"]
    found.fourth = circle.finish(open_quietly(third, chosen, circle.cast))
    found.set_last = found.fourth.phases.get(object_name="firm", kind="lookups")
    found.states = set(about.filter(source_id__in=asked).values_list("state", flat=True))
    found.decided = now(circle)


def counts(phase):
    assert phase.planned == phase.updated + phase.equal + phase.refused + phase.waiting
    return phase.updated, phase.equal, phase.refused, phase.waiting


def led_to(rows, column, *names):
    return [rows[name][column] for name in names]


FIRMS = [f"firm:f-{number}" for number in range(1, 7)]
PARENT, CONTACT, EMPLOYER, REFERRER = (
    f"_{name}_value" for name in ("parentaccountid", "primarycontactid", "parentcustomerid", "parentcontactid")
)


def test_every_run_balances_and_lookups_are_set_once_all_rows_are_there(played):
    assert [(run.state, run.message) for run in played.runs] == [(Run.State.DONE, "")] * 3
    places = {kind: [(name, table) for name, table, one in played.order if one == kind and table] for kind in ("rows", "lookups")}
    ours = ("company", "user", "employee", "firm")
    assert [place for place in places["rows"] if place[0] in ours] == [
        ("company", "account"), ("user", "contact"), ("user", "lead"), ("employee", "contact"), ("firm", "account")
    ]  # fmt: skip
    kinds = [kind for _, table, kind in played.order if table]
    assert "rows" not in kinds[kinds.index("lookups") :]
    assert places["lookups"] == [("company", "account"), ("user", "lead"), ("employee", "contact"), ("firm", "account")]


def test_rows_that_look_up_to_each_other_in_a_circle_and_to_their_own_kind_do_so_at_the_destination(played):
    rows = played.after_first
    assert led_to(rows, PARENT, *FIRMS) == ["firm:f-3", "firm:f-1", None, None, "firm:f-1", "firm:f-1"]
    assert led_to(rows, CONTACT, *FIRMS) == [f"employee:e-{number}" for number in range(1, 7)]
    assert led_to(rows, EMPLOYER, *(f"employee:e-{number}" for number in range(1, 7))) == FIRMS
    assert counts(played.phases[0]["firm", "account"]) == (4, 0, 0, 1)


def test_people_and_companies_look_up_to_people(played):
    rows = played.after_first
    assert rows[f"company:domain:{BOSS}"][CONTACT] == rows["user:u-new"][REFERRER] == f"user:{BOSS}"


def test_a_row_that_was_there_is_filled_where_it_is_empty(played):
    assert led_to(played.after_first, REFERRER, "user:u-there", "user:u-taken") == [f"user:{BOSS}", FRIEND]
    assert counts(played.phases[0]["user", "lead"]) == (3, 1, 0, 0)


def test_a_lookup_without_a_row_to_lead_to_stays_open_and_its_record_says_why(played):
    open_ones = {name: [one["detail"] for one in told["reasons"] if one["code"] == "lookup.open"] for name, told in played.told.items()}
    assert open_ones == {
        "firm:f-3": ["firm f-none: not in the source"],
        "firm:f-4": [],
        "user:u-of-held": ["user u-review: held"],
        "user:u-of-lead": ["user new@gmail.com: a row of lead"],
        "user:u-none": [],
    }
    assert {played.told[name]["disposition"] for name in open_ones.keys() - {"firm:f-4"}} == {"loaded"}
    assert played.losses == {("account", "parentaccountid", EMPTIED, 1), ("lead", "parentcontactid", EMPTIED, 2)}


def test_a_lookup_to_a_refused_row_waits_and_a_later_run_sets_it(played):
    told = played.told["firm:f-4"]
    assert (told["disposition"], [one["code"] for one in told["reasons"]]) == ("held", ["parent.not_loaded"])
    assert "firm:f-long" not in played.after_first
    assert played.after_second["firm:f-4"][PARENT] == "firm:f-long"
    assert played.after_second["employee:e-long"][EMPLOYER] == "firm:f-long"


def test_a_second_run_finds_unchanged_lookups_equal_and_sets_changed_ones(played):
    phases = played.phases[1]
    assert counts(phases["employee", "contact"]) == (3, 4, 1, 0)
    assert counts(phases["company", "account"]) == (0, 1, 0, 0)
    assert counts(phases["user", "lead"]) == (0, 4, 0, 0)
    assert counts(phases["firm", "account"]) == (2, 2, 1, 0)
    assert led_to(played.after_second, PARENT, "firm:f-1", "firm:f-6") == ["firm:f-3", "firm:f-7"]
    assert played.after_second["employee:e-2"][EMPLOYER] == "firm:f-7"


def test_what_a_person_set_stays_and_where_the_source_changed_too_the_record_says_so(played):
    assert led_to(played.after_second, PARENT, "firm:f-2", "firm:f-5") == ["firm:f-3", "firm:f-2"]
    assert played.after_second["employee:e-4"][EMPLOYER] == "firm:f-1"
    assert played.held[1] == {(name, "conflict.edited", True) for name in ("f-5", "e-4")}


def test_reading_a_run_again_counts_the_lookups_that_others_changed_since(played):
    assert played.verified == {"company": (0, 0), "employee": (1, 1), "firm": (1, 2), "user": (0, 0)}


def test_a_rollback_puts_back_the_lookups_that_were_there(played):
    rows = played.between
    assert led_to(rows, PARENT, *FIRMS) == ["firm:f-3", "firm:f-3", None, None, "firm:f-2", "firm:f-1"]
    assert "firm:f-long" not in rows
    assert rows["employee:e-long"][EMPLOYER] is None
    assert led_to(played.left, REFERRER, THERE, TAKEN, "user:u-touched") == [None, FRIEND, FRIEND]


def test_a_rollback_removes_rows_that_look_up_to_each_other_but_for_those_that_people_have_a_hand_in(played):
    edited, needed = {2, 5, 6}, {1}
    kept = {f"{kind}{number}" for kind in ("firm:f-", "employee:e-") for number in edited | needed}
    kept |= {"user:u-touched", f"user:{BOSS}", f"company:domain:{BOSS}"}  # each is needed by the one before
    kept.add("user:u-of-note")  # of test_files: a person edited its note
    assert played.left.keys() == {FRIEND, THERE, TAKEN} | kept
    assert led_to(played.left, EMPLOYER, *(f"employee:e-{number}" for number in (1, 2, 5, 6))) == [FIRMS[n - 1] for n in (1, 2, 5, 6)]


def test_a_run_after_a_rollback_sets_what_was_taken_back_and_what_lost_its_row(played):
    looked_at = [("firm:f-1", PARENT), ("employee:e-2", EMPLOYER)]
    assert [played.left[name][column] for name, column in looked_at] == [None, "firm:f-2"]
    assert [played.again[name][column] for name, column in looked_at] == ["firm:f-3", "firm:f-7"]


def test_no_lookup_is_set_in_a_row_that_a_person_changed_last(played):
    assert (played.left["firm:f-6"][PARENT], played.again["firm:f-6"][PARENT]) == ("firm:f-1", "firm:f-1")
    assert played.held[2] == {(name, "conflict.edited", True) for name in ("f-5", "f-6")}


def test_a_lookup_that_an_edit_kept_from_being_set_is_asked_about_and_a_re_run_alone_does_what_was_decided(played):
    assert played.asked == {"f-5": [(PARENT, "keep")], "f-6": [(PARENT, "keep")]}
    assert led_to(played.decided, PARENT, "firm:f-5", "firm:f-6") == ["firm:f-2", "firm:f-7"]
    assert played.fourth.state == Run.State.DONE
    assert counts(played.set_last) == (1, 4, 0, 0)
    assert played.states == {"applied"}
