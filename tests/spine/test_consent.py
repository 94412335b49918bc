"""Row I10 and the rule that consent is never weakened, read at the destination: what each profile said, and what stood there before."""

from pathlib import Path

import pytest

from tests import folders
from tests.folders import organisation_list, user
from tests.playing import OTHERS

ASK = {"user": ["u-unreadable", "u-strange-type", "u-in"]}
pytestmark = pytest.mark.django_db
LEAVE = OTHERS
MEDIA = ("donotbulkemail", "mwb_sms_opt_out", "mwb_push_opt_out", "mwb_inapp_opt_out")
ALL_IN = {"subscribedMessageTypeIds": [902, 903]}
SILENT = {"unsubscribedChannelIds": None, "unsubscribedMessageTypeIds": None, "subscribedMessageTypeIds": None}
OLDER, NEWER = {"profileUpdatedAt": "2024-01-01 00:00:00 +00:00"}, {"profileUpdatedAt": "2025-06-01 00:00:00 +00:00"}
SMS_OPT_OUT = {
    "@odata.type": "Microsoft.Dynamics.CRM.BooleanAttributeMetadata",
    "SchemaName": "mwb_sms_opt_out",
    "DisplayName": {"LocalizedLabels": [{"Label": "SMS opt-out", "LanguageCode": 1033}]},
    "RequiredLevel": {"Value": "None"},
}


def existing(number: int, address: str, **columns: object) -> dict[str, object]:
    """A row that stood at the destination before the migration; contacts and leads share the columns."""
    return {
        "emailaddress1": address,
        "lastname": "Lind",
        "firstname": "Mara",
        "statecode": 0,
        "statuscode": 1,
        "createdon": "2020-01-01T00:00:00Z",
        "modifiedon": "2020-01-01T00:00:00Z",
        "number": number,
        **columns,
    }


def with_id(key: str, row: dict[str, object]) -> dict[str, object]:
    number = row.pop("number")
    return {key: f"00000000-0000-4000-8000-{number:012d}", **row}


def users() -> list[dict[str, object]]:
    return [
        user("u-in", "in@gmail.com", **ALL_IN),
        user("u-all-out", "all.out@gmail.com", "lead", unsubscribedChannelIds=[31, 33, 34, 35]),
        user("u-channel", "channel@gmail.com", unsubscribedChannelIds=[31], **ALL_IN),
        user("u-type", "type@gmail.com", unsubscribedMessageTypeIds=[904], **ALL_IN),
        user("u-refused-wanted", "refused.wanted@gmail.com", unsubscribedMessageTypeIds=[902], **ALL_IN),
        user("u-default", "default@gmail.com"),
        user("u-receipts", "receipts@gmail.com", unsubscribedChannelIds=[32], **ALL_IN),
        user("u-suppressed", "suppressed@gmail.com", emailListIds=[48], **ALL_IN),
        user("u-suppressed-text", "suppressed.text@gmail.com", emailListIds=["48"], **ALL_IN),
        user("u-suppressed-only", "suppressed.only@gmail.com", emailListIds=[48], **SILENT),
        user("u-silent", "silent@gmail.com", **SILENT),
        user(
            "u-half-silent",
            "half.silent@gmail.com",
            unsubscribedChannelIds=[34],
            unsubscribedMessageTypeIds=None,
            subscribedMessageTypeIds=None,
        ),
        user("u-unreadable", "unreadable@gmail.com", unsubscribedChannelIds="none of them", subscribedMessageTypeIds=[902, 903]),
        user("u-unreadable-id", "unreadable.id@gmail.com", unsubscribedMessageTypeIds=[{"id": 902}], subscribedMessageTypeIds=[902, 903]),
        user("u-unreadable-lists", "unreadable.lists@gmail.com", emailListIds="eight", **ALL_IN),
        user("u-text-array", "text.array@gmail.com", unsubscribedChannelIds="[31]", **ALL_IN),
        user("u-text-ids", "text.ids@gmail.com", unsubscribedChannelIds=["31"], **ALL_IN),
        user("u-strange-type", "strange.type@gmail.com", unsubscribedMessageTypeIds=[777], **ALL_IN),
        user("u-merged-1", "merged@gmail.com", unsubscribedChannelIds=[31], **ALL_IN, **OLDER),
        user("u-merged-2", "merged@gmail.com", unsubscribedChannelIds=[33], **ALL_IN, **NEWER),
        user("u-merged-3", "merged.silent@gmail.com", **SILENT, **OLDER),
        user("u-merged-4", "merged.silent@gmail.com", **ALL_IN, **NEWER),
        user("u-merged-5", "merged.suppressed@gmail.com", emailListIds=[48], **ALL_IN, **OLDER),
        user("u-merged-6", "merged.suppressed@gmail.com", **ALL_IN, **NEWER),
        user("u-there-refused", "there.refused@gmail.com", **ALL_IN),
        user("u-there-allowed", "there.allowed@gmail.com", unsubscribedChannelIds=[31, 33]),
        user("u-there-in", "there.in@gmail.com", **ALL_IN),
        user("u-there-lead", "there.lead@gmail.com", "lead", unsubscribedChannelIds=[31]),
        user("u-was-lead", "was.lead@gmail.com", "customer", **ALL_IN),
        user("u-was-lead-2", "was.lead.2@gmail.com", "customer", unsubscribedChannelIds=[31]),
    ]


def folder(path: Path) -> Path:
    contacts = [
        existing(201, "there.refused@gmail.com", donotbulkemail=True, donotemail=True, mwb_sms_opt_out=True),
        existing(202, "there.allowed@gmail.com", donotbulkemail=False, donotemail=False, mwb_sms_opt_out=False),
        existing(203, "there.in@gmail.com", donotbulkemail=False),
    ]
    leads = [
        existing(211, "there.lead@gmail.com", donotbulkemail=False, subject="Old"),
        existing(212, "was.lead@gmail.com", donotbulkemail=True, donotemail=True, mwb_sms_opt_out=True, subject="Old"),
        existing(213, "was.lead.2@gmail.com", donotbulkemail=False, subject="Old"),
    ]
    rows = {"contact": [with_id("contactid", row) for row in contacts], "lead": [with_id("leadid", row) for row in leads]}
    made = folders.write(
        path,
        users(),
        lists=[organisation_list(48, "Suppressed", listType="Suppression")],
        rows={f"dataverse/{table}": content for table, content in rows.items()},
    )
    columns = {"contact": [SMS_OPT_OUT], "lead": [SMS_OPT_OUT]}
    (made / "dataverse" / "metadata.json").write_text(folders.json.dumps({"columns": columns}))
    return made


def refusals(row: dict[str, object]) -> str:
    """Which media a row refuses: one letter each for e-mail, SMS, push, in-app; a dot where allowed, a question mark where empty."""
    letters = zip("espi", MEDIA, strict=True)
    return "".join({True: letter, False: "."}.get(row.get(column), "?") for letter, column in letters)


def told(played, source: str, table: str = "contact") -> str:
    return refusals(played.row(table, f"user:{source}"))


def test_every_phase_balances_and_everybody_loads(played):
    assert all(phase["balanced"] for phase in played.summary["phases"])
    assert not {one["userId"] for one in users()} & {one["source_id"] for one in played.exceptions}


def test_a_person_who_refused_nothing_and_subscribed_is_in(played):
    assert told(played, "u-in") == "...."


def test_leads_carry_the_same_columns(played):
    assert told(played, "u-all-out", "lead") == "espi"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("u-channel", "e..."),
        ("u-type", "..p."),
        ("u-refused-wanted", "e..."),  # a refused type beats the same type's subscription and its channel
        ("u-half-silent", ".sp."),  # one array is enough for the profile to have said something
        ("u-text-array", "e..."),
        ("u-text-ids", "e..."),
        ("u-strange-type", "...."),
    ],
)
def test_a_refused_channel_or_message_type_is_a_refusal_of_its_medium_alone(played, source, expected):
    assert told(played, source) == expected


def test_an_opt_in_type_counts_as_out_unless_subscribed_and_an_opt_out_type_as_in(played):
    assert told(played, "u-default") == ".s.."  # e-mail has an opt-out type beside its opt-in one, SMS has an opt-in one alone


def test_a_transactional_channel_does_not_matter(played):
    assert told(played, "u-receipts") == "...."


@pytest.mark.parametrize("source", ["u-suppressed", "u-suppressed-text", "u-suppressed-only"])
def test_a_suppression_list_opts_out_of_all_media_and_its_members_load(played, source):
    assert told(played, source) == "espi"


def test_a_profile_that_says_nothing_counts_as_refused(played):
    assert told(played, "u-silent") == "espi"


@pytest.mark.parametrize("source", ["u-unreadable", "u-unreadable-id", "u-unreadable-lists"])
def test_an_array_that_can_not_be_read_counts_as_refusal_of_all(played, source):
    assert told(played, source) == "espi"


@pytest.mark.parametrize(
    ("source", "codes"), [("u-unreadable", ["consent.unreadable"]), ("u-strange-type", ["consent.unknown_id"]), ("u-in", [])]
)
def test_what_was_odd_about_a_profiles_subscriptions_is_listed(played, source, codes):
    assert [reason["code"] for reason in played.dispositions[source][0]["reasons"]] == codes


@pytest.mark.parametrize(("source", "expected"), [("u-merged-2", "es.."), ("u-merged-4", "espi"), ("u-merged-6", "espi")])
def test_a_merge_takes_the_strictest_answer_of_all_records_not_the_newest(played, source, expected):
    assert told(played, source) == expected


def test_a_refusal_that_stood_there_is_never_taken_back(played):
    row = played.row("contact", "user:u-there-refused")
    assert refusals(row) == "es.."
    assert row["donotemail"] is True


def test_our_refusal_is_written_over_an_allowance_that_stood_there(played):
    row = played.row("contact", "user:u-there-allowed")
    assert refusals(row) == "es.."
    assert row["donotemail"] is False
    assert told(played, "u-there-lead", "lead") == "es.."


def test_what_stood_empty_is_filled_with_our_answer(played):
    assert told(played, "u-there-in") == "...."


def test_donotemail_stays_a_sellers_own_affair(played):
    assert not [
        row["mwb_sourceid"]
        for row in played.rows("contact")
        if row.get("donotemail") and "refused" not in row["emailaddress1"] and "was.lead@" not in row["emailaddress1"]
    ]


def test_a_new_contact_is_no_weaker_than_the_open_lead_that_the_person_was(played):
    row = played.row("contact", "user:u-was-lead")
    assert refusals(row) == "es.."
    assert row["donotemail"] is True


def test_the_lead_that_became_history_gets_the_stricter_answer_too(played):
    assert played.row("lead", "user:u-was-lead-2")["donotbulkemail"] is True
    assert played.row("lead", "user:u-was-lead")["donotbulkemail"] is True


def test_both_environments_say_the_same(played):
    for row in played.of_source("contact", "user"):
        assert refusals(played.row("contact", row["mwb_sourceid"], "sandbox")) == refusals(row)
