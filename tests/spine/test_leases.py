"""What one worker holds no other one takes or settles, and a run goes on only while the newest signatures cover what it uses."""

from collections.abc import Mapping

import pytest

from loads import chunks, engine, leases, ledger, runs
from loads.chunks import Claim
from loads.models import Chunk, Phase, Run
from loads.runs import NotCovered, NotInThatState
from tests.pages import cast
from workbench.engagements.models import SignOff

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def run() -> Run:
    engagement, user = cast.make_engagement(), cast.make_user("e")
    cast.make_planned(engagement)
    return cast.make_run(engagement, user, kind="production", state="loading")


@pytest.fixture
def phase(run: Run) -> Phase:
    """With two chunks to be sent."""
    phase = cast.make_phase(run, 9, "user", "contact", state="loading")
    Chunk.objects.bulk_create([Chunk(phase=phase, number=number, start=number, stop=number + 1) for number in (1, 2)])
    return phase


def sign(run: Run, kind: str, **changed: str) -> None:
    covers = {part: {**one, "sha256": changed.get(part, one["sha256"])} for part, one in run.parts.items()}
    signed = {"covers": covers, "content": {}, "content_sha256": "a" * 64, "signed_by": run.requested_by}
    SignOff.objects.create(engagement=run.engagement, kind=kind, **signed)


def test_a_chunk_that_another_worker_takes_in_the_same_moment_is_left_to_it(phase):
    taken: list[Chunk | None] = []

    def meanwhile(chunk: Chunk) -> Mapping[str, int]:
        if not taken:
            taken.append(chunks.claim_next(phase, "other", chunks.SENDING))
        return {}

    mine = chunks.claim_next(phase, "one", Claim("waiting", "leased", Chunk.SENT, chunks.send, meanwhile))
    assert (taken[0].number, mine.number) == (1, 2)
    assert dict(phase.chunks.values_list("number", "worker")) == {1: "other", 2: "one"}


def test_a_worker_settles_no_chunk_that_another_one_took_over(phase):
    phase.chunks.update(state=Chunk.State.LEASED, worker="other")
    with pytest.raises(ledger.LeaseLost):
        ledger.settle(phase.chunks.first(), "one", ledger.Settlement(), requests=1, retries=0, operations=1, seconds=0.1)
    assert set(phase.chunks.values_list("state", flat=True)) == {Chunk.State.LEASED}


def test_nor_does_it_settle_the_reading_back_of_one(phase):
    phase.chunks.update(state=Chunk.State.CHECKING, worker="other")
    with pytest.raises(ledger.LeaseLost):
        ledger.checked(phase.chunks.first(), "one", {})


def test_the_lease_of_a_run_is_its_workers_alone_and_of_the_state_that_was_seen(run):
    assert leases.take(run, "one")
    assert not leases.take(run, "other")
    with pytest.raises(ledger.LeaseLost):
        leases.keep(run, "other")
    leases.give_back(run, "one")
    Run.objects.filter(pk=run.pk).update(state=Run.State.PAUSED)
    assert not leases.take(run, "other")  # who saw it loading


@pytest.mark.parametrize(("kind", "part"), [("matrix", "split"), ("sandbox", "consent")])
def test_production_does_not_go_on_once_a_newer_signature_covers_something_else(run, kind, part):
    sign(run, "matrix")
    sign(run, "sandbox")
    runs.require_covered(run)
    sign(run, kind, **{part: "b" * 64})
    with pytest.raises(NotCovered, match=part):
        engine.work(run.pk, "one", 1)


def test_a_run_that_a_newer_one_came_after_is_not_resumed(run):
    Run.objects.filter(pk=run.pk).update(state=Run.State.STOPPED)
    cast.make_run(run.engagement, run.requested_by, kind="production", state="done")
    with pytest.raises(NotInThatState, match="came after it"):
        runs.resume(run, run.requested_by)
