"""Fields find their columns by likeness: by name on sets of names as systems write them, by what their values say, each column once."""

import json
from functools import cache
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from connectors.dataverse.columns import Column
from mapping.fieldprofiles import FieldProfile
from mapping.likeness import ACCEPTED, Candidate, Likeness
from mapping.likeness.assigning import assign
from mapping.likeness.builtin import columns_of
from mapping.likeness.words import words_of
from mapping.valuemaps import propose_values

MEASURED = ("account", "appointment", "campaign", "contact", "email", "lead", "opportunity", "phonecall", "product", "salesorder", "task")
NAMES = Path(__file__).parent / "field_names"


@pytest.fixture(scope="module")
def likeness():
    return {table: Likeness(table, columns_of(table)) for table in MEASURED}


@pytest.fixture(scope="module")
def scored(likeness):
    """(right, candidate) for every name of a file that has a column, and the best candidates of those that have none; ranked once."""

    @cache
    def of(file):
        lines = [line.split("\t") for line in (NAMES / file).read_text(encoding="utf-8").splitlines()]
        best = [(columns.split("|"), likeness[table].rank(name)[0]) for table, name, columns, _ in lines]
        hits = [(one.column in columns, one) for columns, one in best if columns != ["-"]]
        return hits, [one for columns, one in best if columns == ["-"]]

    return of


@pytest.mark.parametrize(
    ("file", "least"), [("own_tuned.tsv", 0.95), ("own_held_out.tsv", 0.95), ("others_tuned.tsv", 0.8), ("others_held_out.tsv", 0.8)]
)
def test_the_first_candidate_is_the_right_one_for_most_names(scored, file, least):
    hits, _ = scored(file)
    assert len(hits) > 100
    assert sum(right for right, _ in hits) / len(hits) >= least


def test_fields_without_a_column_are_seldom_given_one(scored):
    strangers = [one for file in ("own_held_out.tsv", "others_held_out.tsv") for one in scored(file)[1]]
    given = [one for one in strangers if one.score >= ACCEPTED]
    assert len(strangers) > 40
    assert len(given) / len(strangers) <= 0.1


def test_a_score_is_about_the_share_of_names_that_are_right_with_it(scored):
    found = [hit for file in ("own_held_out.tsv", "others_held_out.tsv") for hit in scored(file)[0]]
    for low, high in ((0.6, 0.8), (0.8, 0.9), (0.9, 1.0)):
        inside = [(right, one.score) for right, one in found if low <= one.score < high]
        right, told = (sum(part) / len(inside) for part in zip(*inside, strict=True))
        assert abs(right - told) < 0.25, f"scores of {low} to {high}: {told:.2f} told, {right:.2f} right"
        assert right >= 0.75


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("MailingPostalCode", ["mailing", "postal", "code"]),
        ("HTTPStatus", ["http", "status"]),
        ("billingAddress2", ["billing", "address", "2"]),
        ("numberoffollowers", ["number", "of", "followers"]),
        ("INVOICEADDRESSCITY", ["invoice", "address", "city"]),
        ("straße_hausnr", ["strasse", "hausnr"]),
        ("Loyalty_Tier__c", ["loyalty", "tier"]),
    ],
)
def test_names_are_taken_apart_by_case_digits_punctuation_and_known_words(name, words):
    known = frozenset({"number", "of", "followers", "invoice", "address", "city", "hausnr"})
    assert words_of(name, known) == words


def seen(name, *values, kind="string", **facts):
    count = len(values)
    top = tuple((str(value), 1) for value in values)
    facts = {"max_length": max((len(str(value)) for value in values), default=0)} | facts
    return FieldProfile(name, rows=count, filled=count, distinct=count, top=top, types={kind: count}, **facts)


def test_values_speak_for_a_column_and_against_one(likeness):
    contact = likeness["contact"]
    mails = seen("contactPoint", "ann@example.org", "bob@example.com")
    named = {one.column: one for one in contact.rank("email", mails)}
    assert named["emailaddress1"].score >= contact.rank("email")[0].score
    assert "look like e-mail addresses" in " ".join(named["emailaddress1"].reasons)
    phones = contact.rank("email", seen("email", "+44 20 7946 0018", "+49 30 1234567"))
    assert phones[0].score < ACCEPTED
    days = {one.column: one.score for one in contact.rank("birthday", seen("birthday", "not yet", "soon"))}
    assert days["birthdate"] < ACCEPTED


def test_columns_that_the_service_keeps_itself_come_last(likeness):
    for name in ("createdon", "exchange rate", "yomi full name", "Version Number", "revenue base"):
        found = likeness["account"].rank(name)
        assert all(
            one.score < ACCEPTED
            for one in found
            if one.column in ("createdon", "exchangerate", "yominame", "versionnumber", "revenue_base")
        )


def test_each_column_goes_to_one_field_the_surest_first_and_the_other_is_told():
    ranked = {
        "mobile": [Candidate("mobilephone", 0.8), Candidate("telephone2", 0.7)],
        "cell": [Candidate("mobilephone", 0.95)],
        "beeper": [Candidate("telephone2", 0.5)],
        "fax": [Candidate("fax", 0.9)],
    }
    given = assign(ranked, may_take=lambda field, one: one.column != "fax")
    assert [one.candidate and one.candidate.column for one in given.values()] == ["telephone2", "mobilephone", None, None]
    assert "cell fits it better" in given["mobile"].conflict


def test_labels_alike_are_proposed_and_doubtful_ones_left_open():
    options = {1: "Advertisement", 7: "Trade Show", 8: "Web", 10: "Other"}
    words = ("web", "trade show", "Advertisment", "misc", "Referral", "8")
    assert propose_values(words, options) == {"web": 8, "trade show": 7, "Advertisment": 1, "misc": 10}


def test_the_customers_own_columns_are_found_by_their_display_names():
    columns = {"crm_dsc": Column("contact", "crm_dsc", "String", max_length=100, display_name="Preferred pronoun")}
    assert Likeness("contact", columns).rank("preferredPronoun")[0].column == "crm_dsc"


def test_the_command_needs_no_database_and_lists_five_columns(tmp_path):
    file, out = tmp_path / "names.txt", StringIO()
    file.write_text("\ufeffFirst Name\n\ncloud_provider\n", encoding="utf-8")
    call_command("propose", "lead", fields=str(file), json=True, stdout=out)
    found = json.loads(out.getvalue())
    assert [one["field"] for one in found] == ["First Name", "cloud_provider"]
    assert all(len(one["candidates"]) >= 5 for one in found)
    assert (found[0]["candidates"][0]["column"], found[1]["candidates"][0]["score"]) == ("firstname", 0)
    with pytest.raises(CommandError, match="aren't known"):
        call_command("propose", "nonsense", fields=str(file))
