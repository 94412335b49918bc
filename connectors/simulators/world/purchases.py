"""What people bought: orders with their lines, as the export of type purchase has them (*assumed*: the row's exact shape)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from connectors.simulators.world.catalogs import Item
from connectors.simulators.world.events import DROP, Row, soil
from connectors.simulators.world.moments import moments
from connectors.simulators.world.people import Person

EVERY = 9  # one order in so many is dirty, each kind in turn
BUYERS = {"customer": 0.75, "evangelist": 0.9, "sql": 0.25}  # by stage; of others a few buy as well, though they are leads
# What is wrong with a whole order, in turn.
ORDERS: Sequence[Row] = (
    {"currency": DROP}, {"currency": "eur"}, {"currency": "Taler"}, {"currency": None}, {"orderId": DROP}, {"orderId": ""},
    {"orderId": 4711},
    {"orderId": "A-TWICE"}, {"orderId": "A-TWICE"}, {"orderId": "x" * 200}, {"total": DROP}, {"total": "99,90"}, {"total": -25.0},
    {"total": 0},
    {"total": 1e15}, {"email": "unknown.buyer@nowhere.example", "userId": DROP}, {"email": DROP, "userId": DROP}, {"createdAt": DROP},
    {"createdAt": "1970-01-01 00:00:00 +00:00"}, {"shoppingCartItems": []}, {"shoppingCartItems": DROP}, {"shoppingCartItems": "P-1001"},
    {"campaignId": 999_999, "templateId": 888_888}, {"id": DROP, "orderId": DROP},
)  # fmt: skip
# What is wrong with an order's first line, in turn.
LINES: Sequence[Row] = (
    {"id": "P-NO-LONGER-SOLD", "sku": DROP}, {"id": DROP}, {"price": DROP}, {"price": "12,50"}, {"price": -4}, {"price": 0},
    {"quantity": DROP},
    {"quantity": 0}, {"quantity": "2"}, {"quantity": 0.333}, {"quantity": -1}, {"quantity": 10**12}, {"name": DROP}, {"name": "x" * 700},
    {"id": "p-1003"}, {"dataFields": {"colour": "rot", "gift": {"text": "🎁"}}}, {"categories": "Hardware"}, {"discount": 1.5},
)  # fmt: skip


def make_purchases(items: Sequence[Item], end: datetime, seed: int) -> Callable[[Person], Iterator[Row]]:
    """A maker of one person's rows of purchase; the total is that of the lines, but for one order in 15."""
    dice = random.Random(f"{seed}/purchases")
    moment, made = moments(end, dice), 0

    def of(person: Person) -> Iterator[Row]:
        nonlocal made
        for _ in range(_how_many(person, dice)):
            made += 1
            row = _order(person, made, [_line(dice.choice(items), dice) for _ in range(1 + int(dice.random() ** 3 * 5))], dice)
            row["createdAt"] = moment()
            if made % EVERY == 0:
                _soil(row, made // EVERY)
                row = soil(row, ORDERS[made // EVERY // 2 % len(ORDERS)]) if made // EVERY % 2 else row
            yield row

    return of


def _how_many(person: Person, dice: random.Random) -> int:
    stage = str(person.row.get("lifecycleStage") or "").strip().casefold()
    draw = dice.random()
    return 1 + int(dice.random() ** 3 * 4) if draw < BUYERS.get(stage, 0.04) else 0


def _order(person: Person, number: int, lines: list[Row], dice: random.Random) -> Row:
    total = round(sum(line["price"] * line["quantity"] for line in lines), 2)
    if number % 15 == 0:
        total = round(total * 0.9 + 4.9, 2)  # a voucher and the freight, which no line says
    row: Row = {name: person.row[name] for name in ("email", "userId") if name in person.row}
    row |= {"id": f"pu-{number:07}", "orderId": f"A-{100_000 + number}", "currency": lines[0].pop("currency"), "total": total}
    for line in lines[1:]:
        line.pop("currency")
    if number % 4 == 1:
        del row["id"]  # the shop's older version didn't send one
    if dice.random() < 0.2:
        row |= {"campaignId": 7101 + number % 20, "templateId": 8101 + number % 20}
    return row | {"shoppingCartItems": lines}


def _line(item: Item, dice: random.Random) -> dict[str, Any]:
    quantity = 1 + int(dice.random() ** 4 * 12)
    return {"id": item.item_id, "sku": f"SKU-{item.item_id[:20]}", "name": item.name, "price": item.price, "quantity": quantity,
            "categories": ["Hardware"], "currency": item.currency}  # fmt: skip


def _soil(row: Row, number: int) -> None:
    if number % 2 == 0:
        row["shoppingCartItems"][0] = soil(row["shoppingCartItems"][0], LINES[number // 2 % len(LINES)])
