"""Reason codes: each that the code gives has words, in one place, for the ledger and the pages."""

import re

from connectors.dataverse.client import Outcome
from loads.reasons import OF_THE_LOAD, VERSION_MISMATCH, WORDS, cause_of, explained, reason, refusal
from mapping.issues import EXPLANATIONS


def codes_given(folder):
    """Quoted words that look like a reason code, but for those in the places that explain them."""
    files = [path for path in folder.rglob("*.py") if path.name not in ("issues.py", "reasons.py")]
    quoted = {word for path in files for word in re.findall(r"""["']([a-z_]+\.[a-z_0-9]+)["']""", path.read_text())}
    groups = {code.partition(".")[0] for code in WORDS}
    return {word for word in quoted if word.partition(".")[0] in groups}


def test_every_code_that_is_given_has_words_and_no_words_are_left_over(request):
    mapping, loads = (codes_given(request.config.rootpath / folder) for folder in ("mapping", "loads"))
    assert mapping - set(OF_THE_LOAD) == set(EXPLANATIONS)
    assert mapping | loads == {code for code in WORDS if "." in code}  # the others are the service's own


def test_a_reason_holds_its_record_unless_no_answer_would_help():
    assert reason("match.several")["severity"] == "hold"
    assert reason("email.too_long")["severity"] == "reject"
    assert reason("split.skip")["severity"] == "note"


def outcome(code, status=400):
    return Outcome(status, code, "What the service said.")


def test_what_a_further_run_settles_is_held_and_all_else_that_the_service_refuses_is_rejected():
    assert refusal(outcome(VERSION_MISMATCH))["severity"] == "hold"
    assert refusal(outcome("0x80044331")) == {
        "code": "0x80044331", "field": "", "detail": "What the service said.", "severity": "reject", "cause": "What the service said.",
    }  # fmt: skip
    assert refusal(outcome("", 503))["code"] == "http.503"


def test_the_column_that_the_services_words_name_is_known_and_alike_refusals_have_one_cause():
    said = {
        "The length of the 'subject' attribute of the 'task' entity exceeded the maximum allowed length of '200'.": "subject",
        "A validation error occurred. The value 5 of 'x' on record of type 'y' is outside the valid range. Accepted Values: 1,2,3": "x",
        "Entity Key One score violated. A record with the same value for mwb_score already exists.": "mwb_score",
        "Entity Key Both violated. A record with the same value for a,b already exists.": "",
        "Entity 'account' With Id = 00000000-0000-0000-0000-0000000000a1 Does Not Exist": "",
    }
    assert {words: refusal(Outcome(400, "0x80040203", words))["field"] for words in said} == said
    causes = {cause_of(f"Entity 'account' With Id = 00000000-0000-0000-0000-0000000000a{n} Does Not Exist") for n in (1, 2)}
    assert causes == {"Entity 'account' With Id = … Does Not Exist"}


def test_a_code_of_the_service_is_explained_with_what_to_do():
    assert explained("0x80044331") == "A text is longer than its column. Shorten the text by the field map, or widen the column."
    assert "further run" in explained(VERSION_MISMATCH)
    assert explained("") == explained("http.503") == ""
