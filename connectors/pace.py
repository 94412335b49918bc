"""How fast a service may be called: sliding windows per bucket, and pauses that the service asks for."""

import math
import random
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence

_MARGIN = 1.02  # our clock and the service's don't see a call at the same instant


class Pace:
    """Sliding-window limiter for the threads of one process; buckets without a limit are free.

    limits: bucket -> (calls, seconds), as published or as agreed with the customer.
    """

    def __init__(self, limits: Mapping[str, Sequence[float]] | None = None) -> None:
        """Start with every window empty."""
        self._limits = {bucket: (int(calls), float(seconds) * _MARGIN) for bucket, (calls, seconds) in (limits or {}).items()}
        self._calls: dict[str, deque[float]] = {bucket: deque() for bucket in self._limits}
        self._held_until: dict[str, float] = {}
        self._lock = threading.Lock()

    def window_s(self, bucket: str) -> float:
        """Seconds of the bucket's window; 0 where it has no limit."""
        return self._limits.get(bucket, (0, 0.0))[1]

    def wait(self, bucket: str = "", *, longest_s: float = math.inf) -> float:
        """Sleep until a call is allowed; returns the seconds slept. The call counts from then on.

        longest_s: where it is known to take longer, a governor raises Throttled instead; plain windows are short.
        """
        pause = self._reserve(bucket, time.monotonic())
        if pause > 0:
            time.sleep(pause)
        return max(pause, 0.0)

    def done(self, bucket: str = "") -> None:
        """A call that was waited for was answered, or broke off."""

    def hold(self, bucket: str, seconds: float, *, code: str = "") -> None:
        """Let no thread call in this bucket for so long: the service refused one of them. code: its word for the limit."""
        self.obey(seconds, bucket)

    def obey(self, seconds: float, bucket: str = "") -> None:
        """Let no thread call in this bucket for so long: the service asks for it, without a word of any limit."""
        with self._lock:
            until = time.monotonic() + seconds
            self._held_until[bucket] = max(until, self._held_until.get(bucket, 0.0))

    def _reserve(self, bucket: str, now: float) -> float:
        with self._lock:
            start = self._after_hold(bucket, now)
            if bucket not in self._limits:
                return start - now
            calls, window = self._limits[bucket]
            taken = self._calls[bucket]
            if len(taken) >= calls:
                start = max(start, taken[-calls] + window)
            taken.append(start)
            while len(taken) > calls:
                taken.popleft()
            return start - now

    def _after_hold(self, bucket: str, now: float) -> float:
        held = self._held_until.get(bucket, 0.0)
        if held <= now:
            return now
        # not all threads at the same instant, or the pause ends in the next refusal
        return held + random.uniform(0, min(0.5, (held - now) / 10))  # noqa: S311 - spreads load, guards nothing
