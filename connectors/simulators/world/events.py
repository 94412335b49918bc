"""What people did: custom events with the payloads that a tracking plan forgets to limit. Most are plain, every 23rd is not."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

from connectors.simulators.world.lists import GONE_LIST
from connectors.simulators.world.moments import moments
from connectors.simulators.world.people import Person

Row = dict[str, Any]
USUAL = 5  # events of a person on average
EVERY = 23  # one row in so many is dirty, each kind in turn
_FEATURES = ("export", "dashboard", "alerts", "API", "Schichtplan", "検索")
_PAGES = ("/pricing", "/blog/förderband", "/login", "/docs/api?x=1&y=2", "/")
_DEEP = {"a": {"b": {"c": {"d": {"e": {"f": [1, {"g": None}]}}}}}}
_CART = [{"id": "P-1001", "name": "Gateway Pro", "price": 99.5, "quantity": 2}, {"id": "P-1002", "name": "Kit", "price": 5, "quantity": 1}]


def _page_view(dice: random.Random) -> Row:
    return {
        "url": f"https://haldenvoss.example{dice.choice(_PAGES)}",
        "durationSeconds": dice.randrange(1, 900),
        "returning": dice.random() < 0.4,
    }


def _feature(dice: random.Random) -> Row:
    return {"feature": dice.choice(_FEATURES), "count": dice.randrange(1, 40), "success": dice.random() < 0.95}


def _demo(dice: random.Random) -> Row:
    row: Row = {
        "product": dice.choice(("Sensor", "Gateway", "Suite")),
        "seats": dice.randrange(1, 250),
        "budget": round(dice.random() * 90_000, 2),
    }
    return row | {
        "preferredDate": f"2024-0{dice.randrange(1, 10)}-1{dice.randrange(10)}",
        "contact": {"phone": "+49 221 5550100", "time": "am"},
    }


def _webinar(dice: random.Random) -> Row:
    return {
        "webinar": "Pricing – DACH",
        "minutes": dice.randrange(90),
        "poll": {"q1": dice.choice("abc"), "q2": {"scale": dice.randrange(1, 6)}},
    }


def _trial(dice: random.Random) -> Row:
    return {"plan": dice.choice(("free", "starter", "business")), "trialDays": 14, "seats": dice.randrange(1, 30)}


def _ticket(dice: random.Random) -> Row:
    return {
        "ticketId": f"T-{dice.randrange(10**6)}",
        "priority": dice.choice(("low", "normal", "high")),
        "tags": ["billing", "urgent"][: dice.randrange(3)],
    }


def _form(dice: random.Random) -> Row:
    return {"formId": dice.randrange(1, 9), "fields": {"firstName": "Mara", "company": {"name": "Northpine", "size": dice.randrange(900)}}}


def _cart(dice: random.Random) -> Row:
    return {"updatedShoppingCartItems": _CART[: dice.randrange(1, 3)]}


# name, share, payload. The last but one and the first differ by case only.
KINDS: Sequence[tuple[str, int, Callable[[random.Random], Row]]] = (
    ("pageView", 40, _page_view), ("featureUsed", 25, _feature), ("demoRequested", 8, _demo), ("webinarAttended", 6, _webinar),
    ("trialStarted", 6, _trial), ("supportTicket", 5, _ticket), ("formSubmitted", 5, _form), ("cartUpdate", 3, _cart),
    ("PageView", 1, _page_view), ("Angebot angefordert 📄", 1, _demo),
)  # fmt: skip
_SHARES = list(accumulate(share for _, share, _ in KINDS))

DROP: Any = object()  # the key is taken away
# What is wrong with a row, in turn: the keys that it gets instead of its own.
DIRT: Sequence[Row] = (
    {"details": _DEEP},                                                                # deeper than anything flattens
    {"steps": [{"name": "one", "ms": 12}, {"name": "two", "ms": None}]},               # an array of objects
    {"seats": "ten"}, {"seats": 12.5}, {"seats": True}, {"durationSeconds": "1,200"}, {"success": "yes"}, {"count": 2**63},
    {"budget": 1e300},
    {"contact": "call me"}, {"poll": ["a", 1, None]}, {"preferredDate": 1_683_280_800_000},
    {"email": "nobody.we.know@nowhere.example", "userId": DROP}, {"userId": "u-never-seen", "email": DROP},   # events of unknown users
    {"email": DROP, "userId": DROP}, {"email": "", "userId": None},
    {"campaignId": 999_999, "templateId": 888_888, "emailListIds": [GONE_LIST]},       # of what was deleted
    {"createdAt": DROP}, {"createdAt": None}, {"createdAt": "2023-13-45 99:00:00 +00:00"}, {"createdAt": "1970-01-01 00:00:00 +00:00"},
    {"createdAt": "2023-05-05 10:00:00"}, {"createdAt": "2199-01-01 00:00:00 +00:00"}, {"createdAt": 1_683_280_800_000},
    {"eventName": DROP}, {"eventName": "  "}, {"eventName": "An event whose name goes on and on, " * 8}, {"eventName": "=HYPERLINK(1)"},
    {"note": "x" * 40_000}, {"note": "bell\u0007 and nul\u0000"}, {"note": "<script>alert(1)</script>"},
    {"a key with spaces": 1, "dotted.key": 2, "Größe": "L", "Seats": 3, "subject": "own", "activityid": "no", "k" * 120: True},
    {f"wide{number:03}": number for number in range(120)},
    {"transactionalData": "{\"orderId\": \"A-1\", \"total\": 12}"}, {"plan": None, "url": None, "feature": None}, 
    {"nested": {}, "list": []},
)  # fmt: skip


def make_events(end: datetime, seed: int, people: int) -> Callable[[Person], Iterator[Row]]:
    """A maker of one person's rows of customEvent, in no order of time. The third person is a machine that never sleeps."""
    dice = random.Random(f"{seed}/events")
    moment, made, persons = moments(end, dice), 0, 0

    def of(person: Person) -> Iterator[Row]:
        nonlocal made, persons
        persons += 1
        keys = {name: person.row[name] for name in ("email", "userId") if name in person.row}
        for _ in range(_how_many(dice) + (min(5000, people // 20) if persons == 3 else 0)):
            name, _, payload = dice.choices(KINDS, cum_weights=_SHARES)[0]
            row = keys | {"eventName": name, "createdAt": moment(), "_type": "customEvent"} | payload(dice)
            row["itblInternal"] = {"documentCreatedAt": row["createdAt"]}
            made += 1
            if made % EVERY == 0:
                row = soil(row, DIRT[made // EVERY % len(DIRT)])
            yield row
            if made % (EVERY * 20) == 7:
                yield row  # tracked twice, equal to the last byte

    return of


def soil(row: Row, dirt: Row) -> Row:
    """A row with dirt on it: keys put, or taken away where the dirt says so."""
    return {name: value for name, value in (row | dirt).items() if value is not DROP}


def _how_many(dice: random.Random) -> int:
    """Most people do little, some very much; a fifth nothing at all."""
    draw = dice.random()
    return 0 if draw < 0.2 else int(draw * draw * 3.1 * USUAL) if draw < 0.98 else USUAL * 6
