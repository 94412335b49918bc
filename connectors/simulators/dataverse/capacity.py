"""Capacity: how many requests of a user are executed at a time, how long they take, and what x-ms-dop-hint says (facts, section 3.3).

More than the slots wait for one, so that going above the hint gains nothing; further users bring slots of their own (facts, section 4:
two application users were 1.95 times as fast as one).
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

HINT = 8
_SLOTS = {"hint", "slots"}


@dataclass(frozen=True, slots=True)
class Capacity:
    """hint: the recommended number of concurrent requests. slots: a user's requests executed at a time, None for as many as the hint."""

    hint: int = HINT
    slots: int | None = None
    organisation_slots: int | None = None  # of all users together
    latency_ms: float = 0
    row_ms: float = 0  # more for each row written
    read_row_ms: float = 0  # more for each row read
    users: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # application id or user id -> its own hint and slots

    def changed(self, given: Any) -> "Capacity":
        """With what JSON gives in place of the old. Raises ValueError."""
        if not isinstance(given, Mapping):
            raise ValueError("expected an object")
        if unknown := set(given) - {each.name for each in fields(self)}:
            raise ValueError(f"unknown key {min(unknown)!r}")
        for name, value in given.items():
            if name != "users":
                _check(name, value, whole=not name.endswith("_ms"))
        changes: dict[str, Any] = {name: _users(value) if name == "users" else value for name, value in given.items()}
        return replace(self, **changes)

    def of(self, *names: str) -> tuple[int, int]:
        """Hint and slots of a user who goes by these names."""
        own = next((self.users[name] for name in names if name in self.users), {})
        hint = own.get("hint", self.hint)
        return hint, own.get("slots") or (hint if "hint" in own else self.slots or hint)

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def _check(name: str, value: Any, *, whole: bool) -> None:
    least = 1 if whole else 0
    if value is None and name in {"slots", "organisation_slots"}:
        return
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or value < least:
        raise ValueError(f"{name} is a {'whole ' if whole else ''}number of at least {least}")


def _users(given: Any) -> dict[str, dict[str, int]]:
    if not isinstance(given, Mapping):
        raise ValueError('users is {"application id": {"hint", "slots"}}')
    for own in given.values():
        if not isinstance(own, Mapping) or set(own) - _SLOTS:
            raise ValueError("a user has hint and slots")
        for name, value in own.items():
            _check(name, value, whole=True)
    return {name.lower(): dict(own) for name, own in given.items()}


class Slots:
    """Execution slots of users and of the organisation; waiting is in the order of coming."""

    def __init__(self, capacity: Capacity) -> None:
        """Start with every slot free."""
        self.change(capacity)

    def change(self, capacity: Capacity) -> None:
        """Other capacity for the requests to come; those that hold or wait for a slot keep theirs."""
        self.capacity = capacity
        self._of_users: dict[str, asyncio.Semaphore] = {}
        together = capacity.organisation_slots
        self._together = asyncio.Semaphore(together) if together else None

    @asynccontextmanager
    async def hold(self, user: str, slots: int) -> AsyncIterator[None]:
        """One of a user's slots, and one of the organisation's."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._of_users.setdefault(user, asyncio.Semaphore(slots)))
            if self._together is not None:
                await stack.enter_async_context(self._together)
            yield
