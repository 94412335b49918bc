"""The names that the demonstration assumes, changed: other fields, another list prefix, another publisher, signed zones.

And what the clocks' changes make of a date, by its column's behaviour and its map's own zone.
"""

from pathlib import Path

import pytest

from connectors.dataverse.columns import ColumnSpec
from mapping.models import FieldMap
from mapping.schema import spec_as_dict
from mapping.workshop import decisions
from tests import database, folders
from tests.folders import organisation_list, user
from tests.playing import collect, engagement_on
from tests.spine.test_load_engine import Prepared
from workbench.engagements.models import SignOff
from workbench.pipeline import demonstration

pytestmark = pytest.mark.django_db
OPTIONS = {
    "lifecycle_field": "crm.stage",
    "owner_field": "accountManager",
    "organisation_list_prefix": "Org/",
    "prefix": "acme",
    "zones": {"source_zone": "Europe/Oslo", "day_zone": "America/New_York"},
}
UNIT, ASA = "00000000-0000-4000-8000-00000000b001", "00000000-0000-4000-8000-0000000000a1"
# What is sent in `renewal` (a moment) and `birthday` (a day), and what stands in acme_renewal and birthdate.
MOMENTS = {
    "utc": ("2024-07-01 12:00:00 +00:00", "2024-07-01T12:00:00Z"),
    "offset": ("2024-07-01T12:00:00+09:30", "2024-07-01T02:30:00Z"),
    "summer": ("2024-07-01 12:00:00", "2024-07-01T10:00:00Z"),
    "winter": ("2024-01-01 12:00:00", "2024-01-01T11:00:00Z"),
    "gap": ("2024-03-31 02:30:00", "2024-03-31T01:30:00Z"),
    "fold": ("2024-10-27 02:30:00", "2024-10-27T00:30:00Z"),
    "day": ("2024-07-01", "2024-06-30T22:00:00Z"),
}
DAYS = {
    "plain": ("1990-05-17", "1990-05-17"),
    "before": ("1990-05-17 03:59:59 +00:00", "1990-05-16"),  # New York is four hours behind in summer
    "after": ("1990-05-17 04:00:00 +00:00", "1990-05-17"),
    "winter": ("1990-01-17 04:59:59 +00:00", "1990-01-16"),  # and five in winter
    "zone": ("1990-05-17 23:30:00 -10:00", "1990-05-18"),
    "local": ("1990-05-17 05:30:00", "1990-05-16"),  # in Oslo, half past eleven of the evening before in New York
    "spring": ("2021-03-14 06:59:59 +00:00", "2021-03-14"),  # the last second before New York's clocks go forward
    "epoch": ("1970-01-01", "1970-01-01"),
    "eve": ("1970-01-01 00:00:00 +00:00", "1969-12-31"),
}
BERLIN = "Europe/Berlin"
# Field -> behaviour of the column that is made for it, and its map's options. The engagement itself takes days in New York.
FIELDS = {
    "seenAt": ("UserLocal", {}),
    "calledAt": ("TimeZoneIndependent", {"zone": BERLIN}),
    "openedAt": ("TimeZoneIndependent", {}),
    "dueOn": ("DateOnly", {"zone": BERLIN}),
}
# One moment of the source in every field, and what stands in each column.
BY_COLUMN = {
    "2024-03-30 22:59:59 +00:00": ("2024-03-30T22:59:59Z", "2024-03-30T23:59:59Z", "2024-03-30T18:59:59Z", "2024-03-30"),
    "2024-03-31 00:59:59 +00:00": ("2024-03-31T00:59:59Z", "2024-03-31T01:59:59Z", "2024-03-30T20:59:59Z", "2024-03-31"),
    "2024-03-31 01:00:00 +00:00": ("2024-03-31T01:00:00Z", "2024-03-31T03:00:00Z", "2024-03-30T21:00:00Z", "2024-03-31"),
    "2024-07-01 22:00:00 +00:00": ("2024-07-01T22:00:00Z", "2024-07-02T00:00:00Z", "2024-07-01T18:00:00Z", "2024-07-02"),
    "2024-10-27 00:30:00 +00:00": ("2024-10-27T00:30:00Z", "2024-10-27T02:30:00Z", "2024-10-26T20:30:00Z", "2024-10-27"),
    "2024-10-27 01:30:00 +00:00": ("2024-10-27T01:30:00Z", "2024-10-27T02:30:00Z", "2024-10-26T21:30:00Z", "2024-10-27"),
    "2024-11-03 05:30:00 +00:00": ("2024-11-03T05:30:00Z", "2024-11-03T06:30:00Z", "2024-11-03T01:30:00Z", "2024-11-03"),
    "2024-03-31 02:30:00": ("2024-03-31T01:30:00Z", "2024-03-31T03:30:00Z", "2024-03-30T21:30:00Z", "2024-03-31"),  # in Oslo's gap
}
IN_ITS_ZONE = ("2024-07-01 12:00:00", "2024-07-01T03:00:00Z")  # a time without a zone, of a field whose times are Tokyo's


def person(user_id: str, stage: str, **fields: object) -> dict[str, object]:
    """A profile without the names that the demonstration assumes otherwise."""
    return user(user_id, f"{user_id}@gmail.com", None, crm={"stage": stage}, **fields)


def folder(path: Path) -> Path:
    users = [
        person("u-lead", "MQL"),
        person("u-contact", "customer", accountManager="ASA@corp.example", ownerEmail="other@corp.example"),
        person("u-listed", "customer", emailListIds=[1, 2]),
        person("u-decoy", "dormant", lifecycleStage="customer"),
        *(person(f"m-{name}", "customer", renewal=sent) for name, (sent, _) in MOMENTS.items()),
        *(person(f"d-{name}", "customer", birthday=sent) for name, (sent, _) in DAYS.items()),
        *(person(f"c-{n}", "customer", toldAt=IN_ITS_ZONE[0], **dict.fromkeys(FIELDS, sent)) for n, sent in enumerate(BY_COLUMN)),
    ]
    lists = [organisation_list(1, "Org/Northpine"), organisation_list(2, "Company: Southpine")]
    colleague = {"systemuserid": ASA, "fullname": "Asa", "internalemailaddress": "asa@corp.example", "domainname": "asa@corp.example"}
    rows = {
        "dataverse/businessunit": [{"businessunitid": UNIT, "name": "Corp", "isdisabled": False}],
        "dataverse/systemuser": [{**colleague, "isdisabled": False, "accessmode": 0, "_businessunitid_value": UNIT}],
    }
    return folders.write(path, users, lists=lists, fields={"renewal": "date", "birthday": "date"}, rows=rows)


class Named(Prepared):
    """An engagement whose engineer edits some of the proposed maps."""

    def discover(self) -> None:
        super().discover()
        for name, (behavior, options) in {**FIELDS, "toldAt": ("UserLocal", {"source_zone": "Asia/Tokyo"})}.items():
            field = FieldMap.objects.get(engagement=self.engagement, source=name, table="contact")
            shape = "DateOnly" if behavior == "DateOnly" else "DateAndTime"
            field.column, field.transform, field.options = f"acme_{name.lower()}", "datetime", options
            field.new_column = spec_as_dict(ColumnSpec(field.column, "DateTime", name, format=shape, behavior=behavior))
            decisions.change(field, user=self.cast.engineer)


@pytest.fixture(scope="module")
def played(django_db_setup, django_db_blocker, tmp_path_factory):
    """A sandbox that was loaded and signed."""
    with django_db_blocker.unblock():
        source, work = folder(tmp_path_factory.mktemp("source")), tmp_path_factory.mktemp("work")
        try:
            with engagement_on(source, work, **OPTIONS) as (engagement, cast, servers):
                named = Named(engagement, cast, servers)
                demonstration._load(engagement, named.sandbox, cast, print)
                demonstration.sign(engagement, SignOff.Kind.SANDBOX, demonstration.sandbox_content(engagement), cast)
                yield collect(engagement, servers)
        finally:
            database.empty()


def row(played, table: str, source: str) -> dict[str, object]:
    (found,) = [one for one in played.rows(table) if one.get("acme_sourceid") == f"user:{source}"]
    return found


def test_every_phase_balances_under_the_engagements_own_prefix(played):
    assert all(phase["balanced"] for phase in played.summary["phases"])
    assert not [column for column in played.rows("contact")[0] if column.startswith("mwb_")]


def test_the_named_field_is_split_by_and_kept(played):
    assert row(played, "lead", "u-lead")["acme_hs_original_lifecycle"] == "MQL"
    assert row(played, "contact", "u-contact")["acme_hs_original_lifecycle"] == "customer"
    assert played.reasons("u-decoy") == ["split.review"]


def test_a_field_that_lost_its_meaning_becomes_a_column_like_any_other(played):
    assert row(played, "contact", "u-contact")["acme_owneremail"] == "other@corp.example"


def test_the_named_field_gives_the_owner(played):
    found = row(played, "contact", "u-contact")
    assert (found["_ownerid_value"], found["acme_original_owner"]) == (ASA, "ASA@corp.example")


def test_the_named_prefix_marks_the_organisations(played):
    (account,) = played.rows("account")
    assert (account["name"], account["acme_sourceid"]) == ("Northpine", "company:list:1")
    assert row(played, "contact", "u-listed")["_parentcustomerid_value"] == account["accountid"]


def test_consent_is_written_into_the_engagements_own_columns(played):
    assert row(played, "contact", "u-contact")["acme_sms_opt_out"] is True


@pytest.mark.parametrize("name", MOMENTS)
def test_moments_are_sent_in_utc_and_those_without_a_zone_get_the_signed_source_zone(played, name):
    assert row(played, "contact", f"m-{name}")["acme_renewal"] == MOMENTS[name][1]


@pytest.mark.parametrize("name", DAYS)
def test_the_day_of_a_moment_is_taken_in_the_signed_zone_and_a_plain_day_stays(played, name):
    assert row(played, "contact", f"d-{name}")["birthdate"] == DAYS[name][1]


@pytest.mark.parametrize(("number", "moment"), list(enumerate(BY_COLUMN)))
def test_each_column_gets_the_moment_the_wall_time_or_the_day_of_its_own_zone(played, number, moment):
    found = row(played, "contact", f"c-{number}")
    assert tuple(found[f"acme_{name.lower()}"] for name in FIELDS) == BY_COLUMN[moment]
    assert found["acme_toldat"] == IN_ITS_ZONE[1]


def test_all_was_read_back_as_it_was_meant(played):
    assert played.verified["contact", "rows"]["rows"] == len(played.rows("contact"))
    assert not any(verified["wrong_rows"] for verified in played.verified.values() if verified)
