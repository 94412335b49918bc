"""Rate limits as sliding windows: so many calls in so many seconds, per bucket."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Literal

Pace = Literal["real", "scaled", "none"]
SCALE = {"real": 1.0, "scaled": 60.0}  # scaled: each published window 60 times shorter, same counts


class Windows:
    """The windows of one server."""

    def __init__(self, limits: str, clock: Callable[[], float] = time.monotonic) -> None:
        """limits: real, scaled or none; clock: seconds that only rise."""
        if limits not in (*SCALE, "none"):
            raise ValueError(f"limits must be real, scaled or none, not {limits!r}")
        self.scale = SCALE.get(limits)
        self._clock = clock
        self._calls: dict[str, deque[float]] = {}

    def take(self, bucket: str, calls: int, seconds: float) -> float | None:
        """None when the call may pass (it is counted), else the seconds until one is free (it isn't counted)."""
        if self.scale is None:
            return None
        window, now = seconds / self.scale, self._clock()
        taken = self._calls.setdefault(bucket, deque())
        while taken and taken[0] <= now - window:
            taken.popleft()
        if len(taken) >= calls:
            return taken[0] + window - now
        taken.append(now)
        return None
