"""Currency of a row, and the decimals and base amounts of its money columns."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from .columns import OF_ORGANISATION
from .drafts import Draft
from .organisation import Organisation
from .tables import Table

# Tables whose rows always get a currency; elsewhere one comes with the first amount (*assumed*).
_ALWAYS = {"opportunity", "salesorder", "pricelevel", "productpricelevel", "opportunityproduct"}


def settle(draft: Draft) -> None:
    """Give a row with amounts its currency, the exchange rate and the base amounts that changed."""
    org, table, new, given = draft.org, draft.table, draft.new, draft.given
    keep_decimals(draft)
    pairs = money_columns(table)
    if "transactioncurrencyid" not in table.columns or not (pairs or table.name in _ALWAYS):
        return
    moved = "transactioncurrencyid" in given
    touched = [pair for pair in pairs if moved or pair[0] in given]
    filled = any(new.get(name) is not None for name, _ in touched)
    if not (filled or touched or moved or (draft.creating and table.name in _ALWAYS)):
        return
    if new.get("_transactioncurrencyid_value") is None and (filled or table.name in _ALWAYS):
        new["_transactioncurrencyid_value"] = org.base_currency
    rate = _rate(org, new.get("_transactioncurrencyid_value"))
    if "exchangerate" in table.columns and new.get("_transactioncurrencyid_value"):
        new["exchangerate"] = rate
    for name, base in touched:
        amount = new.get(name)
        new[base] = None if amount is None else round(amount / rate, 4)


def keep_decimals(draft: Draft) -> None:
    """Round the amounts that were given to the decimals that they keep (*assumed*: half to even, and none is refused)."""
    new = draft.new
    for name, source in _sourced(draft.table):
        if name in draft.given and isinstance(new.get(name), float):
            currency = new.get("_transactioncurrencyid_value") or draft.org.base_currency
            of_prices = int(draft.org.setting("pricingdecimalprecision", 2))
            new[name] = rounded(new[name], of_prices if source == OF_ORGANISATION else decimals(draft.org, currency))


def decimals(org: Organisation, currency: Any) -> int:
    """How many decimals amounts in a currency keep."""
    found = org.rows("transactioncurrency").get(currency or "", {}).get("currencyprecision")
    return 2 if found is None else int(found)


def rounded(amount: float, digits: int) -> float:
    """An amount with so many decimals."""
    return float(Decimal(repr(amount)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN))


def _sourced(table: Table) -> list[tuple[str, int]]:
    """Money columns whose decimals aren't their own, with what says them; base amounts always keep four."""
    found: list[tuple[str, int]] | None = table.compiled.get("sourced")
    if found is None:
        money = (c for c in table.columns.values() if c.kind == "Money" and not c.name.endswith("_base"))
        found = table.compiled["sourced"] = [(c.name, c.precision_source) for c in money if c.precision_source]
    return found


def money_columns(table: Table) -> list[tuple[str, str]]:
    """Money columns of a table with the names of their base amounts."""
    found = table.compiled.get("money")
    if found is None:
        names = [c.name for c in table.columns.values() if c.kind == "Money" and not c.name.endswith("_base")]
        found = table.compiled["money"] = [(name, f"{name}_base") for name in names if f"{name}_base" in table.columns]
    return found


def _rate(org: Organisation, currency: Any) -> float:
    return float(org.rows("transactioncurrency").get(currency, {}).get("exchangerate") or 1.0)
