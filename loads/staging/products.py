"""Catalog items: products with a unit group, a price list per currency and one price per product and list.

The service's catalogue is loaded in this order: unit group (its base unit is the service's), price list, product, prices, publishing.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from hashlib import sha1
from typing import Any

import duckdb
import orjson

from connectors import store
from loads.bindings import BASE_UNIT
from loads.destination import SOURCE_ID
from loads.models import Crosswalk, Phase
from loads.staging import answers
from loads.staging.context import StagingContext
from loads.staging.decisions import Built, Decision, Kind, Late, Money, Row
from loads.staging.record_rows import RecordRows, TableRows, Values
from loads.staging.rows import Draft, lossy_columns
from loads.verification import BIND
from mapping import plan
from mapping.computed import number
from mapping.fieldmaps import reader
from mapping.issues import Issue, brief
from mapping.jsontext import plain_text
from mapping.quality.remedies import RETIRED as RETIRED_BY_OTHERS
from mapping.rowids import row_id
from mapping.transforms import clean, cut, utf16_length

OBJECT = "catalogItem"
UNITS = "@units"
CLASHES = "product-clashes.json"
NUMBER_LIMIT, DECIMALS = 100, 5  # of product.productnumber, in UTF-16 code units; of quantities
MOST = 100_000_000_000_000  # that a price may be, by the column's own limit
NO_WORDS = ("false", "no", "0", "inactive", "retired", "discontinued")
RETIRED = (1, 2)  # state and status of a product


def currency_code(value: Any) -> str:
    """A currency as ISO 4217 writes it; '' for none."""
    return plain_text(value).strip().upper()[:50] if value is not None else ""


class PriceLists:
    """The price lists of a run: one per currency that items or purchases name and that the environment has, its base currency always."""

    def __init__(self, context: StagingContext) -> None:
        """Nothing is read before it is asked for."""
        self.context = context
        self.names = plan.names_of(context.engagement)

    @property
    def base(self) -> str:
        """The base currency's code."""
        return self.context.base_currency

    @cached_property
    def codes(self) -> list[str]:
        """Currencies that have a list, sorted."""
        path = self.context.path("currencies.json")
        if not path.exists():
            store.write(path, orjson.dumps(sorted({self.base, *self._named()} & {self.base, *self.context.currencies} - {"base"})))
        return list(orjson.loads(path.read_bytes())) or [self.base]

    def _named(self) -> Iterator[str]:
        for object_name, field in ((OBJECT, f"value.{self.names['currency_field']}"), ("purchase", self.names["currency_field"])):
            if object_name in self.context.run.datasets:
                read = reader(field)
                yield from (currency_code(read(record)) for record in self.context.records(self.context.dataset(object_name)))

    def row(self, code: str) -> str:
        """The id of a currency's price list."""
        return row_id(self.context.engagement.slug, OBJECT, f"@{code}", "pricelevel")


def product_number(record: Mapping[str, Any], *, tailed: bool = False) -> str:
    """Catalog and item id, since item ids are unique only within a catalog; a long one ends in its hash, and so does a `tailed` one."""
    whole = f"{plain_text(record.get('catalogName') or '')}/{plain_text(record.get('itemId') or '')}"
    text, _ = clean(whole, "")
    if utf16_length(text) <= NUMBER_LIMIT and not tailed:
        return text
    return f"{cut(text, NUMBER_LIMIT - 11)}#{sha1(whole.encode('utf-8', 'replace'), usedforsecurity=False).hexdigest()[:10]}"


def _match(context: StagingContext, object_name: str) -> Callable[[Mapping[str, Any]], str]:
    return product_number


def _judge(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str) -> None:
    """Item ids are told apart by case and product numbers aren't: of items that differ by case only all but the first get a tail."""
    clashing = con.execute("""
        SELECT source_id FROM ided WHERE survives AND problem IS NULL
        QUALIFY row_number() OVER (PARTITION BY lower(match) ORDER BY position) > 1
    """).fetchall()
    store.write(context.path(CLASHES), orjson.dumps(sorted(source_id for (source_id,) in clashing)))
    con.execute("UPDATE ided SET match = '' WHERE source_id IN (SELECT unnest($clashing))", {"clashing": [row[0] for row in clashing]})


def _targets(context: StagingContext, object_name: str) -> str:
    codes = ", ".join(f"('{code.replace(chr(39), '')}')" for code in PriceLists(context).codes)
    return f"""SELECT position, 'product' AS "table", '' AS role FROM judged
               UNION ALL SELECT position, 'productpricelevel', code FROM judged CROSS JOIN (VALUES {codes}) AS c(code)"""  # noqa: S608 - codes of the environment


class ProductRows(RecordRows):
    """A product and its prices."""

    def __init__(self, context: StagingContext, object_name: str) -> None:
        """Know the price lists and where the item's price and currency stand."""
        super().__init__(context, object_name)
        self.lists = PriceLists(context)
        self.price, self.currency = (reader(f"value.{self.lists.names[name]}") for name in ("price_field", "currency_field"))
        self.active = reader("value.active")
        self.clashes = frozenset(orjson.loads(context.path(CLASHES).read_bytes()))
        self.units = row_id(context.engagement.slug, object_name, UNITS, "uomschedule")
        self.sold_again = answers.sold_again(context.run, object_name)
        self.left = answers.left(context.run, object_name, RETIRED_BY_OTHERS)

    def build(self, record: dict[str, Any], decision: Decision) -> Built:
        """Draft, priced, published; an inactive one is retired in the end, when deals have it on their lines."""
        record, built = self.whole(record), Built([], [], [])
        row = next((row for row in decision.rows if row.table == "product"), None)
        product = self.draft(record, decision, row, "product", built.issues)
        built.drafts.append(("product", product))
        of_price: list[Issue] = []
        amount = self._amount(record, of_price)
        built.issues += of_price
        lossy = lossy_columns(of_price, {"amount": "price"}, {"amount": amount})
        own = currency_code(self.currency(record)) or self.lists.base
        for item in decision.rows:
            if item.table == "productpricelevel":
                draft = self._item(decision, item, product.row_id, amount if item.role == own else 0)
                draft.lossy = lossy if item.role == own else []
                built.drafts.append(("productpricelevel", draft))
        if own not in self.lists.codes:
            built.issues.append(Issue("price.none", "currency", own, "note"))
        if others := sorted(item.role for item in decision.rows if item.table == "productpricelevel" and item.role != own):
            built.issues.append(Issue("price.none", "price", ", ".join(others), "note"))
        parents = [f"productpricelevel:{row.row_id}" for row in decision.rows if row.table != "product"]
        inactive, ours = self._inactive(record), product.origin == Crosswalk.Origin.CREATED
        for_sale = not inactive and decision.source_id not in self.left
        publish = {"for_sale": for_sale, "ours": ours, "again": decision.source_id in self.sold_again}
        built.late.append(Late(Phase.Kind.PUBLISH, "product", product.row_id, publish, parents))
        if inactive:
            product.state = RETIRED
        return built

    def finish(self, record: dict[str, Any], decision: Decision, of: TableRows, values: Values, issues: list[Issue]) -> None:
        """Number, units and default list."""
        own = currency_code(self.currency(record))
        default = own if own in self.lists.codes else self.lists.base
        values |= {
            "productnumber": product_number(record, tailed=decision.source_id in self.clashes),
            "productstructure": 1,
            "quantitydecimal": DECIMALS,
            f"defaultuomscheduleid{BIND}": f"/uomschedules({self.units})",
            f"defaultuomid{BIND}": f"/uoms(@{BASE_UNIT})",
            f"pricelevelid{BIND}": f"/pricelevels({self.lists.row(default)})",
        }

    def set_parents(self, decision: Decision, of: TableRows, values: Values) -> list[str]:
        """The unit group must be there; its base unit is bound when it is."""
        return [f"uomschedule:{self.units}"]

    def _amount(self, record: Mapping[str, Any], issues: list[Issue]) -> float:
        raw = self.price(record)
        found = number(raw)
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            issues.append(Issue("price.none", "price", "", "note"))
        elif found is None or not 0 <= found <= MOST:
            issues.append(Issue("price.unusable", "price", brief(raw), "loss"))
        usable = found is not None and 0 <= found <= MOST
        return self.rows["productpricelevel"].amount("amount", found, issues) if found is not None and usable else 0.0

    def _inactive(self, record: Mapping[str, Any]) -> bool:
        value = self.active(record)
        return value is not None and plain_text(value).strip().casefold() in NO_WORDS

    def _item(self, decision: Decision, row: Row, product: str, amount: float) -> Draft:
        prices = self.lists.row(row.role)
        values: Values = {
            f"pricelevelid{BIND}": f"/pricelevels({prices})",
            f"productid{BIND}": f"/products({product})",
            f"uomid{BIND}": f"/uoms(@{BASE_UNIT})",
            "amount": amount,
            "pricingmethodcode": 1,
            "quantitysellingcode": 1,
        }
        if self.rows["productpricelevel"].has(f"{self.prefix}_{SOURCE_ID}"):
            values[f"{self.prefix}_{SOURCE_ID}"] = f"{self.object_name}:{decision.source_id}"
        return Draft(
            row_id=row.row_id,
            source_id=decision.source_id,
            position=decision.position,
            main_table="product",
            origin=row.origin,
            present=row.present,
            applied_hash=row.applied_hash,
            values=values,
            parents=[f"product:{product}", f"pricelevel:{prices}"],
            role=row.role,
        )


def shared(context: StagingContext, object_name: str) -> Iterator[tuple[str, Draft]]:
    """The rows that all items share: the unit group, and a price list per currency."""
    lists, title = PriceLists(context), context.playbook.title
    known = {
        (row.source_id, row.table): row
        for row in Crosswalk.objects.filter(environment=context.run.environment, object_name=object_name, source_id__startswith="@")
    }
    wanted: list[tuple[str, str, Values]] = [(UNITS, "uomschedule", {"name": f"{title} units", "baseuomname": "Unit"})]
    wanted += [
        (f"@{code}", "pricelevel", {"name": f"{title} {code}", f"transactioncurrencyid{BIND}": f"/transactioncurrencies({row})"})
        for code in lists.codes
        if (row := context.currencies.get(code))
    ]
    for source_id, table, values in wanted:
        found = known.get((source_id, table))
        column = f"{context.prefix}_{SOURCE_ID}"
        if column in context.destination.table(table).columns:
            values[column] = f"{object_name}:{source_id}"
        there = found is not None and found.state in (Crosswalk.State.PRESENT, Crosswalk.State.KEPT)
        yield (
            table,
            Draft(
                row_id=str(found.row_id) if found else row_id(context.engagement.slug, object_name, source_id, table),
                source_id=source_id,
                position=0,
                main_table="",
                origin="created",
                present=there,
                applied_hash=found.applied_hash if found and there else "",
                values=values,
                role=source_id[:30],
            ),
        )


def _money(context: StagingContext, object_name: str) -> Money:
    """An item's price in the list of its currency."""
    names = PriceLists(context).names
    price, currency = (reader(f"value.{names[name]}") for name in ("price_field", "currency_field"))

    def read(record: Mapping[str, Any]) -> tuple[str, list[Decimal | None]]:
        return currency_code(currency(record)), [number(price(record))]

    told = frozenset({("loss", "price"), ("loss", "amount"), ("note", "currency")})
    return Money("price", {"productpricelevel": ["amount"]}, read, told)


PRODUCTS = Kind(
    ProductRows,
    tables=("uomschedule", "pricelevel", "product", "productpricelevel"),
    late=(("product", Phase.Kind.PUBLISH), ("product", Phase.Kind.STATES)),
    judge=_judge,
    targets=_targets,
    match=_match,
    shared=shared,
    money=_money,
)
