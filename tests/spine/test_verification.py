"""Every row that was written is read back and compared with what was meant, value by value; what nobody else changed is put right first."""

from datetime import timedelta
from pathlib import Path

import pytest
import requests
from django.utils import timezone

from loads import chunks, engine, ledger, runs
from loads.models import Chunk, Phase, Run, VerifiedRow
from loads.verification import VERDICTS, total
from reports import reconciliation
from tests import folders, snapshots
from tests.folders import user
from tests.spine import few_records
from tests.spine.few_records import CONTACTS, Few
from tests.spine.test_load_engine import SELLER, Prepared

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
APART = ({"signupDate": "2024-03-11 09:10:11 +00:00"}, {"signupDate": "2024-03-16 09:10:11 +00:00"})  # as rows are counted by that
LONG = "Wolfeschlegelsteinhausenbergerdorff " * 3


def folder(path: Path) -> Path:
    seller = {"systemuserid": SELLER, "fullname": "A Seller", "internalemailaddress": "seller@customer.example"}
    users = [
        user("u-ada", "ada@gmail.com", firstName=" Ada ", lastName="Lovelace", loyaltyPoints=12.5, jobTitle="Clerk", **APART[0]),
        user("u-eva", "EVA@gmail.com", firstName=LONG, lastName="Marsh", loyaltyPoints=-3, **APART[1]),
        user("u-leo", "leo@gmail.com", "lead", lastName="Ray"),
        user("u-mia", "mia@westpine.example", "lead", lastName="Berg"),
    ]
    return folders.write(path, users, rows={"dataverse/systemuser": [seller]})


@pytest.fixture
def staged(tmp_path):
    with snapshots.put_back(Few, few_records.folder, tmp_path) as prepared:
        yield prepared


def edit(servers, table, row_id, values):
    with requests.Session() as session:
        session.trust_env = False
        body = {"table": table, "id": row_id, "values": values, "user": SELLER}
        assert session.post(f"{servers.dataverse_sandbox}/_simulator/edit", json=body, timeout=10).ok


def sent(staged: Prepared) -> tuple[Run, Phase, engine.Destination]:
    """A run whose contacts are sent and not yet read back."""
    run = staged.run
    destination, phase = engine.Destination(run.environment), run.phases.get(table="contact", kind=Phase.Kind.ROWS)
    while phase.chunks.exclude(state__in=Chunk.SENT).exists():
        engine.step(run, destination, "tests")
    assert set(phase.chunks.values_list("state", flat=True)) == {Chunk.State.DONE}
    return run, phase, destination


def counts(phase: Phase, column: str) -> dict[str, int]:
    return {verdict: n for verdict, n in zip(VERDICTS, phase.verified["columns"][column], strict=True) if n}


def test_every_value_is_counted_by_what_became_of_it(staged):
    run = staged.finish(staged.run)
    assert run.state == Run.State.DONE
    contacts = run.phases.get(table="contact", kind=Phase.Kind.ROWS)
    assert (contacts.verified["rows"], contacts.verified["wrong_rows"]) == (contacts.created + contacts.updated, 0) == (CONTACTS, 0)
    # The row that was there has a name, an address and an owner already, which are left so.
    assert counts(contacts, "lastname") == {"equal": CONTACTS - 1}
    assert counts(contacts, "firstname") == {"equal": CONTACTS - 2, "transformed": 1, "lossy": 1}
    assert counts(contacts, "emailaddress1") == {"equal": CONTACTS - 2, "transformed": 1}
    assert counts(contacts, "ownerid") == {"transformed": CONTACTS - 1}
    assert contacts.verified["ranges"]["mwb_loyaltypoints"] == {"": ["-3.0", "12.5", "9.5"]}
    told = next(one for one in reconciliation.content(run)["phases"] if (one["table"], one["pass"]) == ("contact", "Rows"))["read_back"]
    empty = {one["column"]: one["empty"] for one in told["columns"]}
    assert (told["rows"], empty["jobtitle"], empty["firstname"]) == (CONTACTS, 26, 0)
    assert contacts.verified["lookups"] == [CONTACTS - 1 + CONTACTS - 2, 0]  # the owners, and the companies: neither of ours has one
    [lead] = VerifiedRow.objects.filter(run=run, source_id="u-mia")
    [company] = [one for one in lead.fields if one["column"] == "companyname"]
    assert (company["source"], company["meant"], company["found"]) == (None, "westpine.example", "westpine.example")
    assert total(run.phases.all()).rows == sum(phase.created + phase.updated for phase in run.phases.filter(kind=Phase.Kind.ROWS))


def test_a_value_that_is_not_what_was_sent_keeps_the_run_from_being_done_until_it_is_put_right(staged):
    run, phase, _ = sent(staged)
    contact = next(row for row in staged.rows()["contact"] if row.get("mwb_sourceid") == "user:u-ada")
    staged.call("PATCH", f"contacts({contact['contactid']})", {"lastname": "Byron"})  # nobody but us wrote it
    staged.work(run)
    assert run.state == Run.State.PAUSED
    assert "1 rows were read back with other values than were sent" in run.message
    [row] = VerifiedRow.objects.filter(run=run, verdict="wrong")
    [wrong] = [one for one in row.fields if one["verdict"] == "wrong"]
    assert (row.source_id, wrong["column"], wrong["meant"], wrong["found"]) == ("u-ada", "lastname", "Lovelace", "Byron")
    staged.call("PATCH", f"contacts({contact['contactid']})", {"lastname": "Lovelace"})
    runs.resume(run, staged.cast.engineer)
    assert staged.work(run).state == Run.State.DONE
    assert not VerifiedRow.objects.filter(run=run, verdict="wrong").exists()


def test_what_a_dead_worker_was_reading_back_is_read_by_another(staged):
    run, phase, destination = sent(staged)
    chunk = chunks.claim_next(phase, "dead", chunks.READING)
    assert chunks.claim_next(phase, "other", chunks.READING) is None
    Chunk.objects.filter(pk=chunk.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert staged.work(run).state == Run.State.DONE
    phase.refresh_from_db()
    assert phase.verified["rows"] == CONTACTS
    with pytest.raises(ledger.LeaseLost):
        ledger.checked(chunk, "dead", {})
