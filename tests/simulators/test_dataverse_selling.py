"""Catalogue, deals with lines, orders: what a load of products and purchases meets at the destination."""

import json

import pytest

from tests.simulators.dataverse_organisation import NS, guid, organisation

ANY = {"If-Match": "*"}


@pytest.fixture(scope="module")
def org(tmp_path_factory):
    with organisation(tmp_path_factory.mktemp("empty")) as served:
        yield served


@pytest.fixture(scope="module")
def euro(org):
    values = {"currencyname": "Euro", "isocurrencycode": "EUR", "currencysymbol": "€", "exchangerate": 0.5, "currencyprecision": 2}
    return org.create("transactioncurrencies", values)


@pytest.fixture(scope="module")
def units(org):
    schedule = org.create("uomschedules", {"name": "Pieces", "baseuomname": "Piece"})
    return schedule, org.get(f"uoms?$filter=_uomscheduleid_value eq {schedule}")["value"][0]["uomid"]


@pytest.fixture(scope="module")
def prices(org, euro):
    return org.create("pricelevels", {"name": "Euro list", "transactioncurrencyid@odata.bind": f"/transactioncurrencies({euro})"})


@pytest.fixture(scope="module")
def sold(org, units, prices):
    row_id = new_product(org, units)
    price(org, prices, row_id, units[1], amount=12.5)
    publish(org, row_id)
    return row_id


def bound(**lookups):
    sets = {"uomid": "uoms", "productid": "products", "pricelevelid": "pricelevels", "opportunityid": "opportunities",
            "salesorderid": "salesorders", "transactioncurrencyid": "transactioncurrencies"}  # fmt: skip
    return {f"{name}@odata.bind": f"/{sets[name]}({row_id})" for name, row_id in lookups.items()}


def product_values(units, **values):
    schedule, unit = units
    values = {"name": "P", "productnumber": f"n-{guid()}", "quantitydecimal": 2} | values
    binds = {"defaultuomscheduleid@odata.bind": f"/uomschedules({schedule})", "defaultuomid@odata.bind": f"/uoms({unit})"}
    return values | binds


def new_product(org, units, **values):
    return org.create("products", product_values(units, **values))


def price(org, prices, product, unit, **values):
    return org.create("productpricelevels", {**bound(pricelevelid=prices, productid=product, uomid=unit), **values})


def publish(org, product):
    assert org.call("POST", f"products({product})/{NS}.PublishProductHierarchy").status_code == 204


def new_deal(org, prices, euro, **values):
    return org.create("opportunities", {"name": "Deal", **bound(pricelevelid=prices, transactioncurrencyid=euro), **values})


def catalogue_line(deal, product, unit, **values):
    return {"quantity": 2, **bound(opportunityid=deal, productid=product, uomid=unit), **values}


def write_in(deal, **values):
    return {
        "isproductoverridden": True,
        "productdescription": "Old item",
        "priceperunit": 10,
        "quantity": 3,
        **bound(opportunityid=deal),
    } | values


def close(deal, **values):
    return {"Status": 3, "OpportunityClose": {"subject": "Won", **bound(opportunityid=deal), **values}}


def test_a_unit_group_comes_with_its_base_unit_and_takes_others_of_its_own(org, units):
    schedule, base = units
    row = org.get(f"uoms({base})")
    assert (row["name"], row["quantity"], row["isschedulebaseuom"]) == ("Piece", 1, True)
    dozen = {"name": "Dozen", "quantity": 12, "uomscheduleid@odata.bind": f"/uomschedules({schedule})"}
    assert org.refusal("POST", "uoms", dozen) == (400, "0x80040200")
    assert org.create("uoms", {**dozen, "baseuom@odata.bind": f"/uoms({base})"})
    other = org.create("uomschedules", {"name": "Hours"})
    foreign = {**dozen, "uomscheduleid@odata.bind": f"/uomschedules({other})", "baseuom@odata.bind": f"/uoms({base})"}
    assert org.refusal("POST", "uoms", foreign) == (400, "0x80043b16")


def test_a_unit_group_is_deleted_with_its_units_unless_a_product_has_it(org, units, sold):
    assert org.refusal("DELETE", f"uomschedules({units[0]})") == (405, "0x80040227")
    free = org.create("uomschedules", {"name": "Free"})
    org.call("DELETE", f"uomschedules({free})")
    assert not org.get(f"uoms?$filter=_uomscheduleid_value eq {free}")["value"]


def test_a_product_begins_as_a_draft_under_a_number_of_its_own(org, units):
    row_id = new_product(org, units, productnumber="Stores-1", statecode=0)
    row = org.get(f"products({row_id})")
    assert (row["statecode"], row["statuscode"], row["productstructure"]) == (2, 0, 1)
    assert org.refusal("POST", "products", product_values(units, productnumber="stores-1")) == (400, "0x80043b06")
    without = {k: v for k, v in product_values(units).items() if not k.startswith("defaultuomid")}
    assert org.refusal("POST", "products", without) == (400, "0x80040200")
    other = org.create("uomschedules", {"name": "Other"})
    foreign = product_values(units) | {"defaultuomscheduleid@odata.bind": f"/uomschedules({other})"}
    assert org.refusal("POST", "products", foreign) == (400, "0x80043b16")


def test_a_product_on_sale_is_changed_only_under_revision(org, units):
    row_id = new_product(org, units)
    assert org.refusal("PATCH", f"products({row_id})", {"statecode": 1, "statuscode": 2}, ANY) == (400, "0x80048408")
    publish(org, row_id)
    assert org.get(f"products({row_id})")["statecode"] == 0
    assert org.refusal("PATCH", f"products({row_id})", {"name": "Renamed"}, ANY) == (400, "0x8004f995")
    assert org.bulk("products", "product", "UpdateMultiple", [{"productid": row_id, "name": "R"}]).json()["error"]["code"] == "0x8004f995"
    assert org.call("PATCH", f"products({row_id})", {"statecode": 3, "statuscode": 3}, ANY).status_code == 204
    assert org.call("PATCH", f"products({row_id})", {"name": "Renamed"}, ANY).status_code == 204
    publish(org, row_id)
    assert org.call("PATCH", f"products({row_id})", {"statecode": 1, "statuscode": 2}, ANY).status_code == 204
    assert org.get(f"products({row_id})")["name"] == "Renamed"


def test_publishing_takes_the_hierarchy_along(org, units):
    family = org.create("products", {"name": "Family", "productnumber": "fam", "productstructure": 2})
    child = new_product(org, units, **{"parentproductid@odata.bind": f"/products({family})"})
    assert org.refusal("POST", f"products({child})/{NS}.PublishProductHierarchy") == (400, "0x80040203")
    publish(org, family)
    assert org.get(f"products({child})")["statecode"] == 0


def test_a_price_is_one_for_product_unit_and_list_in_the_lists_currency(org, units, prices, euro):
    product = new_product(org, units)
    row = org.get(f"productpricelevels({price(org, prices, product, units[1], amount=0)})")
    assert (row["_transactioncurrencyid_value"], row["amount"], row["pricingmethodcode"]) == (euro, 0, 1)
    again = {**bound(pricelevelid=prices, productid=product, uomid=units[1]), "amount": 1}
    assert org.refusal("POST", "productpricelevels", again) == (400, "0x80043b08")
    dollar = next(c["transactioncurrencyid"] for c in org.get("transactioncurrencies")["value"] if c["isocurrencycode"] == "USD")
    assert org.refusal("POST", "productpricelevels", {**again, **bound(transactioncurrencyid=dollar)}) == (400, "0x80048cf6")
    other = org.get(f"uoms?$filter=_uomscheduleid_value eq {org.create('uomschedules', {'name': 'X'})}")["value"][0]["uomid"]
    assert org.refusal("POST", "productpricelevels", {**again, **bound(uomid=other)}) == (400, "0x80043b16")
    without = {**bound(pricelevelid=prices, productid=new_product(org, units), uomid=units[1])}
    assert org.refusal("POST", "productpricelevels", without) == (400, "0x80043b10")


def test_lines_take_their_price_from_the_list_and_add_up_in_the_deal(org, units, prices, euro, sold):
    deal = new_deal(org, prices, euro, estimatedvalue=999)
    rows = [catalogue_line(deal, sold, units[1]), write_in(deal, tax=1.5, manualdiscountamount=5)]
    ids = org.bulk("opportunityproducts", "opportunityproduct", "CreateMultiple", rows).json()["Ids"]
    lines = [org.get(f"opportunityproducts({row_id})") for row_id in ids]
    assert [(r["priceperunit"], r["baseamount"], r["extendedamount"], r["extendedamount_base"]) for r in lines] == [
        (12.5, 25.0, 25.0, 50.0), (10, 30.0, 26.5, 53.0),
    ]  # fmt: skip
    assert [r["opportunityproductname"] for r in lines] == ["P", "Old item"]
    row = org.get(f"opportunities({deal})")
    assert (row["totallineitemamount"], row["totaltax"], row["totalamount"], row["totalamount_base"]) == (50.0, 1.5, 51.5, 103.0)
    assert row["estimatedvalue"] == 999
    org.call("PATCH", f"opportunities({deal})", {"isrevenuesystemcalculated": True}, ANY)
    org.call("DELETE", f"opportunityproducts({ids[0]})")
    org.call("PATCH", f"opportunities({deal})", {"estimatedvalue": 5}, ANY)
    row = org.get(f"opportunities({deal})")
    assert (row["totalamount"], row["estimatedvalue"]) == (26.5, 26.5)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"productdescription": "both"}, "0x80043afb"),
        ({"productid": None, "productdescription": "unit and text", "isproductoverridden": True}, "0x80043afa"),
        ({"uomid": None}, "0x80040200"),
        ({"quantity": None}, "0x80040200"),
        ({"isproductoverridden": True}, "0x80040203"),
        ({"ispriceoverridden": True}, "0x80040200"),
        ({"productid": None, "uomid": None}, "0x80040200"),
        ({"opportunityid": None}, "0x80040200"),
    ],
)
def test_a_line_is_of_the_catalogue_or_written_in_and_never_both(org, units, prices, euro, sold, changes, code):
    line = catalogue_line(new_deal(org, prices, euro), sold, units[1])
    for name, value in changes.items():
        line.pop(f"{name}@odata.bind", None)
        line[name] = value
    assert org.refusal("POST", "opportunityproducts", line) == (400, code)


def test_an_own_price_is_kept_where_the_line_says_so(org, units, prices, euro, sold):
    deal = new_deal(org, prices, euro)
    line = catalogue_line(deal, sold, units[1], ispriceoverridden=True, priceperunit=7)
    assert org.get(f"opportunityproducts({org.create('opportunityproducts', line)})")["extendedamount"] == 14


def test_only_products_that_are_active_and_priced_are_sold_and_only_with_a_price_list(org, units, prices, euro, sold):
    deal, draft = new_deal(org, prices, euro), new_product(org, units)
    assert org.refusal("POST", "opportunityproducts", catalogue_line(deal, draft, units[1])) == (400, "0x80040203")
    publish(org, draft)
    assert org.refusal("POST", "opportunityproducts", catalogue_line(deal, draft, units[1])) == (400, "0x80040203")
    bare = org.create("opportunities", {"name": "No list"})
    assert org.refusal("POST", "opportunityproducts", catalogue_line(bare, sold, units[1])) == (400, "0x80040200")
    assert org.create("opportunityproducts", write_in(bare))


def test_a_deal_and_its_price_list_have_one_currency(org, prices, euro):
    values = {"name": "Mixed", **bound(pricelevelid=prices)}
    assert org.refusal("POST", "opportunities", values) == (400, "0x80048cf6")
    dollars = org.create("opportunities", {"name": "Dollars"})
    assert org.refusal("PATCH", f"opportunities({dollars})", bound(pricelevelid=prices), ANY) == (400, "0x80048cf6")


def test_winning_sets_true_date_and_value_and_leaves_a_close_activity(org, prices, euro):
    deal = new_deal(org, prices, euro)
    won = close(deal, actualrevenue=80.5, actualend="2021-05-06T23:30:00Z")
    assert org.call("POST", "WinOpportunity", won).status_code == 204
    row = org.get(f"opportunities({deal})")
    assert (row["statecode"], row["statuscode"], row["actualvalue"], row["actualvalue_base"]) == (1, 3, 80.5, 161.0)
    assert row["actualclosedate"] == "2021-05-06"
    activity = org.get(f"opportunitycloses?$filter=_opportunityid_value eq {deal}")["value"][0]
    assert (activity["statecode"], activity["actualrevenue"], activity["actualend"]) == (1, 80.5, "2021-05-06T23:30:00Z")
    assert org.refusal("POST", "WinOpportunity", won) == (400, "0x80040203")
    assert org.call("PATCH", f"opportunities({deal})", {"statecode": 0, "statuscode": 1}, ANY).status_code == 204
    assert org.call("POST", "LoseOpportunity", {**close(deal), "Status": 5}).status_code == 204
    named = {r["activityid"] for r in org.dump("opportunityclose", canonical=True) if r["_opportunityid_value"] == deal}
    assert named == {f"opportunityclose:{deal}:1", f"opportunityclose:{deal}:2"}


@pytest.mark.parametrize(
    ("message", "change", "code"),
    [
        ("WinOpportunity", {"Status": 4}, "0x80048408"),
        ("LoseOpportunity", {"Status": 3}, "0x80048408"),
        ("WinOpportunity", {"Status": None}, "0x80040203"),
        ("WinOpportunity", {"OpportunityClose": {"subject": "No deal"}}, "0x80040203"),
        ("WinOpportunity", {"OpportunityClose": None}, "0x80040203"),
    ],
)
def test_a_close_that_says_too_little_or_the_wrong_thing_changes_nothing(org, prices, euro, message, change, code):
    deal = new_deal(org, prices, euro)
    assert org.refusal("POST", message, close(deal) | change) == (400, code)
    assert org.get(f"opportunities({deal})")["statecode"] == 0
    assert not org.get(f"opportunitycloses?$filter=_opportunityid_value eq {deal}")["value"]


def test_a_close_activity_is_made_by_its_message_alone(org, prices, euro):
    row = {"subject": "By hand", **bound(opportunityid=new_deal(org, prices, euro))}
    assert org.refusal("POST", "opportunitycloses", row) == (400, "0x80040800")
    assert org.bulk("opportunitycloses", "opportunityclose", "CreateMultiple", [row]).json()["error"]["code"] == "0x80040800"


def test_a_deal_takes_its_lines_and_closes_along_and_holds_its_products_and_prices(org, units, prices, euro, sold):
    deal = new_deal(org, prices, euro)
    line = org.create("opportunityproducts", catalogue_line(deal, sold, units[1]))
    org.call("POST", "WinOpportunity", close(deal))
    assert org.refusal("DELETE", f"products({sold})") == (405, "0x80040227")
    assert org.refusal("DELETE", f"pricelevels({prices})") == (405, "0x80040227")
    assert org.call("DELETE", f"opportunities({deal})").status_code == 204
    assert org.call("GET", f"opportunityproducts({line})").status_code == 404
    assert not org.get(f"opportunitycloses?$filter=_opportunityid_value eq {deal}")["value"]


def test_an_order_adds_up_and_is_fulfilled_by_its_message(org, units, prices, euro, sold):
    account = org.create("accounts", {"name": "Buyer"})
    head = {"name": "O", **bound(pricelevelid=prices, transactioncurrencyid=euro), "customerid_account@odata.bind": f"/accounts({account})"}
    order = org.create("salesorders", {**head, "freightamount": 4})
    line = {"quantity": 2, **bound(salesorderid=order, productid=sold, uomid=units[1])}
    assert org.get(f"salesorderdetails({org.create('salesorderdetails', line)})")["extendedamount"] == 25
    assert org.get(f"salesorders({order})")["totalamount"] == 29
    assert org.refusal("PATCH", f"salesorders({order})", {"statecode": 3, "statuscode": 100001}, ANY) == (400, "0x80040203")
    end = {"Status": 100001, "OrderClose": {"subject": "Done", "actualend": "2022-01-02T03:04:05Z", **bound(salesorderid=order)}}
    assert org.call("POST", "FulfillSalesOrder", end).status_code == 204
    row = org.get(f"salesorders({order})")
    assert (row["statecode"], row["statuscode"], row["datefulfilled"][:10]) == (3, 100001, "2022-01-02")
    assert row["ordernumber"].startswith("ORD-")
    assert org.refusal("POST", "FulfillSalesOrder", end) == (400, "0x80040203")
    assert org.refusal("DELETE", f"accounts({account})") == (405, "0x80040227")
    org.call("DELETE", f"salesorders({order})")
    assert not org.get(f"salesorderdetails?$filter=_salesorderid_value eq {order}")["value"]
    assert not org.dump("orderclose")


def test_the_canonical_dump_names_the_services_own_units(tmp_path):
    dumps, schedule = [], guid()
    for sandbox in (False, True):
        with organisation(tmp_path, sandbox=sandbox) as org:
            org.create("uomschedules", {"uomscheduleid": schedule, "name": "Pieces"})
            unit = org.get("uoms")["value"][0]["uomid"]
            new_product(org, (schedule, unit), productnumber="1", productid=schedule)
            dumps.append({table: org.dump(table, canonical=True) for table in ("uom", "product")})
    assert dumps[0] == dumps[1]
    assert dumps[0]["product"][0]["_defaultuomid_value"] == f"uom:base:{schedule}" == dumps[0]["uom"][0]["uomid"]


def test_the_services_own_rows_and_what_is_unique_survive_a_kill(tmp_path):
    data, state = tmp_path / "data", tmp_path / "state"
    data.mkdir()
    with organisation(data, state=state) as org:
        schedule = org.create("uomschedules", {"name": "Pieces"})
        units = (schedule, org.get("uoms")["value"][0]["uomid"])
        new_product(org, units, productnumber="once")
        deal = org.create("opportunities", {"name": "Deal"})
        org.create("opportunityproducts", write_in(deal))
        org.call("POST", "WinOpportunity", close(deal))
        before = {t: org.dump(t, canonical=True) for t in ("uom", "product", "opportunity", "opportunityclose", "opportunityproduct")}
    with organisation(data, state=state) as org:
        assert {t: org.dump(t, canonical=True) for t in before} == before
        assert org.refusal("POST", "products", product_values(units, productnumber="ONCE")) == (400, "0x80043b06")
        assert org.refusal("POST", "WinOpportunity", close(deal)) == (400, "0x80040203")
    assert before["opportunity"][0]["totalamount"] == 30


def test_the_organisations_settings_decide_where_products_begin_and_who_adds_up(tmp_path):
    (tmp_path / "dataverse").mkdir()
    settings = {"createproductswithoutparentinactivestate": True, "oobpricecalculationenabled": False}
    (tmp_path / "dataverse/metadata.json").write_text(json.dumps({"organization": settings}))
    with organisation(tmp_path) as org:
        schedule = org.create("uomschedules", {"name": "Pieces"})
        product = new_product(org, (schedule, org.get("uoms")["value"][0]["uomid"]))
        assert org.get(f"products({product})?$select=statecode")["statecode"] == 0
        deal = org.create("opportunities", {"name": "Deal"})
        line = org.create("opportunityproducts", write_in(deal))
        assert org.get(f"opportunityproducts({line})")["extendedamount"] is None
        assert org.get(f"opportunities({deal})")["totalamount"] == 0


def test_amounts_keep_the_decimals_of_their_currency_and_prices_those_of_the_organisation(tmp_path):
    (tmp_path / "dataverse").mkdir()
    (tmp_path / "dataverse/metadata.json").write_text(json.dumps({"organization": {"pricingdecimalprecision": 3}}))
    with organisation(tmp_path) as org:
        yen = {"currencyname": "Yen", "isocurrencycode": "JPY", "currencysymbol": "¥", "exchangerate": 1, "currencyprecision": 0}
        dinar = {"currencyname": "Dinar", "isocurrencycode": "KWD", "currencysymbol": "KD", "exchangerate": 1, "currencyprecision": 3}
        for values, value, amount in ((yen, 1235, 62), (dinar, 1234.568, 61.75)):
            bind = bound(transactioncurrencyid=org.create("transactioncurrencies", values))
            deal = org.create("opportunities", {"name": "Deal", "estimatedvalue": 1234.5678, **bind})
            line = org.get(f"opportunityproducts({org.create('opportunityproducts', write_in(deal, priceperunit=6.17549, quantity=10))})")
            assert (line["priceperunit"], line["extendedamount"]) == (6.175, amount)
            assert org.call("POST", "WinOpportunity", close(deal, actualrevenue=1234.5678)).status_code == 204
            assert org.get(f"opportunities({deal})")["actualvalue"] == value
            [activity] = org.get(f"opportunitycloses?$filter=_opportunityid_value eq {deal}")["value"]
            assert activity["actualrevenue"] == value
        column = org.get("EntityDefinitions(LogicalName='productpricelevel')/Attributes(LogicalName='amount')"
                         f"/{NS}.MoneyAttributeMetadata?$select=Precision,PrecisionSource")  # fmt: skip
        assert (column["Precision"], column["PrecisionSource"]) == (2, 1)
