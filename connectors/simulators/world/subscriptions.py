"""How people came onto lists and left channels: the exports emailSubscribe and emailUnSubscribe (*assumed*: the rows' exact shape)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from connectors.simulators.world.events import DROP, Row, soil
from connectors.simulators.world.lists import GONE_LIST
from connectors.simulators.world.moments import moments
from connectors.simulators.world.people import Person

EVERY = 23
SUBSCRIBE, UNSUBSCRIBE = "emailSubscribe", "emailUnSubscribe"
_SOURCES = ("Import", "API", "WebForm", "Hosted")
_DIRT: Sequence[Row] = (
    {"email": "left.long.ago@nowhere.example", "userId": DROP}, {"emailListIds": [GONE_LIST]}, {"emailListIds": DROP}, {"emailListIds": []},
    {"createdAt": DROP}, {"createdAt": "1970-01-01 00:00:00 +00:00"}, {"channelIds": [77], "messageTypeIds": [977]},
    {"email": DROP, "userId": DROP},
    {"campaignId": 999_999}, {"signupSource": None},
)  # fmt: skip


def make_subscriptions(end: datetime, seed: int) -> Callable[[Person], Iterator[tuple[str, Row]]]:
    """A maker of one person's rows with the export that each belongs to: what the profile says, and changes of mind before."""
    dice = random.Random(f"{seed}/subscriptions")
    moment, made = moments(end, dice), 0

    def of(person: Person) -> Iterator[tuple[str, Row]]:
        nonlocal made
        for kind, more in _changes(person.row, dice):
            made += 1
            row = {name: person.row[name] for name in ("email", "userId") if name in person.row} | {"createdAt": moment()} | more
            yield kind, soil(row, _DIRT[made // EVERY % len(_DIRT)]) if made % EVERY == 0 else row

    return of


def _changes(profile: Row, dice: random.Random) -> Iterator[tuple[str, Row]]:
    joined = profile.get("emailListIds")
    if isinstance(joined, list) and joined and dice.random() < 0.7:
        yield SUBSCRIBE, {"emailListIds": joined[-2:], "signupSource": dice.choice(_SOURCES)}
    for key, name in (("unsubscribedChannelIds", "channelIds"), ("unsubscribedMessageTypeIds", "messageTypeIds")):
        refused = profile.get(key)
        if isinstance(refused, list) and refused:
            yield (
                UNSUBSCRIBE,
                {name: refused, "unsubSource": "EmailLink", "campaignId": 7101 + len(refused), "templateId": 8101 + len(refused)},
            )
    if dice.random() < 0.04:  # left and came back: the profile says nothing of it
        yield UNSUBSCRIBE, {"emailListIds": [4101], "unsubSource": "ApiUnsubscribe"}
        yield SUBSCRIBE, {"emailListIds": [4101], "signupSource": "WebForm"}
