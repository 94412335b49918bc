"""An answer about a held record that is changed or taken back after staging: nothing loads by it, and what holds is heeded.

One engagement: records are held and answered, a run is staged by the answers and given up since one was taken back, another one loads
companies, stands still, and goes on after two answers changed; a further run comes after it.
"""

from types import SimpleNamespace

import pytest

from loads import engine, quality, runs
from loads.desk import remedying
from loads.models import LedgerEntry, Phase, Run
from tests.playing import collect
from tests.spine.test_exceptions_desk import refused
from tests.spine.test_existing_rows import row_id
from tests.spine.test_held_records import answer, answer_all, group_of
from tests.spine.test_load_engine import unqueued

pytestmark = [pytest.mark.database, pytest.mark.django_db]
ANSWERED = ("u-pick", "u-none", "u-blank", "u-twin")


@pytest.fixture(scope="module")
def changed(held):
    return play(held, held.cast)


def play(prepared, cast):
    found, first = SimpleNamespace(), prepared.run
    contacts, companies, blank = (
        group_of(first, *place) for place in (("match.several",), ("match.several", "company", "account"), ("split.review", "user", ""))
    )
    answer(first, cast, contacts, **{name: f"row:contact:{row_id(n)}" for name, n in (("u-pick", 12), ("u-none", 13))})
    answer(first, cast, companies, **{"list:2": f"row:account:{row_id(41)}"})
    answer_all(first, cast, blank, "contact")
    found.given_up = prepared.finish_staging()
    runs.pause(found.given_up, cast.engineer)
    found.outdated = [quality.is_outdated(found.given_up)]
    remedying.take_back(first, companies, user=cast.engineer)
    found.outdated.append(quality.is_outdated(found.given_up))
    found.refused = refused(lambda: runs.resume(found.given_up, cast.engineer))
    answer(first, cast, contacts, **{"u-pick": f"row:contact:{row_id(22)}"})
    answer(first, cast, companies, **{"list:2": f"row:account:{row_id(42)}"})
    found.run = prepared.finish_staging()
    while not found.run.phases.filter(table="account", state=Phase.State.BALANCED).exists():
        engine.step(found.run, engine.Destination(found.run.environment), "tests")
    runs.pause(found.run, cast.engineer)
    answer(first, cast, contacts, **{"u-none": f"row:contact:{row_id(23)}"})
    remedying.take_back(first, blank, user=cast.engineer)
    with unqueued():
        runs.resume(found.run, cast.engineer)
    found.run = prepared.finish(found.run)
    found.played = collect(prepared.engagement, prepared.servers)
    found.next = prepared.finish(prepared.open())
    found.after = collect(prepared.engagement, prepared.servers)
    return found


def titles(played, *numbers):
    rows = {row["contactid"]: row.get("jobtitle") for row in played.rows("contact", "sandbox")}
    return [rows[row_id(number)] for number in numbers]


def test_a_run_that_is_staged_sees_that_an_answer_was_taken_back(changed):
    assert changed.outdated == [False, True]
    assert changed.refused == f"Decisions about the data changed what {changed.given_up} staged."


def test_a_row_that_an_answer_named_and_nothing_was_loaded_into_gives_way_to_the_one_that_is_named_now(changed):
    assert titles(changed.played, 12, 22) == [None, "Clerk"]
    assert changed.played.row("account", "company:list:2", "sandbox")["accountid"] == row_id(42)
    assert changed.played.row("contact", "user:u-twin", "sandbox")["_parentcustomerid_value"] == row_id(42)


def test_a_run_that_has_begun_holds_what_was_staged_by_an_answer_that_changed_since_and_loads_the_rest(changed):
    assert (changed.run.state, changed.run.message) == (Run.State.DONE, "")
    held = LedgerEntry.objects.filter(run=changed.run, object_name="user", source_id__in=ANSWERED).values_list("source_id", "code", "held")
    assert sorted(held) == [("u-blank", "answer.changed", True), ("u-none", "answer.changed", True)]
    assert titles(changed.played, 13, 23) == [None, None]
    assert not [row for row in changed.played.rows("contact", "sandbox") if row.get("mwb_sourceid") == "user:u-blank"]
    assert changed.played.row("contact", "user:u-0", "sandbox")


def test_a_further_run_goes_by_what_holds(changed):
    assert titles(changed.after, 13, 23) == [None, "Clerk"]
    held = LedgerEntry.objects.filter(run=changed.next, object_name="user", source_id__in=ANSWERED).values_list("source_id", "code")
    assert (changed.next.state, list(held)) == (Run.State.DONE, [("u-blank", "split.review")])
