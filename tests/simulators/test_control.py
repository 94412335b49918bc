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


def set_faults(base, *faults):
    answer = requests.post(f"{base}/_simulator/faults", json={"faults": list(faults)}, timeout=5)
    assert answer.status_code == 200, answer.text


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


def test_faults_are_cleared_by_an_empty_list_and_a_wrong_one_is_refused(server):
    base, _ = server
    set_faults(base, {"path": ".", "do": "status", "status": 500})
    set_faults(base)
    assert requests.get(f"{base}/things/1", timeout=5).ok
    for wrong in ({"path": "(", "do": "drop"}, {"path": ".", "do": "explode"}, {"do": "drop", "time": 1}, {"do": "drop", "times": "1"}):
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
