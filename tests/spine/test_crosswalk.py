"""Ids in the crosswalk: one that is pointed at another row forgets what was known of the row before."""

from uuid import UUID

import pytest

from loads import crosswalk
from loads.crosswalk import Given
from loads.models import Crosswalk
from tests.pages import cast

pytestmark = [pytest.mark.database, pytest.mark.django_db]
ONE, OTHER = (f"00000000-0000-8000-8000-00000000000{number}" for number in (1, 2))


def test_an_id_that_follows_its_person_to_another_row_knows_nothing_of_that_row_yet():
    engagement = cast.make_engagement()
    run = cast.make_run(engagement, cast.make_user("engineer"))
    crosswalk.follow(run.environment, "user", [Given(name, "contact", ONE) for name in ("u-moves", "u-stays")])
    Crosswalk.objects.update(state=Crosswalk.State.PRESENT, applied_hash="ab", applied_run=run)
    crosswalk.follow(run.environment, "user", [Given("u-moves", "contact", OTHER), Given("u-stays", "contact", ONE)])
    known = {one.source_id: (one.row_id, one.state, one.applied_hash, one.applied_run) for one in Crosswalk.objects.all()}
    assert known == {
        "u-moves": (UUID(OTHER), Crosswalk.State.PLANNED, "", None),
        "u-stays": (UUID(ONE), Crosswalk.State.PRESENT, "ab", run),
    }
