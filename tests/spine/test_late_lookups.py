"""Lookups that lead to rows which come later: of records to each other in a circle, to records of their own kind, of people and companies.

No playbook of today has any: the test plays one that does, by what it would put into the plan and its connector would land.
"""

from types import SimpleNamespace

import orjson
import pytest

from connectors import landing
from connectors.models import Dataset
from loads import engine
from loads.delta import conflicts
from loads.delta.models import Conflict
from loads.desk import groups
from loads.dispositions import lookup
from loads.losses.models import EMPTIED, Loss
from loads.models import LedgerEntry, Run
from loads.verifying import read_again
from mapping import plan
from mapping.playbooks.rules import ParentRule, RecordRule
from tests import database, folders
from tests.folders import user
from tests.playing import OTHERS, dump, engagement_on
from tests.spine.test_exceptions_desk import open_quietly
from tests.spine.test_load_engine import Prepared
from tests.spine.test_rollback import Loaded
from tests.spine.test_second_run import SELLER

pytestmark = [pytest.mark.database, pytest.mark.django_db]
BOSS = "northpine.example"  # a person whose id is the name of a company, which the company's rule looks for
FRIEND, THERE, TAKEN, TOUCHED = (f"00000000-0000-4000-8000-0000000000f{number}" for number in range(1, 5))
LONG = "F" * 60
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


def circling(content):
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


def records(later):
    """What the connector landed; some firms have other parents later."""
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


class Circling(Loaded):
    """An engagement of a platform with such lookups."""

    def __init__(self, engagement, cast, servers) -> None:
        self.later = False
        Prepared.__init__(self, engagement, cast, servers, leave=OTHERS)

    def open(self):
        run = super().open()
        for name, rows in records(self.later).items():
            dataset = landing.open_dataset(engagement=self.engagement, object_name=name, purpose=Dataset.Purpose.LOAD)
            landing.land_piece(dataset, "all", map(orjson.dumps, rows), lambda record: record["id"])
            run.datasets[name] = landing.seal(dataset).pk
        run.save(update_fields=["datasets"])
        return run

    def limit(self, length):
        """How long the name of an account may be."""
        engine.Destination(self.sandbox).client.send("PUT", NAME, json={"MaxLength": length})

    def move(self, name, parent):
        """A person puts a firm under another one."""
        row, under = (self.row("account", f"firm:{one}")["accountid"] for one in (name, parent))
        self.edit("account", row, {"parentaccountid@odata.bind": f"/accounts({under})"})

    def hire(self, name, firm):
        """An employee is put under another firm by something that calls as the application user too."""
        row, employer = self.row("contact", f"employee:{name}")["contactid"], self.row("account", f"firm:{firm}")["accountid"]
        body = {"parentcustomerid_account@odata.bind": f"/accounts({employer})"}
        engine.Destination(self.sandbox).client.send("PATCH", f"contacts({row})", json=body)

    def now(self):
        """What stands at the destination: source id, or the row's id where it has none, -> the row; and the ids of the rows by it."""
        rows = {}
        for table in ("account", "contact", "lead"):
            for row in dump(self.servers.dataverse_sandbox, table):
                rows[row.get("mwb_sourceid") or row[f"{table}id"]] = {**row, "id": row[f"{table}id"]}
        names = {row["id"]: name for name, row in rows.items()}
        return {name: {column: names.get(value, value) for column, value in row.items()} for name, row in rows.items()}

    def phases(self, run):
        return {(one.object_name, one.table): one for one in run.phases.filter(kind="lookups")}


@pytest.fixture(scope="module")
def played(django_db_setup, django_db_blocker, tmp_path_factory):
    """A run in which a firm is refused; one after the source and people changed lookups; and both taken back."""
    built = plan.BUILDERS["maps"]
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        patch.setitem(plan.BUILDERS, "maps", lambda engagement: circling(built(engagement)))
        source, work = folder(tmp_path_factory.mktemp("source")), tmp_path_factory.mktemp("work")
        try:
            with engagement_on(source, work) as (engagement, cast, servers):
                yield play(Circling(engagement, cast, servers))
        finally:
            database.empty()


def play(circle):
    run = circle.finish_staging()
    circle.limit(50)
    first = circle.finish(run)
    circle.limit(160)
    after_first = circle.now()
    asked = ("firm:f-3", "firm:f-4", "user:u-of-held", "user:u-of-lead", "user:u-none")
    told = {name: lookup(first, *name.split(":"))[0] for name in asked}
    circle.move("f-2", "f-3")
    circle.move("f-5", "f-2")
    circle.hire("e-4", "f-1")
    circle.later = True
    second = circle.finish(circle.open())
    after_second = circle.now()
    verified = {
        one.phase.object_name: (one.tally.wrong_rows + one.tally.edited_rows, one.later)
        for one in read_again(first)
        if one.phase.kind == "lookups"
    }
    circle.take_back(second)
    between = circle.now()
    circle.edit("account", circle.row("account", "firm:f-6")["accountid"], {"telephone1": "1"})
    circle.edit("lead", TOUCHED, {"parentcontactid@odata.bind": f"/contacts({FRIEND})"})
    circle.take_back(first)
    left = circle.now()
    third = circle.finish(circle.open())
    again = circle.now()
    asked_about = {one.source_id: one for one in Conflict.objects.filter(kind="lookups", state="open")}
    for name, choice in (("f-5", "keep"), ("f-6", "overwrite")):
        conflicts.decide_many(circle.engagement, Conflict.objects.filter(pk=asked_about[name].pk), choice, user=circle.cast.engineer)
    chosen = [group for group in groups.groups(third) if group.code == "conflict.edited"]
    fourth = circle.finish(open_quietly(third, chosen, circle.cast))
    return SimpleNamespace(
        asked={name: [(field["column"], field["proposed"]) for field in one.fields] for name, one in asked_about.items()},
        fourth=fourth,
        decided=circle.now(),
        runs=(first, second, third),
        told=told,
        order=list(first.phases.values_list("object_name", "table", "kind")),
        phases=(circle.phases(first), circle.phases(second)),
        after=(after_first, after_second),
        verified=verified,
        between=between,
        left=left,
        again=again,
    )


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
    rows = [(name, table) for name, table, kind in played.order if kind == "rows" and table]
    assert rows == [("company", "account"), ("user", "contact"), ("user", "lead"), ("employee", "contact"), ("firm", "account")]
    late = [(name, table) for name, table, kind in played.order[-4:] if kind == "lookups"]
    assert late == [("company", "account"), ("user", "lead"), ("employee", "contact"), ("firm", "account")]


def test_rows_that_look_up_to_each_other_in_a_circle_and_to_their_own_kind_do_so_at_the_destination(played):
    rows = played.after[0]
    assert led_to(rows, PARENT, *FIRMS) == ["firm:f-3", "firm:f-1", None, None, "firm:f-1", "firm:f-1"]
    assert led_to(rows, CONTACT, *FIRMS) == [f"employee:e-{number}" for number in range(1, 7)]
    assert led_to(rows, EMPLOYER, *(f"employee:e-{number}" for number in range(1, 7))) == FIRMS
    assert counts(played.phases[0]["firm", "account"]) == (4, 0, 0, 1)


def test_people_and_companies_look_up_to_people(played):
    rows = played.after[0]
    assert rows[f"company:domain:{BOSS}"][CONTACT] == rows["user:u-new"][REFERRER] == f"user:{BOSS}"


def test_a_row_that_was_there_is_filled_where_it_is_empty(played):
    assert led_to(played.after[0], REFERRER, "user:u-there", "user:u-taken") == [f"user:{BOSS}", FRIEND]
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
    losses = Loss.objects.filter(run=played.runs[0], code="lookup.open").values_list("table", "column", "kind", "values")
    assert set(losses) == {("account", "parentaccountid", EMPTIED, 1), ("lead", "parentcontactid", EMPTIED, 2)}


def test_a_lookup_to_a_refused_row_waits_and_a_later_run_sets_it(played):
    told = played.told["firm:f-4"]
    assert (told["disposition"], [one["code"] for one in told["reasons"]]) == ("held", ["parent.not_loaded"])
    assert "firm:f-long" not in played.after[0]
    assert played.after[1]["firm:f-4"][PARENT] == "firm:f-long"
    assert played.after[1]["employee:e-long"][EMPLOYER] == "firm:f-long"


def test_a_second_run_finds_unchanged_lookups_equal_and_sets_changed_ones(played):
    phases = played.phases[1]
    assert counts(phases["employee", "contact"]) == (3, 4, 1, 0)
    assert counts(phases["company", "account"]) == (0, 1, 0, 0)
    assert counts(phases["user", "lead"]) == (0, 4, 0, 0)
    assert counts(phases["firm", "account"]) == (2, 2, 1, 0)
    assert led_to(played.after[1], PARENT, "firm:f-1", "firm:f-6") == ["firm:f-3", "firm:f-7"]
    assert played.after[1]["employee:e-2"][EMPLOYER] == "firm:f-7"


def test_what_a_person_set_stays_and_where_the_source_changed_too_the_record_says_so(played):
    assert led_to(played.after[1], PARENT, "firm:f-2", "firm:f-5") == ["firm:f-3", "firm:f-2"]
    assert played.after[1]["employee:e-4"][EMPLOYER] == "firm:f-1"
    entries = LedgerEntry.objects.filter(run=played.runs[1], phase__kind="lookups")
    assert {(one.source_id, one.code, one.held) for one in entries} == {(name, "conflict.edited", True) for name in ("f-5", "e-4")}


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
    assert played.left.keys() == {FRIEND, THERE, TAKEN} | kept
    assert led_to(played.left, EMPLOYER, *(f"employee:e-{number}" for number in (1, 2, 5, 6))) == [FIRMS[n - 1] for n in (1, 2, 5, 6)]


def test_a_run_after_a_rollback_sets_what_was_taken_back_and_what_lost_its_row(played):
    looked_at = [("firm:f-1", PARENT), ("employee:e-2", EMPLOYER)]
    assert [played.left[name][column] for name, column in looked_at] == [None, "firm:f-2"]
    assert [played.again[name][column] for name, column in looked_at] == ["firm:f-3", "firm:f-7"]


def test_no_lookup_is_set_in_a_row_that_a_person_changed_last(played):
    assert (played.left["firm:f-6"][PARENT], played.again["firm:f-6"][PARENT]) == ("firm:f-1", "firm:f-1")
    entries = LedgerEntry.objects.filter(run=played.runs[2], phase__kind="lookups")
    assert {(entry.source_id, entry.code) for entry in entries} == {("f-5", "conflict.edited"), ("f-6", "conflict.edited")}


def test_a_lookup_that_an_edit_kept_from_being_set_is_asked_about_and_a_re_run_alone_does_what_was_decided(played):
    assert played.asked == {"f-5": [(PARENT, "keep")], "f-6": [(PARENT, "keep")]}
    assert led_to(played.decided, PARENT, "firm:f-5", "firm:f-6") == ["firm:f-2", "firm:f-7"]
    assert played.fourth.state == Run.State.DONE
    assert counts(played.fourth.phases.get(object_name="firm", kind="lookups")) == (1, 4, 0, 0)
    assert set(Conflict.objects.filter(kind="lookups", source_id__in=played.asked).values_list("state", flat=True)) == {"applied"}
