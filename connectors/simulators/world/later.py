"""The world some weeks on: people who changed, left, came, were merged or crossed the split, and what they did since.

Whole files, in the same shapes, with clean rows alone: the dirt is in the world as it was.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from connectors.simulators.world.catalogs import Item, sold_items
from connectors.simulators.world.deeds import EVENTS, PURCHASES
from connectors.simulators.world.events import KINDS, Row
from connectors.simulators.world.people import STAGES, Crowd, Person, moment
from connectors.simulators.world.words import JOBS

USERS = "user"
DAYS = 20
NEW = 100  # one newcomer for so many people
BEFORE_THE_SPLIT = ("subscriber", "lead", "MQL")


def _left(row: Row, crowd: Crowd, dice: random.Random) -> Row | None:
    """Deleted at the source."""
    return None


def _crossed(row: Row, crowd: Crowd, dice: random.Random) -> Row:
    return row | {"lifecycleStage": "customer"} if row.get("lifecycleStage") in BEFORE_THE_SPLIT else row


def _changed(row: Row, crowd: Crowd, dice: random.Random) -> Row:
    jobs = [job for job in JOBS if job != row.get("jobTitle")]
    return row | {"jobTitle": dice.choice(jobs), "phoneNumber": f"+49 221 5550{dice.randrange(1000):03}"}


def _unsubscribed(row: Row, crowd: Crowd, dice: random.Random) -> Row:
    return row | {"unsubscribedChannelIds": [31]}


def _merged(row: Row, crowd: Crowd, dice: random.Random) -> Row:
    """The address of somebody else, who turned out to be the same person."""
    first = crowd.recent[dice.randrange(len(crowd.recent))].row if crowd.recent else row
    return row | {name: first[name] for name in ("email", "firstName", "lastName")}


WHAT: Sequence[tuple[float, Callable[[Row, Crowd, random.Random], Row | None]]] = (
    (0.004, _left), (0.006, _crossed), (0.025, _changed), (0.005, _unsubscribed), (0.002, _merged),
)  # fmt: skip


class Later:
    """The open files under `later/`; its dice are its own, so that it changes nothing about the world as it was."""

    def __init__(self, folder: Path, export: Path, crowd: Crowd, seed: int) -> None:
        """folder: of the later exports. export: where those of the world as it was are written."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._export, self._crowd = folder, export, crowd
        self._dice = random.Random(f"{seed}/later")
        self._items: list[Item] = sold_items(crowd.people, seed)
        self._orders = 0
        self._files = ExitStack()
        self._to = {name: self._files.enter_context((folder / f"{name}.ndjson").open("wb")) for name in (USERS, EVENTS, PURCHASES)}

    def __enter__(self) -> Later:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._files.close()

    def write(self, person: Person) -> None:
        """What became of one person."""
        draw = self._dice.random()
        for share, change in WHAT if not person.kinds else ():
            draw -= share
            if draw < 0:
                self._write_changed(change(person.row, self._crowd, self._dice))
                return
        self._put(USERS, person.row)

    def finish(self) -> None:
        """Newcomers; then all that was done before, whose files must be whole by now."""
        for number in range(-(-self._crowd.people // NEW)):
            self._write_changed(self._newcomer(number))
        for name in (EVENTS, PURCHASES):
            with (self._export / f"{name}.ndjson").open("rb") as before:
                shutil.copyfileobj(before, self._to[name])

    def _write_changed(self, row: Row | None) -> None:
        if row is None:
            return
        self._put(USERS, row | {"profileUpdatedAt": self._moment()})
        keys = {name: row[name] for name in ("email", "userId") if name in row}
        name, _, payload = self._dice.choice(KINDS)
        self._put(EVENTS, keys | {"eventName": name, "createdAt": self._moment(), "_type": EVENTS} | payload(self._dice))
        if self._dice.random() < 0.3:
            self._put(PURCHASES, keys | self._order())

    def _newcomer(self, number: int) -> Row:
        crowd, dice = self._crowd, self._dice
        company = dice.choice(crowd.companies)
        given, family = dice.choice(company.tongue.given), dice.choice(company.tongue.family)
        return {
            "email": f"newcomer{number}@{company.domain}", "userId": f"u-new-{number}", "firstName": given, "lastName": family,
            "lifecycleStage": dice.choice(STAGES), "ownerEmail": dice.choice(crowd.reps).email, "jobTitle": dice.choice(JOBS),
            "companyName": company.name, "emailListIds": [company.list_id] if company.list_id else [], "unsubscribedChannelIds": [],
            "unsubscribedMessageTypeIds": [], "subscribedMessageTypeIds": [], "signupDate": self._moment(),
        }  # fmt: skip

    def _order(self) -> Row:
        self._orders += 1
        item = self._dice.choice(self._items)
        line = {"id": item.item_id, "name": item.name, "price": item.price, "quantity": 1}
        numbers = {"id": f"pu-later-{self._orders}", "orderId": f"L-{self._orders}"}
        return {**numbers, "currency": item.currency, "total": item.price, "shoppingCartItems": [line], "createdAt": self._moment()}

    def _moment(self) -> str:
        return moment(self._crowd.end + timedelta(seconds=self._dice.randrange(1, DAYS * 86_400)))

    def _put(self, name: str, row: dict[str, Any]) -> None:
        self._to[name].write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
