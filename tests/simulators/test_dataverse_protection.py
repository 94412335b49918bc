import pytest

from connectors.simulators.dataverse.errors import ServiceError
from connectors.simulators.dataverse.protection import CONCURRENT, EXECUTION_S, REQUESTS, WINDOW_S, Limits, ServiceProtection


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_the_request_limit_opens_again_when_the_oldest_leaves_the_window(clock):
    limits = ServiceProtection("real", clock)
    for _ in range(REQUESTS):
        limits.enter("u")
        limits.leave("u", 0)
    clock.now = 10
    with pytest.raises(ServiceError) as caught:
        limits.enter("u")
    assert (caught.value.code, caught.value.headers["Retry-After"]) == ("0x80072322", str(WINDOW_S - 10))
    limits.enter("another user")
    clock.now = WINDOW_S
    limits.enter("u")


def test_execution_time_and_concurrency_have_their_own_codes(clock):
    limits = ServiceProtection("scaled", clock)
    limits.enter("u")
    limits.leave("u", EXECUTION_S / 60)
    with pytest.raises(ServiceError) as slow:
        limits.enter("u")
    for _ in range(CONCURRENT):
        limits.enter("v")
    with pytest.raises(ServiceError) as crowd:
        limits.enter("v")
    assert (slow.value.code, crowd.value.code) == ("0x80072321", "0x80072326")
    limits.leave("v", 0)
    limits.enter("v")


def test_without_limits_nothing_is_counted(clock):
    limits = ServiceProtection("none", clock)
    for _ in range(REQUESTS + 1):
        limits.enter("u")


def refused(limits, user="u", server=0):
    with pytest.raises(ServiceError) as caught:
        limits.enter(user, server)
    assert caught.value.status == 429
    return caught.value


def test_who_keeps_sending_waits_longer_and_gets_in_after_that(clock):
    limits = ServiceProtection(Limits(requests=2, window_s=300), clock)
    for _ in range(2):
        limits.enter("u")
        limits.leave("u", 0)
    waits = [int(refused(limits).headers["Retry-After"]) for _ in range(4)]
    assert waits == [300, 300, 300, 300]  # a whole window from now is the most
    clock.now = 200
    waits = [int(refused(limits).headers["Retry-After"]) for _ in range(3)]
    assert waits == [101, 102, 103]
    clock.now = 304
    limits.enter("u")


def test_each_web_server_has_windows_of_its_own(clock):
    limits = ServiceProtection(Limits(requests=1, concurrent=1, web_servers=2), clock)
    limits.enter("u", 0)
    limits.enter("u", 1)
    assert {refused(limits, server=server).code for server in (0, 1)} == {"0x80072322"}
    limits.enter("v", 0)


def test_the_words_of_a_refusal_name_the_limits_that_hold(clock):
    limits = ServiceProtection(Limits.read({"pace": "scaled", "requests": 1, "concurrent": 1}), clock)
    limits.enter("u")
    assert str(refused(limits)) == "Number of requests exceeded the limit of 1 over time window of 5 seconds."
    limits.change(Limits())
    assert "exceeded limit of 1,200,000 milliseconds over time window of 300 seconds." in Limits().message("0x80072321")


def test_what_a_user_asked_for_is_counted_with_its_share_of_the_budget(clock):
    limits = ServiceProtection(Limits(requests=10, execution_s=20, window_s=5), clock)
    for second in range(10):
        clock.now = second
        limits.enter("u")
        limits.enter("u")
        clock.now = second + 1
        limits.leave("u", 1, operations=100)
        limits.leave("u", 1)
    usage = limits.usage()["u"]
    assert (usage["requests"], usage["operations"], usage["execution_s"], usage["running_peak"]) == (20, 1010, 20, 2)
    assert usage["share"] == {"requests": 1.0, "execution": 0.5}
    refused_before = usage["refused"]
    limits.count_anew()
    assert (refused_before, limits.usage()) == ({}, {})


@pytest.mark.parametrize("wrong", [{"pace": "slow"}, {"requests": 0}, {"requests": "9"}, {"window": 5}, [], {"concurrent": True}])
def test_limits_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="."):
        Limits.read(wrong)
