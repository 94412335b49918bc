"""One person, one row: what stood at the destination before is found, enriched by the signed fill rule, and never taken over."""

from pathlib import Path

import pytest

from tests import folders
from tests.folders import organisation_list, user
from tests.playing import OTHERS

pytestmark = [pytest.mark.database, pytest.mark.django_db]
LEAVE = OTHERS
ASK = {"user": ["u-both", "u-two-contacts", "u-nameless"], "company": ["list:24"]}
UNIT = "00000000-0000-4000-8000-00000000b001"
ASA, BO, DORA, SVEN, TEAM, ASA_THERE, PIA = (f"00000000-0000-4000-8000-0000000000a{number}" for number in range(1, 8))
EVAS = ("00000000-0000-4000-8000-0000000000e1", "00000000-0000-4000-8000-0000000000e2")
BEFORE = {"createdon": "2019-05-06T07:08:09Z", "modifiedon": "2019-05-06T07:08:09Z"}
OWNED = {"_ownerid_value": BO, "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "systemuser", "_owninguser_value": BO}


def row_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def contact(number: int, address: str, **columns: object) -> dict[str, object]:
    return {
        "contactid": row_id(number),
        "emailaddress1": address,
        "lastname": "Original",
        "statecode": 0,
        "statuscode": 1,
        **BEFORE,
        **OWNED,
        **columns,
    }


def lead(number: int, address: str, **columns: object) -> dict[str, object]:
    row = {"leadid": row_id(number), "emailaddress1": address, "lastname": "Original", "subject": "Old topic"}
    return {**row, "statecode": 0, "statuscode": 1, **BEFORE, **OWNED, **columns}


def account(number: int, name: str, **columns: object) -> dict[str, object]:
    return {"accountid": row_id(number), "name": name, "statecode": 0, "statuscode": 1, **BEFORE, **OWNED, **columns}


def colleague(user_id: str, address: str, **columns: object) -> dict[str, object]:
    row = {"systemuserid": user_id, "fullname": address, "internalemailaddress": address, "domainname": address, "isdisabled": False}
    return {**row, "accessmode": 0, "islicensed": True, "_businessunitid_value": UNIT, **columns}


ENRICHED = contact(1, "enrich@gmail.com", mobilephone="+100", donotbulkemail=False)
KEPT_LEAD = lead(12, "promoted@pinewood.example", firstname="Petra", jobtitle="Buyer", companyname="As typed")
UNTOUCHED = lead(13, "both@gmail.com", firstname="Bea")


def users() -> list[dict[str, object]]:
    return [
        user("u-enrich", "enrich@gmail.com", firstName="New", lastName="Different", phoneNumber="+200", jobTitle="CTO", score=7),
        user("u-nameless", "nameless@gmail.com", firstName=None, lastName=None),
        user("u-was-contact", "was.contact@gmail.com", "subscriber"),
        user("u-case", "case@gmail.com", ownerEmail="asa@corp.example"),
        user("u-open", "open@gmail.com", "mql", jobTitle="CTO", phoneNumber="+300"),
        user("u-contacted", "contacted@gmail.com", "mql"),
        user("u-promoted", "promoted@pinewood.example", "customer", emailListIds=[21]),
        user("u-both", "both@gmail.com", "customer"),
        user("u-closed", "closed@gmail.com", "lead"),
        user("u-closed-2", "closed2@gmail.com", "customer"),
        user("u-two-contacts", "two.contacts@gmail.com", "customer"),
        user("u-two-leads", "two.leads@gmail.com", "lead"),
        user("u-there-only", "there.only@gmail.com", "customer"),
        user("u-moved", "moved@gmail.com", "customer"),
        user("u-north", "north@pinewood.example", "lead", emailListIds=[21]),
        user("u-fresh", "fresh@freshwater.example", "customer"),
        user("u-idn", "i@straße.example", "customer"),
        user("u-twin", "t@twinning.example", "customer", emailListIds=[22]),
        user("u-same-list", "one@abroad.example", "customer", emailListIds=[23]),
        user("u-same-domain", "two@sameco.example", "customer"),
        user("u-accent", "k@gmail.com", "customer", emailListIds=[24]),
        user("u-bear", "bear@gmail.com", "customer", emailListIds=[25]),
        user("u-bar", "bar@gmail.com", "customer", emailListIds=[26]),
        user("u-owner-mail", "owner1@gmail.com", ownerEmail=" ASA@corp.example"),
        user("u-owner-domain", "owner2@gmail.com", ownerEmail="CORP\\bo"),
        user("u-owner-disabled", "owner3@gmail.com", ownerEmail="dora@corp.example"),
        user("u-owner-unknown", "owner4@gmail.com", "lead", ownerEmail="Nobody Known"),
        user("u-owner-sandbox", "owner5@gmail.com", ownerEmail="sven@corp.example"),
        user("u-owner-production", "owner.production@gmail.com", ownerEmail="pia@corp.example"),
        user("u-owner-two", "owner7@gmail.com", ownerEmail="eva@corp.example"),
        user("u-owner-none", "owner6@gmail.com"),
    ]


def contacts() -> list[dict[str, object]]:
    return [
        ENRICHED,
        contact(2, "Was.Contact@GMAIL.com"),
        contact(3, " CASE@gmail.COM"),
        contact(4, "both@gmail.com"),
        contact(5, "two.contacts@gmail.com"),
        contact(6, "Two.Contacts@gmail.com"),
        contact(7, "there.only@gmail.com"),
        contact(8, "moved@gmail.com"),
        contact(9, "nameless@gmail.com", statecode=1, statuscode=2),
        contact(10, "no address at all"),
    ]


def leads() -> list[dict[str, object]]:
    return [
        lead(11, "OPEN@gmail.com", mobilephone="+100"),
        KEPT_LEAD,
        UNTOUCHED,
        lead(14, "closed@gmail.com", statecode=2, statuscode=4),
        lead(15, "closed2@gmail.com", statecode=1, statuscode=3),
        lead(16, "two.leads@gmail.com"),
        lead(17, "two.leads@gmail.com"),
        lead(18, "contacted@gmail.com", statuscode=2),
    ]


def accounts() -> list[dict[str, object]]:
    return [
        account(21, "PINEWOOD"),
        account(22, "Freshwater Foods", websiteurl="HTTP://www.Freshwater.example/about"),
        account(23, "Twinning"),
        account(24, "twinning"),
        account(25, "Sameco", websiteurl="sameco.example"),
        account(27, "Straßen AG", websiteurl="https://www.Straße.example"),
        account(28, "BAR GMBH"),
        account(26, "KAFFEE ZURICH", websiteurl="https://kaffee.example", statecode=1, statuscode=2),
    ]


def colleagues() -> list[dict[str, object]]:
    """Users of production."""
    there = [colleague(ASA, "asa@corp.example"), colleague(BO, "bo.hansen@corp.example", domainname="corp\\BO")]
    there.append(colleague(DORA, "dora@corp.example", isdisabled=True))
    there += [colleague(user_id, "Eva@corp.example", domainname=f"corp\\{user_id[-2:]}") for user_id in EVAS]
    return there


def folder(path: Path) -> Path:
    lists = [
        organisation_list(21, "Company: Pinewood"),
        organisation_list(22, "Company: Twinning"),
        organisation_list(23, "Company: Sameco"),
        organisation_list(24, "Company: Kaffee Zürich"),
        organisation_list(25, "Company: Bär GmbH"),
        organisation_list(26, "Company: Bar GmbH"),
    ]
    sandbox_users = [colleague(ASA_THERE, "Asa@Corp.example"), *colleagues()[1:], colleague(SVEN, "sven@corp.example")]
    elsewhere = (row_id(7), row_id(8))
    rows = {
        "dataverse/businessunit": [{"businessunitid": UNIT, "name": "Corp", "isdisabled": False}],
        "dataverse/team": [{"teamid": TEAM, "name": "A team", "teamtype": 0, "isdefault": True, "_businessunitid_value": UNIT}],
        "dataverse/systemuser": [*colleagues(), colleague(PIA, "pia@corp.example")],
        "dataverse/contact": contacts(),
        "dataverse/lead": leads(),
        "dataverse/account": accounts(),
        "dataverse_sandbox/systemuser": sandbox_users,
        "dataverse_sandbox/contact": [
            contact(108, "moved@gmail.com"),
            *(row for row in contacts() if row["contactid"] not in elsewhere),
        ],
    }
    return folders.write(path, users(), lists=lists, fields={"score": "long"}, rows=rows)


def by_id(played, table: str, number: int, environment: str = "production") -> dict[str, object]:
    key = f"{table}id"
    return next(row for row in played.rows(table, environment) if row[key] == row_id(number))


def test_every_phase_balances_and_nothing_is_doubled(played):
    assert all(phase["balanced"] for phase in played.summary["phases"])
    for table in ("contact", "lead", "account"):
        sources = [row["mwb_sourceid"] for row in played.rows(table) if row.get("mwb_sourceid")]
        assert len(sources) == len(set(sources))
    there = {row["contactid"] for row in contacts()}
    assert sum(row["contactid"] in there for row in played.of_source("contact", "user")) == 7


def test_a_found_contact_gets_its_empty_columns_filled_and_our_own_ones(played):
    row = by_id(played, "contact", 1)
    assert (row["mwb_sourceid"], row["mwb_score"], row["mwb_hs_original_lifecycle"]) == ("user:u-enrich", 7, "customer")
    assert (row["firstname"], row["jobtitle"]) == ("New", "CTO")


def test_what_a_found_contact_held_its_owner_and_its_created_date_stay(played):
    row = by_id(played, "contact", 1)
    assert {key: row[key] for key in ("lastname", "mobilephone", "_ownerid_value", "createdon", "emailaddress1")} == {
        key: ENRICHED[key] for key in ("lastname", "mobilephone", "_ownerid_value", "createdon", "emailaddress1")
    }
    assert row.get("overriddencreatedon") is None


def test_a_name_derived_from_the_address_is_not_claimed_of_a_row_that_had_a_name(played):
    row = by_id(played, "contact", 9)
    assert (row["lastname"], row.get("mwb_name_derived")) == ("Original", None)
    assert row["mwb_sourceid"] == "user:u-nameless"


def test_a_person_whom_the_matrix_makes_a_lead_but_who_is_a_contact_gets_no_lead(played):
    row = by_id(played, "contact", 2)
    assert (row["mwb_sourceid"], row["mwb_hs_original_lifecycle"]) == ("user:u-was-contact", "subscriber")
    assert not [row for row in played.rows("lead") if "was.contact" in row["emailaddress1"].lower()]


def test_addresses_match_regardless_of_case_and_spaces(played):
    row = by_id(played, "contact", 3)
    assert (row["mwb_sourceid"], row["emailaddress1"], row["_ownerid_value"]) == ("user:u-case", " CASE@gmail.COM", BO)
    assert row["mwb_original_owner"] == "asa@corp.example"


def test_a_found_open_lead_is_enriched_in_the_same_way(played):
    row = by_id(played, "lead", 11)
    assert (row["mwb_sourceid"], row["mobilephone"], row["jobtitle"], row["subject"]) == ("user:u-open", "+100", "CTO", "Old topic")
    assert (row["_ownerid_value"], row["createdon"], row["statecode"]) == (BO, BEFORE["createdon"], 0)
    assert by_id(played, "lead", 18)["mwb_sourceid"] == "user:u-contacted"


def test_an_open_lead_whose_person_is_a_contact_now_becomes_its_history(played):
    made, row = played.row("contact", "user:u-promoted"), by_id(played, "lead", 12)
    assert made["_originatingleadid_value"] == row["leadid"]
    assert (row["_parentcontactid_value"], row["_parentaccountid_value"]) == (made["contactid"], row_id(21))
    assert (row["statecode"], row["statuscode"]) == (1, 3)


def test_a_lead_that_became_history_keeps_its_own_columns(played):
    row = by_id(played, "lead", 12)
    kept = ("firstname", "lastname", "jobtitle", "companyname", "subject", "emailaddress1", "_ownerid_value", "createdon")
    assert {key: row.get(key) for key in kept} == {key: KEPT_LEAD.get(key) for key in kept}
    assert row.get("mwb_hs_original_lifecycle") is None


def test_where_a_contact_and_an_open_lead_are_found_the_contact_is_the_row_and_the_lead_is_listed(played):
    assert by_id(played, "contact", 4)["mwb_sourceid"] == "user:u-both"
    row = by_id(played, "lead", 13)
    assert {key: row.get(key) for key in UNTOUCHED} == UNTOUCHED
    assert not [key for key in row if key.startswith("mwb_") and row[key] is not None]
    told = played.dispositions["u-both"][0]
    assert told["disposition"] == "loaded"
    assert [(one["code"], one["detail"]) for one in told["reasons"]] == [("match.lead_untouched", f"lead {row_id(13)}")]


def test_an_inactive_row_is_found_too_and_said_so_of_the_record(played):
    for table, number, name in (("contact", 9, "u-nameless"), ("account", 26, "list:24")):
        row, [told] = by_id(played, table, number), played.dispositions[name]
        assert (row["mwb_sourceid"].partition(":")[2], row["statecode"], told["disposition"]) == (name, 1, "loaded")
        assert ("match.inactive", f"{table} {row_id(number)}") in [(one["code"], one["detail"]) for one in told["reasons"]]


def test_closed_leads_are_not_matched(played):
    assert played.row("lead", "user:u-closed")["leadid"] != row_id(14)
    assert played.row("contact", "user:u-closed-2").get("_originatingleadid_value") is None
    assert (by_id(played, "lead", 14)["statuscode"], by_id(played, "lead", 15).get("_parentcontactid_value")) == (4, None)


@pytest.mark.parametrize(("source", "table"), [("u-two-contacts", "contact"), ("u-two-leads", "lead")])
def test_several_hits_in_one_table_are_held_for_a_person(played, source, table):
    assert played.reasons(source) == ["match.several"]
    assert not [row for row in played.rows(table) if row.get("mwb_sourceid") == f"user:{source}"]


def test_organisations_that_accents_tell_apart_are_two_and_what_is_there_is_the_one_that_is_written_alike(played):
    bear, bar = (played.row("contact", f"user:{source}")["_parentcustomerid_value"] for source in ("u-bear", "u-bar"))
    assert bar == row_id(28)
    assert next(row for row in played.rows("account") if row["accountid"] == bear)["name"] == "Bär GmbH"


def test_an_organisation_is_found_by_its_name_without_case_and_accents(played):
    assert by_id(played, "account", 21)["mwb_sourceid"] == "company:list:21"
    assert by_id(played, "account", 26)["mwb_sourceid"] == "company:list:24"
    assert by_id(played, "account", 26)["websiteurl"] == "https://kaffee.example"


def test_a_found_account_keeps_name_owner_and_date_and_gets_its_empty_website(played):
    row = by_id(played, "account", 21)
    assert (row["name"], row["_ownerid_value"], row["createdon"]) == ("PINEWOOD", BO, BEFORE["createdon"])
    assert row["websiteurl"] == "https://pinewood.example"
    assert played.row("lead", "user:u-north")["_parentaccountid_value"] == row_id(21)


def test_a_company_of_a_domain_is_found_by_the_website(played):
    row = by_id(played, "account", 22)
    assert (row["name"], row["mwb_sourceid"]) == ("Freshwater Foods", "company:domain:freshwater.example")
    assert played.row("contact", "user:u-fresh")["_parentcustomerid_value"] == row_id(22)
    assert played.row("contact", "user:u-idn")["_parentcustomerid_value"] == row_id(27)


def test_a_company_that_fits_two_accounts_is_held_and_its_people_with_it(played):
    assert played.reasons("list:22", "company") == ["match.several"]
    assert played.reasons("u-twin") == ["parent.held"]


def test_two_companies_on_one_account_are_held(played):
    assert played.reasons("list:23", "company") == ["match.shared"]
    assert played.reasons("domain:sameco.example", "company") == ["match.shared"]
    assert played.reasons("u-same-list") == played.reasons("u-same-domain") == ["parent.held"]
    assert by_id(played, "account", 25).get("mwb_sourceid") is None


def test_each_environment_has_matches_of_its_own(played):
    assert played.row("contact", "user:u-moved")["contactid"] == row_id(8)
    assert played.row("contact", "user:u-moved", "sandbox")["contactid"] == row_id(108)
    assert played.row("contact", "user:u-there-only")["contactid"] == row_id(7)
    assert played.row("contact", "user:u-there-only", "sandbox")["contactid"] != row_id(7)


@pytest.mark.parametrize(
    ("source", "owner"),
    [
        ("u-owner-mail", ASA),
        ("u-owner-domain", BO),
        ("u-owner-disabled", TEAM),
        ("u-owner-sandbox", TEAM),
        ("u-owner-two", TEAM),
        ("u-owner-none", TEAM),
    ],
)
def test_owners_are_found_by_mail_or_domain_name_and_others_go_to_the_fallback_owner(played, source, owner):
    assert played.row("contact", f"user:{source}")["_ownerid_value"] == owner


def test_an_owner_is_bound_in_each_environment_to_its_own_user(played):
    assert played.row("contact", "user:u-owner-mail", "sandbox")["_ownerid_value"] == ASA_THERE


def test_an_owner_whom_only_the_sandbox_lacks_keeps_the_rows_in_production(played):
    assert played.row("contact", "user:u-owner-production")["_ownerid_value"] == PIA
    assert played.row("contact", "user:u-owner-production", "sandbox")["_ownerid_value"] == TEAM


def test_the_original_owner_is_kept_as_it_was_written(played):
    assert played.row("lead", "user:u-owner-unknown")["mwb_original_owner"] == "Nobody Known"
    assert played.row("lead", "user:u-owner-unknown")["_ownerid_value"] == TEAM
    assert played.row("contact", "user:u-owner-mail")["mwb_original_owner"] == " ASA@corp.example"
    assert played.row("contact", "user:u-owner-disabled")["mwb_original_owner"] == "dora@corp.example"


def test_what_the_columns_held_before_is_kept_for_every_row_that_is_changed(played):
    changed = {update["row_id"]: update for update in played.updates if update["table"] in ("account", "contact", "lead")}
    phases = [played.phase(*place) for place in (("company", "account"), ("user", "contact"), ("user", "lead"))]
    assert len(changed) == sum(phase["rows"]["updated"] for phase in phases)
    for update in changed.values():  # what is written, and what changes beside it: the state and the run's own mark
        written = {key.removesuffix("@odata.bind") for key in update["values"]}
        held = {key.removeprefix("_").removesuffix("_value") for key in update["before"]}
        assert {key.partition("_account")[0].partition("_contact")[0] for key in written} <= held
        assert {"statecode", "statuscode", "mwb_runid"} <= held
    assert changed[row_id(1)]["before"]["jobtitle"] is None
    assert "mobilephone" not in changed[row_id(1)]["values"]
    history = changed[row_id(12)]["before"]
    assert (history["statecode"], history["statuscode"], history["_parentcontactid_value"]) == (0, 1, None)
