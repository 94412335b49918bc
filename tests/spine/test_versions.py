"""A row that was there before us and that somebody edits between staging and sending isn't written over: it has another version."""

from pathlib import Path

import pytest

from loads.models import LedgerEntry, Run
from loads.reasons import VERSION_MISMATCH
from tests import database, folders
from tests.folders import organisation_list, user
from tests.playing import dump, engagement_on
from tests.spine.test_load_engine import Prepared
from tests.spine.test_second_run import SELLER, edit

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
THERE = "00000000-0000-4000-8000-000000000301"


def folder(path: Path) -> Path:
    seller = {"systemuserid": SELLER, "fullname": "Sam Seller", "internalemailaddress": "sam@customer.example", "isdisabled": False}
    there = {"contactid": THERE, "emailaddress1": "there@gmail.com", "lastname": "Lind", "statecode": 0, "statuscode": 1}
    rows = {"dataverse/systemuser": [{**seller, "accessmode": 0}], "dataverse/contact": [there]}
    people = [user("u-there", "there@gmail.com", jobTitle="Clerk"), user("u-new", "new@gmail.com", jobTitle="Clerk")]
    return folders.write(path, people, lists=[organisation_list(9, "Company: Eastgate")], rows=rows)


def test_a_row_that_somebody_edits_after_it_was_staged_is_refused_and_stays_as_they_left_it(tmp_path):
    try:
        with engagement_on(folder(tmp_path / "source"), tmp_path / "work") as (engagement, cast, servers):
            prepared = Prepared(engagement, cast, servers)
            run = prepared.finish_staging()
            edit(servers, "contact", THERE, {"jobtitle": "President"})
            assert prepared.finish(run).state == Run.State.DONE
            [there] = [row for row in dump(servers.dataverse_sandbox, "contact") if row["contactid"] == THERE]
            assert (there["jobtitle"], there.get("mwb_sourceid")) == ("President", None)
            assert [one.code for one in LedgerEntry.objects.filter(run=run, source_id="u-there")] == [VERSION_MISMATCH]
    finally:
        database.empty()
