"""The names that the demonstration assumes, changed: other fields, another list prefix, another publisher, signed zones."""

from pathlib import Path

import pytest

from tests import folders
from tests.folders import organisation_list, user
from tests.playing import OTHERS

pytestmark = pytest.mark.django_db
LEAVE = OTHERS
SANDBOX_ONLY = True
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
    ]
    lists = [organisation_list(1, "Org/Northpine"), organisation_list(2, "Company: Southpine")]
    colleague = {"systemuserid": ASA, "fullname": "Asa", "internalemailaddress": "asa@corp.example", "domainname": "asa@corp.example"}
    rows = {
        "dataverse/businessunit": [{"businessunitid": UNIT, "name": "Corp", "isdisabled": False}],
        "dataverse/systemuser": [{**colleague, "isdisabled": False, "accessmode": 0, "_businessunitid_value": UNIT}],
    }
    return folders.write(path, users, lists=lists, fields={"renewal": "date", "birthday": "date"}, rows=rows)


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
