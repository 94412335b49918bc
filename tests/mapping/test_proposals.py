"""What a playbook proposes, and the schema that follows from what people confirmed."""

import json
from dataclasses import replace

import pytest

from connectors.dataverse.columns import Column, ColumnSpec
from mapping.fieldmaps import compile_fieldmaps, rules_of
from mapping.fieldprofiles import FieldProfile
from mapping.likeness import builtin
from mapping.playbooks import field_key, load_playbook, read_playbook
from mapping.propose import propose_field, propose_map
from mapping.schema import columns_of, compare, plan_columns, spec_as_dict, spec_from_dict
from workbench.engagements.errors import BadInput

PLAYBOOK = load_playbook("iterable", "mwb")
STANDARD = {
    "contact": (
        "emailaddress1",
        "firstname",
        "lastname",
        "mobilephone",
        "telephone1",
        "jobtitle",
        "address1_city",
        "birthdate",
        "websiteurl",
    ),
    "lead": ("emailaddress1", "firstname", "lastname", "mobilephone", "telephone1", "jobtitle", "address1_city", "companyname"),
}
COLUMNS = {
    table: {
        name: Column(table, name, "DateTime" if name == "birthdate" else "String", max_length=100, behavior="DateOnly") for name in names
    }
    for table, names in STANDARD.items()
}


def seen(name, declared="string", types=None, **facts):
    facts = {"rows": 10, "filled": 10, "distinct": 5, "max_length": 12} | facts
    return FieldProfile(name, declared, types=types or {"string": 10}, **facts)


def proposed(profiles, table="contact", **settings):
    lines = propose_map(
        profiles, PLAYBOOK, object_name="user", table=table, columns=COLUMNS[table], prefix="mwb", settings=settings or None
    )
    assert [line.rule.source for line in lines] == [one.name for one in profiles]
    assert all(line.rule.column or line.rule.reason for line in lines)
    return {line.rule.source: line for line in lines}


def test_known_names_take_the_true_columns_however_they_are_written():
    lines = proposed([seen("First_Name"), seen("LASTNAME"), seen("phoneNumber"), seen("address.city"), seen("birthday", "date")])
    assert [line.rule.column for line in lines.values()] == ["firstname", "lastname", "mobilephone", "address1_city", "birthdate"]
    assert all(line.spec is None and line.rule.state == "proposed" for line in lines.values())


def test_of_two_names_for_one_thing_the_second_gets_a_column_of_its_own():
    lines = proposed([seen("mobile"), seen("phoneNumber"), seen("cell", filled=0)])
    assert lines["phoneNumber"].rule.column == "mobilephone"
    assert (lines["mobile"].rule.column, lines["mobile"].spec.kind) == ("mwb_mobile", "String")
    assert lines["cell"].rule.state == "left"


def test_a_known_field_without_a_column_in_this_table_gets_its_own():
    profiles = [seen("companyName")]
    assert proposed(profiles, "lead")["companyName"].rule.column == "companyname"
    assert proposed(profiles, "contact")["companyName"].rule.column == "mwb_companyname"


def test_stage_and_owner_follow_the_engagements_own_names():
    line = proposed([seen("Funnel Stage"), seen("lifecycleStage")], lifecycle_field="Funnel Stage")
    assert (line["Funnel Stage"].rule.column, line["Funnel Stage"].alias) == ("mwb_hs_original_lifecycle", "hs_original_lifecycle__c")
    assert line["lifecycleStage"].rule.column == "mwb_lifecyclestage"


def test_every_field_gets_a_decision_with_a_reason():
    names = ["userId", "emailListIds", "itblInternal.emailDomain", "devices", "unsubscribedChannelIds", "shoppingCartItems"]
    lines = proposed([*(seen(name) for name in names), seen("never", filled=0, types={})])
    assert {line.rule.state for line in lines.values()} == {"left"}
    assert all(line.rule.reason.endswith(".") for line in lines.values())


def test_an_object_is_left_where_its_own_fields_are_mapped_and_kept_where_they_are_not():
    lines = proposed([seen("plan", "object", {"object": 9, "null": 1}), seen("plan.tier"), seen("cart", "object", {"object": 10})])
    assert (lines["plan"].rule.state, lines["plan.tier"].rule.column) == ("left", "mwb_plan_tier")
    assert (lines["cart"].rule.transform, lines["cart"].spec.kind) == ("json", "Memo")


@pytest.mark.parametrize(
    ("one", "transform", "kind", "facts"),
    [
        (seen("a", max_length=60), "text", "String", {"max_length": 100}),
        (seen("a", max_length=90), "text", "String", {"max_length": 250}),
        (seen("a", max_length=3_900), "memo", "Memo", {"max_length": 10_000}),
        (seen("a", "long", {"integer": 10}, min=0, max=9), "integer", "Integer", {}),
        (seen("a", "long", {"integer": 10}, min=0, max=2**40), "text", "String", {}),
        (seen("a", "long", {"integer": 10}, min=0, max=2**32), "decimal", "Decimal", {"precision": 0}),
        (seen("a", "double", {"integer": 4, "number": 6}, min=0, max=9.5, decimals=3), "decimal", "Decimal", {"precision": 3}),
        (seen("a", "long", {"integer": 19, "number": 1}, min=0, max=9.5, decimals=1), "decimal", "Decimal", {"precision": 2}),
        (seen("a", "boolean", {"boolean": 10}), "boolean", "Boolean", {}),
        (seen("a", "date", max_length=26), "datetime", "DateTime", {"format": "DateAndTime"}),
        (seen("a", "date", {"integer": 10}, max_length=None, min=1e12, max=2e12), "datetime", "DateTime", {"format": "DateAndTime"}),
        (seen("a", "", top=(("2024-03-05", 3), ("2024-03-06", 1)), max_length=10), "date", "DateTime", {"format": "DateOnly"}),
        (seen("a", "string", top=(("2024-03-05", 3),)), "text", "String", {}),
        (seen("a", "", top=(("2024-03-05", 3), ("soon", 1))), "text", "String", {}),
        (seen("a", "date", max_length=10), "date", "DateTime", {"format": "DateOnly"}),
        (seen("a", "array of strings", {"array": 10}), "json", "Memo", {}),
        (seen("a", "", {"integer": 10}, min=0, max=9), "integer", "Integer", {}),
        (seen("a", "long", {"integer": 5, "string": 5}), "text", "String", {}),
        (seen("a", "long", {"string": 10}), "text", "String", {}),
        (seen("a", "long", {"integer": 19, "string": 1}, min=0, max=9), "integer", "Integer", {}),
    ],
)  # fmt: skip
def test_an_unknown_field_becomes_a_typed_column(one, transform, kind, facts):
    line = propose_field(one, "mwb")
    assert (line.rule.transform, line.spec.kind, line.spec.name) == (transform, kind, "mwb_a")
    assert {key: getattr(line.spec, key) for key in facts} == facts
    compile_fieldmaps([rule for rule in [line.rule]], {"mwb_a": line.spec})


def test_names_that_fall_together_are_a_review_item_on_the_line_itself():
    lines = proposed([seen("Größe"), seen("GROSSE")])
    assert len({line.rule.column for line in lines.values()}) == 2
    assert "To review" in lines["GROSSE"].as_row()["reason"]


def rows_of(lines):
    return [{**line.as_row(), "state": "confirmed" if line.rule.column else "left"} for line in lines.values()]


def test_confirmed_rows_become_a_plan_part_that_compiles_and_moves_values():
    rows = rows_of(
        proposed([seen("firstName"), seen("score", "long", {"integer": 10}, min=0, max=9), seen("lifecycleStage"), seen("userId")])
    )
    maps = {"prefix": "mwb", "fields": rows, "columns": plan_columns(rows, prefix="mwb", platform="iterable")}
    maps = json.loads(json.dumps(maps))
    planned = {spec.name: spec for spec in columns_of(maps, "contact")}
    fill = compile_fieldmaps(rules_of(maps, "user", "contact"), planned | COLUMNS["contact"])
    values = fill({"firstName": "Ann", "score": 7, "lifecycleStage": " MQL ", "userId": "u"}).values
    assert values == {"firstname": "Ann", "mwb_score": 7, "mwb_hs_original_lifecycle": " MQL "}


def test_every_table_gets_the_columns_that_tell_what_was_migrated():
    planned = plan_columns([], prefix="abc", platform="iterable")
    names = {table: {column["name"] for column in columns} for table, columns in planned.items()}
    assert set(names) >= {"account", "contact", "lead", "campaign", "list", "task", "product", "opportunity", "opportunityproduct"}
    assert "listmember" not in names  # takes no columns of ours
    assert all({"abc_sourceid", "abc_runid", "abc_original_values"} <= found for found in names.values())
    consent = {
        "abc_sms_opt_out",
        "abc_push_opt_out",
        "abc_inapp_opt_out",
        "abc_hs_original_lifecycle",
        "abc_original_owner",
        "abc_name_derived",
    }
    assert consent <= names["lead"] & names["contact"]
    stage = next(column for column in planned["lead"] if column["name"] == "abc_hs_original_lifecycle")
    assert stage["alias"] == "hs_original_lifecycle__c"


def test_only_confirmed_rows_make_columns_and_two_shapes_of_one_are_refused():
    row = {
        "table": "lead",
        "column": "mwb_a",
        "source": "a",
        "state": "left",
        "new_column": {"name": "mwb_a", "kind": "String", "display_name": "A"},
    }
    assert "'mwb_a'" not in str(plan_columns([row], prefix="mwb", platform="iterable"))
    wanted = {**row, "state": "confirmed"}
    other = {**wanted, "source": "b", "new_column": {"name": "mwb_a", "kind": "Memo", "display_name": "A"}}
    with pytest.raises(BadInput):
        plan_columns([wanted, other], prefix="mwb", platform="iterable")
    with pytest.raises(BadInput):
        plan_columns([{**wanted, "column": "mwb_b"}], prefix="mwb", platform="iterable")


def test_planned_columns_survive_their_way_through_json():
    spec = ColumnSpec("mwb_tier", "Choice", "Tier", "Of the plan", options=((727000000, "Gold"),), min=1, precision=2)
    assert spec_from_dict(json.loads(json.dumps(spec_as_dict(spec, "tier__c")))) == spec
    with pytest.raises(BadInput):
        spec_from_dict({"name": "x", "kind": "String", "display_name": "X", "colour": "red"})
    with pytest.raises(BadInput):
        spec_from_dict({"name": "x"})


def there(kind="String", **facts):
    return Column("lead", "mwb_a", kind, **facts)


@pytest.mark.parametrize(
    ("spec", "column", "verdict"),
    [
        (ColumnSpec("mwb_a", "String", "A", max_length=100), None, "create"),
        (ColumnSpec("mwb_a", "String", "A", max_length=100), there(max_length=100), "exists"),
        (ColumnSpec("mwb_a", "String", "A", max_length=100), there(max_length=50), "conflict"),
        (ColumnSpec("mwb_a", "String", "A", max_length=100), there("Memo", max_length=2_000), "conflict"),
        (ColumnSpec("mwb_a", "String", "A", max_length=100), there(max_length=100, valid_for_create=False), "conflict"),
        (ColumnSpec("mwb_a", "Decimal", "A", precision=3), there("Decimal", precision=2), "conflict"),
        (ColumnSpec("mwb_a", "Integer", "A", min=0, max=10), there("Integer", min=0, max=9), "conflict"),
        (ColumnSpec("mwb_a", "DateTime", "A", format="DateOnly"), there("DateTime", format="DateAndTime"), "conflict"),
        (ColumnSpec("mwb_a", "Choice", "A", options=((1, "x"), (2, "y"))), there("Choice", options={1: "x"}), "conflict"),
        (ColumnSpec("mwb_a", "Boolean", "A"), there("Boolean", options={1: "Yes", 0: "No"}), "exists"),
    ],
)
def test_the_plan_is_compared_with_what_the_destination_has(spec, column, verdict):
    found = compare({"lead": [spec]}, {"lead": {"mwb_a": column} if column else {}})
    assert [one.verdict for one in found] == [verdict]
    assert bool(found[0].reason) == (verdict == "conflict")


def test_a_table_that_is_not_there_is_a_conflict():
    assert compare({"lead": [ColumnSpec("mwb_a", "String", "A")]}, {})[0].verdict == "conflict"


def test_the_iterable_playbook_reads_the_matrix_of_the_offer():
    assert {PLAYBOOK.matrix[stage] for stage in ("subscriber", "lead", "mql")} == {"lead"}
    assert {PLAYBOOK.matrix[stage] for stage in ("sql", "customer", "evangelist")} == {"contact"}
    assert field_key("First_Name") == "firstname"
    assert PLAYBOOK.object("user").tables == ("contact", "lead")


GOOD = """
platform = "x"
title = "X"
role_addresses = ["info"]
free_mail_domains = ["mail.example"]
objects = [{ name = "user", title = "User", kind = "person", tables = ["contact"] }]
columns = []
fields = [{ object = "user", sources = ["a"], transform = "text", columns = { contact = "firstname" } }]
left = [{ object = "user", sources = ["b"], reason = "Because." }]
settings = { prefix = "mwb" }
identity = { source_id = ["id"], email = "email", first_name = "f", last_name = "l", updated = "u" }
split = { matrix = { lead = "contact" } }
consent = { arrays = {} }
"""


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ('"X"', '"X', "no valid TOML"),
        ('title = "X"', "", "no title"),
        ('title = "X"', 'title = "X"\ncolour = 1', "unknown key 'colour'"),
        ('"text"', '"rot13"', "transform 'rot13'"),
        ('"person"', '"alien"', "kind 'alien'"),
        ('"contact" }', '"account" }', "outcome 'account'"),
        ("lead =", '" Lead" =', "not trimmed"),
        ('["b"]', '["A"]', "listed twice"),
        ('"Because."', '" "', "no reason"),
        ("contact = ", "lead = ", "goes to lead"),
        ('["a"]', '["@nothing"]', "setting 'nothing'"),
        ('["a"]', '"a"', "fields 1: sources is a str"),
        (', updated = "u"', "", "identity 1 has no updated"),
        ('["info"]', '["Info"]', "'Info' is not trimmed"),
        ('transform = "text"', 'transform = "text", size = 3', "fields 1 has an unknown key 'size'"),
        ('"mwb"', "3", "setting prefix is no text"),
    ],
)
def test_every_mistake_in_a_playbook_is_named(tmp_path, old, new, mistake):
    path = tmp_path / "x.toml"
    path.write_text(GOOD)
    assert read_playbook(path).platform == "x"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(BadInput, match=r"x\.toml") as error:
        read_playbook(path)
    assert mistake in str(error.value)


def test_a_platform_without_playbook_is_named():
    with pytest.raises(BadInput, match="sparkle"):
        load_playbook("sparkle")


SALES = builtin.columns_of("lead")


def lead_lines(*profiles, **facts):
    lines = propose_map(profiles, PLAYBOOK, object_name="user", table="lead", columns=SALES, prefix="mwb", **facts)
    return {line.rule.source: line for line in lines}


def test_an_unknown_field_takes_the_column_that_it_is_like_with_its_score_and_reasons():
    line = lead_lines(seen("Annual Turnover", "double", {"number": 10}, min=1, max=9e6, decimals=2))["Annual Turnover"]
    assert (line.rule.column, line.rule.transform, line.rule.state, line.spec) == ("revenue", "money", "proposed", None)
    assert line.score > 0.8
    assert "reads as 'annual revenue'" in line.rule.reason
    compile_fieldmaps([replace(line.rule, state="confirmed")], SALES)
    new = next(one for one in line.alternatives if one.spec)
    assert (new.column, new.transform, new.score < line.score) == ("mwb_annual_turnover", "decimal", True)


def test_two_fields_never_share_a_column_and_the_one_that_goes_short_says_so():
    lines = lead_lines(seen("Annual Revenue", "double", {"number": 10}), seen("Turnover", "double", {"number": 10}, filled=4))
    assert [line.rule.column for line in lines.values()] == ["revenue", "mwb_turnover"]
    assert "revenue would fit" in lines["Turnover"].rule.reason
    again = lead_lines(seen("Turnover", "double", {"number": 10}), used={"revenue": "Annual Revenue"})
    assert again["Turnover"].rule.column == "mwb_turnover"


def test_columns_that_rules_fill_are_never_given_but_shown_with_the_reason():
    words = seen("Email Opt Out", "boolean", {"boolean": 10})
    for line in (lead_lines(words)["Email Opt Out"], lead_lines(seen("SIC Code"), reserved=["sic"])["SIC Code"]):
        assert line.spec is not None
        assert "Rules of the plan fill this column" in " ".join(line.alternatives[0].reasons + line.alternatives[1].reasons)


def test_a_choice_is_proposed_with_its_value_map_where_most_values_are_labels():
    rated = seen("Rating", top=(("hot", 5), ("Warm", 3), ("frozen", 1)))
    line = lead_lines(rated)["Rating"]
    assert (line.rule.column, line.rule.transform, line.rule.options) == ("leadqualitycode", "choice", {"values": {"hot": 1, "Warm": 2}})
    strange = lead_lines(seen("Rating", top=(("AAA", 5), ("BBB", 3))))["Rating"]
    assert strange.rule.column == "mwb_rating"


def test_likeness_can_be_told_to_list_only():
    line = lead_lines(seen("Annual Turnover", "double", {"number": 10}), at_least=2)["Annual Turnover"]
    assert (line.rule.column, line.alternatives[0].column) == ("mwb_annual_turnover", "revenue")
