"""How long a request takes there and back."""

import statistics
import time
from collections.abc import Callable

ASKED = 5
FAR_MS = 100  # *assumed*: within a region it is some 10 ms, from one continent to another 100 and more


def round_trip_ms(ask: Callable[[], object]) -> float:
    """The median of ASKED requests, in milliseconds. One before them opens the connection. Raises what `ask` raises."""
    ask()
    took = []
    for _ in range(ASKED):
        started = time.monotonic()
        ask()
        took.append((time.monotonic() - started) * 1000)
    return statistics.median(took)


def in_words(milliseconds: float) -> str:
    """The round trip in words."""
    return f"A request takes {max(1, round(milliseconds)):,} ms there and back, the median of {ASKED}."
