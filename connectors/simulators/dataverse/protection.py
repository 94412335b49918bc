"""Service protection limits of one web server: requests, execution time and concurrency per user (facts, section 4)."""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from . import errors

WINDOW_S = 300
REQUESTS, EXECUTION_S, CONCURRENT = 6000, 1200, 52
HINT = 8  # the recommended number of concurrent requests, and the execution slots behind it


@dataclass(slots=True)
class _User:
    starts: deque[float] = field(default_factory=deque)
    spent: deque[tuple[float, float]] = field(default_factory=deque)
    spent_s: float = 0.0
    running: int = 0


class ServiceProtection:
    """Counts what each user asks for. limits: `real`, `scaled` (window and execution time 60 times shorter, same counts), `none`."""

    def __init__(self, limits: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing counted."""
        scale = 60 if limits == "scaled" else 1
        self.on = limits != "none"
        self._window_s = WINDOW_S / scale
        self._execution_s = EXECUTION_S / scale
        self._clock = clock
        self._users: dict[str, _User] = {}

    def enter(self, user: str) -> None:
        """Count a request in. Raises ServiceError 429 with Retry-After; a refused request counts for none but the request limit."""
        if not self.on:
            return
        now, state = self._clock(), self._users.setdefault(user, _User())
        self._forget(state, now)
        if len(state.starts) >= REQUESTS:
            raise _throttled("0x80072322", f"Number of requests exceeded the limit of {REQUESTS} over time window of 300 seconds.",
                             state.starts[0] + self._window_s - now)  # fmt: skip
        if state.spent_s >= self._execution_s:
            raise _throttled("0x80072321", "Combined execution time of incoming requests exceeded limit of 1,200,000 milliseconds over time"
                             " window of 300 seconds. Decrease number of concurrent requests or reduce the duration of requests and try"
                             " again later.", state.spent[0][0] + self._window_s - now)  # fmt: skip
        if state.running >= CONCURRENT:
            raise _throttled("0x80072326", f"Number of concurrent requests exceeded the limit of {CONCURRENT}.", 1)
        state.starts.append(now)
        state.running += 1

    def leave(self, user: str, seconds: float) -> None:
        """Count a request out, with the time that it took to execute."""
        if not self.on:
            return
        state = self._users[user]
        state.running -= 1
        state.spent.append((self._clock(), seconds))
        state.spent_s += seconds

    def remaining(self, user: str) -> dict[str, str]:
        """The headers that show what is left, for debugging."""
        state = self._users.get(user, _User())
        return {
            "x-ms-ratelimit-burst-remaining-xrm-requests": str(REQUESTS - len(state.starts)),
            "x-ms-ratelimit-time-remaining-xrm-requests": f"{max(0.0, self._execution_s - state.spent_s):.2f}",
        }

    def _forget(self, state: _User, now: float) -> None:
        edge = now - self._window_s
        while state.starts and state.starts[0] <= edge:
            state.starts.popleft()
        while state.spent and state.spent[0][0] <= edge:
            state.spent_s -= state.spent.popleft()[1]


def _throttled(code: str, message: str, wait_s: float) -> errors.ServiceError:
    return errors.ServiceError(429, code, message, {"Retry-After": str(max(1, math.ceil(wait_s)))})
