"""Deals that a playbook's rule has end otherwise than won: lost by their own message, ended anew, and taken back."""

import json
from pathlib import Path

import pytest

from mapping import playbooks
from tests import folders, snapshots
from tests.folders import user
from tests.playing import OTHERS, dump
from tests.spine.test_objects_again import EVENING, purchase
from tests.spine.test_rollback import Loaded, differences
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
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


@pytest.fixture(autouse=True)
def playbook(tmp_path, monkeypatch):
    playbooks.load_playbook.cache_clear()
    monkeypatch.setattr(playbooks, "FOLDER", playbooks_in(tmp_path))
    yield
    playbooks.load_playbook.cache_clear()


def source(path: Path) -> Path:
    first = {"pu-1": "Won", "pu-2": "Lost", "pu-3": "outsold", "pu-4": "open", "pu-5": "asleep", "pu-6": "lost", "pu-7": "won"}
    rows = [purchase(number, outcome=outcome) for number, outcome in enumerate(first.values(), start=1)]
    folders.write(path, [user("u-1", "ada@north.example")], more={"export/purchase.ndjson": rows})
    rows[1] |= {"total": 45, "createdAt": EVENING}  # lost for another value
    rows[5]["outcome"], rows[6]["outcome"] = "won", "outsold"
    later = path / "later" / "iterable" / "export"
    later.mkdir(parents=True)
    (later / "purchase.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


class Bought(Loaded):
    """One that was loaded with its purchases."""

    def __init__(self, engagement, cast, servers) -> None:
        super().__init__(engagement, cast, servers, LEAVE)


@pytest.fixture
def loaded(tmp_path):
    with snapshots.put_back(Bought, source, tmp_path, purchasing_leads="contact") as prepared:
        yield prepared


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


def test_a_deal_ends_as_its_record_says_and_one_of_an_unknown_state_is_held(loaded):
    assert endings(loaded) == {1: WON, 2: LOST, 3: OUTSOLD, 4: ((0, 1, None), []), 6: LOST, 7: WON}
    lost = loaded.row("opportunity", "purchase:pu-2")
    assert lost["actualclosedate"] == "2024-03-05"
    [held] = loaded.run.ledger.all()
    assert (held.source_id, held.code, held.outcome) == ("pu-5", "purchase.ending_unknown", "held")
    phase = loaded.run.phases.get(kind="close")
    assert (phase.updated, phase.at_destination, phase.verified["wrong_rows"]) == (5, 5, 0)


def test_deals_end_anew_where_their_ending_or_value_changed_and_a_rollback_ends_them_as_before(loaded):
    before = loaded.everything()
    loaded.servers.advance("iterable")
    loaded.take(Step.Name.EXTRACT)
    loaded.servers.fault("dataverse_sandbox", {"method": "POST", "path": r"\$batch", "do": "lose", "times": 4})
    second = loaded.load()
    assert endings(loaded) == {1: WON, 2: ((2, 4, 45), [45]), 3: OUTSOLD, 4: ((0, 1, None), []), 6: WON, 7: OUTSOLD}
    assert second.phases.get(kind="close").updated == 3
    loaded.take_back(second)
    assert not differences(loaded.everything(), before)
