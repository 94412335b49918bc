"""Purchases: deals that were won or lost or orders that were fulfilled, with their lines.

The customer is the contact, or by the signed purchaser rule a lead's account.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from connectors import landing
from connectors.extraction import land_answers
from connectors.models import Dataset
from loads.bindings import BASE_UNIT
from loads.endings import CLOSINGS
from loads.models import Phase
from loads.staging.context import StagingContext
from loads.staging.decisions import MAIN, Built, Decision, Kind, Late, Money, Parent, read_decisions
from loads.staging.products import PriceLists, currency_code
from loads.staging.record_rows import RecordRows, TableRows, Values
from loads.staging.rows import STATE, Draft
from loads.verification import BIND
from mapping import plan
from mapping.computed import is_filled, number
from mapping.fieldmaps import reader
from mapping.issues import Issue, brief
from mapping.jsontext import json_text, plain_text
from mapping.names import shorten
from mapping.transforms import clean, cut

LINES, ITEMS = "shoppingCartItems", "catalogItem"
MOST = 1_000_000_000_000  # that an opportunity's value may be, by the column's own limit
MOST_LINE, MOST_QUANTITY = 900_000_000_000_000, 100_000_000_000
WRITE_IN_LIMIT = 500
VALUE, DAY = "estimatedvalue", "estimatedclosedate"  # of a deal alone; the day is the moment's in the signed zone
PRODUCTS = "products"
OPEN = 0


class InCurrency(RecordRows):
    """Records of any currency, which stands in the field that the engagement names: their amounts keep the decimals that it has."""

    def __init__(self, context: StagingContext, object_name: str) -> None:
        """Nothing is compiled for a currency before a record has it."""
        super().__init__(context, object_name)
        self.currency = reader(plan.names_of(context.engagement)["currency_field"])
        self._by_decimals: dict[tuple[str, int], TableRows] = {}

    def table_rows(self, record: Mapping[str, Any], table: str) -> TableRows:
        """What a record's row of a table is built with."""
        decimals = self.context.decimals(currency_code(self.currency(record)) or "base")
        if (table, decimals) not in self._by_decimals:
            self._by_decimals[table, decimals] = TableRows(self.context, self.object_name, table, decimals)
        return self._by_decimals[table, decimals]


class OrderRows(InCurrency):
    """A purchase as a deal that was won, or as an order that was fulfilled; with a rule of states as a deal that ended by its record."""

    filled = {VALUE: "total"}

    def __init__(self, context: StagingContext, object_name: str) -> None:
        """Know the price lists and the signed purchaser rule."""
        super().__init__(context, object_name)
        self.lists = PriceLists(context)
        self.of_leads = context.contents["split"]["purchasers"]["leads"]
        self.with_lists = bool(context.objects.get(ITEMS, {}).get("tables"))
        self.with_states = bool(self.rule["states"].get(self.tables[0]))

    def build(self, record: dict[str, Any], decision: Decision) -> Built:
        """The open deal or order, and its closing with the purchase's own moment, a deal's with its value and its day too.

        Where the rule has states, each record must say one: an open deal stays open.
        """
        built = super().build(record, decision)
        deal = built.drafts[0][1]
        for draft in filter(None, (deal, deal.former)):
            draft.ending = deal.state
        deal.state = None
        if self.with_states and not deal.ending:
            said = record.get(self.rule["state_field"])
            built.issues.append(Issue("purchase.ending_unknown", self.rule["state_field"], brief(said) if is_filled(said) else "", "hold"))
        if deal.ending and deal.ending[0] == OPEN:
            return built
        if not decision.created:
            built.issues.append(Issue("purchase.no_date", "createdAt", "", "hold"))
        built.late.append(Late(Phase.Kind.CLOSE, self.tables[0], deal.row_id, self._closing(deal, decision)))
        return built

    def _closing(self, deal: Draft, decision: Decision) -> Values:
        """What closes a deal or an order. Raises BadInput where the rule has a state that no message sets."""
        subject = shorten(str(deal.values.get(self.rows[self.tables[0]].name, "")), 200)[0]
        day = deal.values.get(DAY) or decision.created[:10]
        values = {"subject": subject, "actualrevenue": deal.values.get(VALUE), "actualend": decision.created, "day": day}
        if deal.ending:
            values |= dict(zip(STATE, deal.ending, strict=True))
            CLOSINGS[self.tables[0]].ending(values)
        return values

    def set_parents(self, decision: Decision, of: TableRows, values: Values) -> list[str]:
        """Customer and company; the campaign as any other lookup."""
        person = decision.parent("customerid")
        others = decision._replace(parents=[parent for parent in decision.parents if parent.column != "customerid"])
        bound = super().set_parents(others, of, values)
        return bound + (self._customer(person, of, values) if person else [])

    def _customer(self, person: Parent, of: TableRows, values: Values) -> list[str]:
        """The customer, and of a deal, which has lookups for them, also the person and the company."""
        bound, account = [f"{person.table}:{person.row_id}"], person.company_row
        contact, company, lead = f"/contacts({person.row_id})", f"/accounts({account})", f"/leads({person.row_id})"
        wanted: dict[str, str] = {}
        if person.table == "contact":
            wanted |= {"customerid_contact": contact, "parentcontactid": contact}
        elif account and self.of_leads == "account":
            wanted |= {"customerid_account": company, "originatingleadid": lead}
        if account:
            wanted["parentaccountid"] = company
            bound.append(f"account:{account}")
        values |= {f"{name}{BIND}": row for name, row in wanted.items() if name.startswith("customerid") or of.has(name)}
        return bound

    def finish(self, record: dict[str, Any], decision: Decision, of: TableRows, values: Values, issues: list[Issue]) -> None:
        """Money: currency, price list, and the order's own total as the deal's value."""
        self._judge_customer(decision, issues)
        code = currency_code(self.currency(record))
        if not code:
            code = self.lists.base
            issues.append(Issue("currency.assumed", self.lists.names["currency_field"], code, "note"))
        row = self.context.currencies.get(code) if code != "base" else self.context.currencies.get("base")
        if row is None:
            issues.append(Issue("currency.unknown", self.lists.names["currency_field"], code, "hold"))
        else:
            values[f"transactioncurrencyid{BIND}"] = f"/transactioncurrencies({row})"
            if self.with_lists and code in self.lists.codes:
                values[f"pricelevelid{BIND}"] = f"/pricelevels({self.lists.row(code)})"
        total = self._total(record, issues)
        if of.has(VALUE):
            values[VALUE] = of.amount(VALUE, total, issues)

    def _judge_customer(self, decision: Decision, issues: list[Issue]) -> None:
        person = decision.parent("customerid")
        if person is None or person.table != "lead":
            return
        if self.of_leads == "held":
            issues.append(Issue("purchase.of_lead", "", "", "hold"))
        elif person.company_row is None or self.of_leads != "account":
            issues.append(Issue("purchase.lead_without_account", "", "", "hold"))

    def _total(self, record: dict[str, Any], issues: list[Issue]) -> Decimal:
        """What the purchase says it was worth, else the sum of its lines."""
        raw, lines = record.get("total"), record.get(LINES)
        total, of_lines = number(raw), _sum(lines)
        if is_filled(lines) and not isinstance(lines, list):
            issues.append(Issue("purchase.lines_unreadable", LINES, brief(lines), "loss"))
        if total is None:
            issues.append(Issue("purchase.total_from_lines", "total", brief(raw) if raw is not None else "", "loss"))
            total = of_lines
        elif isinstance(lines, list) and lines and abs(float(total) - float(of_lines)) >= 0.005:
            issues.append(Issue("purchase.total_differs", "total", f"{total} and {round(of_lines, 2)}", "note"))
        if abs(total) > MOST:
            issues.append(Issue("purchase.total_too_large", "total", brief(raw), "reject"))
        return total


def _sum(lines: Any) -> Decimal:
    """The sum of what lines can be read of a purchase."""
    total = Decimal(0)
    for line in lines if isinstance(lines, list) else ():
        if isinstance(line, dict):
            quantity = number(line.get("quantity"))
            total += (number(line.get("price")) or Decimal(0)) * (Decimal(1) if quantity is None else quantity)
    return total


def _land_lines(context: StagingContext, object_name: str) -> Dataset:
    """The derived dataset: a record per line, named after its purchase, with its currency and the products that it may be.

    Of the products that of the likeliest catalog comes first.
    """
    return land_answers(
        engagement=context.engagement,
        object_name=object_name,
        purpose=Dataset.Purpose.LOAD,
        answers=_lines(context),
        identify=lambda record: record["id"],
        derived=True,
    )


def _lines(context: StagingContext) -> Iterator[dict[str, Any]]:
    catalogs, decisions = _catalogs(context), read_decisions(context, "purchase")
    field = plan.names_of(context.engagement)["currency_field"]
    currency = reader(field)
    for landed in landing.scan(context.dataset("purchase")):
        decision = next(decisions)
        record = (landing.parse(landed.raw)[0] if landed.problem is None else None) or {}
        lines = record.get(LINES)
        if decision.position != landed.position:
            raise AssertionError(f"Decision {decision.position} met record {landed.position}.")
        for count, line in enumerate(lines if isinstance(lines, list) else (), start=1):
            item = line.get("id") if isinstance(line, dict) else None
            named = [f"{catalog}/{plain_text(item).strip()}" for catalog in catalogs] if is_filled(item) else []
            whose = {"purchase": decision.source_id, field: currency(record), "currency": currency(record), "number": count}
            yield {"id": f"{decision.source_id}:{count}", **whose, "item": named, "line": line}
        if not landed.position % 2_000:
            context.beat()


def _catalogs(context: StagingContext) -> list[str]:
    """The catalogs, the one named products first, then the largest."""
    if ITEMS not in context.run.datasets:
        return []
    sizes = Counter(plain_text(record.get("catalogName") or "") for record in context.records(context.dataset(ITEMS)))
    return sorted(sizes, key=lambda name: (name.casefold() != PRODUCTS, -sizes[name], name))


class LineRows(InCurrency):
    """A line of a deal, in the purchase's currency: its product at the price that was paid, else a write-in."""

    filled = {"priceperunit": "price", "quantity": "quantity"}

    def finish(self, record: dict[str, Any], decision: Decision, of: TableRows, values: Values, issues: list[Issue]) -> None:
        """Product or write-in, price and quantity."""
        line = record.get("line")
        values.pop(of.name, None)  # the service names a line after its product
        if not isinstance(line, dict):
            issues.append(Issue("line.unreadable", LINES, brief(line), "reject"))
            return
        product = decision.parent("productid")
        if product:
            values |= {f"uomid{BIND}": f"/uoms(@{BASE_UNIT})", "ispriceoverridden": True, "isproductoverridden": False}
        else:
            named = " ".join(clean(plain_text(line.get("name") or line.get("sku") or line.get("id") or "Item"), "")[0].split())
            values |= {"isproductoverridden": True, "productdescription": shorten(named, WRITE_IN_LIMIT)[0] or "Item"}
            issues.append(Issue("line.write_in", "id", brief(line.get("id")) if is_filled(line.get("id")) else "", "note"))
        for column, number_of in (("priceperunit", self._price), ("quantity", self._quantity)):
            values[column] = of.amount(column, number_of(line, issues), issues)
        if of.has("lineitemnumber"):
            values["lineitemnumber"] = record.get("number")
        if of.has(f"{self.prefix}_source_line"):
            values[f"{self.prefix}_source_line"] = cut(clean(json_text(line), "")[0], 100_000)

    def _price(self, line: dict[str, Any], issues: list[Issue]) -> Decimal:
        found = number(line.get("price"))
        if found is None or abs(found) > MOST_LINE:
            issues.append(Issue("line.price_missing", "price", brief(line.get("price")), "loss"))
            return Decimal(0)
        return found

    def _quantity(self, line: dict[str, Any], issues: list[Issue]) -> Decimal:
        found = number(line.get("quantity"))
        if found is None or abs(found) > MOST_QUANTITY:
            issues.append(Issue("line.quantity_assumed", "quantity", brief(line.get("quantity")), "loss"))
            return Decimal(1)
        return found


def _money(context: StagingContext, object_name: str) -> Money | None:
    """The total of a deal; what an order comes to is the service's own sum of its lines."""
    table = context.tables_of(object_name)[0]
    if VALUE not in context.destination.table(table).columns:
        return None
    currency = reader(PriceLists(context).names["currency_field"])

    def read(record: Mapping[str, Any]) -> tuple[str, list[Decimal | None]]:
        return currency_code(currency(record)), [number(record.get("total"))]

    return Money("total", {table: [VALUE]}, read, frozenset({("loss", "total"), ("loss", VALUE)}))


def _money_of_lines(context: StagingContext, object_name: str) -> Money:
    """Price by quantity."""

    def read(record: Mapping[str, Any]) -> tuple[str, list[Decimal | None]]:
        line = record.get("line")
        of = line if isinstance(line, dict) else {}
        return currency_code(record.get("currency")), [number(of.get("price")), number(of.get("quantity"))]

    told = frozenset(("loss", name) for name in ("price", "quantity", "priceperunit"))
    return Money("price by quantity", {context.tables_of(object_name)[0]: ["priceperunit", "quantity"]}, read, told)


ORDERS = Kind(OrderRows, late=((MAIN, Phase.Kind.CLOSE),), money=_money)
ORDER_LINES = Kind(LineRows, dataset=_land_lines, money=_money_of_lines)
