"""How fast one application user calls: what is learned from hints, refusals and slow answers, on a clock of the test's own."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connectors.dataverse.board import Board
from connectors.dataverse.governor import AT_ONCE, FIRST_HINT, MOST, REQUESTS, SECONDS, Governor
from connectors.http_errors import Throttled
from connectors.slots import Slots


class Clock:
    """A clock that goes on only while somebody sleeps or works."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def governor(clock: Clock) -> Governor:
    return Governor(clock=clock, sleep=clock.sleep)


def call(governor: Governor, clock: Clock, seconds: float, bucket: str = "") -> float:
    """One request that takes so long; when it went out."""
    governor.wait(bucket)
    went = clock.now
    clock.sleep(seconds)
    governor.done(bucket)
    return went


def test_it_calls_as_many_at_once_as_the_service_recommends_and_never_more_than_it_takes(governor):
    assert governor.at_once == FIRST_HINT
    governor.hear(8)
    assert (governor.at_once, governor.said) == (8, "8 at once: as many as the service recommends.")
    governor.hear(100)
    assert governor.at_once == MOST


def test_it_says_what_its_requests_wait_for(governor, clock, tmp_path):
    assert governor.underway == ""
    governor.wait()
    clock.sleep(75)
    assert governor.underway == "1 request out, the oldest for 70 s"
    governor.done()
    assert governor.underway == ""
    others, shared = Slots(tmp_path), Governor(Slots(tmp_path), clock=clock, sleep=clock.sleep)
    taken = [others.take(FIRST_HINT) for _ in range(FIRST_HINT)]
    waiting = threading.Thread(target=lambda: (shared.wait(), shared.done()))
    waiting.start()
    while not shared.load:
        time.sleep(0.001)
    assert shared.underway == "1 to go when one of 4 slots is free, which other processes use"
    others.give_back(taken[0])
    waiting.join(10)
    assert shared.underway == ""


def test_a_pause_that_the_service_asks_for_is_kept_and_a_shorter_one_does_not_end_it(governor, clock):
    governor.hold("", 30)
    governor.hold("", 5)
    governor.obey(12)
    assert call(governor, clock, 0.1) >= 1_030


def test_each_request_refused_for_being_one_too_many_makes_it_one_fewer_until_answers_come_quickly_again(governor, clock):
    governor.hear(8)
    for _ in range(3):
        governor.hold("", 1, code=AT_ONCE)
    assert (governor.at_once, governor.said) == (5, "5 at once: the service refused more.")
    for _ in range(200):
        call(governor, clock, 0.1, "Create contact 100")
    assert governor.at_once == 8


def test_what_a_window_holds_is_learned_from_the_first_refusal_and_kept_to(governor, clock):
    for _ in range(1_000):
        call(governor, clock, 0.01)
    governor.hold("", 20, code=REQUESTS)
    went = [call(governor, clock, 0.01) for _ in range(1_900)]
    for place in range(len(went) - 1_000):
        assert went[place + 1_000] - went[place] >= 299  # until a little more is tried, after a quiet window
    assert "1,000 requests in 300 s" in governor.said


def test_after_a_quiet_window_a_little_more_is_tried(governor, clock):
    for _ in range(1_000):
        call(governor, clock, 0.01)
    governor.hold("", 20, code=REQUESTS)
    clock.sleep(301)
    first = call(governor, clock, 0)
    at_once = sum(call(governor, clock, 0) == first for _ in range(1_100))
    assert 980 < at_once < 1_020


def test_seconds_of_work_are_learned_as_requests_are(governor, clock):
    for _ in range(100):
        call(governor, clock, 2)
    governor.hold("", 20, code=SECONDS)
    assert "200 s of work in 300 s" in governor.said
    went = [call(governor, clock, 2) for _ in range(300)]
    busiest = max(sum(start <= one < start + 300 for one in went) for start in went)
    assert busiest * 2 <= 202


def test_a_refusal_after_a_few_requests_says_that_somebody_else_uses_the_window(governor, clock):
    for _ in range(50):
        call(governor, clock, 0.01)
    governor.hold("", 20, code=REQUESTS)
    went = call(governor, clock, 0)
    assert all(call(governor, clock, 0) == went for _ in range(2_000))


def test_fewer_are_out_while_answers_take_far_longer_than_they_can(governor, clock):
    governor.hear(8)
    for _ in range(40):
        call(governor, clock, 0.1, "Create contact 100")
    for _ in range(35):
        call(governor, clock, 1, "Create contact 100")
    assert governor.at_once < 8
    assert "as long as the quickest" in governor.said


def test_as_many_as_before_are_out_again_where_fewer_made_none_of_them_quicker(governor, clock):
    governor.hear(8)
    for _ in range(40):
        call(governor, clock, 0.1, "Create contact 100")
    seen = set()
    for _ in range(120):
        call(governor, clock, 1, "Create contact 100")
        seen.add(governor.at_once)
    assert min(seen) == 4
    assert governor.at_once == 8


def test_machines_share_the_hint_and_get_it_back_when_one_leaves(governor):
    governor.hear(8)
    governor.share(2)
    assert (governor.at_once, governor.said) == (4, "4 at once: as many as the service recommends, shared by 2 machines.")
    governor.hear(12)
    assert governor.at_once == 6
    governor.share(1)
    assert governor.at_once == 12


def test_a_refusal_is_told_once(governor):
    governor.hold("", 1)
    governor.hold("", 1)
    assert (governor.untold(), governor.untold(), governor.throttled) == (2, 0, 2)


def test_who_waits_for_a_slot_hears_of_a_pause_that_was_asked_for_meanwhile(tmp_path):
    governor = Governor(Slots(tmp_path))
    governor.hear(1)
    governor.wait()
    held: list[float] = []

    def another() -> None:
        governor.wait()
        held.append(governor.held_s())
        governor.done()

    waiting = threading.Thread(target=another)
    waiting.start()
    waiting.join(0.2)  # it is at the slots by now
    governor.hold("", 0.5)
    governor.done()
    waiting.join(10)
    assert held == [0]


def test_who_cannot_wait_so_long_is_told_when_to_come_again(governor, clock):
    governor.hold("", 30)
    with pytest.raises(Throttled) as caught:
        governor.wait(longest_s=20)
    assert 30 <= caught.value.retry_after_s <= 31
    assert governor.load == 0
    assert governor.wait(longest_s=31) >= 30


def test_what_a_window_holds_counts_the_calls_of_all_processes(tmp_path, clock):
    first, second = (Governor(Slots(tmp_path), clock=clock, sleep=clock.sleep) for _ in range(2))
    for governor in (first, second):
        governor.held_s()
        governor.wait()
        governor.done()
    for _ in range(600):
        call(first, clock, 0.01)
        call(second, clock, 0.01)
    first.hold("", 1, code=REQUESTS)
    clock.now += 1
    call(second, clock, 0.01)
    assert "1,20" in second.said
    assert call(second, clock, 0.01) > 1_290  # the window is full for both


CHILD = """
import sys
from pathlib import Path
from connectors.slots import Slots
slots = Slots(Path(sys.argv[1]))
taken = [slots.take(3) for _ in range(2)]
print(*taken, flush=True)
for line in sys.stdin:
    slots.hold(float(line))
    print("held", flush=True)
"""


@pytest.fixture
def neighbour(tmp_path):
    """Another process of the machine, which holds two of three slots."""
    root = Path(__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "0 1\n"
    yield child
    child.kill()
    child.communicate()


def test_processes_of_a_machine_share_the_slots_and_one_that_is_killed_gives_its_own_back(tmp_path, neighbour):
    slots = Slots(tmp_path)
    assert slots.take(3) == 2
    got: list[int] = []
    waiting = threading.Thread(target=lambda: got.extend((slots.take(3), slots.take(3))))
    waiting.start()
    waiting.join(0.3)
    assert got == []
    neighbour.kill()
    waiting.join(10)
    assert sorted(got) == [0, 1]


def test_a_pause_that_one_process_hears_of_holds_the_others_too(tmp_path, neighbour):
    governor = Governor(Slots(tmp_path))
    assert governor.held_s() == 0
    neighbour.stdin.write("60\n")
    neighbour.stdin.flush()
    assert neighbour.stdout.readline() == "held\n"
    assert 50 < governor.held_s() <= 60


def test_it_begins_with_what_suits_the_table_and_calls_more_at_once_while_answers_stay_quick(governor, clock):
    governor.begin_with(20)
    governor.hear(52)
    assert (governor.at_once, governor.said.partition(",")[0]) == (20, "20 at once to begin with")
    for _ in range(400):
        call(governor, clock, 0.1, "Create mwb_wide 20")
    assert 20 < governor.at_once < 52
    for _ in range(200):
        call(governor, clock, 1, "Create mwb_wide 20")
    assert governor.at_once < 25
    governor.begin_with(50)
    assert governor.at_once == 50


@pytest.mark.database
@pytest.mark.django_db
def test_machines_tell_each_other_of_pauses_and_of_what_a_window_holds_and_a_new_one_begins_with_both(tmp_path, clock):
    one, other, new, another_user = (
        Governor(Slots(tmp_path / name), Board(user), clock=clock, sleep=clock.sleep)
        for name, user in (("a", "u"), ("b", "u"), ("c", "u"), ("d", "v"))
    )
    connection.ensure_connection()
    for _ in range(1_000):
        call(one, clock, 0.01)
    call(other, clock, 1)
    one.hold("", 60, code=REQUESTS)
    clock.now += 1
    for governor in (other, new):
        with pytest.raises(Throttled):
            governor.wait(longest_s=30)
        assert "1,000 requests in 300 s" in governor.said
    assert call(another_user, clock, 0.1) == clock.now - 0.1
    one.hold("", 10)  # a shorter one doesn't end it
    assert new.wait() >= 50


@pytest.mark.database
@pytest.mark.django_db
def test_the_board_is_read_once_a_second_and_written_where_something_was_learned(tmp_path, clock):
    governor = Governor(Slots(tmp_path), Board("u"), clock=clock, sleep=clock.sleep)
    connection.ensure_connection()
    with CaptureQueriesContext(connection) as asked:
        for _ in range(500):
            call(governor, clock, 0.01)
    assert 4 <= len(asked) <= 6
    assert all(query["sql"].startswith("SELECT") for query in asked)


def test_a_new_process_hears_what_the_machine_called_within_the_window(tmp_path, clock):
    before = Governor(Slots(tmp_path), clock=clock, sleep=clock.sleep)
    for _ in range(1_000):
        call(before, clock, 0.01)
    before.hold("", 1, code=REQUESTS)
    clock.now += 2
    new = Governor(Slots(tmp_path), clock=clock, sleep=clock.sleep)
    assert call(new, clock, 0.01) > 1_290  # the window is full
