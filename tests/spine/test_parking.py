"""A phase that can't go on holds up what needs its rows and nothing else; resuming takes it up again. Looked at at the destination."""

import json
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from connectors import store
from connectors.dataverse.errors import PrivilegeMissing
from connectors.http_errors import OutcomeUnknown, ServerFailed, Throttled, Unauthorized, Unreachable
from connectors.store import StoreFull
from loads import chunks, engine, parking, rollback, runs, tasks
from loads.causes import concerns_phase
from loads.models import Chunk, Phase, Run
from loads.rollback.scope import Scope
from tests import folders, snapshots
from tests.folders import user
from tests.playing import OTHERS
from tests.spine.test_load_engine import Prepared, unqueued, with_a_run_staged

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
FORBIDDEN = {"method": "GET", "do": "status", "status": 403, "code": "0x80040220"}


def folder(path: Path) -> Path:
    """People of three companies and of none, and an item of a catalog, which needs nothing of them."""
    customers = [user(f"u-{number}", f"p{number}@company{number}.example") for number in range(3)]
    leads = [user(f"u-lead-{number}", f"lead{number}@gmail.com", "lead") for number in range(2)]  # of no company
    value = {"name": "Sensor", "price": 5}
    item = {"catalogName": "products", "itemId": "P-1", "lastModified": 1_704_067_200_000, "size": 1, "value": value}
    more = {"catalogs.json": {"params": {"catalogNames": [{"name": "products"}]}}, "catalogs/products/items.ndjson": [item]}
    return folders.write(path, customers + leads, more=more)


class WithItems(Prepared):
    """One with people and the items of catalogs."""

    def __init__(self, engagement, cast, servers) -> None:
        super().__init__(engagement, cast, servers, leave=[name for name in OTHERS if name != "catalogItem"])


@pytest.fixture
def staged(tmp_path: Path):
    with snapshots.put_back(with_a_run_staged, folder, tmp_path, after=WithItems) as prepared:
        yield prepared


def loaded(prepared: Prepared) -> dict[str, int]:
    """Rows of ours at the destination, by table."""
    return {table: sum("mwb_sourceid" in row for row in rows) for table, rows in prepared.rows().items()}


def phase_of(run: Run, table: str) -> Phase:
    return run.phases.select_related("behind").get(table=table, kind=Phase.Kind.ROWS)


def test_a_table_that_cannot_be_read_holds_up_its_children_alone_and_goes_on_when_it_can(staged):
    run = staged.run
    staged.servers.fault("dataverse_sandbox", {**FORBIDDEN, "path": "accounts"})
    tasks.work(run.pk)
    run.refresh_from_db()
    accounts, contacts, leads = (phase_of(run, table) for table in ("account", "contact", "lead"))
    assert loaded(staged) == {"account": 3, "contact": 0, "lead": 2}
    assert (accounts.state, contacts.state, contacts.behind, leads.balanced) == ("blocked", "waiting", accounts, True)
    assert run.state == Run.State.PAUSED
    assert run.message.startswith("1 phase can't go on. ")
    for words in ("company to account: ", "lacks a privilege", "Give the application user's role", "Behind it wait: user to contact."):
        assert words in run.message
    told = {one["table"]: one for one in json.loads((store.root() / run.documents.get(kind="reconciliation").path).read_text())["phases"]}
    assert (told["account"]["parked"], told["contact"]["behind"]) == (accounts.message, "company to account")
    staged.servers.fault("dataverse_sandbox")
    runs.resume(run, staged.cast.engineer)
    run.refresh_from_db()
    assert (run.state, run.message, loaded(staged)) == (Run.State.DONE, "", {"account": 3, "contact": 3, "lead": 2})
    assert all(phase.balanced and not phase.message and not phase.behind for phase in run.phases.all())


def test_while_another_worker_is_at_a_phase_what_needs_none_of_its_rows_goes_on_unless_the_run_is_to_stop(staged):
    run = staged.run
    destination, accounts = engine.Destination(run.environment), phase_of(run, "account")
    held = chunks.claim_next(accounts, "another", chunks.SENDING)
    while engine.step(run, destination, "tests"):
        pass
    assert [row["name"] for row in staged.call("GET", "products?$select=name").json()["value"]] == ["Sensor"]
    assert loaded(staged) == {"account": 0, "contact": 0, "lead": 0}
    assert [phase_of(run, table).state for table in ("account", "contact", "product")] == ["waiting", "waiting", "balanced"]
    Chunk.objects.filter(pk=held.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    while not accounts.chunks.filter(state=Chunk.State.DONE).exists():
        engine.step(run, destination, "tests")
    runs.stop(run, staged.cast.engineer)
    assert staged.work(run).state == Run.State.STOPPED
    assert loaded(staged) == {"account": 3, "contact": 0, "lead": 0}


def test_what_was_sent_of_one_phase_is_read_back_before_the_run_waits_for_room_for_another(staged):
    run = staged.run
    destination, first, accounts = engine.Destination(run.environment), run.phases.order_by("number")[0], phase_of(run, "account")
    held = chunks.claim_next(first, "another", chunks.SENDING)
    while not accounts.chunks.filter(state=Chunk.State.DONE).exists():
        engine.step(run, destination, "tests")
    Chunk.objects.filter(pk=held.pk).update(state=Chunk.State.WAITING, lease_until=None, operations=0, reserved=0)
    staged.sandbox.daily_requests = 1  # which the account has used up
    staged.sandbox.save()
    assert staged.work(run).state == Run.State.PAUSED
    assert "may use 1 requests in 24 hours" in run.message
    assert [phase.balanced for phase in (phase_of(run, "account"), phase_of(run, first.table))] == [True, False]


def test_no_two_phases_are_begun_in_one_step_so_that_a_stop_is_heeded_between_them(staged):
    run = staged.run
    ready = [phase for phase in parking.going(run) if phase.planned]
    assert len(ready) > 1
    engine.step(run, engine.Destination(run.environment), "tests", time.monotonic() + 60)
    assert list(run.phases.filter(planned__gt=0).exclude(state=Phase.State.WAITING)) == ready[:1]


def test_a_wrong_value_holds_up_what_needs_its_table_and_a_stop_ends_the_run_for_a_new_one(staged):
    run = staged.run
    accounts, destination = phase_of(run, "account"), engine.Destination(run.environment)
    while not accounts.chunks.filter(state=Chunk.State.DONE).exists():
        engine.step(run, destination, "tests")
    someone = next(row for row in staged.rows()["account"] if row.get("mwb_sourceid"))
    staged.call("PATCH", f"accounts({someone['accountid']})", {"name": "Not what was sent"})
    assert staged.finish(run).state == Run.State.PAUSED
    assert "1 rows were read back with other values than were sent, and nobody else changed them." in run.message
    assert (phase_of(run, "account").state, loaded(staged)) == ("unbalanced", {"account": 3, "contact": 0, "lead": 2})
    runs.stop(run, staged.cast.engineer)
    run.refresh_from_db()
    assert run.state == Run.State.STOPPED
    assert "but for what was sent of company to account before it couldn't go on" in run.message
    with unqueued():
        assert runs.open_run(staged.sandbox, staged.cast.engineer).state == Run.State.QUEUED


def test_in_a_rollback_parents_wait_for_children_that_cannot_be_removed(staged):
    load = staged.finish(staged.run)
    with unqueued():
        run = rollback.open_rollback(load, staged.cast.engineer, Scope())
        staged.work(run)
        rollback.agree(run, staged.cast.engineer)
    staged.servers.fault("dataverse_sandbox", {**FORBIDDEN, "path": "contacts"})
    tasks.work(run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.PAUSED, run.message
    assert (phase_of(run, "contact").state, phase_of(run, "account").behind) == ("blocked", phase_of(run, "contact"))
    assert loaded(staged) == {"account": 3, "contact": 0, "lead": 0}  # they can't be counted, so that nothing under them is certain
    staged.servers.fault("dataverse_sandbox")
    runs.resume(run, staged.cast.engineer)
    run.refresh_from_db()
    assert (run.state, loaded(staged)) == (Run.State.DONE, {"account": 0, "contact": 0, "lead": 0})


@pytest.mark.parametrize(
    ("error", "first", "last"),
    [
        (PrivilegeMissing("", status=403), True, True),
        (KeyError("a mistake of ours"), True, True),
        (ServerFailed("", status=500), False, True),
        (OutcomeUnknown(), False, True),
        (Unauthorized(), False, False),
        (Unreachable(), False, False),
        (Throttled(), False, False),
        (StoreFull(), False, False),
        (OSError(), False, False),
    ],
)
def test_what_concerns_all_phases_parks_none_and_what_may_pass_has_its_tries_first(error, first, last):
    assert (concerns_phase(error, last_try=False), concerns_phase(error, last_try=True)) == (first, last)
