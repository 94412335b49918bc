"""What people did, bought and subscribed to, written person by person into the exports of events."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from connectors.simulators.world.catalogs import sold_items
from connectors.simulators.world.events import make_events
from connectors.simulators.world.people import Crowd, Person
from connectors.simulators.world.purchases import make_purchases
from connectors.simulators.world.subscriptions import SUBSCRIBE, UNSUBSCRIBE, make_subscriptions

EVENTS, PURCHASES = "customEvent", "purchase"


class Deeds:
    """The open files of the event exports; their dice are their own, so that they change nothing about the people."""

    def __init__(self, folder: Path, crowd: Crowd, seed: int) -> None:
        """folder: of the exports."""
        self._files = ExitStack()
        names = (EVENTS, PURCHASES, SUBSCRIBE, UNSUBSCRIBE)
        self._to = {name: self._files.enter_context((folder / f"{name}.ndjson").open("wb")) for name in names}
        self._events = make_events(crowd.end, seed, crowd.people)
        self._purchases = make_purchases(sold_items(crowd.people, seed), crowd.end, seed)
        self._subscriptions = make_subscriptions(crowd.end, seed)

    def __enter__(self) -> Deeds:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Nothing more is done."""
        self._files.close()

    def write(self, person: Person) -> None:
        """All rows of one person."""
        for row in self._events(person):
            self._put(EVENTS, row)
        for row in self._purchases(person):
            self._put(PURCHASES, row)
        for name, row in self._subscriptions(person):
            self._put(name, row)

    def _put(self, name: str, row: dict[str, Any]) -> None:
        self._to[name].write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
