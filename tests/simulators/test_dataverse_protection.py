import pytest

from connectors.simulators.dataverse.errors import ServiceError
from connectors.simulators.dataverse.protection import CONCURRENT, EXECUTION_S, REQUESTS, WINDOW_S, ServiceProtection


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
