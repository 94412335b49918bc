"""Figures over landed records that summaries and findings share."""

from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.inventories import Landed
from connectors.sampling import moment_of


def list_members(landed: Landed) -> Counter[str]:
    """List id -> members: of static lists by the profiles, of dynamic ones as they were read."""
    found = Counter(landed.people_with("emailListIds"))
    dynamic = Counter(str(record.get("list")) for record in landed.records("listMember"))
    return Counter({**found, **dynamic})


MOST = 922_337_203_685_477  # beyond this a total is a mistake; the destination's money columns end here too


class Purchases:
    """Counts over all purchases."""

    def __init__(self) -> None:
        """Start at zero."""
        self.purchases = self.without_order = self.unread = 0
        self.currencies: Counter[str] = Counter()
        self.money: dict[str, Decimal] = {}


def purchase_facts(landed: Landed) -> Purchases:
    """What purchases say and lack. Reads them once."""
    facts, order, currency = Purchases(), landed.names.get("order_id_field", ""), landed.names.get("currency_field", "")
    for row in landed.records("purchase"):
        facts.purchases += 1
        code = text(row.get(currency)).strip().upper()
        facts.currencies[code] += 1
        facts.without_order += not text(row.get(order)).strip()
        total = amount(row.get("total"))
        facts.unread += total is None
        facts.money[code] = facts.money.get(code, Decimal(0)) + (total or 0)
    return facts


def amount(value: Any) -> Decimal | None:
    """A sum of money, also one written as text with a point; None for anything else and for more than money is."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return found if found.is_finite() and abs(found) <= MOST else None


def day(value: Any) -> str:
    """The day of a moment, as YYYY-MM-DD; '' where it can't be read."""
    return moment_of(value)[:10]


def text(value: Any) -> str:
    """A value as text; '' for null."""
    return "" if value is None else str(value)


def listed(value: Any) -> list[Any]:
    """A list; none where the value is none."""
    return value if isinstance(value, list) else []


def ids(value: Any) -> list[int]:
    """The whole numbers of a list."""
    return [one for one in listed(value) if isinstance(one, int) and not isinstance(one, bool)]


def ids_of(landed: Landed, object_name: str, key: str) -> set[str]:
    """The ids of an object's records, as text."""
    return {str(row.get(key)) for row in landed.records(object_name)}
