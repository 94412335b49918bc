"""The budget of typed columns: one for a table, whatever number of objects go there, for the keys that are filled most."""

from mapping.flattening import within_budget


def line(object_name, source, column=None, **fields):
    name = column or f"mwb_{source}"
    return {"object": object_name, "source": source, "table": "task", "column": name, "new_column": {"name": name}, **fields}


def kept(rows):
    return [(row["object"], row["source"]) for row in rows if row["new_column"]]


FILLED = {("event", "a"): 9, ("event", "b"): 3, ("event", "shared"): 2, ("opt", "c"): 5, ("opt", "d"): 1, ("opt", "shared"): 4}
ROWS = [line(name, source) for name, source in FILLED]


def test_the_most_filled_keys_of_all_objects_stay_and_the_others_are_left_with_the_reason():
    found = within_budget(ROWS, FILLED, 2)
    assert kept(found) == [("event", "a"), ("opt", "c")]
    assert {(row["state"], row["column"]) for row in found if not row["new_column"]} == {("left", "")}
    assert all("2 typed columns on task" in row["reason"] for row in found if not row["new_column"])


def test_a_column_that_two_objects_share_counts_once():
    assert kept(within_budget(ROWS, FILLED, 3)) == [("event", "a"), ("event", "shared"), ("opt", "c"), ("opt", "shared")]


def test_columns_that_are_there_already_use_up_the_budget_and_cost_nothing_again():
    assert kept(within_budget(ROWS, FILLED, 2, {"mwb_d", "mwb_z"})) == [("opt", "d")]


def test_lines_that_go_to_a_column_of_the_destination_are_not_counted():
    own = line("event", "subject") | {"new_column": None, "column": "subject"}
    assert within_budget([own], {}, 0) == [own]
