"""Placeholder parents: records whose parent the source doesn't have hang under a marked row, which the parent takes over when it comes."""

import json
from types import SimpleNamespace

import pytest

from loads import engine
from loads.desk import groups
from loads.dispositions import lookup
from loads.models import Run
from loads.staging import ranges
from reports import exceptions, reconciliation
from tests import folders
from tests.folders import user
from tests.playing import OTHERS, collect
from tests.spine.test_exceptions_desk import give, open_quietly, sent
from tests.spine.test_objects_again import MORNING, purchase
from workbench.engagements.models import AuditEntry

pytestmark = [pytest.mark.database, pytest.mark.django_db]
MISSING = "parent.not_in_source"
LEAVE = tuple(name for name in OTHERS if name not in ("customEvent", "purchase", "purchaseLine"))


def folder(path):
    users = [user("u-there", "mia@there.example")]
    events = [{"userId": name, "eventName": "login", "createdAt": MORNING} for name in ("u-there", "u-late")]
    buyers = {11: "u-there", 12: "u-late", 13: "u-late", 14: "u-never"}
    purchases = [purchase(number, userId=name) for number, name in buyers.items()]
    more = {"export/customEvent.ndjson": events, "export/purchase.ndjson": purchases}
    folders.write(path, users, more=more)
    later = path / "later" / "iterable" / "export"
    later.mkdir(parents=True)
    users.append(user("u-late", "late@gmail.com", firstName="Lou", profileUpdatedAt="2026-01-01 00:00:00 +00:00"))
    (later / "user.ndjson").write_text("".join(json.dumps(one) + "\n" for one in users))
    return path


@pytest.fixture(scope="module")
def stood(told):
    """A run with missing parents, the run of those records with placeholders, and one after one of the parents came."""
    return told


def story(prepared, first):
    engagement, servers, cast = prepared.engagement, prepared.servers, prepared.cast
    missing = {group.object_name: group for group in groups.groups(first) if group.code == MISSING}
    book = sent(first, {f"pu-{number}": {"remedy": "placeholder parent"} for number in (12, 13, 14)})
    exceptions.apply(book, user=cast.engineer, shown=exceptions.read(book).digest)
    give(first, MISSING, "parent", cast, table="task")
    again = finish_beside(prepared, open_quietly(first, list(missing.values()), cast), "customEvent")
    between = collect(engagement, servers)
    second = yield
    yield SimpleNamespace(
        runs=(first, again, second),
        told=missing,
        between=between,
        after=collect(engagement, servers),
        record=lookup(again, "purchase", "pu-12")[0],
        reports=[reconciliation.content(run) for run in (again, second)],
        sheets={sheet.name: list(sheet.rows) for sheet in reconciliation.sheets(again, reconciliation.content(again))},
        history=list(AuditEntry.objects.filter(engagement=engagement).values_list("action", flat=True)),
    )


def finish_beside(prepared, run, object_name):
    """Work until the run ends; another worker is at a range of an object until nothing else is left to be staged."""
    destination = engine.Destination(run.environment)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ranges, "FEW", 0)  # all is offered to others
        while not run.staging_ranges.filter(object_name=object_name).exists():
            engine.step(run, destination, "tests")
            run.refresh_from_db()
    ranges.take(run, "another")
    while engine.step(run, destination, "tests"):
        run.refresh_from_db()
    engine.release("another")
    return prepared.finish(run)


def stood_for(played):
    """All placeholders of people."""
    return [row for row in played.rows("contact", "sandbox") if "@user:" in str(row["mwb_sourceid"])]


def placeholder(played, source_id):
    [found] = [row for row in played.rows("contact", "sandbox") if str(row["mwb_sourceid"]).endswith(f"@user:{source_id}")]
    return found


def test_every_run_balances(stood):
    assert [(run.state, run.message) for run in stood.runs] == [(Run.State.DONE, "")] * 3
    assert {name: group.records for name, group in stood.told.items()} == {"customEvent": 1, "purchase": 3}


def test_all_records_that_name_a_missing_parent_hang_under_one_marked_row(stood):
    late, never = (placeholder(stood.between, name) for name in ("u-late", "u-never"))
    assert (late["lastname"], never["lastname"]) == ("Placeholder for user u-late", "Placeholder for user u-never")
    deals = {number: stood.between.row("opportunity", f"purchase:pu-{number}", "sandbox") for number in (12, 13, 14)}
    assert {deal["_customerid_value"] for deal in (deals[12], deals[13])} == {late["contactid"]}
    assert deals[14]["_customerid_value"] == never["contactid"]
    assert {deal["statecode"] for deal in deals.values()} == {1}
    tasks = [row["_regardingobjectid_value"] for row in stood.between.of_source("task", "customEvent", "sandbox")]
    assert tasks.count(late["contactid"]) == 1
    assert len(stood_for(stood.between)) == 2


def test_the_placeholder_is_told_of_the_record_in_the_report_and_in_the_history(stood):
    assert stood.record["disposition"] == "loaded"
    assert ("remedy.placeholder", "user:u-late") in [(reason["code"], reason["detail"]) for reason in stood.record["reasons"]]
    told = [(one["object"], one["source_id"], one["table"], one["needed_by"], one["made"]) for one in stood.reports[0]["placeholders"]]
    assert sorted(told) == [
        ("user", "u-late", "contact", "customEvent", True),
        ("user", "u-late", "contact", "purchase", False),
        ("user", "u-never", "contact", "purchase", True),
    ]
    assert [row[1] for row in stood.sheets["Placeholders"]] == [one[1] for one in told]
    assert stood.history.count("gave remedies") == 2


def test_a_parent_that_comes_takes_the_placeholder_over_with_what_hangs_under_it(stood):
    before, after = placeholder(stood.between, "u-late"), stood.after.row("contact", "user:u-late", "sandbox")
    assert after["contactid"] == before["contactid"]
    assert (after["firstname"], after["lastname"], after["emailaddress1"]) == ("Lou", "Lind", "late@gmail.com")
    assert stood_for(stood.after) == [placeholder(stood.after, "u-never")]
    assert stood.after.row("opportunity", "purchase:pu-12", "sandbox")["_customerid_value"] == after["contactid"]
    assert placeholder(stood.after, "u-never")["lastname"] == "Placeholder for user u-never"
    assert [(one["source_id"], one["made"]) for one in stood.reports[1]["placeholders"]] == [("u-never", False)]
