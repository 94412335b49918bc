from contextlib import closing

import pytest
import requests
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from connectors.simulators.control import Control, path_pattern
from connectors.simulators.limits import Windows
from tests import simulated


@pytest.fixture
def server():
    """A counter behind Control on loopback: its address and how often the work was done."""
    done = []

    async def work(request: Request) -> PlainTextResponse:
        done.append(await request.body())
        return PlainTextResponse("worked")

    app = Control(lambda: done.append(b"advanced")).wrap(Starlette(routes=[Route("/things/{id}", work, methods=["GET", "POST"])]))
    with simulated.serve(app) as address:
        yield address, done


def set_faults(base, *faults, seed=0):
    answer = requests.post(f"{base}/_simulator/faults", json={"faults": list(faults), "seed": seed}, timeout=5)
    assert answer.status_code == 200, answer.text


def struck(base, count):
    """Which of so many requests were answered 503."""
    with closing(requests.Session()) as session:
        return [n for n in range(count) if session.get(f"{base}/things/{n}", timeout=5).status_code == 503]


def test_a_lost_answer_comes_after_the_work_and_a_dropped_request_before_it(server):
    base, done = server
    set_faults(base, {"method": "POST", "path": "/things/1$", "do": "lose", "times": 1}, {"path": "/things/2", "do": "drop", "times": 1})
    for path, worked in (("/things/1", [b"x"]), ("/things/2", [b"x"])):
        with pytest.raises(requests.ConnectionError):
            requests.post(base + path, data="x", timeout=5)
        assert done == worked
    assert requests.post(f"{base}/things/2", data="y", timeout=5).text == "worked"
    assert done == [b"x", b"y"]


def test_a_status_fault_carries_retry_after_and_strikes_as_often_as_told(server):
    base, done = server
    set_faults(base, {"path": "things", "do": "status", "status": 429, "retry_after_s": 2, "times": 2})
    with closing(requests.Session()) as session:
        answers = [session.get(f"{base}/things/1", timeout=5) for _ in range(3)]
    assert [(a.status_code, a.headers.get("Retry-After")) for a in answers] == [(429, "2"), (429, "2"), (200, None)]
    assert len(done) == 1


def test_a_hanging_request_is_worked_on_and_never_answered(server):
    base, done = server
    set_faults(base, {"method": "POST", "path": "things", "do": "hang", "times": 1})
    with pytest.raises(requests.ReadTimeout):
        requests.post(f"{base}/things/1", data="x", timeout=1)
    assert done == [b"x"]
    assert requests.get(f"{base}/things/1", timeout=5).ok


def test_an_answer_that_is_cut_begins_and_breaks_off_after_the_work(server):
    base, done = server
    set_faults(base, {"method": "POST", "path": "things", "do": "cut", "times": 1})
    answer = requests.post(f"{base}/things/1", data="x", timeout=5, stream=True)
    assert (answer.status_code, done) == (200, [b"x"])
    with pytest.raises(requests.RequestException):
        answer.content  # noqa: B018 reads the rest


def test_a_reset_reaches_the_client_as_one(server):
    base, _ = server
    set_faults(base, {"path": "things", "do": "drop", "times": 1})
    with pytest.raises(requests.ConnectionError, match="Connection reset"):
        requests.get(f"{base}/things/1", timeout=5)


def test_chance_follows_from_the_seed_and_the_place_in_the_list_alone(server):
    base, _ = server
    fault = {"path": "things", "do": "status", "rate": 0.3}
    runs = []
    for others, seed in (([], 1), ([{"path": "elsewhere", "do": "status", "rate": 0.5}], 1), ([], 2)):
        set_faults(base, fault, *others, seed=seed)
        runs.append(struck(base, 60))
    assert runs[0] == runs[1] != runs[2]
    assert 5 < len(runs[0]) < 35


def test_a_burst_goes_on_once_it_has_begun_and_some_requests_pass_before(server):
    base, _ = server
    set_faults(base, {"path": "things", "do": "status", "after": 2, "burst": 3, "rate": 0.2}, seed=5)
    found = struck(base, 80)
    assert min(found) >= 2
    lengths, length = [], 1
    for before, after in zip(found, [*found[1:], None], strict=True):
        length, lengths = (length + 1, lengths) if after == before + 1 else (1, [*lengths, length])
    assert set(lengths[:-1]) <= {3, 6, 9, 12}
    assert len(found) > 6


def test_a_fault_can_call_a_control_path_just_before_a_request(server):
    base, done = server
    set_faults(base, {"path": "things", "do": "call", "call": "advance", "after": 1, "times": 1})
    for _ in range(3):
        assert requests.get(f"{base}/things/1", timeout=5).ok
    assert done == [b"", b"advanced", b"", b""]


def test_a_fault_can_look_for_what_is_sent_which_the_application_still_gets(server):
    base, done = server
    set_faults(base, {"path": "things", "within": "Win[A-Z]", "do": "status", "times": 1})
    sent = ["LoseDeal", "WinDeal", "WinDeal"]
    assert [requests.post(f"{base}/things/1", data=one, timeout=5).status_code for one in sent] == [200, 503, 200]
    assert done == [b"LoseDeal", b"WinDeal"]


def test_counting_begins_anew_when_the_counters_are_posted_to(server):
    base, _ = server
    set_faults(base, {"method": "POST", "path": "things", "do": "lose"}, {"method": "GET", "path": "2$", "do": "status", "status": 429})
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{base}/things/1", timeout=5)
    for number in (1, 2):
        requests.get(f"{base}/things/{number}", timeout=5)
    seen = requests.post(f"{base}/_simulator/stats", timeout=5).json()
    assert seen["answers"] == {"POST /things/{}": {"none": 1}, "GET /things/{}": {"200": 1, "429": 1}}
    assert seen["faults"] == {"lose": 1, "status": 1}
    assert requests.get(f"{base}/_simulator/stats", timeout=5).json()["requests"] == {}


def test_faults_are_cleared_by_an_empty_list_and_a_wrong_one_is_refused(server):
    base, _ = server
    set_faults(base, {"path": ".", "do": "status", "status": 500})
    set_faults(base)
    assert requests.get(f"{base}/things/1", timeout=5).ok
    for wrong in ({"path": "(", "do": "drop"}, {"within": "(", "do": "drop"}, {"path": ".", "do": "explode"}, {"do": "drop", "time": 1},
                  {"do": "drop", "times": "1"}, {"do": "call"}):  # fmt: skip
        assert requests.post(f"{base}/_simulator/faults", json={"faults": [wrong]}, timeout=5).status_code == 400


def test_requests_of_one_kind_count_as_one_and_advance_calls_its_hook(server):
    base, done = server
    for number in range(3):
        requests.get(f"{base}/things/{number}", timeout=5)
    assert requests.post(f"{base}/_simulator/advance", timeout=5).json() == {"advanced": 1}
    stats = requests.get(f"{base}/_simulator/stats", timeout=5).json()
    assert stats["requests"] == {"GET /things/{}": 3}
    assert stats["statuses"] == {"200": 3}
    assert done[-1] == b"advanced"


def test_a_path_pattern_has_no_ids_keys_or_addresses():
    assert path_pattern("/api/users/mara@northpine.example") == "/api/users/{}"
    assert path_pattern("/api/data/v9.2/contacts(0b1f)/NS.Do") == "/api/data/v9.2/contacts()/NS.Do"


def test_a_window_frees_a_call_when_its_oldest_one_has_left():
    now = [0.0]
    windows = Windows("scaled", clock=lambda: now[0])
    assert [windows.take("a", 2, 60) for _ in range(2)] == [None, None]
    now[0] = 0.25
    assert windows.take("a", 2, 60) == pytest.approx(0.75)
    assert windows.take("b", 2, 60) is None
    now[0] = 1.0
    assert windows.take("a", 2, 60) is None
    assert all(Windows("none").take("a", 1, 60) is None for _ in range(9))
