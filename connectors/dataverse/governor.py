"""How fast one application user calls an environment: at most the service's own hint at once, less where that is too much.

What the service says and measures (facts, section 4): a recommended number of requests at once in `x-ms-dop-hint`, above which pauses of
some 30 s follow; 429 with Retry-After where a user's requests or their execution time within 300 s are used up, per web server. How many
servers there are nobody says: what a user may use is learned from the first refusal and tried again a little higher after a quiet window.
"""

import hashlib
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from connectors.dataverse.board import Board, Known
from connectors.http_errors import Throttled
from connectors.pace import Pace
from connectors.slots import Slots

if TYPE_CHECKING:
    from workbench.engagements.models import Connection

FIRST_HINT = 4  # requests at once until the service has said its own number
MOST = 52  # the service refuses more of one user at once, whatever it hints
WINDOW_S = 300.0
PUBLISHED_REQUESTS, PUBLISHED_WORK = 6000 / WINDOW_S, 1200 / WINDOW_S  # per second; seconds of work per second
ENOUGH = 1 / 8  # of what is published: processes share a user
KEPT_BELOW = 0.98  # of what was learned: refused requests would lengthen the pause
RISE = 1.02  # of what was learned, after a window without a refusal
SLOW = 3.0  # times the quickest average of a kind of request: more at once only makes them wait for each other
WEIGHT = 0.1  # of the newest in an average
HELPED = 0.9  # of the time before: where half as many at once don't bring it down so far, something else is slow
AT_ONCE, REQUESTS, SECONDS = "0x80072326", "0x80072322", "0x80072321"
LOOK_S = 0.05
CAUGHT_UP_S = 1.0
HEARD_S = 0.5  # by how much a pause must end later to be another one
# What processes tell each other: a call that ended, or what a window was found to hold.
CALL, ALL_REQUESTS, ALL_SECONDS = 0, 1, 2
LEARNED = {
    ALL_REQUESTS: (REQUESTS, "{value:,.0f} requests in {window:g} s: the service allowed no more."),
    ALL_SECONDS: (SECONDS, "{value:,.0f} s of work in {window:g} s: the service allowed no more."),
}


@dataclass(slots=True)
class Kind:
    """Requests of one kind: their average time, and the least that it was."""

    seconds: float
    least: float
    count: int = 1

    def add(self, seconds: float) -> None:
        """Take one more into the average."""
        self.count += 1
        self.seconds += (seconds - self.seconds) * WEIGHT
        if self.count > 1 / WEIGHT:
            self.least = min(self.least, self.seconds)


class Governor(Pace):
    """One application user of one environment, for all threads of a process; processes of one machine share its slots, all its board.

    hint: as the service last said it. limit: requests at once, where nobody else shares the hint.
    """

    def __init__(
        self, slots: Slots | None = None, board: Board | None = None, *, window_s: float = WINDOW_S,
        clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        """Start at FIRST_HINT, with what the board says that a window holds. slots, board: None where nobody else shares the user."""
        super().__init__()
        self.hint = self.limit = FIRST_HINT
        self.machines, self.throttled = 1, 0
        self._heard = False
        self._lower, self._full = "", ""  # in words: why fewer at once than may be, what a window was found to hold
        self._untold = 0
        self._slots, self._board, self._window_s, self._clock, self._sleep = slots, board, window_s, clock, sleep
        self._catching, self._caught_up = threading.Lock(), -math.inf
        self._news: dict[str, float] | None = None  # for the board: what was learned, if anything; None: nothing to tell
        self._is_fresh = False  # nobody tried to tell it yet
        self._learned_at: datetime | None = None  # by the board
        self._guard = threading.Lock()
        self._mine = threading.local()
        self._log: deque[tuple[float, float]] = deque()  # when each request ended, and the seconds that it took
        self._used_s, self._asked = 0.0, 0
        self._out: dict[int, float] = {}  # thread -> when its request went out
        self._learned: dict[str, float] = {}  # REQUESTS, SECONDS -> what a window holds
        self._quiet_since = clock()
        self._others_at = -math.inf  # when another process was last heard of
        self._kinds: dict[str, Kind] = {}
        self._settled, self._slow_s, self._slow_at = 0, 0.0, 0
        self._first = MOST  # at once to begin with

    @property
    def ceiling(self) -> int:
        """The hint's share of this machine."""
        return max(1, min(self.hint, MOST) // self.machines)

    @property
    def at_once(self) -> int:
        """Requests that may be out at once, from this machine."""
        return min(self.limit, self.ceiling)

    def begin_with(self, at_once: int) -> None:
        """Call at most so many at once of what comes now; more while answers stay as quick."""
        with self._guard:
            if at_once == self._first:
                return
            held_back = self.limit < self._start
            self._first = at_once
            if not held_back:
                self.limit, self._lower = self._start, ""

    @property
    def _start(self) -> int:
        return min(self.ceiling, self._first)

    def hear(self, hint: int) -> None:
        """Take the number that the service recommends."""
        self._heard = True
        if hint != self.hint:
            self._share(hint, self.machines)

    def share(self, machines: int) -> None:
        """Leave other machines their part of the hint. machines: how many call as this user, this one included."""
        if machines != self.machines:
            self._share(self.hint, machines)

    def _share(self, hint: int, machines: int) -> None:
        with self._guard:
            held_back = self.limit < self._start
            self.hint, self.machines = hint, machines
            if not held_back:
                self.limit = max(self._start, min(self.limit, self.ceiling))

    def wait(self, bucket: str = "", *, longest_s: float = math.inf) -> float:
        """Wait for a pause that the service asked for, for room in the window, and for a slot; `done` must follow. Returns the seconds.

        Raises Throttled where a pause lasts longer than longest_s: whoever has other work, or a task that must end, comes again then.
        """
        began = self._clock()
        self.catch_up()
        with self._guard:
            self._asked += 1
        try:
            self._mine.slot = self._slot(longest_s)
        except BaseException:  # it doesn't go out: `done` won't follow
            with self._guard:
                self._asked -= 1
            raise
        self._mine.began = self._clock()
        with self._guard:
            self._out[threading.get_ident()] = self._mine.began
        return float(self._mine.began - began)

    def _slot(self, longest_s: float) -> int | None:
        """A slot, once there is no pause: while one waits for a slot, the service may have asked for one."""
        until = self._clock() + longest_s
        while True:
            while (pause := self._pause(self._clock())) > 0:
                if self._clock() + pause > until:
                    raise Throttled(f"The service allows the next call in {pause:.0f} s.", retry_after_s=pause)
                self._sleep(min(pause, max(LOOK_S, pause / 2)))
            slot = self._slots.take(self.at_once) if self._slots else None
            if self._slots is None or slot is None or self.held_s() <= 0:
                return slot
            self._slots.give_back(slot)

    def done(self, bucket: str = "") -> None:
        """Give the slot back and count what the request took. bucket: its kind, whose times are compared."""
        now = self._clock()
        seconds = self._mine.took = now - self._mine.began
        if self._slots:
            self._slots.give_back(self._mine.slot)
        with self._guard:
            self._out.pop(threading.get_ident(), None)
            self._asked -= 1
            self._tell(CALL, now, seconds)
            self._forget(now)
            if bucket:
                self._follow(bucket, seconds)

    def hold(self, bucket: str, seconds: float, *, code: str = "") -> None:
        """The service refused a request for so long: learn what it allows, and let nobody call until then. code: which limit it was."""
        now = self._clock()
        with self._guard:
            held = self._held_until.get("", 0.0)
            self.throttled += 1
            self._untold += 1
            self._quiet_since = now
            if code == AT_ONCE:  # each refused one was one too many
                self.limit = max(1, self.at_once - 1)
                self._lower = f"{self.limit} at once: the service refused more."
            elif held <= now:  # of all that were under way the first one says most
                self._learn(code)
        self.obey(seconds, bucket)

    def obey(self, seconds: float, bucket: str = "") -> None:
        """Let nobody call for so long: the service asked this user for it, or is busy for whoever calls. bucket: of any kind.

        Other processes of this machine hear of it at once, those elsewhere within a second.
        """
        self._wait_for(seconds)
        with self._guard:
            self._news, self._is_fresh = self._news or {}, True
        if self._slots:
            self._slots.hold(seconds)
        self.catch_up()

    def _wait_for(self, seconds: float) -> None:
        with self._guard:
            self._held_until[""] = max(self._held_until.get("", 0.0), self._clock() + seconds)

    def post_on(self, board: Board) -> None:
        """Tell this board what is learned from now on, and hear of it, where none is told yet."""
        self._board = self._board or board

    def catch_up(self) -> None:
        """Tell the board what is new, and hear at most once a second what others told it; where this thread has the database at hand."""
        is_due = self._is_fresh or self._clock() - self._caught_up >= CAUGHT_UP_S
        if self._board is None or not is_due or not self._catching.acquire(blocking=False):
            return  # another thread is at it
        self._is_fresh = False
        try:
            self._tell_board(self._board)
            if known := self._board.read():
                self._caught_up = self._clock()
                self._hear_of(known)
        finally:
            self._catching.release()

    def _tell_board(self, board: Board) -> None:
        with self._guard:
            news, self._news = self._news, None
            whole = {name: value * self.machines for name, value in (news or {}).items()}
        if news is None:
            return
        if told := board.tell(self._held_until.get("", 0.0) - self._clock(), whole):
            self._learned_at = told if news else self._learned_at
            return
        with self._guard:  # the next one tells it
            self._news = news | (self._news or {})

    def _hear_of(self, known: Known) -> None:
        if known.held_s > self._held_until.get("", 0.0) - self._clock() + HEARD_S:
            self._wait_for(known.held_s)
        if known.learned_at and (self._learned_at is None or known.learned_at > self._learned_at):
            self._learned_at = known.learned_at
            with self._guard:
                for what, (name, _) in LEARNED.items():
                    if name in known.learned:
                        self._take_in(what, self._clock(), known.learned[name] / self.machines)

    def untold(self) -> int:
        """Refusals since this was last asked."""
        with self._guard:
            refused, self._untold = self._untold, 0
        return refused

    @property
    def load(self) -> float:
        """Requests that are out or wait to go, as a share of those that may be out at once."""
        return self._asked / self.at_once

    @property
    def last_s(self) -> float:
        """Seconds that the calling thread's last request took, without what it waited before."""
        return float(getattr(self._mine, "took", 0.0))

    def held_s(self) -> float:
        """Seconds for which the service asked this user to wait, from now."""
        others = self._slots.held_s() if self._slots else 0.0
        return max(0.0, self._held_until.get("", 0.0) - self._clock(), others)

    @property
    def underway(self) -> str:
        """How many requests are out and since when, or what those wait for that don't go out, in words; '' where there is none."""
        now = self._clock()
        with self._guard:
            out, waiting = len(self._out), self._asked - len(self._out)
            oldest, full_s = min(self._out.values(), default=now), self._window_full(now)
        if out:
            return f"{out} request{'s' * (out != 1)} out, the oldest for {(now - oldest) // 10 * 10:.0f} s"
        if not waiting:
            return ""
        if full_s:
            return f"{waiting} to go in {full_s:.0f} s: what {self._window_s:g} s may hold is used up"
        return f"{waiting} to go when one of {self.at_once} slots is free, which other processes use"

    @property
    def said(self) -> str:
        """Why it is as many at once as it is, in words."""
        shared = f", shared by {self.machines} machines" if self.machines > 1 else ""
        if not self._heard:
            at_once = f"{self.at_once} at once until the service says how many it recommends."
        elif self.at_once < self.ceiling:
            at_once = self._lower or f"{self.at_once} at once to begin with, as Microsoft's guide has it for such tables."
        elif self.hint > MOST:
            at_once = f"{self.at_once} at once: the service refuses more of one user{shared}."
        else:
            at_once = f"{self.at_once} at once: as many as the service recommends{shared}."
        return f"{at_once} {self._full}".strip()

    def content(self) -> dict[str, Any]:
        """What was chosen and why, for people: at_once, hint, throttled, said."""
        return {"at_once": self.at_once, "hint": self.hint, "throttled": self.throttled, "said": self.said}

    def _tell(self, what: int, now: float, value: float) -> None:
        """Something that counts for this application user, whichever process it happens in."""
        if self._slots and self._slots.tell(what, now, value):
            self._listen()
        else:
            self._take_in(what, now, value)

    def _listen(self) -> None:
        now = self._clock()
        for process, what, moment, value in self._slots.hear() if self._slots else ():
            if moment > now:
                continue  # it was told before the machine started
            self._take_in(what, moment, value)
            if process != os.getpid():
                self._others_at = moment

    def _take_in(self, what: int, moment: float, value: float) -> None:
        if what == CALL:
            self._log.append((moment, value))
            self._used_s += value
        else:
            name, words = LEARNED[what]
            self._learned[name] = value
            self._quiet_since = moment
            self._full = words.format(value=value, window=self._window_s)

    def _pause(self, now: float) -> float:
        if self._slots and (others := self._slots.held_s()) > 0:
            return others
        with self._guard:
            held = self._after_hold("", now) - now
            if held > 0:
                return held
            self._listen()
            self._forget(now)
            if self._learned and now - self._quiet_since > self._window_s:
                self._learned = {name: most * RISE for name, most in self._learned.items()}
                self._quiet_since = now
            return self._window_full(now)

    def _window_full(self, now: float) -> float:
        """Seconds until the window has room for one more request, by what was learned."""
        # Others are taken to have out what they may: nobody says when a call begins.
        running = len(self._out) if now - self._others_at > self._window_s / 10 else self.at_once
        count = len(self._log) + running
        average = self._used_s / len(self._log) if self._log else 0.0
        requests, spent = self._learned.get(REQUESTS), self._learned.get(SECONDS)
        full = (requests is not None and count >= requests * KEPT_BELOW) or (
            spent is not None and self._used_s + (running + 1) * average > spent * KEPT_BELOW
        )
        return max(LOOK_S, self._log[0][0] + self._window_s - now) if full and self._log else 0.0

    def _learn(self, code: str) -> None:
        """Where we used far less than is published, somebody else uses the rest: that says nothing of what a window holds."""
        self._listen()
        requests, seconds = len(self._log), self._used_s
        if code == REQUESTS and requests > PUBLISHED_REQUESTS * self._window_s * ENOUGH:
            self._tell(ALL_REQUESTS, self._clock(), requests)
        elif code == SECONDS and seconds > PUBLISHED_WORK * self._window_s * ENOUGH:
            self._tell(ALL_SECONDS, self._clock(), seconds)
        else:
            return
        self._news = dict(self._learned)

    def _forget(self, now: float) -> None:
        while self._log and self._log[0][0] <= now - self._window_s:
            self._used_s -= self._log.popleft()[1]

    def _follow(self, bucket: str, seconds: float) -> None:
        """Fewer at once while answers take far longer than they can, and more again when they don't; a step at a time."""
        kind = self._kinds.get(bucket)
        if kind is None:
            self._kinds[bucket] = Kind(seconds, seconds)
            return
        kind.add(seconds)
        self._settled += 1
        if self._settled < 2 * self.at_once or kind.count <= 1 / WEIGHT:
            return
        self._settled = 0
        if kind.seconds > SLOW * kind.least and self.at_once > 1:
            if not self._slow_at:
                self._slow_at, self._slow_s = self.at_once, kind.seconds
            elif self.at_once <= self._slow_at // 2 and kind.seconds > HELPED * self._slow_s:
                # Half as many made none of them quicker: it isn't that they wait for each other.
                kind.least, self.limit, self._slow_at = kind.seconds, self._slow_at, 0
                self._lower = f"{self.limit} at once: fewer made no answer quicker."
                return
            self.limit = self.at_once - 1
            self._lower = f"{self.limit} at once: answers took {kind.seconds / kind.least:.1f} times as long as the quickest."
        else:
            self._slow_at = 0
            if self.limit < self.ceiling:
                self.limit += 1
                self._lower = f"{self.limit} at once: answers stay quick, so more are tried."


_kept: dict[tuple[str, str], Governor] = {}


def governor_of(connection: "Connection") -> Governor:
    """The governor of a connection's application user, one for all clients of the process.

    Settings of the connection: limits {"window_s": seconds} where the service's window isn't the published one.
    """
    key = (connection.base_url.rstrip("/"), str(connection.settings.get("client_id", "")))
    name = hashlib.sha256("|".join(key).encode()).hexdigest()[:24]
    if key not in _kept:
        window_s = float(connection.settings.get("limits", {}).get("window_s", WINDOW_S))
        _kept[key] = Governor(Slots(Path(settings.VAR_DIR) / "slots" / name), window_s=window_s)
    if connection.pk:  # who tries a connection that isn't kept yet shares it with nobody
        _kept[key].post_on(Board(name))
    return _kept[key]
