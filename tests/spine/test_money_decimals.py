"""Money keeps as many decimals as its column, the organisation's prices or the row's currency have: rounded, told and read back so."""

import json
import uuid

import pytest

from tests import folders
from tests.folders import user
from tests.playing import OTHERS
from tests.spine.test_objects_again import item, purchase

pytestmark = [pytest.mark.database, pytest.mark.django_db]
OPTIONS = {"purchasing_leads": "contact"}
LEAVE = [name for name in OTHERS if name not in ("purchase", "purchaseLine", "catalogItem")]
CURRENCIES = [("JPY", 0), ("KWD", 3), ("EUR", 2)]
NUMBERS = (21, 22, 23)  # of the purchases
INCOMES = {"JPY": 1234.56, "KWD": 12.3454, "EUR": 12.3454}


def currency(number, code, decimals):
    row_id = f"00000000-0000-0000-0000-00000000e00{number}"
    row = {"transactioncurrencyid": row_id, "isocurrencycode": code, "currencyname": code}
    return row | {"exchangerate": 1.0, "currencyprecision": decimals, "statecode": 0, "statuscode": 1}


def folder(path):
    """An organisation whose prices have three decimals, with currencies of none, two and three."""
    line = {"id": "P-money", "name": "Sensor", "price": 0.1235, "quantity": 10}
    totals = {"JPY": 1234.5, "KWD": 12.3456, "EUR": 12.3456}
    purchases = [
        purchase(number, userId="u-money", currency=code, total=total, tip=total, shoppingCartItems=[line])
        for number, (code, total) in enumerate(totals.items(), start=NUMBERS[0])
    ]
    more = {"export/purchase.ndjson": purchases}
    more["catalogs.json"] = {"msg": "", "code": "Success", "params": {"catalogNames": [{"name": "products"}]}}
    more["catalogs/products/items.ndjson"] = [item("P-money", name="Sensor", price=0.4567, currency="JPY")]
    rows = {"dataverse/transactioncurrency": [currency(n, code, decimals) for n, (code, decimals) in enumerate(CURRENCIES, start=1)]}
    people = [user(f"u-{code}", f"{code}@gmail.com", annualIncome=income) for code, income in INCOMES.items()]
    rows["dataverse/contact"] = [
        {"contactid": str(uuid.UUID(int=number)), "emailaddress1": f"{code}@gmail.com", "lastname": "There before"}
        | {"_transactioncurrencyid_value": currency(number, code, decimals)["transactioncurrencyid"]}
        for number, (code, decimals) in enumerate(CURRENCIES, start=1)
    ]
    folders.write(path, [user("u-money", "mara@gmail.com"), *people], more=more, rows=rows)
    (path / "dataverse" / "metadata.json").write_text(json.dumps({"organization": {"pricingdecimalprecision": 3}}))
    return path


@pytest.fixture(scope="module")
def played(told):
    """What stands after the first run."""
    return told


def test_amounts_keep_the_decimals_of_their_currency_or_of_the_row_that_was_there_and_prices_those_of_the_organisation(played):
    deals = [played.row("opportunity", f"purchase:pu-{number}") for number in NUMBERS]
    assert [deal["estimatedvalue"] for deal in deals] == [1234, 12.346, 12.35]
    assert [deal["actualvalue"] for deal in deals] == [1234, 12.346, 12.35]
    lines = [played.row("opportunityproduct", f"purchaseLine:pu-{number}:1") for number in NUMBERS]
    assert {row["priceperunit"] for row in lines} == {0.124}
    product = played.row("product", "catalogItem:products/P-money")["productid"]
    prices = [row for row in played.rows("productpricelevel") if row["_productid_value"] == product]
    assert [row["amount"] for row in prices if row["amount"]] == [0.457]
    assert played.verified["opportunity", "rows"]["wrong_rows"] == 0  # all was read back as it was meant
    assert played.verified["opportunity", "rows"]["columns"]["estimatedvalue"][2:] == [3, 0, 0]
    contacts = {code: played.row("contact", f"user:u-{code}").get("annualincome") for code in INCOMES}
    assert contacts == {"JPY": 1235, "KWD": 12.345, "EUR": 12.35}
    [told] = [one for one in played.sums["money"] if one["object"] == "user"]
    assert (told["differing"], told["changed"]) == (0, "0.4442")
