"""Deals that a playbook's rule has end otherwise than won: lost by their own message, ended anew, and taken back."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from mapping import playbooks
from tests import folders
from tests.folders import user
from tests.playing import OTHERS, dump
from tests.spine.test_objects_again import EVENING, purchase

pytestmark = [pytest.mark.database, pytest.mark.django_db]
LEAVE = [name for name in OTHERS if name != "purchase"]
OF_PURCHASES = '[[records]]\nobject = "purchase"\n'
RULE = """
state_field = "outcome"
states = { opportunity = { won = [1, 3], lost = [2, 4], outsold = [2, 5], open = [0, 1] } }
"""
LEFT = """
[[left]]
object = "purchase"
sources = ["outcome"]
reason = "It decides how the deal ends."
"""


def playbooks_in(path: Path) -> Path:
    """A folder with a playbook whose purchases end as their field `outcome` says."""
    text = (playbooks.FOLDER / "iterable.toml").read_text()
    assert text.count(OF_PURCHASES) == 1
    folder = path / "playbooks"
    folder.mkdir()
    (folder / "iterable.toml").write_text(text.replace(OF_PURCHASES, OF_PURCHASES + RULE) + LEFT)
    return folder


def folder(path: Path) -> Path:
    first = {"pu-1": "Won", "pu-2": "Lost", "pu-3": "outsold", "pu-4": "open", "pu-5": "asleep", "pu-6": "lost", "pu-7": "won"}
    rows = [purchase(number, outcome=outcome) for number, outcome in enumerate(first.values(), start=1)]
    folders.write(path, [user("u-1", "ada@gmail.com")], more={"export/purchase.ndjson": rows})
    rows[1] |= {"total": 45, "createdAt": EVENING}  # lost for another value
    rows[5]["outcome"], rows[6]["outcome"] = "won", "outsold"
    later = path / "later" / "iterable" / "export"
    later.mkdir(parents=True)
    (later / "purchase.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def bought(told):
    return told


def story(other):
    """Deals that end in one way or another, end anew, and end as before once the run that did so is taken back."""
    found = SimpleNamespace()
    yield
    first = yield
    found.first, found.lost = endings(other), other.row("opportunity", "purchase:pu-2")
    found.held = list(first.ledger.filter(object_name="purchase").values_list("source_id", "code", "outcome"))
    found.ended = first.phases.get(kind="close")
    other.servers.fault("dataverse_sandbox", {"method": "POST", "path": r"\$batch", "within": "pportunit", "do": "lose", "times": 4})
    second = yield
    found.struck = other.servers.stats("dataverse_sandbox")["each_fault"]
    found.second, found.ended_anew = endings(other), second.phases.get(kind="close")
    found.differs = yield
    yield
    yield
    yield found


def endings(loaded):
    """Number of each deal -> its state, reason and value, and the values of its close activities."""
    closes = dump(loaded.servers.dataverse_sandbox, "opportunityclose")
    return {
        int(row["mwb_sourceid"].removeprefix("purchase:pu-")): (
            (row["statecode"], row["statuscode"], row.get("actualvalue")),
            [close["actualrevenue"] for close in closes if close["_opportunityid_value"] == row["opportunityid"]],
        )
        for row in dump(loaded.servers.dataverse_sandbox, "opportunity")
    }


WON, LOST, OUTSOLD = ((1, 3, 20), [20]), ((2, 4, 20), [20]), ((2, 5, 20), [20])


def test_a_deal_ends_as_its_record_says_and_one_of_an_unknown_state_is_held(bought):
    assert bought.first == {1: WON, 2: LOST, 3: OUTSOLD, 4: ((0, 1, None), []), 6: LOST, 7: WON}
    assert bought.lost["actualclosedate"] == "2024-03-05"
    assert bought.held == [("pu-5", "purchase.ending_unknown", "held")]
    phase = bought.ended
    assert (phase.updated, phase.at_destination, phase.verified["wrong_rows"]) == (5, 5, 0)


def test_deals_end_anew_where_their_ending_or_value_changed_and_a_rollback_ends_them_as_before(bought):
    assert bought.second == {1: WON, 2: ((2, 4, 45), [45]), 3: OUTSOLD, 4: ((0, 1, None), []), 6: WON, 7: OUTSOLD}
    assert (bought.ended_anew.updated, bought.struck) == (3, [4])  # whose answers were lost
    assert not bought.differs
