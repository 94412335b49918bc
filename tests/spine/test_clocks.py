"""Machines whose clocks are wrong share runs and steps with others: leases go by the database's clock alone."""

from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from loads import callers, chunks, engine
from loads import leases as run_leases
from loads.destination import Destination
from loads.models import Caller, Chunk, Phase, Run, StagingRange
from loads.scans import reading
from loads.scans.models import Scan
from loads.staging import ranges
from tests.pages import cast
from workbench.engagements import clock
from workbench.pipeline import leases as step_leases
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.database, pytest.mark.django_db]
NEARLY = timedelta(seconds=10)


@pytest.fixture
def run():
    """A run that loads, with one chunk to send and one to read back, one range to stage and one scan to read."""
    run = cast.make_run(cast.make_engagement(), cast.make_user("engineer"), state="loading")
    run.phases.update(state=Phase.State.LOADING)
    for number, state in enumerate((Chunk.State.WAITING, Chunk.State.DONE)):
        Chunk.objects.create(phase=run.phases.get(table="contact"), number=number, start=number * 10, stop=number * 10 + 10, state=state)
    StagingRange.objects.create(run=run, object_name="user", number=0)
    Scan.objects.create(run=run, name="there", wanted={})
    return run


@contextmanager
def machine(off: timedelta):
    """What is done here is done by a machine whose clock is off by so much."""
    right = timezone.now
    timezone.now = lambda: right() + off
    try:
        yield
    finally:
        timezone.now = right


def taken(run: Run, step: Step, worker: str) -> list[bool]:
    """Whether a worker gets both chunks, the range, the scan, the run and the step."""
    held = [chunks.claim_next(run.phases.get(table="contact"), worker, claim) for claim in (chunks.SENDING, chunks.READING)]
    parts = [*held, ranges.take(run, worker), reading.claim_next(run, worker)]
    whole = [run_leases.take(run, worker), step_leases.take(step.pk, worker) is not None]
    return [*(part is not None for part in parts), *whole]


def keep(run: Run, worker: str) -> None:
    """Renew all that a worker holds."""
    ids, [scan] = Chunk.objects.values_list("pk", flat=True), Scan.objects.all()
    assert [chunks.renew(ids, worker, claim) for claim in (chunks.SENDING, chunks.READING)] == [1, 1]
    assert reading.renew([scan.pk], worker) == 1
    ranges.keep(StagingRange.objects.get(), worker)
    run_leases.keep(run, worker)
    step_leases.keep(Step.objects.get(worker=worker))


@pytest.mark.parametrize("off", [timedelta(minutes=-5), timedelta(minutes=5)])
@pytest.mark.parametrize("wrong_first", [True, False])
def test_a_machine_with_a_wrong_clock_takes_and_keeps_what_is_free_and_nothing_else(run, off, wrong_first):
    step = Step.objects.create(engagement=run.engagement, name=Step.Name.HANDOFF, requested_by="ada")
    first, second = (off, timedelta()) if wrong_first else (timedelta(), off)
    with machine(first):
        assert taken(run, step, "first") == [True] * 6
        keep(run, "first")
    with machine(second):
        assert taken(run, step, "second") == [False] * 6
        assert not step_leases.take_back(Step.objects.get())
    ends = [held.lease_until for of in (Chunk, StagingRange, Scan, Run) for held in of.objects.all()]
    assert all(abs(end - timezone.now() - run_leases.LEASE) < NEARLY for end in ends)
    assert abs(Step.objects.get().heartbeat_at - timezone.now()) < NEARLY
    with machine(first):
        engine.release("first")
    Step.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=61))
    with machine(second):
        assert taken(run, step, "second") == [True] * 6


@pytest.mark.parametrize("off", [timedelta(minutes=-5), timedelta(minutes=5)])
def test_a_pause_that_a_machine_with_a_wrong_clock_was_asked_for_is_kept_by_the_others_for_as_long(
    run, off, settings, tmp_path, monkeypatch
):
    settings.VAR_DIR = tmp_path
    environment = run.environment
    environment.connection.settings = {"authority": "https://login.microsoftonline.com/t", "client_id": f"clocks {off}"}
    destination = Destination(environment)
    governor = destination.client.governor
    governor.hear(8)
    governor.hold("", 60)
    with machine(off):
        governor.catch_up()
        callers.Callers(run, destination, "elsewhere:1:x").tell()
    told = Caller.objects.get()
    assert abs(told.held_until - timezone.now() - timedelta(seconds=60)) < NEARLY
    monkeypatch.setattr("connectors.dataverse.governor._kept", {})  # as another machine has it
    elsewhere = Destination(environment).client.governor
    elsewhere.hear(8)
    with machine(-off):
        elsewhere.catch_up()
        callers.Callers(run, Destination(environment), "here:1:x").hear()
    assert elsewhere.at_once == 4  # it shares the hint with the machine that called a moment ago
    assert 50 < elsewhere.held_s() < 61


@pytest.mark.parametrize("microsecond", [0, 1, 999_999])
def test_moments_that_the_database_writes_compare_with_those_that_were_sent_to_it(run, microsecond):
    """SQLite compares them as text."""
    later = (clock.now() + timedelta(seconds=2)).replace(microsecond=microsecond)
    for moment, is_past in ((later, False), (later - timedelta(seconds=4), True)):
        Run.objects.update(heartbeat_at=moment)
        assert Run.objects.filter(heartbeat_at__lt=Now()).exists() is is_past
        assert Run.objects.filter(heartbeat_at__lt=Now() + timedelta(0)).exists() is is_past
    Run.objects.update(heartbeat_at=Now() + timedelta(minutes=1))
    found: datetime = Run.objects.get().heartbeat_at
    assert abs(found - clock.now() - timedelta(minutes=1)) < NEARLY
