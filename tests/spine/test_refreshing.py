"""An environment that was copied anew: what is known of its rows afterwards, and which runs are over."""

import math
import uuid
from collections.abc import Iterator

import pytest
from django.utils import timezone

from loads import runs
from loads.delta import refreshing
from loads.destination import Destination
from loads.models import Crosswalk, Run
from tests import folders, simulated
from tests.pages import cast
from tests.spine.test_carrying_out import connected, lead
from workbench.engagements.models import Environment

pytestmark = pytest.mark.django_db


@pytest.fixture
def sandbox(tmp_path) -> Iterator[Environment]:
    with simulated.start(folders.write(tmp_path / "source", []), only=["dataverse"]) as servers:
        yield connected(servers)


def test_rows_that_a_rollback_kept_are_planned_again_where_the_copy_lacks_them_and_stay_peoples_where_it_has_them(sandbox):
    there, lost = lead(Destination(sandbox, quiet=False)), str(uuid.uuid4())
    for row_id in (there, lost):
        known = {"object_name": "user", "source_id": row_id, "table": "lead", "row_id": row_id, "applied_hash": "as applied"}
        Crosswalk.objects.create(environment=sandbox, state=Crosswalk.State.KEPT, **known)
    looked = refreshing.look(sandbox, "lead", refreshing.Looked(), until=math.inf)
    assert (looked.there, looked.planned, looked.whole) == (1, 1, True)
    states = {str(row_id): (state, applied) for row_id, state, applied in Crosswalk.objects.values_list("row_id", "state", "applied_hash")}
    assert states == {there: ("kept", ""), lost: ("planned", "")}


def test_a_run_that_stopped_before_the_environment_was_copied_anew_is_not_resumed():
    user = cast.make_user("engineer")
    run = cast.make_run(cast.make_engagement(), user, state="stopped")
    Environment.objects.filter(pk=run.environment_id).update(refreshed_at=timezone.now())
    with pytest.raises(runs.NotInThatState, match="copied anew"):
        runs.resume(run, user)
    run.refresh_from_db()
    assert run.state == Run.State.STOPPED
