import orjson
import pytest

from mapping.fieldmaps import FieldRule, compile_fieldmaps, original_values, reader, rules_of
from mapping.transforms import utf16_length
from tests.mapping.columns import column
from workbench.engagements.errors import BadInput

MEMO = "mwb_original_values"


def rule(source, target, transform="text", state="confirmed", **options):
    return FieldRule(source, target, transform, options, MEMO, state)


COLUMNS = {
    "firstname": column(name="firstname", max_length=5),
    "mwb_score": column("Integer", "mwb_score"),
    "mwb_tier": column(name="mwb_tier"),
    MEMO: column("Memo", MEMO, max_length=10_000),
}


def test_a_record_gives_all_values_and_every_issue_in_one_pass():
    fill = compile_fieldmaps(
        [rule("firstName", "firstname"), rule("score", "mwb_score", "integer"), rule("plan.tier", "mwb_tier")], COLUMNS
    )
    row = fill({"firstName": "Maximilian", "score": "high", "plan": {"tier": "gold"}, "unmapped": 1})
    assert row.values == {"firstname": "Maxim", "mwb_tier": "gold", MEMO: '{"firstName":"Maximilian","score":"high"}'}
    assert [(issue.field, issue.code) for issue in row.issues] == [("firstName", "text.shortened"), ("score", "number.unparseable")]
    assert fill.columns == ("firstname", "mwb_score", "mwb_tier", MEMO)


def test_nothing_unconfirmed_moves():
    rules = [rule("a", "firstname", state="proposed"), rule("b", "mwb_tier", state="left"), rule("c", "mwb_score", "integer")]
    assert compile_fieldmaps(rules, COLUMNS)({"a": "x", "b": "y", "c": 3}).values == {"mwb_score": 3}


def test_keys_with_dots_are_found_as_written_first_and_then_by_their_parts():
    read = reader("itbl.mail.domain")
    assert read({"itbl.mail.domain": 1, "itbl": {"mail": {"domain": 2}}}) == 1
    assert read({"itbl": {"mail.domain": 3}}) == 3
    assert read({"itbl.mail": {"domain": 4}}) == 4
    assert read({"itbl": {"mail": {"domain": 5}}}) == 5
    assert read({"itbl": {"mail": [1]}}) is None
    assert reader("a field")({"a field": 6}) == 6


@pytest.mark.parametrize("record", [None, [], "text", 7, {}, {"firstName": None}, {"plan": "x"}])
def test_no_record_is_too_strange(record):
    row = compile_fieldmaps([rule("firstName", "firstname"), rule("plan.tier", "mwb_tier")], COLUMNS)(record)
    assert row.values == {}
    assert {issue.code for issue in row.issues} <= {"record.not_an_object"}


def test_whole_texts_beyond_the_memo_are_cut_longest_first_and_still_json():
    texts = {"a": "x" * 400, "b": '"\n😀' * 100, "c": "short"}
    text, shortened = original_values(texts, 300)
    kept = orjson.loads(text)
    assert utf16_length(text) <= 300
    assert kept["c"] == "short"
    assert set(shortened) == {"a", "b"}
    assert texts["a"].startswith(kept["a"])
    small = compile_fieldmaps([rule("firstName", "firstname")], {**COLUMNS, MEMO: column("Memo", MEMO, max_length=50)})
    assert [issue.code for issue in small({"firstName": "y" * 500}).issues] == ["text.shortened", "original_values.shortened"]
    assert original_values({"name": "x" * 100}, 5) == ("{}", ["name"])


@pytest.mark.parametrize(
    "rules", [[rule("a", "nowhere")], [rule("a", "firstname"), rule("b", "firstname")], [rule("a", "mwb_score", "text")]]
)
def test_a_map_that_cannot_work_is_refused_before_any_record(rules):
    with pytest.raises(BadInput):
        compile_fieldmaps(rules, COLUMNS)


def test_rules_come_out_of_the_plan_part():
    row = {"object": "user", "table": "lead", "source": "a", "column": "b", "transform": "text", "options": None, "state": "confirmed"}
    maps = {"prefix": "mwb", "fields": [row, {**row, "table": "contact"}, {**row, "object": "item"}]}
    assert rules_of(maps, "user", "lead") == [FieldRule("a", "b", "text", {}, MEMO, "confirmed")]
    with pytest.raises(BadInput):
        rules_of({"prefix": "mwb", "fields": [{"object": "user", "table": "lead", "source": "a"}]}, "user", "lead")
