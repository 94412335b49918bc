"""The engine against a service that is slow, busy or refuses whole calls, and where workers stop half way; looked at at the destination."""

import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.timeout import TimeoutHandler

from loads import chunks, engine, tasks
from loads.models import Chunk, Conflict, Phase, Run
from tests import snapshots
from tests.playing import dump
from tests.spine.test_load_engine import Gated, northpine, with_a_run_staged
from tests.spine.test_verification import edit

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def staged(tmp_path: Path):
    with snapshots.put_back(with_a_run_staged, northpine, tmp_path, after=Gated, application_users=3) as prepared:
        yield prepared


def test_a_task_that_reaches_its_time_limit_is_followed_by_another_and_the_run_goes_on(staged):
    run = staged.run
    staged.servers.fault("dataverse_sandbox", {"method": "POST", "path": "contacts.*CreateMultiple", "do": "delay", "ms": 4000, "times": 1})
    Conf.SYNC = False
    began = time.monotonic()
    with TimeoutHandler(2):
        tasks.work(run.pk)
    assert time.monotonic() - began < 4  # the queue would have killed it
    Conf.SYNC = True
    [queued] = OrmQ.objects.all()
    assert (queued.func(), queued.args()) == ("loads.tasks.work", (run.pk, 1))
    run.refresh_from_db()
    assert run.message == "A task of the run reached its time limit. It is tried again by itself, 1 of 5 times so far."
    Chunk.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    Run.objects.update(lease_until=None)
    tasks.work(*queued.args())
    run.refresh_from_db()
    assert (run.state, run.message) == (Run.State.DONE, "")
    assert all(phase.balanced for phase in run.phases.all())


def test_a_run_whose_tasks_reach_their_time_limit_again_and_again_stands_still_and_says_so(staged):
    run = staged.run
    staged.servers.fault("dataverse_sandbox", {"method": "GET", "path": ".*", "do": "delay", "ms": 3000})
    with TimeoutHandler(1):
        tasks.work(run.pk, tasks.FAILURES - 1)
    run.refresh_from_db()
    assert run.state == Run.State.PAUSED
    assert "Raise TASK_TIMEOUT_S" in run.message


def test_a_call_too_large_for_the_service_is_taken_apart_until_it_takes_it(staged):
    run = staged.run
    destination = engine.Destination(run.environment)
    while not run.phases.get(table="account").balanced:
        engine.step(run, destination, "tests")
    staged.servers.fault(
        "dataverse_sandbox",
        {"method": "POST", "path": "contacts.*CreateMultiple", "do": "status", "status": 413, "times": 1},
        {"method": "POST", "path": "[$]batch", "within": "PATCH [^ ]*/contacts", "do": "status", "status": 413, "times": 2},
    )
    assert staged.finish(run).state == Run.State.DONE
    contacts = run.phases.get(table="contact", kind=Phase.Kind.ROWS)
    assert (contacts.created, contacts.refused, contacts.verified["wrong_rows"]) == (31, 0, 0)
    assert len([row for row in staged.rows()["contact"] if row.get("mwb_sourceid")]) == 31


def test_what_a_person_edited_in_a_row_of_a_chunk_that_was_cut_off_is_not_written_over_and_stops_nothing(staged):
    run = staged.run
    destination, phase = engine.Destination(run.environment), run.phases.get(table="account", kind=Phase.Kind.ROWS)
    chunk = chunks.claim_next(phase, "killed", chunks.SENDING)
    phase.run = run
    for job in chunks.send(chunk, phase, destination, "killed").jobs[:1]:
        job(destination.client)  # its worker died before it could say so
    [someone, *_] = [row for row in dump(staged.servers.dataverse_sandbox, "account") if row.get("mwb_runid") == run.key]
    edit(staged.servers, "account", someone["accountid"], {"name": "Renamed by a seller"})
    Chunk.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert (staged.finish(run).state, run.message) == (Run.State.DONE, "")
    [there] = [row for row in dump(staged.servers.dataverse_sandbox, "account") if row["accountid"] == someone["accountid"]]
    assert there["name"] == "Renamed by a seller"
    phase.refresh_from_db()
    assert (phase.balanced, phase.verified["edited_rows"], phase.refused) == (True, 1, 0)
    assert [field["column"] for field in Conflict.objects.get().fields] == ["name"]


def test_a_table_that_takes_no_row_keeps_no_other_from_loading(staged):
    run = staged.run
    staged.servers.control("dataverse_sandbox", "privileges", {"missing": ["prvCreateLead"]})
    assert staged.finish(run).state == Run.State.DONE
    leads, contacts = (run.phases.get(table=table, kind=Phase.Kind.ROWS) for table in ("lead", "contact"))
    assert (leads.created, leads.refused, leads.balanced) == (0, 30, True)
    assert set(leads.ledger.exclude(row_id=None).values_list("code", flat=True)) == {"0x80040220"}
    assert (contacts.created, contacts.balanced) == (31, True)
    assert [row for row in staged.rows()["lead"] if row.get("mwb_sourceid")] == []
