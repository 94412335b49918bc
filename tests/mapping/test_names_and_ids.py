"""Names of columns, ids of rows, canonical JSON."""

import hashlib
import random
import uuid

import orjson
import pytest
import rfc8785

from mapping.canonical import canonical_json, part_hash, record_bytes, record_hash
from mapping.discovery.source import identify
from mapping.naming import check_prefix, column_name
from mapping.playbooks import load_playbook
from mapping.rowids import row_id, row_ids
from workbench.engagements.errors import BadInput


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("firstName", "mwb_firstname"), ("plan.tier", "mwb_plan_tier"), ("  Größe (cm) ", "mwb_grosse_cm"), ("Имя", "mwb_imya"),
        ("été 2024", "mwb_ete_2024"), ("名", "mwb_u540d"), ("_x__y_", "mwb_x_y"), ("ÆON", "mwb_aeon"),
    ],
)  # fmt: skip
def test_source_names_become_letters_digits_and_underscores(stem, name):
    assert column_name(stem, "mwb", set()).name == name


def test_long_names_keep_within_fifty_and_stay_apart():
    first, second = (column_name("x" * 60 + end, "mwb", set()).name for end in "ab")
    assert first != second
    assert len(first) == len(second) == 50
    assert column_name("x" * 60 + "a", "mwb", set()).issues[0].code == "name.cut"


@pytest.mark.parametrize(
    ("stem", "taken"),
    [
        ("tier", "mwb_tier"), ("tiername", "mwb_tier"), ("tier", "mwb_tiername"), ("ownerYomiName", "mwb_owner"),
        ("owner", "mwb_owneryominame"), ("total_base", "mwb_total"), ("total", "mwb_total_base"),
    ],
)  # fmt: skip
def test_a_name_clashes_with_others_and_with_what_column_types_add(stem, taken):
    named = column_name(stem, "mwb", {taken})
    assert named.name.startswith(f"mwb_{stem.lower()}_")
    assert [(issue.code, issue.detail) for issue in named.issues] == [("name.clash", taken)]
    assert column_name(stem, "mwb", {"mwb_other", "tier", "owner", "total"}).name == f"mwb_{stem.lower()}"


def test_the_tables_own_key_is_never_a_column_name():
    assert column_name("eventid", "mwb", set(), "mwb_event").name != "mwb_eventid"


def test_any_names_give_distinct_valid_columns():
    dice = random.Random(5)
    stems = {"".join(dice.choice("aAbé_ .😀名name") for _ in range(dice.randint(0, 70))) for _ in range(400)}
    names = []
    for stem in sorted(stems):
        names.append(column_name(stem, "mwb", {"mwb_aname", *names}, "lead").name)
    assert len(set(names)) == len(stems)
    assert all(len(name) <= 50 and name.isascii() and name.replace("_", "").isalnum() and name == name.lower() for name in names)


@pytest.mark.parametrize("prefix", ["", "a", "1ab", "toolongpre", "mscrmx", "Mwb", "m-b"])
def test_a_prefix_that_the_service_refuses_is_refused_here(prefix):
    with pytest.raises(BadInput):
        check_prefix(prefix)


def test_a_row_id_is_made_of_the_names_hash_and_the_time():
    digest = hashlib.sha1(b"acme|user|u-118|contact|").digest()
    made = uuid.UUID(row_id("acme", "user", "u-118", "contact", created_ms=1_709_629_811_000))
    assert (made.version, made.variant) == (8, uuid.RFC_4122)
    assert made.bytes[10:] == (1_709_629_811_000).to_bytes(6, "big")
    assert made.bytes[:6] == digest[:6]
    assert made.bytes[6] & 0x0F == digest[6] & 0x0F
    assert (made.bytes[7], made.bytes[9]) == (digest[7], digest[9])
    assert made.bytes[8] & 0x3F == digest[8] & 0x3F


def test_row_ids_depend_on_every_part_and_take_any_text_and_time():
    parts = [("a", "user", "1", "lead", ""), ("b", "user", "1", "lead", ""), ("a", "item", "1", "lead", ""), ("a", "user", "2", "lead", "")]
    parts += [("a", "user", "1", "contact", ""), ("a", "user", "1", "lead", "list"), ("a", "user", "\ud800😀", "lead", "")]
    assert len({row_id(*part[:4], role=part[4]) for part in parts}) == len(parts)
    assert row_id("a", "user", "1", "lead", created_ms=-5) == row_id("a", "user", "1", "lead")
    assert row_ids("a", "user", "lead")("1", 77) == row_id("a", "user", "1", "lead", created_ms=77)
    assert uuid.UUID(row_id("a", "user", "1", "lead", created_ms=2**60))


def test_canonical_json_is_that_of_the_standard():
    value = {"\u20ac": "Euro", "\r": 1, "1": [333333333.33333329, 1e30, 4.50, 2e-3, 1e-27], "\U0001f600": None, "ö": '\u000f\n"\\/'}
    assert canonical_json(value) == (
        '{"\\r":1,"1":[333333333.3333333,1e+30,4.5,0.002,1e-27],"ö":"\\u000f\\n\\"\\\\/","€":"Euro","😀":null}'.encode()
    )
    assert part_hash({"b": 1, "a": 2}) == hashlib.sha256(b'{"a":2,"b":1}').hexdigest()
    with pytest.raises(BadInput):
        canonical_json({"n": 2**60})


def scribble(dice, depth=0):
    kind = dice.randrange(9 if depth < 3 else 6)
    text = "".join(dice.choice('ab"\\\n\x00\x7fé\u2028😀\ue000') for _ in range(dice.randrange(5)))
    simple = [None, True, dice.randrange(-(2**53) + 1, 2**53), dice.choice([0.0, -0.0, 5.0, 0.1, 1e21, 1e-7, 123456789012345.6]), text, ""]
    if kind < 6:
        return simple[kind]
    if kind == 6:
        return [scribble(dice, depth + 1) for _ in range(3)]
    return {dice.choice('aZ"é\ue000😀\n') + str(n): scribble(dice, depth + 1) for n in range(4)}


def test_records_and_plan_parts_are_hashed_over_the_standards_form_by_the_quick_way_too():
    dice = random.Random(11)
    for _ in range(500):
        record = {"r": scribble(dice)}
        assert record_bytes(record) == canonical_json(record) == rfc8785.dumps(record)


@pytest.mark.parametrize("record", [{"n": 2**60}, {"n": 10**5_000}, {"\ud800": "\udfff"}, orjson.loads("[" * 900 + "]" * 900), "x", None])
def test_no_record_is_too_strange_to_be_hashed(record):
    assert len(record_hash(record)) == 40


def test_records_that_differ_in_a_long_number_only_stay_two():
    assert record_hash({"n": 2**60}) != record_hash({"n": 2**60 + 1})
    assert record_hash({"b": 2**60, "a": 1}) == record_hash({"a": 1, "b": 2**60})


@pytest.mark.parametrize(
    ("name", "record", "source_id"),
    [
        ("campaign", {"id": 71}, "71"),
        ("catalogItem", {"catalogName": "stores", "itemId": " st-1 "}, "stores/st-1"),
        ("catalogItem", {"catalogName": "stores", "itemId": ""}, None),
        ("purchase", {"id": "pu-1", "order": {"no": "A-1"}}, "pu-1"),
        ("purchase", {"id": " ", "order": {"no": "A-1"}}, "A-1"),
        ("purchase", {"id": True, "orderId": "A-1"}, None),
        ("customEvent", {"id": 7, "eventName": "signup"}, None),
    ],
)
def test_a_record_is_known_by_the_first_filled_alternative_of_its_objects_rule_else_by_its_hash(name, record, source_id):
    give = identify(load_playbook("iterable"), name, {"order_id_field": "order.no"})
    assert give(record) == (source_id or f"sha1:{record_hash(record)}")
