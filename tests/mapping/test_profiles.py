import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mapping.profiles import profile


def land(folder, records, name="piece.parquet", as_bytes=True):
    """A landed file; a record that is text stands for what the source really sent."""
    raw = [record if isinstance(record, str | bytes) else json.dumps(record, ensure_ascii=False) for record in records]
    if as_bytes:
        raw = [text if isinstance(text, bytes) else text.encode() for text in raw]
    columns = {
        "row": pa.array(range(len(raw)), pa.int64()),
        "source_id": pa.array([str(number) for number in range(len(raw))]),
        "raw": pa.array(raw, pa.binary() if as_bytes else pa.string()),
        "problem": pa.array([None] * len(raw), pa.string()),
    }
    pq.write_table(pa.table(columns), folder / name, compression="zstd")
    return folder / name


def profiled(folder, records, declared=None, **facts):
    return {one.name: one for one in profile([land(folder, records, **facts)], declared)}


@pytest.mark.parametrize("as_bytes", [True, False])
def test_counts_are_exact(tmp_path, as_bytes):
    records = [{"n": number % 7, "t": f"v{number % 3}", "x": None if number % 2 else number / 4} for number in range(1_000)]
    found = profiled(tmp_path, records, {"n": "long", "never": "string"}, as_bytes=as_bytes)
    n, t, x, never = found["n"], found["t"], found["x"], found["never"]
    assert (n.rows, n.filled, n.distinct, n.declared_type, n.types, n.min, n.max) == (1_000, 1_000, 7, "long", {"integer": 1_000}, 0, 6)
    assert n.top == tuple((str(value), 143 if value < 6 else 142) for value in range(7))
    assert t.top == (("v0", 334), ("v1", 333), ("v2", 333))
    assert (t.max_length, t.min) == (2, None)
    assert (x.filled, x.distinct, x.types, x.decimals, x.fill) == (500, 500, {"null": 500, "number": 500}, 1, 0.5)
    assert (never.rows, never.filled, never.top) == (1_000, 0, ())


def test_only_the_commonest_ten_are_kept(tmp_path):
    records = [{"t": f"v{value}"} for value in range(30) for _ in range(value + 1)]
    assert profiled(tmp_path, records)["t"].top == tuple((f"v{value}", value + 1) for value in range(29, 19, -1))


def test_types_are_those_of_json_and_blank_text_is_no_value(tmp_path):
    values = ["a", "  ", "", None, 1, 2.5, True, [1, 2], {"k": "v"}, 10**30, "1"]
    found = profiled(tmp_path, [{"f": value} for value in values])["f"]
    assert found.types == {"string": 4, "null": 1, "integer": 1, "number": 2, "boolean": 1, "array": 1, "object": 1}
    assert (found.filled, found.distinct) == (8, 8)
    assert found.max_length == len('{"k":"v"}')


def test_lengths_are_counted_in_utf16_code_units(tmp_path):
    assert profiled(tmp_path, [{"f": "é😀x"}, {"f": "😀"}])["f"].max_length == 4


def test_any_key_is_a_field(tmp_path):
    keys = ["a.b", "a field", "é\"'\\", "$", "", "*", "[0]", "select", "A", "a", "😀"]
    found = profiled(tmp_path, [{key: number for number, key in enumerate(keys)}] * 3)
    assert {name: one.max for name, one in found.items()} == dict(zip(keys, range(len(keys)), strict=True))
    assert all(one.filled == 3 for one in found.values())


def test_the_fields_of_objects_are_profiled_under_their_parents_name(tmp_path):
    records = [{"plan": {"tier": "gold", "seats": {"used": 3, "more": {"deep": 1}}}}, {"plan": {"tier": "tin"}}, {"plan": "free"}]
    found = profiled(tmp_path, records)
    assert set(found) == {"plan", "plan.tier", "plan.seats", "plan.seats.used", "plan.seats.more"}
    assert (found["plan.tier"].filled, found["plan.seats.used"].max, found["plan"].types) == (2, 3, {"object": 2, "string": 1})


def test_an_object_of_ever_new_keys_stays_one_field(tmp_path):
    found = profiled(tmp_path, [{"log": {f"day{number}": 1}} for number in range(200)])
    assert set(found) == {"log"}


def test_what_is_no_record_is_left_out(tmp_path):
    records = [{"f": 1}, "not json", "[1]", '"text"', "", b"\xff\xfe", '{"f": 2', '{"f": "\\ud800"}', {"f": "a\x00b"}]
    found = profiled(tmp_path, records)["f"]
    assert (found.rows, found.filled) == (2, 2)


def test_a_record_with_a_problem_is_left_out_however_sound_it_looks(tmp_path):
    path = land(tmp_path, [{"f": 1}, {"f": 2}])
    table = pq.read_table(path)
    pq.write_table(table.set_column(3, "problem", pa.array(["twice the same id", None])), path)
    assert profile([path])[0].top == (("2", 1),)


def test_several_files_are_one_dataset_and_none_is_an_empty_one(tmp_path):
    paths = [land(tmp_path, [{"f": 1}], "1.parquet"), land(tmp_path, [{"f": 1}, {"g": 2}], "2.parquet")]
    assert {one.name: (one.rows, one.filled) for one in profile(paths)} == {"f": (3, 2), "g": (3, 1)}
    assert [one.name for one in profile([], {"b": "string", "a": "long"})] == ["a", "b"]
    assert profile([land(tmp_path, [], "3.parquet")], {"a": "long"})[0].rows == 0


def test_thousands_of_fields_and_long_texts_stay_within_memory(tmp_path):
    records = [
        {f"field {(number * 7 + k) % 4_000}": k for k in range(20)} | {"long": f"{number}" + "y" * 30_000} for number in range(2_000)
    ]
    found = profile([land(tmp_path, records)])
    assert len(found) == 4_001
    assert (found[-1].name, found[-1].distinct, len(found[-1].top[0][0])) == ("long", 2_000, 200)


def test_records_of_a_megabyte_do_not_blow_the_memory(tmp_path):
    records = [{"id": number, "body": chr(97 + number) * 1_000_000, "cart": {"note": "z" * 100_000}} for number in range(20)]
    found = {one.name: one for one in profile([land(tmp_path, records)])}
    assert (found["body"].distinct, found["body"].max_length, found["cart.note"].distinct) == (20, 1_000_000, 1)
