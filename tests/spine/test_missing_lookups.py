"""A row refused since one that it looks up to is gone: the lookup is named, so that the desk offers a remedy for it."""

import uuid

import pytest

from loads import writer
from loads.destination import Destination
from loads.models import Phase, Run
from loads.staged import StagedRow
from mapping.quality.remedies import BLANK, OWNER, offered
from tests import folders, simulated
from tests.spine.test_carrying_out import connected

pytestmark = pytest.mark.django_db


@pytest.fixture
def destination(tmp_path):
    with simulated.start(folders.write(tmp_path / "source", []), only=["dataverse"]) as servers:
        yield Destination(connected(servers), quiet=False)


def contact(**values: object) -> StagedRow:
    values = {"lastname": "Lovelace", **values}
    return StagedRow(str(uuid.uuid4()), "u-1", 0, "", "contact", "create", "created", values, (), None, "", (), (), None, None)


def test_a_lookup_whose_row_is_gone_is_named_and_can_be_left_empty_or_go_to_the_fallback_owner(destination):
    account, lost = str(uuid.uuid4()), str(uuid.uuid4())
    destination.client.post("accounts", {"accountid": account, "name": "Acme"})
    bound = {"parentcustomerid_account@odata.bind": f"/accounts({account})"}
    rows = [contact(**bound), contact(**{name: f"/accounts({lost})" for name in bound}), contact(**bound, **owner(lost))]
    phase = Phase(run=Run(key="r1"), table="contact")
    written = [one for job in writer.jobs(destination, phase, rows, again=False) for one in job(destination.client)]
    by_id = {one.row.row_id: one for one in written}
    reasons = [by_id[row.row_id].reason or {} for row in rows]
    assert [reason.get("field") for reason in reasons] == [None, "parentcustomerid", "ownerid"]
    columns = destination.table("contact").columns
    choices = [{one.name for one in offered(columns[reason["field"]], reason["code"])} for reason in reasons[1:]]
    assert (BLANK in choices[0], OWNER in choices[1]) == (True, True)


def owner(row_id: str) -> dict[str, object]:
    return {"ownerid@odata.bind": f"/systemusers({row_id})"}
