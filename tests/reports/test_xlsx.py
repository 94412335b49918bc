"""Spreadsheets: what is text stays text, everything fits, and Excel's own rules hold; read back with openpyxl."""

import itertools
import zipfile
from datetime import UTC, datetime
from decimal import Decimal

import openpyxl
import pytest

from reports import xlsx
from reports.xlsx import Sheet, write


def read(path, sheet=0):
    return [list(row) for row in openpyxl.load_workbook(path).worksheets[sheet].iter_rows(values_only=True)]


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+49 221", "-5", "@SUM(A1)", "=cmd|' /C calc'!A0", "#N/A", "007", "12345678901234567890", " spaced ", "a\nb",
        "<b>&amp;\"'</b>", "TRUE", "1e5",
    ],
)  # fmt: skip
def test_text_stays_text_whatever_it_begins_with(tmp_path, text):
    write(tmp_path / "a.xlsx", [Sheet("One", ["Value"], [[text]])])
    cell = openpyxl.load_workbook(tmp_path / "a.xlsx").worksheets[0]["A2"]
    assert (cell.value, cell.data_type, cell.number_format) == (text, "s", "@")


def test_numbers_are_numbers_until_they_would_lose_digits_and_other_values_are_words(tmp_path):
    moment = datetime(2026, 5, 4, 12, tzinfo=UTC)
    row = [7, 2.5, Decimal("1.10"), 10**15, -(10**17), 10**400, float("nan"), Decimal("NaN"), float("inf"), True, None, moment]
    write(tmp_path / "a.xlsx", [Sheet("One", [str(n) for n in range(len(row))], [row])])
    found = ["1000000000000000", "-100000000000000000", str(10**400), "nan", "NaN", "inf", "yes", None, "2026-05-04T12:00:00+00:00"]
    assert read(tmp_path / "a.xlsx")[1] == [7, 2.5, 1.1, *found]


def test_what_xml_can_not_hold_is_replaced_and_what_a_cell_can_not_hold_is_cut(tmp_path):
    long = "x" * 40_000
    emoji = "\N{GRINNING FACE}" * 20_000
    write(tmp_path / "a.xlsx", [Sheet("One", ["Value"], [["a\x00b\x1fc\ud800d\ufffe"], [long], [emoji], ["a\r\nb"]])])
    odd, cut, faces, lines = (row[0] for row in read(tmp_path / "a.xlsx")[1:])
    assert odd == "a\ufffdb\ufffdc\ufffdd\ufffd"
    assert (len(cut), cut[-1]) == (32_767, "…")
    assert len(faces.encode("utf-16-le")) // 2 <= 32_767
    assert faces[0] == "\N{GRINNING FACE}"
    assert lines == "a\nb"


def test_text_that_looks_like_an_escaped_character_is_not_read_as_one(tmp_path):
    write(tmp_path / "a.xlsx", [Sheet("One", ["Value"], [["_x0041_ and _x"]])])
    assert b"_x005F_x0041_ and _x<" in zipfile.ZipFile(tmp_path / "a.xlsx").read("xl/worksheets/sheet1.xml")


def test_the_header_is_frozen_styled_and_filterable_and_columns_have_widths(tmp_path):
    write(tmp_path / "a.xlsx", [Sheet("One", ["Id", "Words"], [["1", "x"], ["2", "y"]], [12, 60]), Sheet("Empty", ["Id"], [])])
    one, empty = openpyxl.load_workbook(tmp_path / "a.xlsx").worksheets
    assert (one.freeze_panes, one.auto_filter.ref, one["A1"].font.b) == ("A2", "A1:B3", True)
    assert (one.page_setup.orientation, one.page_setup.fitToHeight, one.sheet_properties.pageSetUpPr.fitToPage) == ("landscape", 0, True)
    assert (one.column_dimensions["A"].width, one.column_dimensions["B"].width) == (12, 60)
    assert (empty.auto_filter.ref, [cell.value for cell in empty[1]]) == ("A1:A1", ["Id"])


def test_a_column_is_as_wide_as_its_header_and_text_wraps_at_the_top_of_its_row_unless_it_would_fill_the_screen(tmp_path):
    write(tmp_path / "a.xlsx", [Sheet("One", ["Expressions", "Words", "n"], [[1, "two lines\nof words", "x" * 5_000]], [8, 40, 10])])
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").worksheets[0]
    assert [sheet.column_dimensions[letter].width for letter in "ABC"] == [14, 40, 10]
    assert [bool(cell.alignment.wrap_text) for cell in sheet[2]] == [False, True, False]
    assert {cell.alignment.vertical for cell in sheet[2]} == {"top"}


def test_more_rows_than_a_sheet_holds_go_on_in_further_sheets(tmp_path, monkeypatch):
    monkeypatch.setattr(xlsx, "ROWS_PER_SHEET", 4)
    write(tmp_path / "a.xlsx", [Sheet("Losses", ["Id"], ([str(n)] for n in range(7))), Sheet("Exact", ["Id"], [["a"], ["b"], ["c"]])])
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert book.sheetnames == ["Losses", "Losses (2)", "Losses (3)", "Exact"]
    assert [row[0] for sheet in book.worksheets[:3] for row in list(sheet.iter_rows(values_only=True))[1:]] == [str(n) for n in range(7)]


def test_names_of_sheets_are_ones_that_spreadsheets_take(tmp_path):
    names = ["Cases: [all]/*?", "cases   all", "A" * 40, "A" * 40, "", "'quoted'", 'a"b<c']
    write(tmp_path / "a.xlsx", [Sheet(name, ["Id"], []) for name in names])
    found = openpyxl.load_workbook(tmp_path / "a.xlsx").sheetnames
    assert len({name.casefold() for name in found}) == len(names)
    assert all(0 < len(name) <= 31 and not set(name) & set("[]:*?/\\") for name in found)


def test_the_same_rows_give_the_same_bytes_and_wide_sheets_have_names_beyond_z(tmp_path):
    header = [str(n) for n in range(60)]
    for name in ("a.xlsx", "b.xlsx"):
        write(tmp_path / name, [Sheet("One", header, itertools.repeat(list(range(60)), 3))])
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    assert openpyxl.load_workbook(tmp_path / "a.xlsx").worksheets[0]["BH4"].value == 59
