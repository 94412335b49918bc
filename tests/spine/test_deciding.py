"""Who loads, decided on the keys of people alone: what the signed plan says of each record, and which reason comes first."""

import pyarrow as pa
import pytest

from connectors.store import database
from loads.models import Run
from loads.staging.context import StagingContext
from loads.staging.deciding import _answers, judge
from mapping.people import KEYS
from mapping.quality.remedies import CONTACT, LEAD, digest

MATRIX = {"customer": "contact", "subscriber": "lead", "dormant": "review", "bot": "skip"}
OWNERS = ("", "ada@northwind.example")
EMPTY = {pa.int64(): 0, pa.int8(): 0, pa.string(): "", pa.bool_(): False, pa.list_(pa.string()): []}


def key(position: int, **fields: object) -> dict[str, object]:
    """The keys of a sound record of a customer, unlike all others, but for what is given."""
    name = f"u-{position}"
    empty = {field.name: EMPTY[field.type] for field in KEYS}
    own = {"position": position, "source_id": name, "user_key": name, "email": f"{name}@x.example", "problem": None, "stage": "customer"}
    return empty | own | fields


def judged(*keys: dict[str, object], matrix: dict[str, str] = MATRIX, **said: str) -> list[tuple[str, str, list[str]]]:
    with database() as con:
        con.register("given", pa.Table.from_pylist(list(keys), schema=KEYS))
        con.execute("CREATE TABLE keys AS SELECT * FROM given")
        judge(con, matrix, OWNERS, answers={choice.removeprefix("said_"): [digest(name)] for choice, name in said.items()})
        return con.execute("SELECT disposition, outcome, codes FROM decided ORDER BY position").fetchall()


@pytest.mark.parametrize(
    ("fields", "disposition", "codes"),
    [
        ({}, "planned", []),
        ({"stage": "vip"}, "held", ["split.stage_not_signed"]),
        ({"stage": ""}, "held", ["split.stage_blank"]),
        ({"stage": "dormant"}, "held", ["split.review"]),
        ({"stage": "bot"}, "skipped", ["split.skip"]),
        ({"stage": "bot", "email": None, "email_issue": "email.missing"}, "skipped", ["split.skip", "email.missing"]),
        ({"owner": "nobody"}, "held", ["owner.not_answered"]),
        ({"stage": "vip", "owner": "nobody"}, "held", ["split.stage_not_signed", "owner.not_answered"]),
        ({"email": None, "email_issue": "email.too_long", "stage": "vip"}, "rejected", ["email.too_long", "split.stage_not_signed"]),
        ({"role_address": True}, "held", ["email.role_address"]),
        ({"forgotten": True, "stage": "vip"}, "skipped", ["person.forgotten"]),
        ({"problem": "not JSON"}, "rejected", ["record.unreadable"]),
    ],
)
def test_every_record_gets_one_disposition_and_all_its_reasons(fields, disposition, codes):
    [(found, _, reasons)] = judged(key(1, **fields))
    assert (found, reasons) == (disposition, codes)


def test_blank_stages_go_where_the_signed_matrix_says():
    assert judged(key(1, stage=""), matrix={"": "lead"}) == [("planned", "lead", [])]


def test_nothing_loads_by_a_matrix_that_lists_nothing():
    assert judged(key(1), key(2, stage=""), matrix={}) == [("held", "", ["split.stage_not_signed"]), ("held", "", ["split.stage_blank"])]


def test_records_of_one_person_are_decided_by_the_stage_of_the_newest():
    old = key(1, email="one@x.example", stage="vip", updated="2024-01-01T00:00:00Z")
    new = key(2, email="one@x.example", stage="subscriber", updated="2025-01-01T00:00:00Z")
    assert judged(old, new) == [("merged", "lead", []), ("planned", "lead", [])]


def test_two_last_names_on_one_address_hold_both_records_and_a_blank_one_is_no_name():
    ek, berg, blank = (key(n, email="one@x.example", last_name=name) for n, name in enumerate(("ek", "berg", ""), start=1))
    assert [codes for _, _, codes in judged(ek, berg)] == [["cluster.last_names_differ"]] * 2
    assert [disposition for disposition, _, _ in judged(ek, blank)] == ["merged", "planned"]


def test_what_somebody_said_of_two_last_names_holds_for_all_records_of_the_address():
    names = ("ek", "berg", "", "ek")
    keys = [key(n, email="one@x.example", last_name=name, updated=f"2024-01-0{n}T00:00:00Z") for n, name in enumerate(names, start=1)]
    assert [one for one, _, _ in judged(*keys, said_one="u-2")] == ["merged", "merged", "merged", "planned"]
    assert [one for one, _, _ in judged(*keys, said_several="u-1")] == ["merged", "planned", "merged", "planned"]


def test_records_with_one_id_are_not_taken_for_several_people_whatever_somebody_said():
    ek, berg = (key(n, source_id="u-9", email="one@x.example", last_name=name) for n, name in enumerate(("ek", "berg"), start=1))
    assert [codes for _, _, codes in judged(ek, berg, said_several="u-9")] == [["cluster.last_names_differ"]] * 2


@pytest.mark.parametrize(
    ("fields", "answer", "found"),
    [
        ({"stage": "dormant"}, "lead", ("planned", "lead", [])),
        ({"stage": ""}, "contact", ("planned", "contact", [])),
        ({"role_address": True}, "matrix", ("planned", "contact", [])),
        ({"role_address": True}, "lead", ("planned", "lead", [])),
        ({"role_address": True, "stage": "dormant"}, "matrix", ("held", "", ["split.review"])),
        ({"role_address": True, "stage": "dormant"}, "lead", ("planned", "lead", [])),
        ({"stage": "vip"}, "lead", ("held", "", ["split.stage_not_signed"])),
        ({"stage": "bot"}, "lead", ("skipped", "", ["split.skip"])),
    ],
)
def test_who_was_left_to_somebody_goes_where_they_said_and_nobody_else_does(fields, answer, found):
    assert judged(key(1, **fields), **{f"said_{answer}": "u-1"}) == [found]


def test_answers_about_an_object_that_the_plan_leaves_out_are_passed_over():
    context = StagingContext(Run(), None, "tests", lambda: None)
    given = [{"object_name": name, "choice": choice, "records": [name]} for name, choice in (("user", CONTACT), ("left out", LEAD))]
    vars(context)["contents"] = {"maps": {"objects": {"user": {"kind": "person"}}}, "quality": {"remedies": given}}
    assert _answers(context) == {CONTACT: ["user"]}
