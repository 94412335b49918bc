"""The rehearsal: what the service will refuse is predicted before anything is sent, and scored against what it did refuse."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import orjson
import pytest

from connectors import store
from loads import engine
from loads.models import Rehearsal, Run
from loads.rehearsal import predicting
from reports import reconciliation
from tests import database, folders
from tests.folders import organisation_list, user
from tests.playing import collect, engagement_on
from tests.spine.test_load_engine import Prepared

pytestmark = [pytest.mark.database, pytest.mark.django_db]
ADA, BOB, CYD = (f"00000000-0000-0000-0000-0000000000c{number}" for number in (1, 2, 3))
NORTHPINE = "00000000-0000-0000-0000-0000000000a1"
CONTACT = "EntityDefinitions(LogicalName='contact')"
LATE = ("u-bob",)  # what changes after the prediction was made
EARLY = ("u-ada-1", "u-ada-2", "u-title", "u-seven", "u-eight-2", "u-lead-1", "u-lead-2", "u-lead-3")
UNFOUNDED = ("u-cyd",)
DESK = ("u-name-1", "u-name-2", "u-name-3", "u-title-1", "u-title-2", "u-nine", "u-ten", "u-lead")  # of test_exceptions_desk


def seller(row_id, name):
    address = f"{name}@corp.example"
    row = {"systemuserid": row_id, "fullname": name, "internalemailaddress": address, "domainname": address}
    return {**row, "isdisabled": False, "accessmode": 0}


def folder(path):
    owned = [("u-ada-1", "ada"), ("u-ada-2", "ada"), ("u-bob", "bob"), ("u-cyd", "cyd")]
    people = [user(f"u-{n}", f"p{n}@company{n % 3}.example", score=100 + n, visits=n, jobTitle="Clerk") for n in range(8)]
    people += [user(name, f"{name}@gmail.com", ownerEmail=f"{owner}@corp.example") for name, owner in owned]
    people += [user("u-title", "title@gmail.com", jobTitle="Director of everything")]
    people += [user(name, f"{name}@gmail.com", score=score) for name, score in (("u-seven", 7), ("u-eight", 8), ("u-eight-2", 8))]
    people += [user(f"u-lead-{n}", f"lead{n}@gmail.com", "lead", visits=n or None) for n in range(4)]
    people += [user("u-north", "n@northpine.example", emailListIds=[1])]
    rows = {
        "dataverse/systemuser": [seller(ADA, "ada"), seller(BOB, "bob"), seller(CYD, "cyd")],
        "dataverse/account": [{"accountid": NORTHPINE, "name": "Northpine"}],
    }
    return folders.write(path, people, lists=[organisation_list(1, "Company: Northpine")], rows=rows)


def change_before(client):
    """What the organisation's people do between staging and the rehearsal."""
    client.send("PUT", f"{CONTACT}/Attributes(LogicalName='jobtitle')", json={"MaxLength": 12})
    client.send("DELETE", "EntityDefinitions(LogicalName='lead')/Attributes(LogicalName='mwb_visits')")
    client.send("POST", "contacts", json={"lastname": "There before", "mwb_score": 7})
    client.send("POST", f"{CONTACT}/Keys", json={"SchemaName": "mwb_OneScore", "KeyAttributes": ["mwb_score"]})
    client.send("DELETE", f"accounts({NORTHPINE})")
    for one in (ADA, CYD):
        disable(client, one)


def disable(client, user_id, off=True):
    client.send("PATCH", f"systemusers({user_id})", json={"isdisabled": off})


@pytest.fixture(scope="module")
def rehearsed(told):
    return told


def tell(folder: Path, work: Path, modules: Sequence[ModuleType]) -> dict[str, Any]:
    """A run whose destination changes before its rehearsal, and once more after it.

    story: a generator that begins when people are staged, goes on before the rehearsal, is given the run once it is over, and then yields
    what it saw.
    """
    try:
        with engagement_on(folder, work) as begun:
            prepared = Prepared(*begun)
            run = prepared.opened_and_staged("user")
            stories = {one.__name__: one.story(prepared, run) for one in modules}
            for _ in range(2):
                for story in stories.values():
                    next(story)
            first = prepared.finish(run)
            return {name: story.send(first) for name, story in stories.items()}
    finally:
        database.empty()


def story(prepared, run):
    """What was predicted, and what came of it."""
    servers, client, found = prepared.servers, engine.Destination(prepared.sandbox).client, SimpleNamespace()
    yield change_before(client)
    before = servers.stats("dataverse_sandbox")["requests"]
    predicting.predict_here(run, engine.Destination(run.environment))
    after = servers.stats("dataverse_sandbox")["requests"]
    found.sent = {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}
    found.made = Rehearsal.objects.get(run=run)
    with store.database() as con:
        predicted = con.execute("SELECT source_id, code FROM read_parquet(?) WHERE outcome = 'refused'", [predicting.files(run)])
        found.predicted = predicted.fetchall()
    disable(client, BOB)
    found.run = yield disable(client, CYD, off=False)
    found.played = collect(prepared.engagement, servers)
    content = reconciliation.content(found.run)
    found.told, found.pdf = content["rehearsal"], reconciliation.write_pdf(found.run).size
    found.sheets = {sheet.name: list(sheet.rows) for sheet in reconciliation.sheets(found.run, content)}
    yield found


def test_nothing_is_written_to_predict(rehearsed):
    assert rehearsed.sent
    assert all(name.startswith("GET ") or "$batch" in name for name in rehearsed.sent), rehearsed.sent
    assert rehearsed.made.rows > 0


def test_each_row_is_predicted_with_the_services_own_code(rehearsed):
    codes = dict(rehearsed.predicted)
    assert {name for name in codes if name.startswith("u-")} == {*EARLY, *UNFOUNDED, *DESK}
    assert len(codes) == rehearsed.made.refused == 10 + len(DESK)  # the account that went is one
    assert (codes["u-title"], codes["u-ada-1"], codes["u-seven"]) == ("0x80044331", "0x8004022b", "0x80060892")
    assert (codes["u-eight-2"], codes["u-lead-1"]) == ("0x80060892", "0x80048d19")


def test_the_destination_has_all_rows_but_those_that_were_predicted_and_those_that_nobody_could_know(rehearsed):
    there = {
        row["mwb_sourceid"].removeprefix("user:")
        for table in ("contact", "lead")
        for row in rehearsed.played.of_source(table, "user", "sandbox")
    }
    assert not there & {*EARLY, *LATE, *DESK, "u-north"}
    assert there == {*(f"u-{n}" for n in range(8)), "u-eight", "u-lead-0", *UNFOUNDED}
    assert rehearsed.run.state == Run.State.DONE


def test_the_prediction_is_scored_whole_and_per_reason(rehearsed):
    score = rehearsed.told["score"]
    assert score["refused"] == {"predicted": 18, "found": 18, "hit": 17, "precision": 0.9444, "recall": 0.9444}
    assert score["waiting"] == {"predicted": 1, "found": 1, "hit": 1, "precision": 1.0, "recall": 1.0}
    owners = next(one for one in score["reasons"] if one["code"] == "0x8004022b")
    assert (owners["predicted"], owners["found"], owners["hit"]) == (3, 3, 2)
    assert (owners["precision"], owners["recall"]) == (0.6667, 0.6667)
    assert (owners["missed"], owners["unfounded"]) == (["u-bob"], ["u-cyd"])
    keys = next(one for one in score["reasons"] if one["code"] == "0x80060892")
    assert (keys["precision"], keys["recall"]) == (1.0, 1.0)


def test_the_reconciliation_tells_the_score_in_every_form(rehearsed):
    rows = rehearsed.sheets["Rehearsal"]
    assert ["All refused", "", 18, 18, 17, 0.9444, 0.9444] in [row[:7] for row in rows]
    assert rehearsed.pdf > 0
    orjson.dumps(rehearsed.told)
