"""Consent at the source that is newer than what was signed: lists that suppress and channels that are refused since, found by a delta."""

import json
from pathlib import Path

import pytest

from loads.models import Run
from tests import database, folders
from tests.folders import CHANNELS, organisation_list, user
from tests.playing import OTHERS, collect, engagement_on
from tests.spine.test_load_engine import Prepared
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.database, pytest.mark.django_db]
LATER = {"profileUpdatedAt": "2026-01-01 00:00:00 +00:00", "subscribedMessageTypeIds": [902, 903]}
LISTED = ("list", "listMembership", "campaign")


def folder(path: Path) -> Path:
    first = [user(name, f"{name}@gmail.com", subscribedMessageTypeIds=[902, 903]) for name in ("u-same", "u-listed", "u-refused")]
    second = [
        first[0],
        user("u-listed", "u-listed@gmail.com", emailListIds=[60], **LATER),
        user("u-refused", "u-refused@gmail.com", unsubscribedChannelIds=[36], **LATER),
        user("u-listed-new", "u-listed-new@gmail.com", emailListIds=[60], **LATER),
    ]
    lists = [organisation_list(9, "Company: Eastgate"), organisation_list(10, "News")]
    folders.write(path, first, lists=lists)
    later = path / "later" / "iterable"
    (later / "export").mkdir(parents=True)
    (later / "export" / "user.ndjson").write_text("".join(json.dumps(one) + "\n" for one in second))
    newer = [organisation_list(60, "No more", listType="Suppression"), organisation_list(61, "Company: Westmoor")]
    (later / "lists.json").write_text(json.dumps({"lists": [*lists, *newer]}))
    channel = {"id": 36, "name": "More news", "channelType": "Marketing", "messageMedium": "Email"}
    (later / "channels.json").write_text(json.dumps({"channels": [*CHANNELS, channel]}))
    return path


@pytest.fixture(scope="module")
def played(django_db_setup, django_db_blocker, tmp_path_factory):
    with django_db_blocker.unblock():
        try:
            with engagement_on(folder(tmp_path_factory.mktemp("source")), tmp_path_factory.mktemp("work")) as (engagement, cast, servers):
                prepared = Prepared(engagement, cast, servers, tuple(name for name in OTHERS if name not in LISTED))
                prepared.finish(prepared.open())
                servers.advance("iterable")
                prepared.take(Step.Name.DELTA)
                run = prepared.finish(prepared.open())
                assert run.state == Run.State.DONE, run.message
                found = collect(engagement, servers)
                found.asked = {row.list_id: row.organisation for row in engagement.organisation_lists.filter(confirmed=False)}
                yield found
        finally:
            database.empty()


@pytest.mark.parametrize(("source", "refused"), [("u-same", False), ("u-listed", True), ("u-refused", True), ("u-listed-new", True)])
def test_who_refused_by_what_nobody_signed_yet_is_opted_out(played, source, refused):
    assert played.row("contact", f"user:{source}", "sandbox")["donotbulkemail"] is refused


def test_a_list_that_suppresses_since_becomes_no_marketing_list(played):
    assert {row["mwb_sourceid"] for row in played.of_source("list", "list", "sandbox")} & {"list:10", "list:60"} == {"list:10"}
    assert played.rows("listmember", "sandbox") == []


def test_a_list_that_may_be_a_company_and_is_newer_than_the_discovery_is_asked_about(played):
    assert played.asked == {"61": "Westmoor"}
