"""The data-quality report: what would fail is counted before anything is loaded, and the load does what the customer decided."""

import json
from types import SimpleNamespace

import pytest
from django.utils import timezone

from connectors.dataverse.columns import ColumnSpec
from connectors.dataverse.metadata import create_column
from loads import engine, provisioning, quality, quality_decisions, runs, staged
from loads.dispositions import lookup
from loads.losses import deciding as losses
from loads.models import Run
from loads.quality_decisions import ReportClosed
from mapping import plan
from mapping.quality.deciding import MayNotDecide, Said
from reports.models import Document
from tests import database, folders
from tests.folders import user
from tests.playing import OTHERS, collect, engagement_on
from tests.spine.test_load_engine import Prepared
from workbench.engagements import gates, signoffs
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.gates import GateClosed
from workbench.engagements.models import AuditEntry, SignOff
from workbench.pipeline import demonstration
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.database, pytest.mark.django_db]
LONG = "Director of " + "very " * 40 + "long titles"
DECISIONS = [
    ("score", "default", "70"),
    ("visits", "skip", ""),
    ("birthday", "clean", ""),
    ("jobTitle", "text", ""),
    ("", "skip", ""),  # people without an e-mail address
]
BEFORE = "2024-12-01 08:00:00 +00:00"  # than the other profile of the same person
LOOKED_UP = ("u-visits", "u-visits-old", "u-birthday", "u-birthday-old", "u-nobody", "u-score")
LEAVE = tuple(name for name in OTHERS if name != "customEvent")


def folder(path):
    ordinary = [user(f"u-{n}", f"p{n}@north.example", score=n, visits=n, birthday="1990-01-02", jobTitle="Clerk") for n in range(1, 21)]
    odd = [
        user("u-score", "score@north.example", score="n/a"),
        user("u-score-2", "score2@north.example", score="many"),
        user("u-visits-old", "visits@north.example", visits=3, profileUpdatedAt=BEFORE),
        user("u-visits", "visits@north.example", visits="n/a"),
        user("u-birthday", "birthday@north.example", birthday="the second of May"),
        user("u-birthday-old", "birthday@north.example", profileUpdatedAt=BEFORE),
        user("u-title", "title@north.example", jobTitle=LONG),
        user("u-nobody", None),
    ]
    events = [{"userId": name, "eventName": "login", "createdAt": "2024-03-05 09:10:11 +00:00"} for name in ("u-1", "u-visits")]
    nothing = {"users/getFields.json": ""}  # an empty answer is one without fields
    return folders.write(path, [*ordinary, *odd], more={"export/customEvent.ndjson": events} | nothing)


def tried(what, *errors):
    try:
        what()
    except errors as error:
        return type(error).__name__
    return ""


@pytest.fixture(scope="module")
def decided(django_db_setup, django_db_blocker, tmp_path_factory):
    """A first run that waits, the decisions, and the run that follows them."""
    with django_db_blocker.unblock():
        source, work = folder(tmp_path_factory.mktemp("source")), tmp_path_factory.mktemp("work")
        try:
            with engagement_on(source, work) as (engagement, cast, servers):
                prepared = Prepared(engagement, cast, servers, leave=LEAVE)
                first = prepared.work(prepared.open())
                waiting = SimpleNamespace(state=first.state, message=first.message, rows=len(prepared.rows()["contact"]))
                report = lines_of(first)
                tries = {
                    "resume": tried(lambda: runs.resume(first, cast.engineer), GateClosed),
                    "engineer": tried(lambda: decide(first, report, cast.engineer, "score", "text"), MayNotDecide),
                    "default": tried(lambda: decide(first, report, cast.approver, "score", "default", "seven"), BadInput),
                }
                narrow_score(prepared)
                for field, choice, value in DECISIONS:
                    decide(first, report, cast.approver, field, choice, value)
                first.refresh_from_db()
                unfit = prepared.sandbox.runs.latest("pk")
                asked = quality.open_lines(unfit)
                decide(unfit, lines_of(unfit), cast.approver, "score", "default", "7", code="number.unparseable")
                second = prepared.sandbox.runs.latest("pk")
                told = told_of_losses(engagement, cast, second)
                demonstration.accept_losses(second, cast)
                signed = demonstration.sandbox_content(engagement)
                demonstration.sign(engagement, SignOff.Kind.SANDBOX, signed, cast)
                later = lines_of(second)
                tries["finished"] = tried(lambda: decide(second, later, cast.approver, "birthday", "skip"), ReportClosed)
                tries["set aside"] = tried(lambda: decide(first, report, cast.approver, "birthday", "skip"), ReportClosed)
                uncovered = signoffs.uncovered(engagement, SignOff.Kind.SANDBOX, plan.hashes(engagement))
                written = Document.objects.filter(kind="quality", format="json").latest("pk").path
                entries = AuditEntry.objects.filter(engagement=engagement, subject__startswith="data quality")
                yield SimpleNamespace(
                    waiting=waiting,
                    report=report,
                    told=told,
                    signed=signed,
                    tries=tries,
                    uncovered=uncovered,
                    first=first.state,
                    second=second,
                    played=collect(engagement, servers),
                    asked=[(line.group.field, line.group.code, line.group.records) for line in asked],
                    later=later,
                    records={name: lookup(second, "user", name) for name in LOOKED_UP},
                    event=[row["code"] for row in event_reasons(second)],
                    document=json.loads((work / "store" / written).read_text()),
                    history=list(entries.values_list("action", flat=True)),
                )
        finally:
            database.empty()


def lines_of(run):
    return {(line.group.object_name, line.group.field, line.group.code): line for line in quality.lines(run)}


def decide(run, report, user, field, choice, value="", code=None):
    chosen = [line for key, line in report.items() if key[:2] == ("user", field) and line.asks and code in (None, key[2])]
    assert chosen, field
    return quality_decisions.decide(run, [(choice, chosen)], user=user, value=value)


def told_of_losses(engagement, cast, run):
    """What is shown of the losses, and what is said while they aren't accepted."""
    shown, told = losses.content(run), demonstration.sandbox_content(engagement)
    digest = signoffs.content_hash(shown)

    def say(user, choice, sha256=digest, comment="", said=None):
        return tried(lambda: losses.decide(run, choice, user=user, shown_sha256=sha256, comment=comment, said=said), WorkbenchError)

    def missing():
        return [one.says for one in gates.missing("sandbox signature", engagement)]

    return {
        "shown": shown,
        "unaccepted": missing(),
        "signed": tried(lambda: demonstration.sign(engagement, SignOff.Kind.SANDBOX, told, cast), GateClosed),
        "engineer": say(cast.engineer, "accepted"),
        "stale": say(cast.approver, "accepted", "0" * 64),
        "silent": say(cast.approver, "refused"),
        "recorded": say(cast.engineer, "refused", comment="Keep the score.", said=Said(cast.approver, timezone.now().date())),
        "refused": missing(),
    }


def narrow_score(prepared):
    """Somebody makes the sandbox's column anew, so that it takes less than it did at discovery."""
    prepared.call("DELETE", "EntityDefinitions(LogicalName='contact')/Attributes(LogicalName='mwb_score')")
    spec = ColumnSpec("mwb_score", "Integer", "Score", min=0, max=50)
    create_column(engine.Destination(prepared.sandbox).client, "contact", spec, provisioning.solution_name(prepared.sandbox))
    demonstration._step(prepared.engagement, Step.Name.PROVISION, prepared.sandbox, prepared.cast, print)


def event_reasons(run):
    for row in staged.read_reasons(run, "customEvent"):
        yield from json.loads(row["reasons"])


def person(decided, name):
    return decided.played.row("contact", f"user:{name}", "sandbox")


def test_a_run_waits_before_its_first_row_until_the_customer_decided(decided):
    assert (decided.waiting.state, decided.waiting.rows) == (Run.State.PAUSED, 0)
    assert "5 groups of the data-quality report" in decided.waiting.message
    assert decided.tries["resume"] == "GateClosed"


def test_groups_count_their_records_by_rule_with_examples(decided):
    line = decided.report["user", "score", "number.unparseable"]
    assert (line.group.records, line.rule, line.group.samples) == (2, "Type", [["u-score", "n/a"], ["u-score-2", "many"]])
    assert decided.report["user", "jobTitle", "text.shortened"].rule == "Length"
    assert decided.report["user", "", "email.missing"].rule == "Required"
    assert [choice.name for choice in line.choices] == ["text", "clean", "default", "skip"]
    assert [choice.name for choice in decided.report["user", "", "email.missing"].choices] == ["clean", "skip"]


def test_only_the_customers_approver_decides_and_a_default_must_fit(decided):
    assert (decided.tries["engineer"], decided.tries["default"]) == ("MayNotDecide", "BadInput")


def test_with_the_last_decision_a_new_run_takes_the_place_of_the_one_that_was_staged_otherwise_and_loads(decided):
    assert (decided.first, decided.second.state) == (Run.State.STOPPED, Run.State.DONE)
    assert all(phase.balanced for phase in decided.second.phases.all())


def test_a_default_that_the_environment_does_not_take_is_asked_about_again_and_loses_nothing(decided):
    assert decided.asked == [("score", "quality.default_unfit", 2)]
    assert [person(decided, name)["mwb_score"] for name in ("u-score", "u-score-2", "u-3")] == [7, 7, 3]


def test_records_merged_into_one_that_a_decision_keeps_back_say_so_and_count_with_it(decided):
    for kept, disposition, code in (("u-visits", "skipped", "number.unparseable"), ("u-birthday", "held", "date.unparseable")):
        [told] = decided.records[f"{kept}-old"]
        reasons = {one["code"]: one["detail"] for one in told["reasons"]}
        assert (told["disposition"], told["into"]) == (disposition, kept)
        assert reasons["cluster.with_survivor"] == kept
        assert code in reasons
    assert decided.later["user", "visits", "number.unparseable"].group.records == 2
    assert decided.later["user", "birthday", "date.unparseable"].group.records == 2
    assert "date.unparseable" in decided.played.reasons("u-birthday-old", environment="sandbox")
    contacts = decided.second.phases.get(object_name="user", table="contact")
    assert (contacts.extracted, contacts.merged) == (contacts.loaded + contacts.skipped + contacts.held, 0)


def test_the_decisions_of_a_run_that_loaded_stand_and_so_does_the_signature(decided):
    assert (decided.tries["finished"], decided.tries["set aside"]) == ("ReportClosed", "ReportClosed")
    assert decided.uncovered == []


def test_a_default_arrives_in_place_of_the_value_and_is_told(decided):
    [told] = decided.records["u-score"]
    assert [one["code"] for one in told["reasons"]] == ["quality.defaulted", "number.unparseable"]


def test_a_text_that_is_too_long_arrives_cut_and_whole_beside(decided):
    row = person(decided, "u-title")
    assert row["jobtitle"] == LONG[:100]
    assert json.loads(row["mwb_original_values"])["jobTitle"] == LONG


def test_records_to_be_cleaned_wait(decided):
    [told] = decided.records["u-birthday"]
    assert told["disposition"] == "held"
    assert set(decided.played.reasons("u-birthday", environment="sandbox")) == {"date.unparseable"}


def test_records_left_out_have_no_row_nor_has_what_belongs_to_them(decided):
    rows = {row["mwb_sourceid"] for row in decided.played.of_source("contact", "user", "sandbox")}
    assert not rows & {"user:u-visits", "user:u-birthday", "user:u-nobody"}
    assert [decided.records[name][0]["disposition"] for name in ("u-visits", "u-nobody")] == ["skipped", "skipped"]
    assert decided.event == ["parent.skipped"]
    assert len(decided.played.of_source("task", "customEvent", "sandbox")) == 1


def test_the_document_and_the_history_say_what_was_decided(decided):
    told = {group["field"]: group["decision"] for group in decided.document["groups"] if group["asks"] and group["field"]}
    assert told == {"score": "default", "visits": "skip", "birthday": "clean", "jobTitle": "text"}
    decisions = ["decided clean", "decided default", "decided default", "decided skip", "decided skip", "decided text"]
    assert sorted(decided.history) == decisions


def test_what_arrives_with_less_is_grouped_by_column_and_kind_as_it_was_read_back(decided):
    shown = {(row["table"], row["column"], row["kind"]): row for row in decided.told["shown"]["losses"]}
    assert {key: (row["values"], row["field"], row["kept_in"]) for key, row in shown.items()} == {
        ("contact", "jobtitle", "shortened"): (1, "jobTitle", "mwb_original_values"),
        ("contact", "mwb_score", "defaulted"): (2, "score", "mwb_original_values"),
    }
    detail = f"{len(LONG)} of 100"
    sample = {"source_id": "u-title", "was": LONG[:200], "became": LONG[:100], "detail": detail}
    assert shown["contact", "jobtitle", "shortened"]["samples"] == [sample]
    read_back = decided.second.phases.get(object_name="user", table="contact").verified["columns"]
    lossy = {name: counts[2] for name, counts in read_back.items() if counts[2]}
    assert lossy == {"jobtitle": 1, "mwb_score": 2}


def test_the_sandbox_is_signed_once_the_customer_accepted_what_is_lost(decided):
    told, run = decided.told, decided.second
    assert told["unaccepted"] == [f"The customer hasn't accepted what arrives with less in {run}: 3 values in 2 groups."]
    assert [told[name] for name in ("signed", "engineer", "stale", "silent", "recorded")] == [
        "GateClosed",
        "MayNotDecide",
        "ChangedMeanwhile",
        "BadInput",
        "",
    ]
    assert told["refused"] == [f"approver, recorded by engineer refused what arrives with less in {run}: Keep the score."]
    accepted = decided.signed["losses"]
    assert (accepted["values"], accepted["decision"]["choice"], accepted["decision"]["decided_by"]) == (3, "accepted", "approver")
    assert accepted["decision"]["content_sha256"] == signoffs.content_hash(told["shown"])
