"""Faults as a test describes them: which requests they strike, how often, and what is done then.

    {"method", "path", "within", "do", "status", "code", "retry_after_s", "ms", "rate", "times", "after", "burst", "call", "body"}

`path` is a regular expression, searched in the path and in path?query, and `within` one that is searched in what is sent, such as a message
in a batch; all but `do` may be left out. `do`:

    status  an answer with `status` (503), the service's error `code` and Retry-After, before any work
    delay   the answer comes `ms` later
    drop    the connection is reset, no work done
    lose    the work is done, then the connection is reset
    hang    the work is done, and nothing comes back until the client hangs up
    cut     the work is done, and the connection is closed in the middle of the answer's body
    call    before the request, a POST of `body` to /_simulator/`call`: what others do at just that moment

The first `after` requests that match pass; of the others each is struck with the probability `rate`, and with it the `burst` - 1 that
follow, `times` in all. Chance follows from the seed and the fault's place in the list alone: the n-th request that matches is always
treated alike, whatever other faults there are.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEEDS = ("status", "delay", "drop", "lose", "hang", "cut", "call")
PASSING = ("delay", "call")  # the request is answered all the same
_TYPES: Mapping[str, tuple[type, ...]] = {
    "method": (str,), "path": (str,), "within": (str,), "do": (str,), "status": (int,), "code": (str,), "retry_after_s": (int, float),
    "ms": (int, float), "rate": (int, float), "times": (int,), "after": (int,), "burst": (int,), "call": (str,), "body": (dict,),
}  # fmt: skip


class BadFault(ValueError):
    """A fault that was sent can't be understood; the text says why."""


@dataclass(slots=True)
class Fault:
    """One thing that goes wrong. `ms` waits first, whatever is done after."""

    path: re.Pattern[str]
    do: str
    method: str | None = None
    within: re.Pattern[str] | None = None
    status: int = 503
    code: str | None = None
    retry_after_s: float | None = None
    ms: float = 0
    rate: float = 1.0
    times: int | None = None  # how often it still strikes; None: always
    after: int = 0  # how many still pass
    burst: int = 1
    call: str = ""
    body: dict[str, Any] = field(default_factory=dict)
    dice: random.Random = field(default_factory=lambda: random.Random(0))
    following: int = 0  # how many more the running burst strikes
    struck: int = 0

    def strikes(self, method: str, path: str, query: str, sent: str = "") -> bool:
        """Whether it hits this request; a hit uses up one of its times. sent: the body, which only faults with `within` look at."""
        if self.times == 0 or not self._matches(method, path, query, sent):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.following > 0:
            self.following -= 1
        elif self.rate < 1 and self.dice.random() >= self.rate:
            return False
        else:
            self.following = self.burst - 1
        if self.times is not None:
            self.times -= 1
        return True

    def _matches(self, method: str, path: str, query: str, sent: str) -> bool:
        if (self.method and self.method != method) or (self.within and not self.within.search(sent)):
            return False
        return bool(self.path.search(path) or (query and self.path.search(f"{path}?{query}")))


def read_faults(given: Any) -> list[Fault]:
    """The faults of {"faults": [...], "seed": n}; the seed may be left out. Raises BadFault."""
    if not isinstance(given, dict) or not isinstance(given.get("faults"), list):
        raise BadFault('expected {"faults": [...]}')
    if unknown := set(given) - {"faults", "seed"}:
        raise BadFault(f"unknown key {min(unknown)!r}")
    found = [read_fault(each) for each in given["faults"]]
    for place, fault in enumerate(found):
        fault.dice = random.Random(f"{given.get('seed', 0)}:{place}")
    return found


def read_fault(given: Any) -> Fault:
    """A fault from its JSON form. Raises BadFault."""
    if not isinstance(given, dict):
        raise BadFault("a fault is an object")
    for key, value in given.items():
        if key not in _TYPES:
            raise BadFault(f"unknown key {key!r}")
        if value is not None and (isinstance(value, bool) or not isinstance(value, _TYPES[key])):
            raise BadFault(f"{key} has the wrong type")
    known = {key: value for key, value in given.items() if value is not None}
    if known.get("do") not in DEEDS:
        raise BadFault(f"do must be one of {', '.join(DEEDS)}")
    if (known["do"] == "call") != ("call" in known):
        raise BadFault('"do": "call" and the name of a control path in "call" go together')
    for name, pattern in {"path": "", **known}.items():
        if name in ("path", "within"):
            known[name] = _pattern(name, pattern)
    if "method" in known:
        known["method"] = known["method"].upper()
    return Fault(**known)


def _pattern(name: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise BadFault(f"{name} is no regular expression: {error}") from error
