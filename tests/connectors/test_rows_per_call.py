"""How many rows go in one call, as the times of calls say."""

from loads.staging.phases import CHUNK_ROWS
from loads.tuning import FIRST, SIZES, RowsPerCall

START = SIZES[FIRST]


def calls(tuned: RowsPerCall, seconds_per_row, count: int = 60) -> None:
    """So many full calls, whose rows take what `seconds_per_row` says of the size."""
    for _ in range(count):
        tuned.took(tuned.size, tuned.size * seconds_per_row(tuned.size))


def test_more_rows_go_in_a_call_while_a_row_takes_less_time_so():
    tuned = RowsPerCall()
    calls(tuned, lambda size: 0.001 + 0.04 / size, 6)
    assert tuned.content()["said"] == "100 rows a call: 1.4 ms a row. 200 are tried now."
    calls(tuned, lambda size: 0.001 + 0.04 / size)
    assert tuned.size == SIZES[-1]
    assert "quicker than with 500" in tuned.content()["said"]


def test_the_smaller_size_stays_where_a_row_takes_as_long_in_a_larger_call():
    tuned = RowsPerCall()
    calls(tuned, lambda size: 0.002)
    assert tuned.content() == {"rows_per_call": START, "said": "100 rows a call: with 200 a row took as long."}


def test_every_size_is_a_full_call_of_a_chunk_so_that_it_is_compared():
    assert all(CHUNK_ROWS % size == 0 for size in SIZES)


def test_a_call_that_takes_too_long_makes_them_smaller_for_good():
    tuned = RowsPerCall()
    tuned.took(START, 14)
    calls(tuned, lambda size: 0.0001)
    assert (tuned.size, tuned.said.partition(":")[0]) == (50, "50 rows a call")
    for _ in range(9):
        tuned.failed(tuned.size, 120)
    assert tuned.size == SIZES[0]


def test_a_call_that_broke_off_says_nothing_of_how_quick_a_row_is():
    tuned = RowsPerCall()
    for _ in range(20):
        tuned.failed(START, 0.001)
    assert (tuned.size, tuned.said) == (START, "")
