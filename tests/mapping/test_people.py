"""Who a person is, where they go, what they are called and which company is theirs."""

import math
import unicodedata
from hashlib import sha256

import pytest

from mapping.companies import organisation_name
from mapping.identity import fold_name, is_role_address, normalise_email, source_id
from mapping.issues import Issue
from mapping.names import lead_subject, person_names, shorten
from mapping.people import Forgotten
from mapping.playbooks import load_playbook
from mapping.split import matrix_from_content, normalise_stage
from workbench.engagements.errors import BadInput


@pytest.mark.parametrize(
    ("raw", "address"),
    [
        (" Mara@NorthPine.EXAMPLE\n", "mara@northpine.example"),
        ("a.b+tag@x.test", "a.b+tag@x.test"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
        ("ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ("zoë@x.example", "zoë@x.example"),
        ("o'hara@x.example", "o'hara@x.example"),
        ("ann@localhost.localdomain", "ann@localhost.localdomain"),
    ],
)
def test_an_address_is_compared_trimmed_lower_cased_and_with_its_ascii_domain(raw, address):
    assert normalise_email(raw) == (address, None)


@pytest.mark.parametrize(
    "raw",
    ["plain", "a@b", "@x.de", "a@", "a@@x.de", "a b@x.de", "a..b@x.de", ".a@x.de", "a@-x.de", "a@x..de", "a@x.de.", "Ann <ann@x.de>",
     "a@1.2.3.4", "a@[1.2.3.4]", "a@xn--a.de", 12, True, ["a@x.de"], {"a": 1}, math.nan, "a@\ud800.de", "a@" + "x" * 5_000],
)  # fmt: skip
def test_what_is_no_address_holds_its_record(raw):
    address, issue = normalise_email(raw)
    assert address is None
    assert (issue.code, issue.severity) == ("email.invalid", "hold")


def test_a_missing_address_and_one_that_is_too_long_have_their_own_reasons():
    assert normalise_email("  ")[1] == normalise_email(None)[1] == Issue("email.missing", "email", "", "hold")
    assert normalise_email("a" * 50 + "@" + "b" * 40 + ".example")[0]
    assert normalise_email("a" * 50 + "@" + "b" * 50 + ".example")[1].code == "email.too_long"


def test_invisible_characters_in_an_address_are_removed_and_said():
    address, issue = normalise_email("\u200bann\x00@x.example\ufeff")
    assert (address, issue.code, issue.severity) == ("ann@x.example", "text.control_characters", "loss")


def test_role_addresses_are_known_by_their_local_part_without_plus_tag():
    roles = load_playbook("iterable").role_addresses
    assert is_role_address("info+de@x.example", roles)
    assert not is_role_address("informer@x.example", roles)


def test_names_are_compared_without_case_accents_or_what_nobody_sees():
    assert fold_name("  Łøßé   de  la Ñ ") == "losse de la n"
    assert fold_name("Müller") == fold_name("MULLER") != fold_name("Mueller")
    assert fold_name("Li\x00nd\ufeff") == "lind"
    assert fold_name("バス株式会社") != fold_name("パス株式会社")  # marks of these make another letter
    assert fold_name("한국") == fold_name(unicodedata.normalize("NFD", "한국")) == "한국"
    assert fold_name("\ud83d") == "?"
    assert fold_name("\x00\x01") == fold_name(7) == ""


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"userId": " u-1 ", "email": "A@x.de"}, "u-1"),
        ({"userId": 118, "email": "A@x.de"}, "118"),
        ({"userId": "", "email": "A@x.de"}, "a@x.de"),
        ({"userId": True, "email": "none"}, None),
    ],
)
def test_the_source_id_is_the_user_id_else_the_address(record, expected):
    assert source_id(record, ["userId"]) == expected


def test_the_matrix_is_read_trimmed_and_without_case():
    matrix = matrix_from_content({"matrix": {" Subscriber\t": "lead", "MQL": "contact", "": "review"}})
    assert matrix == {"subscriber": "lead", "mql": "contact", normalise_stage(None): "review"}


@pytest.mark.parametrize("raw", [" SQL ", "s" * 5_000, "sql\x00", "\ud83d", "ẞ" * 150, "İ" * 120, ["a"], {"x": "\x00"}])
def test_a_stage_once_normalised_stays_as_it_is_fits_a_line_of_the_matrix_and_can_be_stored(raw):
    stage = normalise_stage(raw)
    assert normalise_stage(stage) == stage
    assert len(stage) <= 200
    assert "\x00" not in stage.encode().decode()


def test_a_matrix_that_contradicts_itself_is_refused():
    with pytest.raises(BadInput):
        matrix_from_content({"matrix": {"lead": "lead", "Lead ": "contact"}})
    with pytest.raises(BadInput):
        matrix_from_content({"matrix": {"lead": "account"}})


def test_a_person_without_a_last_name_gets_the_local_part_and_a_flag():
    names = person_names("Mara", " ", "mara.k@x.example")
    assert names.values("mwb") == {"firstname": "Mara", "lastname": "mara.k", "mwb_name_derived": True}
    assert person_names(None, "Kovač", "m@x.de").values("mwb") == {"lastname": "Kovač", "mwb_name_derived": False}
    assert person_names(None, None, None).issues[0].code == "name.missing"


def test_a_whole_name_is_split_where_nothing_else_is_known():
    assert (person_names(None, None, "a@x.de", "Ana María López").first, person_names("", "", None, "López, Ana").last) == (
        "Ana María",
        "López",
    )
    assert person_names(None, None, "a@x.de", "Cher").values("mwb")["lastname"] == "Cher"
    assert person_names("Ana", None, "a@x.de", "Somebody Else").last == "a"


def test_long_names_are_cut_to_the_column_with_the_whole_kept():
    names = person_names(None, "x" * 49 + "😀y", "a@x.de")
    assert (len(names.last), names.whole, names.issues[0].code) == (49, {"lastname": "x" * 49 + "😀y"}, "text.shortened")
    assert shorten("Acme GmbH", 5) == ("Acme", "Acme GmbH")


def test_a_leads_topic_shows_the_name_or_the_address():
    assert lead_subject("Iterable", person_names("Mara", "K", "m@x.de"), "m@x.de") == ("Iterable: Mara K", None)
    assert lead_subject("Iterable", person_names(None, None, "m@x.de"), "m@x.de") == ("Iterable: m@x.de", None)
    braces = lead_subject("Iterable", person_names("{0.__class__}", "K", "m@x.de"), "m@x.de", "{name or e-mail} ({platform})")
    assert braces[0] == "{0.__class__} K (Iterable)"


def test_organisations_are_the_lists_with_the_prefix():
    assert organisation_name(" Company:  North  Pine ", "Company: ") == "North Pine"
    assert organisation_name("COMPANY: Acme", "Company: ") == "Acme"
    assert organisation_name("Company: ", "Company: ") is None
    assert organisation_name("Companyx", "Company: ") is None
    assert organisation_name(None, "Company: ") is None


@pytest.mark.parametrize("written", ["kim@münchen.example", "kim@xn--mnchen-3ya.example"])
def test_a_forgotten_person_is_known_by_either_form_of_an_international_domain(written):
    register = Forgotten(frozenset([sha256(written.encode()).hexdigest()]))
    assert register.has(normalise_email("Kim@MÜNCHEN.example")[0])
    assert not register.has("kim@example.com")
