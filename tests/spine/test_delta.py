"""What changed at the source is fetched and loaded; what people edited stands until somebody decides; what is gone is told.

One engagement: a first run, changes on both sides, the delta, decisions, a run that takes them, and one of an environment copied anew.
"""

import json
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.db.models import QuerySet

from connectors.models import Dataset
from loads.delta import conflicts
from loads.delta.models import Conflict, Departed
from loads.models import Run
from mapping.models import FieldMap
from tests import folders
from tests.folders import organisation_list, user
from tests.playing import OTHERS
from tests.spine import test_leaving, test_meanwhile
from tests.spine.going_on import Twice
from tests.spine.test_second_run import SELLER, edit
from workbench.engagements import gates
from workbench.engagements.models import AuditEntry
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.database, pytest.mark.django_db]
TWINS = ["00000000-0000-0000-0000-0000000000c1", "00000000-0000-0000-0000-0000000000c2"]
LATER = "2026-01-01 00:00:00 +00:00"
WHY = "She is the director."
FIRST = [
    user("u-same", "same@northpine.example"),
    user("u-both", "both@northpine.example", jobTitle="Clerk"),
    user("u-clear", "clear@northpine.example", jobTitle="Clerk", firstName="Ada"),
    user("u-refuses", "refuses@northpine.example", jobTitle="Clerk"),
    user("u-gone", "gone@northpine.example"),
    user("u-gone-lead", "gone-lead@northpine.example", "lead"),
    user("u-gone-edited", "gone-edited@northpine.example"),
    user("u-one", "one@northpine.example", lastName="Twofold"),
    user("u-other", "other@northpine.example", lastName="Twofold"),
    user("u-cross", "cross@northpine.example", "lead"),
    user("u-twin", "twin@northpine.example", profileUpdatedAt="2024-01-01 00:00:00 +00:00"),
]
SECOND = [
    FIRST[0],
    user("u-both", "both@northpine.example", jobTitle="Head clerk", profileUpdatedAt=LATER),
    user("u-clear", "clear@northpine.example", jobTitle="Clerk", firstName="Adelaide", profileUpdatedAt=LATER),
    user("u-refuses", "refuses@northpine.example", jobTitle="Head clerk", unsubscribedChannelIds=[31], profileUpdatedAt=LATER),
    FIRST[7],
    user("u-other", "one@northpine.example", lastName="Twofold", profileUpdatedAt=LATER),
    user("u-cross", "cross@northpine.example", "customer", profileUpdatedAt=LATER),
    FIRST[10],
    user("u-new", "new@northpine.example", profileUpdatedAt=LATER),
]


OURS = {one["userId"] for one in [*FIRST, *SECOND]}
LEAVE = tuple(name for name in OTHERS if name != "customEvent")


def login(at: str) -> dict:
    return {"userId": "u-same", "eventName": "login", "createdAt": at}


def folder(path: Path) -> Path:
    seller = {"systemuserid": SELLER, "fullname": "Sam Seller", "internalemailaddress": "sam@customer.example"}
    twins = [{"contactid": one, "emailaddress1": "twin@northpine.example", "lastname": "Twin"} for one in TWINS]
    rows = {"dataverse/systemuser": [seller | {"isdisabled": False, "accessmode": 0}], "dataverse/contact": twins}
    logins = [login("2024-03-05 09:10:11 +00:00")]
    lists = [organisation_list(9, "Company: Eastgate")]
    folders.write(path, FIRST, lists=lists, rows=rows, more={"export/customEvent.ndjson": logins})
    later = path / "later" / "iterable" / "export"
    later.mkdir(parents=True)
    for name, records in (("user", SECOND), ("customEvent", [*logins, login(LATER)])):
        (later / f"{name}.ndjson").write_text("".join(json.dumps(one) + "\n" for one in records))
    return path


class Played:
    """What the engagement came to, by the runs' numbers from 0; see Twice."""

    def __init__(self, twice: Twice, found: SimpleNamespace) -> None:
        self.engagement, self.cast, self.runs, self.after, self.found = twice.engagement, twice.cast, twice.runs, twice.after, found

    def command(self, name: str) -> str:
        told = StringIO()
        call_command(name, f"{self.engagement.slug}/sandbox", user=self.cast.engineer.username, stdout=told)
        return told.getvalue()

    def at(self, run: int, source_id: str, table: str = "contact") -> dict:
        return self.after[run].row(table, f"user:{source_id}", "sandbox")


def conflicts_of_ours() -> QuerySet[Conflict]:
    return Conflict.objects.filter(source_id__in=OURS)


@pytest.fixture(scope="module")
def played(decided):
    return went_on(decided, decided.decided[__name__])


def between(twice: Twice, first: Run) -> None:
    for source_id in ("u-both", "u-clear", "u-refuses", "u-gone-edited"):
        edit(twice.servers, "contact", twice.row("contact", f"user:{source_id}")["contactid"], {"jobtitle": "Director"})
    twice.call("DELETE", f"contacts({TWINS[1]})")


def decide(twice: Twice) -> SimpleNamespace:
    """What the delta brought, and what of it is decided."""
    found, engagement, user = SimpleNamespace(), twice.engagement, twice.cast.engineer
    found.asked = set(FieldMap.objects.values_list("object_name", flat=True))
    found.datasets = {one.object_name: one for one in Dataset.objects.filter(purpose="load", base__isnull=False)}
    found.conflicts = {one.source_id: SimpleNamespace(fields=one.fields, is_clear=one.is_clear) for one in conflicts_of_ours()}
    departed = Departed.objects.filter(run=twice.runs[1], source_id__in=OURS)
    found.departed = {one.source_id: (one.table, one.cause, one.deed) for one in departed}
    found.decided = conflicts.decide_many(engagement, conflicts_of_ours(), conflicts.MERGE, user=user)
    for source_id, choice in (("u-both", "keep"), ("u-refuses", "overwrite")):
        conflict = Conflict.objects.get(source_id=source_id)
        conflicts.decide(conflict, {field["column"]: choice for field in conflict.fields}, user=user, comment=WHY)
    return found


def went_on(twice: Twice, found: SimpleNamespace) -> Played:
    """After the run that takes what was decided the sandbox is copied anew: some people aren't there, nor the events on their timelines."""
    played = Played(twice, found)
    played.states = {one.source_id: one.state for one in conflicts_of_ours()}
    for source_id in ("u-same", "u-new"):
        twice.call("DELETE", f"contacts({played.at(2, source_id)['contactid']})")
    played.refreshed = played.command("refreshed")
    played.closed = [one.says for one in gates.missing("load", played.engagement, twice.sandbox)]
    twice.take(Step.Name.PROVISION, twice.sandbox)
    played.told = played.command("delta")
    played.newest = Run.objects.latest("pk")
    twice.keep(played.newest)
    played.later = {one.source_id: one.state for one in conflicts_of_ours()}
    return played


def test_a_delta_fetches_what_changed_and_is_complete(played):
    people = played.found.datasets["user"]
    assert people.rows == len(SECOND) + len(test_leaving.SECOND) + len(test_meanwhile.PEOPLE) + 2
    since = sum(piece.rows for piece in people.pieces.filter(name__startswith="since"))
    assert since == 6 + 3 + 2 + 5 + 9  # of this module and test_leaving, those of the last five minutes, and of test_meanwhile
    assert played.runs[1].changes["user"] == {"new": 1, "changed": 5 + 6, "deleted": 3 + 5}
    assert played.runs[1].changes["customEvent"] == {"new": 1, "changed": 0, "deleted": 0}


def test_nobody_is_asked_about_fields_of_records_that_the_workbench_derived_itself(played):
    assert "user" in played.found.asked
    assert not {"company", "listMembership"} & played.found.asked


def test_a_record_that_failed_and_did_not_change_is_tried_again(played):
    assert "match.several" in [reason["code"] for one in played.after[0].exceptions for reason in one["reasons"]]
    assert played.at(1, "u-twin")["contactid"] == TWINS[0]


def test_new_records_get_rows_and_a_lead_who_became_a_customer_a_contact(played):
    assert played.at(1, "u-new")["statecode"] == 0
    contact, lead = played.at(1, "u-cross"), played.at(1, "u-cross", "lead")
    assert lead["leadid"] == played.at(0, "u-cross", "lead")["leadid"]
    assert (lead["statecode"], lead["statuscode"], lead["_parentcontactid_value"]) == (1, 3, contact["contactid"])
    assert contact["_originatingleadid_value"] == lead["leadid"]


def test_what_a_person_edited_is_listed_with_three_values_and_who_changed_which(played):
    assert {name: found.is_clear for name, found in played.found.conflicts.items()} == {
        "u-both": False,
        "u-clear": True,
        "u-refuses": False,
    }
    fields = {field["column"]: field for field in played.found.conflicts["u-both"].fields}
    assert fields["jobtitle"] == {"column": "jobtitle", "last": "Clerk", "now": "Director", "new": "Head clerk", "proposed": ""}
    proposed = {field["column"]: field["proposed"] for field in played.found.conflicts["u-clear"].fields}
    assert (proposed.pop("jobtitle"), proposed.pop("firstname"), set(proposed.values())) == ("keep", "overwrite", {"overwrite"})


def test_nothing_of_an_edited_row_is_written_before_somebody_decides_but_a_refusal(played):
    assert played.at(1, "u-both")["jobtitle"] == "Director"
    assert (played.at(1, "u-clear")["jobtitle"], played.at(1, "u-clear")["firstname"]) == ("Director", "Ada")
    refused = played.at(1, "u-refuses")
    assert (refused["jobtitle"], refused["donotbulkemail"], played.at(0, "u-refuses")["donotbulkemail"]) == ("Director", True, False)
    assert played.runs[1].phases.get(object_name="user", table="contact", kind="rows").refused == 3


def test_the_next_run_writes_what_was_decided_field_by_field(played):
    assert played.found.decided == 1
    assert (played.at(2, "u-clear")["jobtitle"], played.at(2, "u-clear")["firstname"]) == ("Director", "Adelaide")
    assert played.at(2, "u-both")["jobtitle"] == "Director"
    assert (played.at(2, "u-refuses")["jobtitle"], played.at(2, "u-refuses")["donotbulkemail"]) == ("Head clerk", True)
    assert set(played.states.values()) == {"applied"}
    assert AuditEntry.objects.filter(engagement=played.engagement, action="decided conflicts").count() == 3 + 4  # of test_meanwhile


def test_a_decision_to_keep_holds_on_and_is_not_asked_again(played):
    assert set(played.later.values()) == {"applied"}
    assert played.at(3, "u-both") == played.at(2, "u-both")
    deals = [{row["mwb_sourceid"]: row["statecode"] for row in played.after[run].rows("opportunity", "sandbox")} for run in (2, 3)]
    assert deals[0] == deals[1]  # those of test_meanwhile among them
    phase = played.newest.phases.get(object_name="user", table="contact", kind="rows")
    assert (phase.created, phase.refused) == (2 + 2, 0 + 2)  # of test_meanwhile


def test_rows_whose_records_are_gone_are_listed_and_deactivated_unless_a_person_edited_them(played):
    assert played.found.departed == {
        "u-gone": ("contact", "deleted", "deactivated"),
        "u-gone-lead": ("lead", "deleted", "deactivated"),
        "u-gone-edited": ("contact", "deleted", "left"),
        "u-one": ("contact", "merged", "deactivated"),
    }
    states = {name: played.at(1, name)["statecode"] for name in ("u-gone", "u-gone-edited")}
    assert states == {"u-gone": 1, "u-gone-edited": 0}
    assert (played.at(1, "u-gone-lead", "lead")["statecode"], played.at(1, "u-gone-lead", "lead")["statuscode"]) == (2, 7)
    assert all(phase.balanced for phase in played.runs[1].phases.all())


def test_after_an_environment_was_copied_anew_what_is_gone_is_made_again_with_its_id(played):
    assert "The schema isn't provisioned in sandbox." in played.closed
    for source_id in ("u-same", "u-new"):
        assert played.at(3, source_id)["contactid"] == played.at(2, source_id)["contactid"]
    tasks = [{row["activityid"] for row in played.after[run].of_source("task", "customEvent", "sandbox")} for run in (2, 3)]
    assert tasks[0] == tasks[1]
    assert len(played.after[3].rows("contact", "sandbox")) == len(played.after[2].rows("contact", "sandbox")) + 2  # of test_meanwhile
    assert all(phase.balanced for phase in played.runs[3].phases.all())


def test_the_commands_tell_what_they_do(played):
    assert "are planned again" in played.refreshed
    assert "Delta extraction: done" in played.told
    assert str(played.newest) in played.told
    assert played.newest.state == Run.State.DONE
    with pytest.raises(CommandError, match="There is no environment nowhere/sandbox"):
        call_command("delta", "nowhere/sandbox")
