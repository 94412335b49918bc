"""Service protection limits: requests, execution time and concurrency per user and web server (facts, section 4)."""

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

from . import errors

WINDOW_S = 300
REQUESTS, EXECUTION_S, CONCURRENT = 6000, 1200, 52
REQUEST_LIMIT, TIME_LIMIT, CONCURRENCY_LIMIT = "0x80072322", "0x80072321", "0x80072326"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a user may ask of one web server within a window, by default the published values."""

    requests: int = REQUESTS
    execution_s: float = EXECUTION_S
    concurrent: int = CONCURRENT
    window_s: float = WINDOW_S
    web_servers: int = 1

    @classmethod
    def paced(cls, pace: str) -> Self | None:
        """real; scaled: window and execution time 60 times shorter, same counts; none. Raises ValueError for any other word."""
        if pace not in {"real", "scaled", "none"}:
            raise ValueError(f"limits must be real, scaled or none, not {pace!r}")
        if pace == "none":
            return None
        return cls(execution_s=EXECUTION_S / 60, window_s=WINDOW_S / 60) if pace == "scaled" else cls()

    @classmethod
    def read(cls, given: Any) -> Self | None:
        """From {"pace": word} with any of the numbers besides; without a pace the others are the published ones. Raises ValueError."""
        if not isinstance(given, Mapping):
            raise ValueError("expected an object")
        known = {each.name for each in fields(cls)}
        if unknown := set(given) - known - {"pace"}:
            raise ValueError(f"unknown key {min(unknown)!r}")
        numbers = {name: given[name] for name in known & set(given)}
        for name, value in numbers.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise ValueError(f"{name} is a number above 0")
        found = cls.paced(given.get("pace", "real"))
        return replace(found, **numbers) if found is not None else None

    def message(self, code: str) -> str:
        """The service's words for a limit that is exceeded."""
        window = f"{self.window_s:g} seconds"
        if code == REQUEST_LIMIT:
            return f"Number of requests exceeded the limit of {self.requests} over time window of {window}."
        if code == TIME_LIMIT:
            return (
                f"Combined execution time of incoming requests exceeded limit of {self.execution_s * 1000:,.0f} milliseconds over time"
                f" window of {window}. Decrease number of concurrent requests or reduce the duration of requests and try again later."
            )
        return f"Number of concurrent requests exceeded the limit of {self.concurrent}."


@dataclass(slots=True)
class _Window:
    """What one user asked of one web server."""

    starts: deque[float] = field(default_factory=deque)
    spent: deque[tuple[float, float]] = field(default_factory=deque)
    spent_s: float = 0.0
    running: int = 0
    refused_until: float = 0.0
    refused_for: str = REQUEST_LIMIT

    def forget(self, edge: float) -> None:
        while self.starts and self.starts[0] <= edge:
            self.starts.popleft()
        while self.spent and self.spent[0][0] <= edge:
            self.spent_s -= self.spent.popleft()[1]


@dataclass(slots=True)
class Usage:
    """What one user has asked for since counting began."""

    requests: int = 0  # let in
    refused: Counter[str] = field(default_factory=Counter)  # by code
    operations: int = 0  # as a 24-hour entitlement counts them: each row written, else each request
    execution_s: float = 0.0
    running: int = 0
    running_peak: int = 0
    first: float | None = None
    last: float = 0.0

    def shown(self, limits: Limits | None) -> dict[str, Any]:
        """As JSON; `share`: of the requests and of the execution time that the limits would have let through in that time."""
        seconds = 0.0 if self.first is None else self.last - self.first
        found = {"requests": self.requests, "refused": dict(self.refused), "operations": self.operations,
                 "execution_s": round(self.execution_s, 3), "running_peak": self.running_peak, "seconds": round(seconds, 3)}  # fmt: skip
        if limits is None:
            return found
        windows = max(1.0, seconds / limits.window_s) * limits.web_servers
        share = {"requests": self.requests / (limits.requests * windows), "execution": self.execution_s / (limits.execution_s * windows)}
        return found | {"share": {name: round(value, 4) for name, value in share.items()}}


class ServiceProtection:
    """Lets requests in or refuses them, and counts what each user asks for. limits: a pace or the values themselves, None for none."""

    def __init__(self, limits: str | Limits | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing counted."""
        self.limits = Limits.paced(limits) if isinstance(limits, str) else limits
        self._clock = clock
        self._windows: dict[tuple[str, int], _Window] = {}
        self._usage: dict[str, Usage] = {}

    def change(self, limits: Limits | None) -> None:
        """Other limits from now on; what runs goes on, what was counted in the windows is forgotten."""
        self.limits = limits
        self._windows = {key: _Window(running=window.running) for key, window in self._windows.items() if window.running}

    def enter(self, user: str, server: int = 0) -> None:
        """Count a request in. Raises ServiceError 429 with Retry-After; a refused request counts for no window."""
        now, usage = self._clock(), self._usage.setdefault(user, Usage())
        window = self._windows.setdefault((user, server), _Window())
        try:
            if self.limits is not None:
                self._check(self.limits, window, now)
        except errors.ServiceError as error:
            usage.refused[error.code] += 1
            raise
        window.running += 1
        usage.requests += 1
        usage.running += 1
        usage.running_peak = max(usage.running_peak, usage.running)
        usage.first = now if usage.first is None else usage.first
        if self.limits is not None:
            window.starts.append(now)

    def leave(self, user: str, seconds: float, server: int = 0, operations: int = 1) -> None:
        """Count a request out, with the time that it took to execute and the operations that an entitlement counts."""
        now, usage, window = self._clock(), self._usage.setdefault(user, Usage()), self._windows[user, server]
        window.running -= 1
        usage.running = max(0, usage.running - 1)
        usage.execution_s += seconds
        usage.operations += operations
        usage.last = now
        if self.limits is not None:
            window.spent.append((now, seconds))
            window.spent_s += seconds

    def remaining(self, user: str, server: int = 0) -> dict[str, str]:
        """The headers that show what is left on a web server, for debugging."""
        if self.limits is None:
            return {}
        window = self._windows.get((user, server), _Window())
        return {
            "x-ms-ratelimit-burst-remaining-xrm-requests": str(self.limits.requests - len(window.starts)),
            "x-ms-ratelimit-time-remaining-xrm-requests": f"{max(0.0, self.limits.execution_s - window.spent_s):.2f}",
        }

    def usage(self) -> dict[str, dict[str, Any]]:
        """What each user has asked for."""
        return {user: usage.shown(self.limits) for user, usage in self._usage.items()}

    def count_anew(self) -> None:
        """Forget what users have asked for; the windows stay as they are."""
        self._usage = {
            user: Usage(running=usage.running, running_peak=usage.running) for user, usage in self._usage.items() if usage.running
        }

    def limits_shown(self) -> dict[str, Any] | None:
        """The limits as JSON."""
        return asdict(self.limits) if self.limits is not None else None

    def _check(self, limits: Limits, window: _Window, now: float) -> None:
        window.forget(now - limits.window_s)
        if now < window.refused_until:
            self._lengthen(limits, window, now)
        elif len(window.starts) >= limits.requests:
            window.refused_for, window.refused_until = REQUEST_LIMIT, window.starts[0] + limits.window_s
        elif window.spent_s >= limits.execution_s:
            window.refused_for, window.refused_until = TIME_LIMIT, window.spent[0][0] + limits.window_s
        elif window.running >= limits.concurrent:
            raise _throttled(limits, CONCURRENCY_LIMIT, 1)
        else:
            return
        raise _throttled(limits, window.refused_for, window.refused_until - now)

    def _lengthen(self, limits: Limits, window: _Window, now: float) -> None:
        """Who keeps sending waits longer (facts, section 4; *assumed*: a 300th of the window each time, up to a whole one from now)."""
        window.refused_until = min(window.refused_until + limits.window_s / 300, now + limits.window_s)


def _throttled(limits: Limits, code: str, wait_s: float) -> errors.ServiceError:
    return errors.ServiceError(429, code, limits.message(code), {"Retry-After": str(max(1, math.ceil(wait_s)))})
