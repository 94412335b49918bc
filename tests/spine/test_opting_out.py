"""Refusals of consent in rows that a person edited, and rows that are staged twice: what comes of each, read at the destination."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from django.db.models import F

from loads.models import LedgerEntry, Phase, Run
from loads.staged import rows_of
from tests import folders, snapshots
from tests.folders import organisation_list, user
from tests.playing import dump
from tests.spine import few_records
from tests.spine.few_records import CONTACTS, Few
from tests.spine.test_load_engine import Prepared
from tests.spine.test_second_run import LATER, SELLER, edit
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
PEOPLE = ("u-moved-on", "u-removed", "u-put-back")


def signed_up(number: int) -> dict[str, str]:
    """Each on another day, as rows are counted by that."""
    return {"signupDate": f"2024-03-{number * 7 + 2:02} 09:10:11 +00:00"}


def folder(path: Path) -> Path:
    seller = {"systemuserid": SELLER, "fullname": "Sam Seller", "internalemailaddress": "sam@customer.example", "isdisabled": False}
    first = [user(name, f"{name}@southpine.example", jobTitle="Clerk", **signed_up(n)) for n, name in enumerate((*PEOPLE, "u-same"))]
    refused = {"unsubscribedChannelIds": [31], "profileUpdatedAt": LATER, "jobTitle": "Head clerk"}
    second = [user(name, f"{name}@southpine.example", **refused, **signed_up(n)) for n, name in enumerate(PEOPLE)]
    lists = [organisation_list(9, "Company: Eastgate")]
    folders.write(path, first, lists=lists, rows={"dataverse/systemuser": [{**seller, "accessmode": 0}]})
    later = path / "later" / "iterable" / "export"
    later.mkdir(parents=True)
    (later / "user.ndjson").write_text("".join(json.dumps(one) + "\n" for one in [*second, first[-1]]))
    return path


@pytest.fixture
def staged(tmp_path: Path):
    with snapshots.put_back(Few, few_records.folder, tmp_path) as prepared:
        yield prepared


def contacts(prepared: Prepared) -> dict[str, dict]:
    """By the source's id."""
    rows = dump(prepared.servers.dataverse_sandbox, "contact")
    return {row["mwb_sourceid"].partition(":")[2]: row for row in rows if row.get("mwb_sourceid")}


def of_contacts(run: Run) -> Phase:
    return run.phases.get(object_name="user", table="contact", kind=Phase.Kind.ROWS)


def test_a_refusal_is_written_whatever_the_rows_version_and_one_that_is_not_is_told(staged):
    assert staged.finish(staged.run).state == Run.State.DONE
    ids = {name: row["contactid"] for name, row in contacts(staged).items()}
    for name in PEOPLE:
        edit(staged.servers, "contact", ids[name], {"jobtitle": "Director"})
    staged.servers.advance("iterable")
    staged.take(Step.Name.EXTRACT)
    run = staged.finish_staging()
    edit(staged.servers, "contact", ids["u-moved-on"], {"jobtitle": "President"})
    staged.call("DELETE", f"contacts({ids['u-removed']})")
    takes_it_back = {"table": "contact", "id": ids["u-put-back"], "values": {"donotbulkemail": False}, "user": SELLER}
    meanwhile = {"method": "GET", "path": "contacts[?].*donotbulkemail", "do": "call", "call": "edit", "body": takes_it_back, "times": 1}
    staged.servers.fault("dataverse_sandbox", meanwhile)
    assert staged.finish(run).state == Run.State.DONE, run.message
    moved_on = contacts(staged)["u-moved-on"]
    assert (moved_on["jobtitle"], moved_on["donotbulkemail"]) == ("President", True)
    phase = of_contacts(run)
    assert (phase.refused, phase.balanced) == (3, True)
    assert sum(phase.chunks.values_list("operations", flat=True)) == 3  # they count towards the requests of the day
    told = {entry.source_id: [one["code"] for one in entry.reasons] for entry in LedgerEntry.objects.filter(phase=phase)}
    assert told == {
        "u-moved-on": ["conflict.edited", "consent.written"],
        "u-removed": ["consent.not_written", "conflict.edited"],
        "u-put-back": ["consent.not_written", "conflict.edited"],
    }
    assert set(phase.ledger.values_list("code", flat=True)) == {"conflict.edited", "consent.not_written"}


def test_a_row_that_is_staged_twice_is_sent_once(staged):
    run = staged.run
    phase = of_contacts(run)
    [path] = rows_of(phase)
    rows = pq.read_table(path)
    pq.write_table(pa.concat_tables([rows, rows.filter(pc.equal(rows["source_id"], "u-same"))]), path)
    phase.chunks.update(stop=F("stop") + 1)
    Phase.objects.filter(pk=phase.pk).update(planned=F("planned") + 1)
    assert staged.finish(run).state == Run.State.DONE, run.message
    phase.refresh_from_db()
    assert (phase.created, phase.equal, phase.at_destination) == (CONTACTS - 1, 1, CONTACTS)  # one of another module was there
    assert len(contacts(staged)) == CONTACTS
    answers = staged.servers.stats("dataverse_sandbox")["answers"]
    assert {status for kind, by_status in answers.items() if "CreateMultiple" in kind for status in by_status} == {"200"}
