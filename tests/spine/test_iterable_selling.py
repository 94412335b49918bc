"""Catalogs and purchases of an Iterable project, as they stand at the destination; the people who bought are those of the other objects."""

import csv
import json
from pathlib import Path

import openpyxl
import pytest

from loads.staging.products import product_number
from loads.sums import AMOUNTS
from tests import folders
from tests.spine.test_iterable_objects import MORNING, MORNING_UTC, MS, counted

pytestmark = pytest.mark.django_db

DOCUMENTS = True
ASK = {"purchase": ["pu-lead", "pu-1"], "purchaseLine": ["pu-1:1", "pu-usd:1"], "catalogItem": ["products/P-1"]}


def item(catalog, item_id, **value):
    return {"catalogName": catalog, "itemId": item_id, "lastModified": MS, "size": 1, "value": value}


def line(item_id, **fields):
    return {"id": item_id, "name": f"Item {item_id}", "price": 10.0, "quantity": 2, **fields}


EUR, USD = "00000000-0000-0000-0000-00000000e001", "00000000-0000-0000-0000-00000000e002"
CURRENCIES = [
    {"transactioncurrencyid": EUR, "isocurrencycode": "EUR", "currencyname": "Euro", "exchangerate": 1.0, "currencyprecision": 2},
    {"transactioncurrencyid": USD, "isocurrencycode": "USD", "currencyname": "Dollar", "exchangerate": 1.1, "currencyprecision": 2},
]
PURCHASES = [
    {"id": "pu-1", "userId": "u-c", "orderId": "A-1", "currency": "EUR", "total": 25.5, "createdAt": MORNING, "campaignId": 71,
     "shoppingCartItems": [line("P-1", colour="red", options={"size": "L"}, weight=1.25),
                           line("P-9", name="No longer sold", price=5.5, quantity=1)]},
    {"id": "pu-usd", "userId": "u-c", "orderId": "A-2", "currency": "usd", "total": 20, "createdAt": MORNING,
     "shoppingCartItems": [line("P-2", price=10.123456)]},
    {"id": "pu-lead", "email": "leo@south.example", "currency": "EUR", "total": 9, "createdAt": MORNING, "shoppingCartItems": []},
    {"id": "pu-free", "userId": "u-free", "currency": "EUR", "total": 9, "createdAt": MORNING, "shoppingCartItems": [line("P-1")]},
    {"id": "pu-odd", "userId": "u-c", "currency": "XXX", "total": 9, "createdAt": MORNING, "shoppingCartItems": []},
    {"userId": "u-c", "orderId": "A-5", "total": "99,90", "createdAt": MORNING, "shoppingCartItems": [line("P-1", quantity=None)]},
    {"id": "pu-undated", "userId": "u-c", "currency": "EUR", "total": 9, "shoppingCartItems": []},
]  # fmt: skip


def folder(path):
    items = [
        item("products", "P-1", name="Sensor", price=12.5, currency="EUR"),
        item("products", "P-2", name="Gateway", price=30, currency="USD", active=False),
        item("products", "p-1", name="Sensor of another case", price="on request", currency="EUR"),
        item("services", "P-1", name="Care", currency="EUR", price=1),
    ]
    catalogs = {"msg": "", "code": "Success", "params": {"catalogNames": [{"name": "products"}, {"name": "services"}]}}
    more = {
        "export/purchase.ndjson": PURCHASES,
        "catalogs.json": catalogs,
        "catalogs/products/items.ndjson": [row for row in items if row["catalogName"] == "products"],
        "catalogs/services/items.ndjson": [row for row in items if row["catalogName"] == "services"],
    }
    rows = {"dataverse/transactioncurrency": CURRENCIES, "dataverse_sandbox/transactioncurrency": CURRENCIES}
    return folders.write(path, [], more=more, rows=rows)


def test_a_record_is_counted_in_one_phase_only(played):
    found = counted(played)
    assert (found["purchase"], found["catalogItem"]) == (len(PURCHASES), 4)
    assert found["purchaseLine"] == sum(len(row["shoppingCartItems"]) for row in PURCHASES)


def test_catalog_items_are_products_with_a_price_in_each_list(played):
    products = {row["productnumber"]: row for row in played.of_source("product", "catalogItem")}
    assert {"products/P-1", "products/P-2", "services/P-1"} < set(products)
    assert len(products) == 4  # P-1 and p-1 are told apart
    sensor = products["products/P-1"]
    assert (sensor["name"], sensor["mwb_catalog_id"], sensor["statecode"]) == ("Sensor", "P-1", 0)
    assert products["products/P-2"]["statecode"] == 1
    lists = {row["pricelevelid"]: row["_transactioncurrencyid_value"] for row in played.rows("pricelevel")}
    assert sorted(lists.values()) == [EUR, USD]
    prices = {lists[row["_pricelevelid_value"]]: row["amount"] for row in played.rows("productpricelevel")
              if row["_productid_value"] == sensor["productid"]}  # fmt: skip
    assert prices == {EUR: 12.5, USD: 0}
    [told] = played.dispositions["products/P-1"]
    assert [(reason["code"], reason["detail"]) for reason in told["reasons"]] == [("price.none", "USD")]
    assert lists[sensor["_pricelevelid_value"]] == EUR


def test_a_product_number_is_as_long_as_the_service_counts_it():
    faces = product_number({"catalogName": "products", "itemId": "\N{GRINNING FACE}" * 60})
    assert len(faces.encode("utf-16-le")) // 2 == 100
    assert product_number({"catalogName": "products", "itemId": "x" * 91}) == f"products/{'x' * 91}"


def test_a_purchase_is_a_won_deal_of_its_date_and_value(played):
    deal, contact = played.row("opportunity", "purchase:pu-1"), played.row("contact", "user:u-c")
    assert (deal["statecode"], deal["statuscode"], deal["actualvalue"], deal["actualclosedate"]) == (1, 3, 25.5, "2024-03-05")
    assert deal["_customerid_value"] == contact["contactid"]
    assert deal["_parentaccountid_value"] == contact["_parentcustomerid_value"]
    assert (deal["mwb_purchase_order_id"], deal["mwb_purchase_event_source"]) == ("A-1", True)
    assert (deal["mwb_source_amount"], deal["mwb_source_currency"], deal["isrevenuesystemcalculated"]) == ("25.5", "EUR", False)
    assert deal["_campaignid_value"] == played.row("campaign", "campaign:71")["campaignid"]
    assert played.row("opportunity", "purchase:pu-usd")["_transactioncurrencyid_value"] == USD
    closes = [row for row in played.rows("opportunityclose") if row["_opportunityid_value"] == deal["opportunityid"]]
    assert [row["actualend"] for row in closes] == [MORNING_UTC]


def test_lines_name_their_product_or_are_write_ins(played):
    first, second = played.row("opportunityproduct", "purchaseLine:pu-1:1"), played.row("opportunityproduct", "purchaseLine:pu-1:2")
    products = {row["productid"]: row["productnumber"] for row in played.rows("product")}
    assert products[first["_productid_value"]] == "products/P-1"
    assert (first["priceperunit"], first["quantity"]) == (10.0, 2)
    [[told]] = [one["rows"] for one in played.dispositions["pu-1:1"]]
    assert (told["row_id"], told["state"]) == (first["opportunityproductid"], "present")
    assert (second["isproductoverridden"], second["productdescription"]) == (True, "No longer sold")
    usd = played.row("opportunityproduct", "purchaseLine:pu-usd:1")
    assert products[usd["_productid_value"]] == "products/P-2"  # retired only after it was sold


def test_money_with_more_decimals_than_its_column_keeps_is_rounded_and_told_as_defaults_and_cut_names_are(played):
    line = played.row("opportunityproduct", "purchaseLine:pu-usd:1")
    assert line["priceperunit"] == 10.12
    [told] = played.dispositions["pu-usd:1"]
    assert ("number.rounded", "priceperunit", "10.123456 to 2 decimals") in [
        (one["code"], one["field"], one["detail"]) for one in told["reasons"]
    ]
    assert lossy(played, "opportunityproduct", "priceperunit") == 1
    assert lossy(played, "opportunityproduct", "quantity") == 1  # of the line that had none
    assert lossy(played, "productpricelevel", "amount") == 1  # "on request"
    assert lossy(played, "opportunity", "estimatedvalue") == 1  # "99,90"
    assert lossy(played, "list", "listname") >= 2  # of the two whose endings took some of the name


def lossy(played, table, column):
    """Values of a column that were read back as lossy in one environment."""
    read = [phase["read_back"]["columns"] for phase in played.reports[0]["phases"] if phase.get("table") == table and "read_back" in phase]
    return sum(one["lossy"] for columns in read for one in columns if one["column"] == column)


def test_further_fields_of_a_line_arrive_in_columns_of_their_own(played):
    first, second = played.row("opportunityproduct", "purchaseLine:pu-1:1"), played.row("opportunityproduct", "purchaseLine:pu-1:2")
    assert (first["mwb_line_colour"], first["mwb_line_options_size"], first["mwb_line_weight"]) == ("red", "L", 1.25)
    assert second.get("mwb_line_colour") is None
    assert json.loads(first["mwb_source_line"])["options"] == {"size": "L"}
    assert not [name for name in first if name.startswith(("mwb_line_price", "mwb_line_name", "mwb_line_id"))]


def test_a_leads_purchase_goes_to_its_account_and_is_held_without_one(played):
    deal, lead = played.row("opportunity", "purchase:pu-lead"), played.row("lead", "user:u-l")
    assert deal["_customerid_value"] == lead["_parentaccountid_value"]
    assert deal["_originatingleadid_value"] == lead["leadid"]
    assert played.reasons("pu-free", "purchase") == ["purchase.lead_without_account", "purchase.total_differs"]
    assert played.reasons("pu-free:1", "purchaseLine") == ["parent.held"]


def test_money_that_cannot_be_read_is_told(played):
    assert played.reasons("pu-odd", "purchase") == ["currency.unknown"]
    assert played.reasons("pu-undated", "purchase")[0] == "purchase.no_date"
    deal = played.row("opportunity", "purchase:A-5")
    assert (deal["estimatedvalue"], deal["_transactioncurrencyid_value"]) == (10.0, EUR)
    assert deal["mwb_source_amount"] == "99,90"


def test_states_and_closings_come_once_all_rows_are_there(played):
    """By the service's own row versions, which rise with everything that is written."""
    late = [*played.rows("opportunityclose"), *(row for row in played.rows("task") if row["statecode"])]
    rows = [row for table in ("contact", "lead", "listmember", "productpricelevel", "opportunityproduct") for row in played.rows(table)]
    assert min(row["versionnumber"] for row in late) > max(row["versionnumber"] for row in rows)


def money_staged(played):
    """(object, currency) -> what its landed money became, as the report of each environment says it alike."""
    paths = [one["path"] for one in played.summary["documents"] if (one["kind"], one["format"]) == ("quality", "json")]
    told = [json.loads(Path(path).read_text())["sums"] for path in paths]
    assert told
    assert all(sums["money"] == told[0]["money"] for sums in told)
    return {(one["object"], one["currency"]): {name: value for name, value in one.items() if value != "0"} for one in told[0]["money"]}


def test_all_money_is_accounted_for_before_loading_by_object_and_currency(played):
    money = {key: {name: one[name] for name in one.keys() & {*AMOUNTS}} for key, one in money_staged(played).items()}
    assert money == {
        ("catalogItem", "EUR"): {"landed": "13.5", "staged": "13.5"},
        ("catalogItem", "USD"): {"landed": "30", "staged": "30"},
        ("purchase", "EUR"): {
            "landed": "52.5",
            "changed": "10",
            "staged": "44.5",
            "held": "18",
        },  # a total of its lines
        ("purchase", "USD"): {"landed": "20", "staged": "20"},
        ("purchase", "XXX"): {"landed": "9", "held": "9"},
        ("purchaseLine", "EUR"): {"landed": "45.5", "changed": "10", "staged": "35.5", "held": "20"},  # a quantity that was assumed
        ("purchaseLine", "USD"): {"landed": "20.246912", "changed": "-0.006912", "staged": "20.24"},  # rounded
    }
    assert money_staged(played)["purchase", "EUR"]["without"] == 1


def test_money_is_read_back_by_currency(played):
    [report] = [report for report in played.reports if report.get("environment") == "production" and "remarks" in report]
    read = {
        (phase["table"], column["column"], money["currency"]): money["sum"]
        for phase in report["phases"]
        for column in phase.get("read_back", {"columns": ()})["columns"]
        for money in column.get("money", ())
    }
    assert (read["opportunity", "estimatedvalue", "EUR"], read["opportunity", "estimatedvalue", "USD"]) == ("44.50", "20.00")
    assert (read["opportunity", "actualvalue", "EUR"], read["opportunity", "actualvalue", "USD"]) == ("44.50", "20.00")
    assert read["opportunityproduct", "priceperunit", "USD"] == "10.12"
    assert read["productpricelevel", "amount", "EUR"] == "13.50"


def cross_reference(played, format):
    """The document's bytes."""
    [path] = [one["path"] for one in played.summary["documents"] if (one["kind"], one["format"]) == ("catalog_xref", format)]
    return Path(path).read_bytes()


def test_the_catalog_cross_reference_has_the_product_of_each_item_in_both_environments_with_its_prices(played):
    lines = {(line["catalog"], line["item"]): line for line in json.loads(cross_reference(played, "json"))}
    assert len(lines) == 4
    for (catalog, item_id), line in lines.items():
        for environment in ("sandbox", "production"):
            product = played.row("product", f"catalogItem:{catalog}/{item_id}", environment)
            assert line["rows"][environment] == {"id": product["productid"], "state": "present"}
            assert (line["product_number"], line["name"]) == (product["productnumber"], product["name"])
    assert {line["disposition"] for line in lines.values()} == {"loaded"}
    assert lines["products", "P-2"]["prices"] == {"EUR": {"amount": 0, "missing": True}, "USD": {"amount": 30, "missing": False}}
    assert lines["services", "P-1"]["prices"] == {"EUR": {"amount": 1, "missing": False}, "USD": {"amount": 0, "missing": True}}
    unpriced = lines["products", "p-1"]
    assert unpriced["prices"] == {"EUR": {"amount": 0, "missing": True}, "USD": {"amount": 0, "missing": True}}
    assert (unpriced["source_price"], unpriced["reasons"][0]) == ("on request", "The product's price can't be read; its price is zero.")


def test_the_catalog_cross_reference_says_the_same_as_csv_and_as_a_workbook(played):
    raw = cross_reference(played, "csv")
    assert raw.startswith(b"\xef\xbb\xbfCatalog,Item id,Name,Product number,")
    assert raw.count(b"\r\n") == 5
    rows = list(csv.DictReader(raw.decode("utf-8-sig").splitlines()))
    product = played.row("product", "catalogItem:products/P-1")
    sensor = next(row for row in rows if (row["Catalog"], row["Item id"]) == ("products", "P-1"))
    assert sensor["Product row id (production)"] == product["productid"]
    shown = [sensor[name] for name in ("Price EUR", "Price EUR missing", "Price USD", "Price USD missing", "Disposition")]
    assert shown == ["12.5", "no", "0", "yes", "loaded"]
    [path] = [one["path"] for one in played.summary["documents"] if (one["kind"], one["format"]) == ("catalog_xref", "xlsx")]
    sheet = list(openpyxl.load_workbook(path)["Products"].iter_rows(values_only=True))
    assert list(sheet[0]) == list(rows[0])
    assert [[row[1], row[3]] for row in sheet[1:]] == [[row["Item id"], row["Product number"]] for row in rows]
    assert sheet[1][sheet[0].index("Price EUR")] == 12.5
