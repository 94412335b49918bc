"""How many rows go in one call, as the times of calls say."""

import pytest

from connectors.dataverse.metadata import Column, Table
from loads.staging.phases import CHUNK_ROWS
from loads.tuning import CUSTOM, LOGIC, SIMPLE, SIZES, WIDE, RowsPerCall, class_of, first

START = 100


def calls(tuned: RowsPerCall, seconds_per_row, count: int = 60) -> None:
    """So many full calls, whose rows take what `seconds_per_row` says of the size."""
    for _ in range(count):
        tuned.took(tuned.size, tuned.size * seconds_per_row(tuned.size))


def test_more_rows_go_in_a_call_while_a_row_takes_less_time_so():
    tuned = RowsPerCall(START)
    calls(tuned, lambda size: 0.001 + 0.04 / size, 6)
    assert tuned.content()["said"] == "100 rows a call: 1.4 ms a row. 200 are tried now."
    calls(tuned, lambda size: 0.001 + 0.04 / size)
    assert tuned.size == SIZES[-1]
    assert "quicker than with 500" in tuned.content()["said"]


def test_the_smaller_size_stays_where_a_row_takes_as_long_in_a_larger_call():
    tuned = RowsPerCall(START)
    calls(tuned, lambda size: 0.002)
    assert tuned.content() == {"rows_per_call": START, "said": "100 rows a call: with 200 a row took as long."}


def test_a_smaller_size_takes_the_place_of_the_first_where_a_row_is_quicker_in_it():
    tuned = RowsPerCall(START)
    calls(tuned, lambda size: 0.001 + size * 0.00001)
    assert (tuned.size, tuned.content()["said"].partition(",")[0]) == (10, "10 rows a call: 1.1 ms a row")


def test_every_size_is_a_full_call_of_a_chunk_so_that_it_is_compared():
    assert all(CHUNK_ROWS % size == 0 for size in SIZES)


def test_a_call_that_takes_too_long_makes_them_smaller_for_good():
    tuned = RowsPerCall(START)
    tuned.took(START, 14)
    calls(tuned, lambda size: 0.0001)
    assert (tuned.size, tuned.said.partition(":")[0]) == (50, "50 rows a call")
    for _ in range(9):
        tuned.failed(tuned.size, 120)
    assert tuned.size == SIZES[0]


def test_a_call_that_broke_off_says_nothing_of_how_quick_a_row_is():
    tuned = RowsPerCall(START)
    for _ in range(20):
        tuned.failed(START, 0.001)
    assert (tuned.size, tuned.said) == (START, "")


def table(name: str, columns: int = 0, lookups: int = 0, *, custom: bool = True) -> Table:
    names = [*(f"mwb_column{n}" for n in range(columns)), *(f"mwb_lookup{n}" for n in range(lookups)), "createdon", "statecode"]
    navigation = {"account": "x"}
    found = {
        one: Column(name, one, "Lookup" if "lookup" in one else "String", navigation=navigation if "lookup" in one else {}) for one in names
    }
    return Table(name, f"{name}s", f"{name}id", found, custom=custom)


@pytest.mark.parametrize(
    ("of", "found"),
    [
        (table("contact", 150, custom=False), LOGIC),
        (table("pricelevel", 30, custom=False), SIMPLE),
        (table("mwb_event", 6), SIMPLE),
        (table("mwb_event", 40), CUSTOM),
        (table("mwb_event", 120), WIDE),
        (table("mwb_event", 0, 21), WIDE),
    ],
)
def test_a_table_begins_with_the_size_of_its_class(of, found):
    assert class_of(of) is found
    tuned = RowsPerCall(*first(of))
    assert tuned.size == found.rows
    assert f"for {found.words}; too few calls" in tuned.content()["said"]


def test_who_goes_on_with_what_another_process_learned_begins_there_and_tries_again_what_is_old():
    one = RowsPerCall(START)
    calls(one, lambda size: 0.002)
    for old, tried in ((False, {START}), (True, {START, 50, 200})):
        other = RowsPerCall(10)
        other.take_up(one.learned(), old=old)
        assert (other.size, other.said) == (START, one.said)
        sizes = set()
        for _ in range(30):
            sizes.add(other.size)
            calls(other, lambda size: 0.002, 1)
        assert sizes == tried
