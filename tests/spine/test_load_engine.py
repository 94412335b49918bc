"""The engine under disturbance: what a kill, a lost answer or a refusal leaves behind, read at the destination."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Self

import pytest
import requests
from django.db.models import F
from django.utils import timezone

from connectors import landing
from loads import engine, parking, presence, runs, tasks
from loads.dispositions import lookup
from loads.ledger import LeaseLost
from loads.models import Chunk, Crosswalk, LedgerEntry, Run
from loads.staging import ranges
from tests import folders, snapshots
from tests.folders import organisation_list, user
from tests.playing import OTHERS, dumps
from workbench.engagements import gates
from workbench.engagements.models import Environment, SignOff
from workbench.pipeline import demonstration, steps
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
TABLES = ("account", "contact", "lead")
SELLER = "00000000-0000-0000-0000-00000000ad01"


@contextmanager
def unqueued() -> Iterator[None]:
    """Runs wait for the test to work on them."""
    runs.queue_work, queue = lambda run: None, runs.queue_work
    try:
        yield
    finally:
        runs.queue_work = queue


class Prepared:
    """An engagement whose sandbox is ready to be loaded.

    leave: objects that are documented only. production: whether there is one, which each discovery looks at too. `run`: the one that it
    was made with, if any.
    """

    run: Run | None = None

    def __init__(self, engagement, cast, servers, leave=OTHERS, *, production=False) -> None:
        self.engagement, self.cast, self.servers, self.leave = engagement, cast, servers, leave
        self.sandbox = engagement.environments.get(kind=Environment.Kind.SANDBOX)
        if not production:
            engagement.environments.get(kind=Environment.Kind.PRODUCTION).delete()
        self.prepare()

    def back(self, engagement, servers) -> Self:
        """The same of an engagement that was put back, which is on other servers."""
        other = copy(self)
        other.engagement, other.servers = engagement, servers
        other.sandbox = engagement.environments.get(kind=Environment.Kind.SANDBOX)
        other.run = self.run and Run.objects.get(pk=self.run.pk)
        return other

    def prepare(self) -> None:
        """From discovery to an environment that takes the rows; again after the source changed."""
        self.discover()
        self.sign()
        self.take(Step.Name.EXTRACT)
        self.take(Step.Name.PROVISION, self.sandbox)

    def discover(self) -> None:
        """What is there, as the maps are then to be decided."""
        self.take(Step.Name.DISCOVER)

    def sign(self) -> None:
        """All is answered, and the matrix signed."""
        demonstration.answer(self.engagement, self.cast, self.leave)
        demonstration.sign(self.engagement, SignOff.Kind.MATRIX, demonstration.matrix_content(self.engagement), self.cast)

    def take(self, step: Step.Name, environment: Environment | None = None) -> None:
        """One step of the engagement, to its end."""
        demonstration._step(self.engagement, step, environment, self.cast, lambda said: None)

    def open(self) -> Run:
        """A run, its work not yet taken up."""
        with unqueued():
            return runs.open_run(self.sandbox, self.cast.engineer)

    def opened_and_staged(self, object_name: str) -> Run:
        """A run of which this object and those before it are staged, and nothing after it."""
        return self.staged_up_to(self.open(), object_name)

    def staged_up_to(self, run: Run, object_name: str) -> Run:
        """The same of a run that is open already."""
        while object_name not in run.staged:
            engine.step(run, engine.Destination(run.environment), "tests")
            run.refresh_from_db()
        return run

    def staged(self) -> Run:
        """A run that is staged and not loaded."""
        run = self.open()
        destination = engine.Destination(run.environment)
        while run.state in (Run.State.QUEUED, Run.State.STAGING):
            engine.step(run, destination, "tests")
            run.refresh_from_db()
        return run

    def finish_staging(self) -> Run:
        """A run that is staged, its data-quality report answered as proposed, and not loaded."""
        run = self.staged()
        with unqueued():
            decided = demonstration.decide_quality(run, self.cast)
        if decided:
            destination = engine.Destination(run.environment)
            run.refresh_from_db()
            while run.state in (Run.State.QUEUED, Run.State.STAGING):
                engine.step(run, destination, "tests")
                run.refresh_from_db()
        return run

    def finish(self, run: Run) -> Run:
        """Work until the run ends; what the data-quality report asks is answered as proposed."""
        self.work(run)
        if demonstration.decide_quality(run, self.cast):  # goes on by itself
            run.refresh_from_db()
        return run

    def work(self, run: Run) -> Run:
        """Work until the run ends or stands still."""
        engine.work(run.pk, "tests-finishing", 60)
        run.refresh_from_db()
        return run

    def rows(self) -> dict[str, list[dict]]:
        """The destination's canonical dump, the run's key left out of it by the simulator."""
        return dumps(self.servers.dataverse_sandbox, TABLES, canonical=True)

    def call(self, method: str, path: str, values: dict | None = None) -> requests.Response:
        """A request to the sandbox, as the application user."""
        client = engine.Destination(self.sandbox).client
        return client.send(method, path, json=values)


EXPECTED = {  # by when it was tried, and what was
    "discovered: extract": "hasn't signed the split matrix",
    "discovered: provision": "isn't confirmed|nobody confirmed",
    "signed: provision production": "hasn't signed the sandbox run",
    "extracted: load": "schema isn't provisioned",
    "provisioned, and a rule was changed: load": "needs a new signature",
}


class Gated(Prepared):
    """One of which each step was tried too early: `closed` is what the gates said. Production is there, untouched."""

    def __init__(self, engagement, cast, servers) -> None:
        self.closed: dict[str, str] = {}
        super().__init__(engagement, cast, servers, production=True)

    def prepare(self) -> None:
        self.discover()
        self.refused("discovered: extract", partial(self.request, Step.Name.EXTRACT))
        self.refused("discovered: provision", partial(self.request, Step.Name.PROVISION, self.sandbox))
        self.sign()
        production = self.engagement.environments.get(kind=Environment.Kind.PRODUCTION)
        self.refused("signed: provision production", partial(self.request, Step.Name.PROVISION, production))
        self.take(Step.Name.EXTRACT)
        self.refused("extracted: load", self.open)
        self.take(Step.Name.PROVISION, self.sandbox)
        lead = self.engagement.split_rules.filter(stage="lead")
        lead.update(outcome="contact")
        self.refused("provisioned, and a rule was changed: load", self.open)
        lead.update(outcome="lead")

    def request(self, step: Step.Name, environment: Environment | None = None) -> Step:
        """Ask for a step."""
        return steps.request(self.engagement, step, environment=environment, user=self.cast.engineer)

    def refused(self, name: str, tried: Callable[[], object]) -> None:
        """Try what the gates don't let begin."""
        with pytest.raises(gates.GateClosed) as closed:
            tried()
        self.closed[name] = str(closed.value)


def with_a_run_staged(prepared: Prepared) -> Prepared:
    """The same with a run that is staged, its data-quality report answered as proposed, and nothing of it loaded."""
    prepared.run = prepared.finish_staging()
    return prepared


def with_a_run_done(prepared: Prepared) -> Prepared:
    """The same after a run."""
    prepared.run = prepared.finish(prepared.open())
    assert prepared.run.state == Run.State.DONE, prepared.run.message
    return prepared


def people(count: int) -> list[dict]:
    stages = ("customer", "lead")
    return [user(f"u-{n}", f"p{n}@company{n % 5}.example", stages[n % 2], lastName=f"Name {n}") for n in range(count)]


def northpine(path: Path, count: int = 60) -> Path:
    """People of five companies by turns and one of a company that is there; and a seller at the destination."""
    there = [{"accountid": "00000000-0000-0000-0000-0000000000a1", "name": "Northpine"}]
    seller = {"systemuserid": SELLER, "fullname": "A Seller", "internalemailaddress": "seller@customer.example"}
    listed = [user("u-north", "n@northpine.example", "customer", emailListIds=[1])]
    lists = [organisation_list(1, "Company: Northpine")]
    return folders.write(path, people(count) + listed, lists=lists, rows={"dataverse/account": there, "dataverse/systemuser": [seller]})


@pytest.fixture
def prepared(tmp_path: Path) -> Iterator[Prepared]:
    with snapshots.put_back(Gated, northpine, tmp_path, application_users=3) as prepared:
        yield prepared


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[Prepared]:
    with snapshots.put_back(with_a_run_staged, northpine, tmp_path, after=Gated, application_users=3) as prepared:
        yield prepared


@pytest.fixture
def undisturbed(tmp_path: Path, transactional_db) -> dict[str, list[dict]]:
    """What the destination holds after a run that nothing disturbed, of the same engagement on simulators of its own."""
    with snapshots.put_back(with_a_run_staged, northpine, tmp_path / "undisturbed", after=Gated, application_users=3) as alone:
        assert alone.finish(alone.run).state == Run.State.DONE
        return alone.rows()


def test_workers_stage_ranges_side_by_side_and_take_over_from_one_that_died(prepared: Prepared, monkeypatch) -> None:
    monkeypatch.setattr(ranges, "RANGE", 16)  # of 61 people
    run = prepared.opened_and_staged("company")
    del run.datasets["company"]  # as a worker knows it that looked just before another one had staged the companies
    destination = engine.Destination(run.environment)
    while not run.staging_ranges.exists():
        assert not parking.parked(run)
        engine.step(run, destination, "first")
    dead = ranges.take(run, "dies")
    while engine.step(run, destination, "second"):
        pass
    assert [one.number for one in run.staging_ranges.all()] == [dead.number], "the others are staged, and all wait for this one"
    engine.release("dies")
    assert engine.step(run, destination, "second")
    with pytest.raises(LeaseLost):
        ranges.keep(dead, "dies")
    prepared.finish(run)
    loaded = [row["mwb_sourceid"] for table in ("contact", "lead") for row in prepared.rows()[table]]
    assert sorted(loaded) == sorted({*(f"user:u-{n}" for n in range(60)), "user:u-north"})


def test_few_records_are_read_for_decided_on_and_staged_in_one_step(prepared: Prepared) -> None:
    run = prepared.open()
    engine.step(run, engine.Destination(run.environment), "tests", time.monotonic() + 60)
    run.refresh_from_db()
    assert run.staged[:2] == ["company", "user"]
    assert not run.staging_ranges.exists()


def test_gates_keep_every_step_closed_until_its_signature_is_there(prepared: Gated) -> None:
    assert prepared.closed.keys() == EXPECTED.keys()
    for name, words in EXPECTED.items():
        assert re.search(words, prepared.closed[name]), name
    engagement = prepared.engagement
    assert landing.latest(engagement, "user", "discovery").rows == landing.latest(engagement, "user", "load").rows
    assert not Run.objects.exists()


def test_what_discovery_landed_is_never_staged(prepared):
    run = prepared.open()
    Run.objects.filter(pk=run.pk).update(datasets=run.datasets | {"user": landing.latest(prepared.engagement, "user", "discovery").pk})
    tasks.work(run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.PAUSED
    assert "user (discovery" in run.message
    assert not Chunk.objects.filter(phase__run=run).exists()


def test_a_run_that_nobody_is_at_any_more_gets_a_worker(staged):
    run = staged.run
    Run.objects.update(heartbeat_at=timezone.now())
    runs.take_up_silent()
    run.refresh_from_db()
    assert run.state == Run.State.LOADING  # somebody was, a moment ago
    Run.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=2))
    runs.take_up_silent()
    run.refresh_from_db()
    assert run.state == Run.State.DONE


def test_a_run_whose_workers_die_again_and_again_stands_still_and_says_so(staged):
    run = staged.run
    with suppress(KeyError), presence.present(presence.Worker(run.pk, tasks.FAILURES - 1, "node:1:killed")):
        raise KeyError
    tasks.take_up()
    run.refresh_from_db()
    assert run.state == Run.State.PAUSED
    assert "ended without a word" in run.message
    assert not list(presence.ended())
    runs.resume(run, staged.cast.engineer)
    run.refresh_from_db()
    assert run.state == Run.State.DONE


def test_answers_that_get_lost_make_no_duplicate_and_throttling_is_waited_for(undisturbed, staged):
    run = staged.run
    staged.servers.fault(
        "dataverse_sandbox",
        {"method": "POST", "path": "CreateMultiple", "do": "lose", "times": 2},
        {"method": "POST", "path": "CreateMultiple", "do": "status", "status": 429, "retry_after_s": 0, "times": 2},
        {"method": "POST", "path": "UpsertMultiple", "do": "status", "status": 503, "times": 1},
    )
    assert staged.finish(run).state == Run.State.DONE
    phases = {phase.table: phase for phase in run.phases.all()}
    assert all(phase.balanced for phase in phases.values())
    assert staged.rows() == undisturbed


def test_a_second_run_of_the_same_data_finds_everything_equal_and_writes_nothing(staged):
    first = staged.finish(staged.run)
    before = staged.rows()
    second = staged.finish(staged.open())
    assert second.state == Run.State.DONE
    for phase in second.phases.exclude(table=""):
        assert (phase.equal, phase.created, phase.updated) == (phase.planned, 0, 0)
        assert phase.loaded == first.phases.get(object_name=phase.object_name, table=phase.table, kind=phase.kind).loaded
    assert staged.rows() == before


def test_a_refused_row_is_named_with_the_services_reason_and_its_children_wait(staged):
    run = staged.run
    staged.call("DELETE", "accounts(00000000-0000-0000-0000-0000000000a1)")
    assert staged.finish(run).state == Run.State.DONE
    accounts, contacts = run.phases.get(table="account"), run.phases.get(table="contact")
    assert (accounts.refused, accounts.held, accounts.loaded) == (1, 1, 5)  # a further run looks for it again
    assert (contacts.waiting, contacts.held, contacts.loaded) == (1, 1, 30)
    refused = LedgerEntry.objects.get(phase=accounts)
    assert (refused.outcome, refused.code) == (LedgerEntry.Outcome.REFUSED, "0x80040217")
    assert lookup(run, "user", "u-north")[0]["disposition"] == "held"
    assert lookup(run, "user", "u-0")[0]["disposition"] == "loaded"
    assert Crosswalk.objects.get(source_id="u-north", table="contact").state == Crosswalk.State.PLANNED


def test_a_row_without_an_outcome_parks_its_phase_until_it_has_one(staged):
    staged.finish(staged.run)
    run = staged.staged()
    phase = run.phases.get(table="contact")
    chunks = Chunk.objects.filter(phase=phase)
    destination = engine.Destination(run.environment)
    while not chunks.filter(state__in=Chunk.SENT).exists():
        run.refresh_from_db()
        engine.step(run, destination, "tests")
    chunks.update(equal=F("equal") - 1)
    assert staged.work(run).state == Run.State.PAUSED
    phase.refresh_from_db()
    assert "31 rows were planned and 30 have an outcome." in phase.message
    chunks.update(equal=F("equal") + 1)
    runs.resume(run, staged.cast.engineer)
    run.refresh_from_db()
    assert run.state == Run.State.DONE


def test_a_record_with_two_outcomes_parks_its_phase_until_it_has_one(staged):
    run = staged.run
    phase = run.phases.get(table="contact")
    place = {"object_name": "user", "main_table": "contact", "position": 0}
    odd = LedgerEntry.objects.create(run=run, phase=phase, source_id="u-0", outcome=LedgerEntry.Outcome.REJECTED, **place)
    assert staged.work(run).state == Run.State.PAUSED
    phase.refresh_from_db()
    assert "31 records were extracted and 32 have a disposition." in phase.message
    odd.delete()
    runs.resume(run, staged.cast.engineer)
    run.refresh_from_db()
    assert run.state == Run.State.DONE


def test_an_unreachable_destination_pauses_the_run_and_resuming_goes_on(staged, settings):
    run = staged.run
    staged.servers.fault("dataverse_sandbox", {"path": ".*", "do": "status", "status": 401})
    tasks.work(run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.PAUSED
    assert run.message
    staged.servers.fault("dataverse_sandbox")
    runs.resume(run, staged.cast.engineer)
    run.refresh_from_db()
    assert run.state == Run.State.DONE
    assert all(phase.balanced for phase in run.phases.all())
