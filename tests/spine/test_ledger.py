"""The ledger's rules that no run shows by itself: what is kept of rows that are alike in everything but their ids."""

import uuid

import pytest

from loads import ledger
from loads.models import Chunk, LedgerEntry, Phase
from loads.reasons import reason
from loads.staged import StagedRow
from tests.pages import cast

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def departed(row_id: uuid.UUID) -> StagedRow:
    """A row without a record: it has no position, and its role isn't known any more."""
    return StagedRow(str(row_id), "7", 0, "", "", "update", "matched", {"statecode": 1}, (), None, "", (), (), None, None)


def test_both_lists_of_one_source_list_that_is_gone_have_their_own_refusal():
    run = cast.make_run(cast.make_engagement(), cast.make_user("e"), state="loading")
    phase = cast.make_phase(run, 9, "list", "list", state="loading")
    Phase.objects.filter(pk=phase.pk).update(kind=Phase.Kind.GONE)
    chunk = Chunk.objects.create(phase=phase, number=1, start=0, stop=2, state=Chunk.State.LEASED, worker="w")
    ids, settlement = {uuid.uuid4(), uuid.uuid4()}, ledger.Settlement()
    for row_id in ids:
        settlement.add(chunk, departed(row_id), "refused", reason("conflict.edited"))
    ledger.settle(chunk, "w", settlement, requests=1, retries=0, operations=2, seconds=0.1)
    assert set(LedgerEntry.objects.filter(phase=phase).values_list("row_id", flat=True)) == ids
    assert ledger.absent(phase, ids) == ids


@pytest.mark.parametrize("removed_first", [True, False])
def test_what_belongs_to_a_removed_row_waits_for_that_whatever_else_waits_for_the_row(removed_first):
    run = cast.make_run(cast.make_engagement(), cast.make_user("e"), state="loading")
    row_id, rows = uuid.uuid4(), cast.make_phase(run, 8, "catalogItem", "product", state="loading")
    published = cast.make_phase(run, 9, "catalogItem", "product", state="loading")
    told = [(rows, "match.removed", "refused"), (published, "parent.not_loaded", "waiting")]
    for phase, code, outcome in told if removed_first else told[::-1]:
        cast.make_exception(run, "item", code, outcome, phase=phase, row_id=row_id)
    assert ledger.blocked_parents(run.pk, [f"product:{row_id}"]) == {f"product:{row_id}": "match.removed"}
