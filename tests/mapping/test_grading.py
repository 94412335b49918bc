"""Grade, effort and timeline follow the rule table, and every rule that counted is shown."""

import pytest

from mapping.estimates.grading import Input, effort, grade, rules, timeline, weeks


def measured(**values: float) -> dict[str, Input]:
    return {name: Input(name, name.replace("_", " ").capitalize(), value, "test") for name, value in values.items()}


def test_points_are_those_of_the_last_step_that_is_reached():
    found = {one.input: (one.points, one.step) for one in grade(measured(records=500_000, fields=39, drift=5)).rules}
    assert found == {"records": (5, "500,000 or more"), "fields": (0, "under 40"), "drift": (2, "5 or more")}


@pytest.mark.parametrize(
    ("values", "name"),
    [({}, "S"), ({"records": 1_000_000}, "M"), ({"records": 1_000_000, "events": 1_000_000}, "L"),
     ({"records": 1_000_000, "events": 1_000_000, "objects": 10, "fields": 250}, "XL")],
)  # fmt: skip
def test_the_grade_is_the_first_whose_points_are_not_exceeded(values, name):
    found = grade(measured(**values))
    assert (found.name, found.total) == (name, sum(one.points for one in found.rules))


@pytest.mark.parametrize(("records", "alone"), [(2_000_000, False), (2_000_001, True)])
def test_more_than_two_million_records_are_scoped_individually(records, alone):
    assert grade(measured(records=records)).individually is alone


def test_work_is_counted_in_half_days_with_its_arithmetic():
    works = {work.work: work for work in effort(measured(fields=41, objects=3))}
    assert (works["Field maps"].days, works["Field maps"].rule) == (2.5, "0.5 days and 1 for each 40 of 41 fields")
    assert works["Rules of objects"].days == 2.5  # 2.25
    assert works["Owners"].days == 0


def test_days_of_loading_are_added_where_a_load_takes_more_than_one():
    found = grade(measured(records=100))
    plain, long = timeline(found, 0.5), timeline(found, 3.2)
    assert [b.days - a.days for a, b in zip(plain, long, strict=True)] == [4 * rule.get("loads", 0) for rule in rules().timeline]
    assert all(one.last + 1 == other.first for one, other in zip(long, long[1:], strict=False))
    assert weeks(plain) == -(-sum(stage.days for stage in plain) // 5)


def test_every_rule_is_about_an_input_that_is_measured():
    names = {"records", "events", "objects", "fields", "mixed_fields", "unmatched_owners", "stages", "set_off", "drift", "documented",
             "not_loaded_share", "decisions", "not_loaded"}  # fmt: skip
    used = {rule["input"] for rule in rules().points} | {rule["input"] for rule in rules().effort if "input" in rule}
    assert used <= names
