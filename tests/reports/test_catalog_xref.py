"""The catalog cross-reference before any run, with hostile names, for many items; and the CSV that it is written as."""

import csv
import io
import json
import uuid
from datetime import UTC, datetime

import openpyxl
import pytest

from connectors import store
from loads.models import Crosswalk
from reports import catalog_xref, delimited
from tests.pages import cast
from tests.reports import paper
from tests.spine.hostile_source import TEXTS

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def item(catalog, item_id, **value):
    return {"catalogName": catalog, "itemId": item_id, "lastModified": 1_700_000_000_000, "size": 1, "value": value}


def discovered(*items):
    engagement = cast.make_engagement("Northwind")
    cast.make_discovered(engagement, objects={"catalogItem": list(items)})
    return engagement


def lines(engagement) -> list[dict]:
    return json.loads((store.root() / catalog_xref.write(engagement).path).read_text())


def table(engagement) -> list[list[str]]:
    raw = (store.root() / catalog_xref.write_csv(engagement).path).read_bytes()
    return list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))


def test_before_any_run_prices_are_as_they_will_be_and_nothing_is_loaded():
    engagement = discovered(
        item("products", "P-1", name="Sensor", price="12.50", currency="eur"),
        item("products", "P-2", name="Gateway", price=-1, currency="USD"),
        item("stores", "s-1"),
    )
    first, second, third = lines(engagement)
    assert (first["product_number"], first["disposition"], first["rows"]) == ("products/P-1", "not loaded yet", {})
    assert first["prices"] == {
        "EUR": {"amount": 12.5, "missing": False}, "USD": {"amount": 0, "missing": True}, "base currency": {"amount": 0, "missing": True},
    }  # fmt: skip
    assert all(price == {"amount": 0, "missing": True} for line in (second, third) for price in line["prices"].values())
    header, row, *_ = table(engagement)
    told = dict(zip(header, row, strict=True))
    assert (told["Price at the source"], told["Price EUR"], told["Price USD missing"], told["Disposition"]) == (
        "12.50", "12.5", "yes", "not loaded yet",
    )  # fmt: skip
    text = paper.run_together(store.root() / catalog_xref.write_pdf(engagement).path)
    assert "Sensorproducts:P-1products/P-1EUR12.50USDmissingbasecurrencymissingatthesource:12.50eur–Notloadedyet" in text


def test_the_row_of_each_environment_comes_from_the_crosswalk():
    engagement, row = discovered(item("products", "P-1"), item("services", "P-1")), uuid.uuid4()
    sandbox = engagement.environments.get(kind="sandbox")
    Crosswalk.objects.create(
        environment=sandbox, object_name="catalogItem", source_id="services/P-1", table="product", row_id=row, state="present"
    )
    assert [line["rows"] for line in lines(engagement)] == [{}, {"sandbox": {"id": str(row), "state": "present"}}]
    assert f"{row}sandbox" in paper.run_together(store.root() / catalog_xref.write_pdf(engagement).path)


def test_hostile_names_and_values_stay_text_in_every_format():
    items = [item(text, text, name=text, price=text, currency=text) for text in TEXTS.values()]
    engagement = discovered(*items, {"catalogName": None, "itemId": ["x"], "value": 7}, {})
    told = lines(engagement)
    assert [line["name"] for line in told[: len(TEXTS)]] == list(TEXTS.values())
    for row in table(engagement)[1:]:
        assert not [cell for cell in row if cell.startswith(("=", "+", "@", "\t")) or cell.startswith("-")]
    book = openpyxl.load_workbook(store.root() / catalog_xref.write_workbook(engagement).path)
    assert not [cell for sheet in book.worksheets for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]
    assert [row[2].value for row in book["Products"].iter_rows(min_row=2, max_row=len(TEXTS) + 1)] == list(TEXTS.values())


def test_many_items_take_a_query_a_batch_and_none_of_their_own(monkeypatch, django_assert_max_num_queries):
    engagement = discovered(*(item("products", f"P-{n}", price=n) for n in range(1_000)))
    monkeypatch.setattr(catalog_xref, "BATCH", 250)
    with django_assert_max_num_queries(12):
        assert len(list(catalog_xref.lines(catalog_xref.Basis.of(engagement)))) == 1_000


def test_an_engagement_whose_catalogs_were_never_landed_has_an_empty_cross_reference():
    engagement = cast.make_engagement("Contoso")
    assert lines(engagement) == []
    assert len(table(engagement)) == 1


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("  @SUM(A1)", "'  @SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("＝1", "'＝1"),
        ("-5", "'-5"),
        ("+1+1", "'+1+1"),
        ("+49 (0)272 25-32941", "+49 (0)272 25-32941"),  # a telephone number, which is imported as it stands
        ("+33439768226+A1", "'+33439768226+A1"),
        (-5, "-5"),
        (0.5, "0.5"),
        (True, "yes"),
        (None, ""),
        ('a "b", c\nd', 'a "b", c\nd'),
        ("nul\x00\ud800", "nul��"),
        (datetime(2026, 5, 4, 12, tzinfo=UTC), "2026-05-04T12:00:00+00:00"),
    ],
)
def test_a_csv_cell_is_never_a_formula_and_reads_back_as_it_was(tmp_path, value, written):
    path = tmp_path / "x.csv"
    delimited.write(path, ["Name", "Value"], [["row", value]])
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbfName,Value\r\n")
    assert raw.endswith(b"\r\n")
    assert list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))[1] == ["row", written]
