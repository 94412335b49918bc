"""What is taken out of texts and of files, and what is left alone."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loads import staged
from workbench.privacy.rewriting import Traces, blanked, links_of, rewrite
from workbench.privacy.seeking import Sought
from workbench.privacy.treating import GONE, without

VERA = Sought(names={"7", "vera@quist.example"}, words={"Vera Quist", "+49 170 5550111"}, records={"pu-12345"})


@pytest.mark.parametrize(
    ("key", "value", "left"),
    [
        ("evidence", "Vera@Quist.example is disabled.", f"{GONE} is disabled."),
        ("evidence", "notvera@quist.example is disabled.", "notvera@quist.example is disabled."),
        ("text", "Call Vera Quist at +49 170 5550111!", f"Call {GONE} at {GONE}!"),
        ("samples", [["7", "cut"], ["8", "cut"]], [["8", "cut"]]),
        ("lists", ["7", "8"], ["7", "8"]),
        ("top", [["7", 3], ["vera@quist.example", 1]], [["7", 3]]),
        ("reasons", [{"code": "c", "rows": 2, "examples": ["7", "pu-12345", "9"]}], [{"code": "c", "rows": 2, "examples": ["9"]}]),
        ("exceptions", [{"code": "c", "count": 2, "example": "7"}], [{"code": "c", "count": 2, "example": GONE}]),
        ("samples", [{"source_id": "pu-12345", "was": "x"}, {"source_id": "pu-2", "was": "y"}], [{"source_id": "pu-2", "was": "y"}]),
        ("parts", {"split": {"version": 7, "sha256": "7"}}, {"split": {"version": 7, "sha256": "7"}}),
    ],
)
def test_only_what_is_about_the_person_goes(key, value, left):
    assert VERA.struck(value, key) == left


def test_what_is_looked_for_is_read_as_it_was_written():
    kept = Sought.read(VERA.written())
    assert (kept.names, kept.words, kept.records) == (VERA.names, VERA.words, set())


def test_of_json_the_entries_that_hold_values_go_and_their_kind_stays():
    told = {"rows": [{"count": 3, "samples": [1, 2], "example": "u-1"}], "lists": {"7": "Quist"}}
    assert without(told, ["samples", "example", "lists"]) == {"rows": [{"count": 3, "samples": [], "example": ""}], "lists": {}}


def staged_file(path, ids) -> None:
    with staged.store.ParquetFile(path, staged.STAGED, batch=2) as file:
        for position, source_id in enumerate(ids):
            row_id = f"00000000-0000-0000-0000-{position:012d}"
            body = b'{"lastname":"Quist","ownerid@odata.bind":"/systemusers(1)"}'
            sample = b'{"lastname":"Quist"}'
            file.add(
                row_id,
                source_id,
                position,
                "",
                "contact",
                "update",
                "matched",
                body,
                ["account:1"],
                'W/"1"',
                sample,
                "h",
                ["x"],
                [],
                [0, 1],
                sample,
                None,
            )


def test_rows_of_a_person_keep_their_place_and_row_id_and_say_nothing_more(tmp_path):
    path = tmp_path / "user-contact.00000.parquet"
    staged_file(path, ["u-1", "u-2", "7", "u-4", "u-5"])
    others = pq.read_table(path).to_pylist()
    traces = Traces({"user": {2}}, {"user": {"7"}}, VERA.names, set(), set())
    assert rewrite(path, traces.rows_in(path, "user"), lambda row: blanked(row, "hmac:x", keeps_links=False)) == 1
    rows = pq.read_table(path).to_pylist()
    assert [row for row in rows if row["position"] != 2] == [row for row in others if row["position"] != 2]
    theirs = rows[2]
    assert (theirs["row_id"], theirs["source_id"], theirs["values"], theirs["state"]) == (others[2]["row_id"], "hmac:x", b"{}", [0, 1])
    assert "Quist" not in str(theirs)
    assert pq.ParquetFile(path).num_row_groups == 3
    [read] = list(staged.read([path], 2, 3))
    assert (dict(read.values), read.before, read.sample) == ({}, None, None)
    assert rewrite(path, {2}, lambda row: blanked(row, "hmac:x", keeps_links=False)) == 0


def test_an_id_tells_of_records_of_its_own_object_alone(tmp_path):
    path = tmp_path / "list-list.00000.parquet"
    staged_file(path, ["7", "8"])
    assert Traces({"user": {0}}, {"user": {"7"}}, VERA.names, set(), set()).rows_in(path, "list") == set()


def test_a_row_can_go_altogether(tmp_path):
    path = tmp_path / "journal.parquet"
    pq.write_table(pa.Table.from_pylist([{"row_id": "a", "before": b"{}"}, {"row_id": "b", "before": b"{}"}], staged.JOURNAL), path)
    traces = Traces({}, {}, set(), set(), {"a"})
    assert rewrite(path, traces.rows_in(path, "user"), lambda row: None) == 1
    assert [row["row_id"] for row in pq.read_table(path).to_pylist()] == ["b"]


def test_what_ties_rows_to_each_other_stays_and_texts_go():
    values = {
        "list": "00000000-0000-0000-0000-000000000001",
        "actualend": "2024-03-05T09:10:11Z",
        "subject": "Order of Vera",
        "revenue": 20,
    }
    assert links_of(values) == {**values, "subject": ""}
