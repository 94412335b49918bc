"""The requests of a day: what counts as one, and that no two workers take the same last room."""

from functools import partial

import pytest
from django.utils import timezone

from loads import budget, chunks, ledger
from loads.budget import Budget
from loads.flight import Underway
from loads.models import Chunk, Phase, Run
from tests.pages import cast

pytestmark = [pytest.mark.database, pytest.mark.django_db]
ROWS = 100


@pytest.fixture
def phase() -> Phase:
    """Three chunks to be sent; a run may use the requests of one and a half."""
    run = cast.make_run(cast.make_engagement(), cast.make_user("e"), state="loading")
    run.environment.daily_requests = 150
    run.environment.save()
    phase = cast.make_phase(run, 9, "user", "contact", state="loading")
    Phase.objects.filter(pk=phase.pk).update(planned=ROWS)
    phase.refresh_from_db()
    starts = enumerate(range(0, 3 * ROWS, ROWS), start=1)
    Chunk.objects.bulk_create([Chunk(phase=phase, number=number, start=start, stop=start + ROWS) for number, start in starts])
    return phase


def taken(worker: str, room: Budget, phase: Phase) -> Chunk | None:
    return room.taken(phase, partial(chunks.claim_next, phase, worker, chunks.SENDING))


def used(phase: Phase) -> int:
    return budget.used(Run.objects.get(pk=phase.run_id))


def test_the_last_room_goes_to_one_worker_even_if_both_saw_it(phase):
    one, other = Budget(phase.run), Budget(phase.run)
    assert one.has_room(phase)
    assert other.has_room(phase)
    assert taken("one", one, phase)
    assert taken("other", other, phase) is None
    assert used(phase) == ROWS


def test_what_was_sent_takes_the_place_of_what_was_reserved(phase):
    room = Budget(phase.run)
    chunk = taken("one", room, phase)
    ledger.settle(chunk, "one", ledger.Settlement(), requests=2, retries=0, operations=30, seconds=0.1)
    assert used(phase) == 30
    again = taken("one", room, phase)
    failed = Underway(again, [], lambda underway: None, operations=7)
    room.give_back("one", [failed])
    assert used(phase) == 37
    again.refresh_from_db()
    assert (again.operations, again.reserved) == (7, 0)


def test_what_a_killed_worker_may_have_sent_counts_beside_what_the_next_one_sends(phase):
    chunk = taken("killed", Budget(phase.run), phase)
    Chunk.objects.filter(pk=chunk.pk).update(lease_until=timezone.now())
    phase.run.environment.daily_requests = 10 * ROWS
    taken("next", Budget(phase.run), phase)
    assert used(phase) == 2 * ROWS
