"""Catalogs and their items: what the migrating company sells, and lists of other things that were put into catalogs."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

PRODUCTS = "products"
CATALOGS = (PRODUCTS, "Services-2023", "stores", "empty-since-launch")
_NOUNS = (
    "Sensor",
    "Gateway",
    "Förderband",
    "Licence",
    "Ventil",
    "Terminal",
    "Kit",
    "Cartridge",
    "Antriebseinheit",
    "Module",
    "Écran",
    "基板",
)
_KINDS = ("Basic", "Pro", "Compact", "XL", "Outdoor", "Refurbished", "2nd gen", "Lite", "Tropenfest", "Mini")
_CATEGORIES = ("Hardware", "Software", "Verbrauchsmaterial", "Services")
_CURRENCIES = ("EUR", "EUR", "EUR", "USD", "GBP")
_LONG = "Antriebseinheit mit Steuerung, Gehäuse, Kabelsatz, Ersatzsicherungen und Montagematerial für den Einsatz im Freien und in Hallen"
GONE: Any = object()  # the key isn't there at all
# What is wrong with one item in turn: field and value.
_DIRT: Sequence[tuple[str, Any]] = (
    ("price", GONE), ("price", None), ("price", "12,50"), ("price", "on request"), ("price", 0), ("price", -3), ("price", 1e15),
    ("price", [9]),
    ("name", GONE), ("name", ""), ("name", _LONG), ("name", "Rakete 🚀 „Edition“"), ("name", "=1+1"), ("name", 4711), ("currency", GONE),
    ("currency", "eur"), ("currency", "Taler"), ("active", "no"), ("active", None), ("category", ["Hardware", "Software"]),
    ("description", "x" * 5000), ("description", "<b>bold</b>\u0007"), ("dimensions", "1 x 2 x 3"), ("Price", 5), ("size of box", "L"),
)  # fmt: skip
_ODD_IDS = ("st/1:x+y", "SKU 7 & 8", "0", "Ü-9", "sensor%20x", "'quoted'", "P-1000", "p-1000", "x" * 255)


@dataclass(frozen=True, slots=True)
class Item:
    """What an order line may name: a catalogue item as the shop sold it."""

    item_id: str
    name: str
    price: float
    currency: str


def size_of(people: int) -> int:
    """How many products there are: one for 20 people, 60 to 2,000."""
    return min(2000, max(60, people // 20))


def catalogs_json() -> dict[str, Any]:
    """The body of catalogs.json."""
    names = [{"name": name} for name in CATALOGS]
    return {"msg": "", "code": "Success", "params": {"catalogNames": names, "totalCatalogsCount": len(names)}}


def sold_items(people: int, seed: int) -> list[Item]:
    """The products as they are sold; their catalogue rows may say less, or otherwise."""
    dice = random.Random(f"{seed}/items")
    return [_item(number, dice) for number in range(size_of(people))]


def _item(number: int, dice: random.Random) -> Item:
    name = f"{_NOUNS[number % len(_NOUNS)]} {dice.choice(_KINDS)}" + (f" {number}" if number >= len(_NOUNS) else "")
    item_id = _ODD_IDS[number - 20] if 20 <= number < 20 + len(_ODD_IDS) else f"P-{1000 + number}"
    if item_id.lower() == "p-1000":
        name = f"{name} (differs by case)"
    return Item(item_id, name, round(5 + dice.random() ** 3 * 2400, 2), dice.choice(_CURRENCIES))


def items(catalog: str, sold: Sequence[Item], end: datetime, seed: int) -> Iterator[dict[str, Any]]:
    """The rows of a catalog's items.ndjson; only the first of equal ids stands, since ids are unique in a catalog."""
    dice = random.Random(f"{seed}/catalog/{catalog}")
    if catalog == PRODUCTS:
        known: set[str] = set()
        for number, item in enumerate(sold):
            if item.item_id not in known:
                known.add(item.item_id)
                yield _row(catalog, item.item_id, _product(item, number, dice), end, dice)
    elif catalog == "Services-2023":
        for item in sold[:15]:  # the same ids as in another catalog
            value = {"name": f"Wartung {item.name}", "price": round(item.price / 10, 2), "currency": "EUR", "active": dice.random() < 0.8}
            yield _row(catalog, item.item_id, value, end, dice)
    elif catalog == "stores":
        for number in range(12):
            place = {
                "city": ("Köln", "Oslo", "Lyon", "大阪市")[number % 4],
                "location": {"lat": 50.9 + number / 10, "lon": 6.9},
                "open": number % 3 > 0,
            }
            yield _row(catalog, f"st-{number + 1}", place if number else {}, end, dice)


def _product(item: Item, number: int, dice: random.Random) -> dict[str, Any]:
    value: dict[str, Any] = {
        "name": item.name, "price": item.price, "currency": item.currency, "category": dice.choice(_CATEGORIES),
        "active": dice.random() < 0.92, "description": f"{item.name}, delivered within {dice.randrange(2, 15)} days.",
        "dimensions": {"width": dice.randrange(5, 200), "height": dice.randrange(5, 200), "unit": "mm"},
    }  # fmt: skip
    if number >= 30 and number - 30 < len(_DIRT) or dice.random() < 0.04:
        name, wrong = _DIRT[(number - 30) % len(_DIRT)]
        value.pop(name, None) if wrong is GONE else value.__setitem__(name, wrong)
    return value


def _row(catalog: str, item_id: str, value: dict[str, Any], end: datetime, dice: random.Random) -> dict[str, Any]:
    changed = int(end.timestamp() * 1000) - dice.randrange(10**8, 10**11)
    return {"catalogName": catalog, "itemId": item_id, "lastModified": changed, "size": len(orjson.dumps(value)), "value": value}
