"""JSON as sources really send it."""

import pytest

from connectors import rawjson


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"id": 18446744073709551617}', {"id": 18446744073709551617}),
        (b'{"id": -123456789012345678901234567890}', {"id": -123456789012345678901234567890}),
        (rb'{"name": "\ud800"}', {"name": "\ud800"}),
        ('{"name": "Ærø"}'.encode(), {"name": "Ærø"}),
        (b"[1, 2.5, null]", [1, 2.5, None]),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    ],
)
def test_what_is_read_keeps_its_digits_and_its_half_characters(raw, value):
    assert rawjson.read(raw) == value
    assert rawjson.read(rawjson.write(value)) == value


@pytest.mark.parametrize("raw", [b'{"a": NaN}', b"{", b"", b'{"a": 1} x'])
def test_what_is_no_json_is_refused(raw):
    with pytest.raises(ValueError, match="NaN|Expecting|Extra data"):
        rawjson.read(raw)


def test_a_number_that_python_refuses_to_read_is_rounded_rather_than_lost():
    assert rawjson.read(b'{"a": 1' + b"0" * 200 + b"}")["a"] == 10**200
    assert isinstance(rawjson.read(b"[" + b"9" * 200 + b"." + b"9" * 5000 + b"]")[0], float)


def test_other_bytes_than_utf8_are_told_apart():
    with pytest.raises(UnicodeDecodeError):
        rawjson.read(b'{"name": "\xff"}')
