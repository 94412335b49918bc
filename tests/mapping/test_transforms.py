import cProfile
import math

import orjson
import pytest

from mapping.issues import EXPLANATIONS
from mapping.transforms import TRANSFORMS, TimeRules, compile_transform, utf16_length
from tests.mapping.columns import codes, column, convert
from workbench.engagements.errors import BadInput

KINDS = {name: info.kinds[0] for name, info in TRANSFORMS.items()}


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value, {"k": 1}]
    return value


NASTY = [
    None, True, False, 0, -0.0, 1, 2**31, 2**63, 2**64, 10**400, -(10**5_000), 1e308, 5e-324, math.nan, math.inf, -math.inf,
    "", " ", "\x00", "a\x00b", "\ud800", "ok\udfffok", "\n\r\t", "😀" * 3_000, "x" * 1_000_000, "1" * 5_000, "1e999", "-1e-999", "１２",
    "2024-02-30", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "0000-00-00", "2024-03-05T09:10:60Z", "+99:99",
    "2024-03-05 09:10:11 +99:99", "a@b", "a@\ud800.com", "http://", "javascript:alert(1)", "//", "{", '{"a":1}', "\u2028", "\ufeff",
    [], {}, [None], [[]], {"": {"": []}}, ["\ud800"], {"\ud800": "\ud800"}, {"n": 10**50}, [10**5_000], [math.nan], deep(150), deep(5_000),
]  # fmt: skip


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
@pytest.mark.parametrize("options", [{}, {"every": True}])
def test_no_transform_raises_on_anything_and_all_it_says_can_be_stored(name, options):
    full = {"epoch": "auto", "format": "%d/%m/%Y", "values": {"x": 1}, "separator": ";", "text_as_is": True, "yes": ["ja"], "no": ["nein"]}
    chosen = {key: value for key, value in full.items() if options and key in TRANSFORMS[name].options}
    compiled = compile_transform(name, field="f", column=column(KINDS[name], max_length=100, options={1: "x"}), options=chosen)
    for value in NASTY:
        mapped = compiled(value)
        orjson.dumps([mapped.value, mapped.whole, [issue.as_dict() for issue in mapped.issues]])
        assert not isinstance(mapped.value, str) or utf16_length(mapped.value) <= 100
        assert not isinstance(mapped.value, float) or math.isfinite(mapped.value)
        assert all(issue.code in EXPLANATIONS and issue.severity in ("loss", "note") for issue in mapped.issues)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("text", "  Ann ", "Ann"), ("text", 12, "12"), ("memo", "a\nb", "a\nb"), ("email", " A@B.example", "a@b.example"),
        ("phone", "+49 30 1234", "+49 30 1234"), ("url", "https://a.example", "https://a.example"), ("integer", "12", 12),
        ("integer", 12.0, 12), ("integer", "1,234", None), ("decimal", "12.5", 12.5), ("money", 19.99, 19.99), ("boolean", "Yes", True),
        ("boolean", 0, False), ("date", "2024-03-05", "2024-03-05"),
        ("datetime", "2024-03-05 09:10:11 +00:00", "2024-03-05T09:10:11Z"), ("json", [1, 2], "[1,2]"),
    ],
)  # fmt: skip
def test_a_transform_does_what_its_sentence_says(name, value, expected):
    assert convert(name, value, KINDS[name], behavior="DateOnly" if name == "date" else "").value == expected


def test_text_is_one_clean_line():
    mapped = convert("text", "  Ann\x07\r\n\tLee\ud83d ")
    assert mapped.value == "Ann Lee\ufffd"
    assert codes(mapped) == ["text.control_characters", "text.lone_surrogates", "text.line_breaks"]
    assert [issue.severity for issue in mapped.issues] == ["loss", "loss", "note"]


def test_original_texts_keep_their_outer_spaces_when_asked():
    assert convert("text", " Customer ", options={"trim": False}).value == " Customer "
    assert convert("text", "   ", options={"trim": False}).value is None


def test_long_text_keeps_its_line_breaks():
    assert convert("memo", "a\r\n\tb ", "Memo") == ("a\r\n\tb ", (), None)


def test_text_too_long_is_cut_between_characters_with_the_whole_kept():
    mapped = convert("text", "abc😀def", max_length=4)
    assert (mapped.value, mapped.whole, codes(mapped)) == ("abc", "abc😀def", ["text.shortened"])
    assert convert("text", "abc😀", max_length=5).value == "abc😀"
    assert convert("text", "abc😀", max_length=4).value == "abc"


def test_a_structure_in_a_text_field_arrives_as_its_json():
    mapped = convert("text", {"a": [1, "é"]})
    assert (mapped.value, codes(mapped)) == ('{"a":[1,"é"]}', ["text.from_structure"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [(7, 7), (7.0, 7), ("7", 7), (" -7 ", -7), ("7.00", 7), ("7e2", 700), (None, None), ("", None), ("2147483647", 2147483647)],
)
def test_whole_numbers_are_read_where_they_can_mean_one_thing_only(value, expected):
    assert convert("integer", value, "Integer") == (expected, (), None)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("1,234", "number.unparseable"), ("1.234,5", "number.unparseable"), ("1 234", "number.unparseable"), ("0x10", "number.unparseable"),
        ("٣", "number.unparseable"), ("_1", "number.unparseable"), (True, "number.unparseable"), ([1], "number.unparseable"),
        (7.5, "number.not_whole"), ("7.5", "number.not_whole"), (2**31, "number.out_of_range"), ("1e20", "number.out_of_range"),
        (math.nan, "number.not_finite"), (math.inf, "number.not_finite"),
    ],
)  # fmt: skip
def test_what_is_no_whole_number_is_left_out_and_kept_as_text(value, code):
    mapped = convert("integer", value, "Integer")
    assert (mapped.value, codes(mapped)) == (None, [code])
    assert mapped.whole


def test_a_columns_own_limits_are_narrower_than_its_types():
    assert codes(convert("integer", 11, "Integer", max=10)) == ["number.out_of_range"]
    assert codes(convert("decimal", -0.5, "Decimal", min=0)) == ["number.out_of_range"]


def test_decimals_beyond_the_column_are_rounded_half_to_even_and_said():
    mapped = convert("decimal", "2.125", "Decimal", precision=2)
    assert (mapped.value, mapped.whole, codes(mapped)) == (2.12, "2.125", ["number.rounded"])
    assert convert("decimal", 0.1, "Decimal", precision=2) == (0.1, (), None)
    assert codes(convert("decimal", "12345678901.1234567891", "Decimal", precision=10)) == ["number.rounded"]


@pytest.mark.parametrize("value", [True, "true", " YES ", "on", "Y", 1, 1.0, "1"])
def test_yes_is_read(value):
    assert convert("boolean", value, "Boolean").value is True


@pytest.mark.parametrize("value", [False, "False", "no", "OFF", "n", 0, "0"])
def test_no_is_read(value):
    assert convert("boolean", value, "Boolean").value is False


@pytest.mark.parametrize("value", [2, "maybe", [], {}, math.nan, "truee"])
def test_what_is_neither_yes_nor_no_is_left_out(value):
    assert codes(convert("boolean", value, "Boolean")) == ["boolean.unparseable"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-03-05 09:10:11 +00:00", "2024-03-05T09:10:11Z"),
        ("2024-03-05 09:10:11 -05:30", "2024-03-05T14:40:11Z"),
        ("2024-03-05T09:10:11.987Z", "2024-03-05T09:10:11Z"),
        ("2024-03-05T09:10:11+0200", "2024-03-05T07:10:11Z"),
        ("2024-03-05 09:10", "2024-03-05T09:10:00Z"),
        ("2024-03-05", "2024-03-05T00:00:00Z"),
        ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"),
        ("1753-01-01T00:00:00Z", "1753-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_moments_arrive_in_utc_to_the_second(value, expected):
    assert convert("datetime", value, "DateTime") == (expected, (), None)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("03/05/2024", "date.unparseable"), ("2024-02-30", "date.unparseable"), ("tomorrow", "date.unparseable"),
        (True, "date.unparseable"), (["2024-03-05"], "date.unparseable"), ("2024-03-05T25:00:00Z", "date.unparseable"),
        ("9999-12-31T23:59:59-01:00", "date.unparseable"), (1_709_629_811, "date.number_without_unit"),
        ("1752-12-31", "date.before_1753"), ("1753-01-01T00:30:00+01:00", "date.before_1753"),
        ("1970-01-01T00:00:00Z", "date.epoch_zero"), ("1969-12-31T19:00:00-05:00", "date.epoch_zero"), ("1970-01-01", "date.epoch_zero"),
    ],
)  # fmt: skip
def test_what_is_no_date_that_the_destination_takes_is_left_out_with_its_text(value, code):
    mapped = convert("datetime", value, "DateTime")
    assert (mapped.value, codes(mapped)) == (None, [code])
    assert mapped.whole


def test_numbers_are_dates_once_the_map_says_what_they_count():
    assert convert("datetime", 1_709_629_811, "DateTime", {"epoch": "seconds"}).value == "2024-03-05T09:10:11Z"
    assert convert("datetime", "1709629811999", "DateTime", {"epoch": "milliseconds"}).value == "2024-03-05T09:10:11Z"
    assert convert("datetime", 1_709_629_811_000, "DateTime", {"epoch": "auto"}).value == "2024-03-05T09:10:11Z"
    assert convert("datetime", 1_709_629_811, "DateTime", {"epoch": "auto"}).value == "2024-03-05T09:10:11Z"
    assert codes(convert("datetime", 0, "DateTime", {"epoch": "seconds"})) == ["date.epoch_zero"]
    assert codes(convert("datetime", 1e300, "DateTime", {"epoch": "auto"})) == ["date.unparseable"]


def test_a_form_that_a_person_named_is_read():
    assert convert("date", "05/03/2024", "DateTime", {"format": "%d/%m/%Y"}, behavior="DateOnly").value == "2024-03-05"


def test_a_birthday_on_the_first_day_of_1970_can_be_let_through():
    assert convert("date", "1970-01-01", "DateTime", {"keep_epoch_zero": True}, behavior="DateOnly").value == "1970-01-01"


def test_source_times_without_a_zone_are_read_in_the_signed_source_zone():
    assert convert("datetime", "2024-01-05T09:00:00", "DateTime", zones=("America/New_York", "UTC")).value == "2024-01-05T14:00:00Z"
    assert convert("datetime", "2024-07-05T09:00:00", "DateTime", zones=("America/New_York", "UTC")).value == "2024-07-05T13:00:00Z"


def test_a_local_time_that_never_was_moves_forward_and_one_that_was_twice_is_the_first():
    zones = ("America/New_York", "UTC")
    gap = convert("datetime", "2024-03-10T02:30:00", "DateTime", zones=zones)
    assert (gap.value, codes(gap)) == ("2024-03-10T07:30:00Z", ["date.dst_gap"])
    fold = convert("datetime", "2024-11-03T01:30:00", "DateTime", zones=zones)
    assert (fold.value, codes(fold)) == ("2024-11-03T05:30:00Z", ["date.dst_fold"])
    assert convert("datetime", "2024-11-03T01:30:00-05:00", "DateTime", zones=zones) == ("2024-11-03T06:30:00Z", (), None)


def test_the_day_is_taken_in_the_signed_day_zone():
    zones = ("UTC", "Asia/Tokyo")
    assert convert("date", "2024-03-05T23:30:00Z", "DateTime", zones=zones, behavior="DateOnly").value == "2024-03-06"
    assert convert("date", "2024-03-05", "DateTime", zones=zones, behavior="DateOnly").value == "2024-03-05"
    shown = convert("date", "2024-03-05T23:30:00Z", "DateTime", zones=zones, behavior="UserLocal", format="DateOnly")
    assert shown.value == "2024-03-06T00:00:00Z"


def test_a_column_without_a_zone_gets_the_wall_time_of_the_signed_zone():
    zones, wall = ("UTC", "Europe/Berlin"), {"behavior": "TimeZoneIndependent", "format": "DateAndTime"}
    assert convert("datetime", "2024-03-31T00:59:59Z", "DateTime", zones=zones, **wall) == ("2024-03-31T01:59:59Z", (), None)
    assert convert("datetime", "2024-03-31T01:00:00Z", "DateTime", zones=zones, **wall).value == "2024-03-31T03:00:00Z"
    assert convert("datetime", "2024-07-01", "DateTime", zones=zones, **wall).value == "2024-07-01T00:00:00Z"
    twice = [convert("datetime", f"2024-10-27T0{hour}:30:00Z", "DateTime", zones=zones, **wall) for hour in (0, 1)]
    assert [(one.value, codes(one)) for one in twice] == [("2024-10-27T02:30:00Z", ["date.wall_twice"])] * 2


def test_a_maps_own_zones_stand_before_the_signed_ones():
    zones, own = ("UTC", "UTC"), {"zone": "Asia/Tokyo"}
    assert convert("date", "2024-03-05T23:30:00Z", "DateTime", own, zones=zones, behavior="DateOnly").value == "2024-03-06"
    wall = convert("datetime", "2024-03-05T23:30:00Z", "DateTime", own, zones=zones, behavior="TimeZoneIndependent")
    assert wall.value == "2024-03-06T08:30:00Z"
    told = convert("datetime", "2024-07-05T09:00:00", "DateTime", {"source_zone": "America/New_York"}, zones=zones)
    assert told.value == "2024-07-05T13:00:00Z"


@pytest.mark.parametrize(
    ("options", "words"), [({"zone": "Asia/Tokyo"}, "keeps moments in UTC"), ({"source_zone": "Mars"}, "no time zone")]
)
def test_a_zone_that_says_nothing_of_its_column_or_that_there_is_not_is_refused(options, words):
    with pytest.raises(BadInput, match=words):
        convert("datetime", "2024-03-05T23:30:00Z", "DateTime", options, behavior="UserLocal", format="DateAndTime")


def test_choices_follow_the_confirmed_value_map():
    options = {"values": {"Gold": 1, "silver ": 2}}
    known = {1: "Gold", 2: "Silver"}
    compiled = compile_transform("choice", field="tier", column=column("Choice", options=known), options=options)
    assert compiled(" GOLD ").value == 1
    assert compiled("").value is None
    unmapped = compiled("bronze")
    assert (unmapped.value, unmapped.whole, codes(unmapped)) == (None, "bronze", ["choice.unmapped"])


def test_several_choices_are_written_rising_and_what_has_no_option_is_kept():
    compiled = compile_transform(
        "multichoice", field="t", column=column("MultiChoice"), options={"values": {"a": 9, "b": 1}, "separator": ";"}
    )
    assert compiled("a; B;a") == ("1,9", (), None)
    partly = compiled(["a", "c"])
    assert (partly.value, partly.whole, codes(partly)) == ("9", '["a","c"]', ["choice.unmapped"])


def test_a_web_address_is_whole_or_not_at_all():
    assert convert("url", " https://a.example/x ", max_length=50).value == "https://a.example/x"
    assert convert("url", "a.example:8080/x").value == "a.example:8080/x"
    assert codes(convert("url", "https://a.example/" + "x" * 50, max_length=50)) == ["url.too_long"]
    assert codes(convert("url", "javascript:alert(1).x")) == ["url.unparseable"]
    assert codes(convert("url", "not an address")) == ["url.unparseable"]


def test_phone_numbers_stay_as_written_even_where_an_export_made_them_numbers():
    assert convert("phone", " +1 (555) 010-0 ").value == "+1 (555) 010-0"
    assert convert("phone", 15_550_100.0).value == "15550100"
    assert convert("phone", "5" * 25, max_length=20).whole == "5" * 25


def test_structures_arrive_as_compact_json():
    assert convert("json", {"b": [1, None], "a": "é"}, "Memo").value == '{"b":[1,null],"a":"é"}'
    assert convert("json", '{"a": 1}', "Memo", {"text_as_is": True}).value == '{"a": 1}'
    assert convert("json", "plain", "Memo").value == '"plain"'


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("choice", "Choice", {"values": {"a": 99}}), ("choice", "Choice", {"values": {"a": True}}), ("choice", "Choice", {"values": []}),
        ("choice", "Choice", {"values": {"a": 1, "A ": 2}}),
    ],
)  # fmt: skip
def test_a_map_that_contradicts_its_column_is_refused_before_any_record(name, kind, options):
    with pytest.raises(BadInput):
        compile_transform(name, field="f", column=column(kind, options={1: "One", 2: "Two"}), options=options)


def test_an_unknown_zone_is_refused():
    with pytest.raises(BadInput):
        TimeRules.from_content({"source_zone": "Mars/Olympus"})


def test_a_megabyte_is_cut_in_as_many_steps_as_a_line():
    def steps(text):
        profile = cProfile.Profile()
        assert len(profile.runcall(convert, "text", text, max_length=100).value) == 100
        return sum(entry.callcount for entry in profile.getstats())

    convert("text", "é" * 200, max_length=100)  # what is made once
    assert steps("é" * 1_000_000) == steps("é" * 200)


@pytest.mark.parametrize("info", TRANSFORMS.values(), ids=lambda info: info.name)
def test_the_example_that_people_read_is_what_the_transform_does(info):
    days = {"behavior": "DateOnly", "format": "DateOnly"} if info.name == "date" else {}
    target = column(info.kinds[0], max_length=100, precision=2, options={1: "Gold", 2: "New"}, **days)
    compiled = compile_transform(info.name, field="x", column=target, options=info.example.options)
    assert compiled(info.example.before).value == info.example.after
    assert "becomes" in str(info.example)
