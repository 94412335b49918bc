"""One engagement played to its end: a person is erased, a load goes on without them, and then all of it is purged."""

import json
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client, override_settings

from loads import rollback
from loads.delta.models import Departed
from loads.dispositions import lookup
from loads.models import Crosswalk, LedgerEntry, Run
from reports.models import Document
from tests import database, folders
from tests.folders import organisation_list, user
from tests.playing import collect, dump, engagement_on
from tests.privacy import looking
from workbench.engagements import gates, history
from workbench.engagements.models import AuditEntry, Connection, SignOff
from workbench.engagements.pseudonyms import is_pseudonym, pseudonyms_of
from workbench.pipeline import demonstration, steps
from workbench.pipeline.models import Step
from workbench.pipeline.summary import summary

pytestmark = [pytest.mark.database, pytest.mark.django_db]
LATER = "2026-01-01 00:00:00 +00:00"
NEWS = 7
# Names that are no part of other words, since they are looked for in everything that is stored.
THEIRS = (
    "wilhelmine@quistgaard.example", "wilhelmine", "quistgaard", "+49 170 5550111", "u-quist-1", "u-quist-2", "pu-theirs", "of-theirs",
)  # fmt: skip
OTHERS = (
    "oluwaseun@haddad-works.example", "oluwaseun", "haddad", "+49 151 7770222", "u-haddad", "zdravka@okafor-works.example", "zdravka",
    "okafor", "u-okafor", "broken-address-of-zdravka", "pu-others", "of-others",
)  # fmt: skip
OWNERS = ("sam@customer.example", "sam seller", "gone@customer.example")
SELLER = {"systemuserid": "00000000-0000-0000-0000-0000000000b1", "fullname": "Sam Seller", "isdisabled": False, "accessmode": 0}


GONE = {"ownerEmail": "gone@customer.example"}


def person(user_id: str, email: str, first: str, last: str, **fields: Any) -> dict[str, Any]:
    given = {"ownerEmail": "sam@customer.example", "emailListIds": [NEWS], "jobTitle": "Keeper of many keys " * 30, **fields}
    return user(user_id, email, firstName=first, lastName=last, **given)


PEOPLE = [
    person("u-quist-1", "wilhelmine@quistgaard.example", "Wilhelmine", "Quistgaard", phoneNumber="+49 170 5550111"),
    person("u-quist-2", "Wilhelmine@Quistgaard.example", "Wilhelmine", "Quistgaard", profileUpdatedAt="2024-01-01 00:00:00 +00:00"),
    person("u-haddad", "oluwaseun@haddad-works.example", "Oluwaseun", "Haddad", phoneNumber="+49 151 7770222", **GONE),
    person("u-okafor", "zdravka@okafor-works.example", "Zdravka", "Okafor", lifecycleStage="lead"),
    person("u-okafor-2", "broken-address-of-zdravka", "Zdravka", "Okafor"),
]  # fmt: skip


def event(what: str, who: str) -> dict[str, Any]:
    return {"eventName": "visited", "userId": who, "email": "", "createdAt": "2024-05-05 09:10:11 +00:00", "page": what}


def bought(purchase_id: str, who: str, email: str) -> dict[str, Any]:
    items = [{"id": "sku-1", "name": "Chair", "price": 20, "quantity": 1}]
    given = {"id": purchase_id, "userId": who, "email": email, "total": 20, "createdAt": "2024-03-05 09:10:11 +00:00"}
    return {**given, "shoppingCartItems": items}


def subscribed(who: str, email: str) -> dict[str, Any]:
    return {"userId": who, "email": email, "createdAt": "2024-05-05 09:10:11 +00:00", "emailListIds": [NEWS]}


def folder(path: Path) -> Path:
    more = {
        "export/customEvent.ndjson": [event("of-theirs", "u-quist-1"), event("of-theirs", "u-quist-1"), event("of-others", "u-haddad")],
        "export/purchase.ndjson": [
            bought("pu-theirs", "u-quist-2", "wilhelmine@quistgaard.example"),
            bought("pu-others", "u-haddad", "oluwaseun@haddad-works.example"),
        ],
        "export/emailSubscribe.ndjson": [subscribed("u-quist-2", "wilhelmine@quistgaard.example"), subscribed("u-haddad", "")],
    }  # fmt: skip
    rows = {"dataverse/systemuser": [SELLER | {"internalemailaddress": "sam@customer.example"}]}
    folders.write(path, PEOPLE, lists=[organisation_list(NEWS, "News")], rows=rows, more=more)
    later = path / "later" / "iterable" / "export"
    later.mkdir(parents=True)
    since = [{**one, "profileUpdatedAt": LATER, "jobTitle": "Changed since"} for one in PEOPLE]
    (later / "user.ndjson").write_text("".join(json.dumps(one) + "\n" for one in since))
    return path


@pytest.fixture(scope="module")
def played(django_db_setup, django_db_blocker, tmp_path_factory):
    with django_db_blocker.unblock():
        source, work = folder(tmp_path_factory.mktemp("source")), tmp_path_factory.mktemp("work")
        try:
            with engagement_on(source, work) as (engagement, cast, servers):
                told = play(engagement, cast, servers)
                told.work = work
                yield told
        finally:
            database.empty()


def play(engagement: Any, cast: Any, servers: Any) -> SimpleNamespace:
    said, as_engineer = [], {"user": cast.engineer.username, "stdout": StringIO()}
    told = SimpleNamespace(engagement=engagement, cast=cast, row_ids=[])
    demonstration.play(engagement, cast, said.append, leave=("subscriptionEvent",))
    demonstration.hand_off(engagement, cast, said.append)
    told.before = looking.found([*THEIRS, *OTHERS, *OWNERS])
    told.theirs_there = rows_of(servers, "u-quist-1", "pu-theirs")

    call_command("erase_person", engagement.slug, email="WILHELMINE@quistgaard.example", **as_engineer)
    told.erased, told.others = looking.found(THEIRS), looking.found(OTHERS)
    told.erasure, told.breaks_after_erasure = engagement.erasures.get(), list(history.breaks(engagement))
    told.record = json.loads(content_of(engagement, "erasure"))

    servers.advance("iterable")
    demonstration.load_changes(engagement, cast, said.append, lambda engagement: None)
    told.loaded = looking.found(THEIRS)
    run = Run.objects.latest("pk")
    told.theirs = lookup(run, "user", pseudonyms_of(engagement).of("u-quist-1"))
    told.departed = {(one.table, one.cause, one.deed) for one in Departed.objects.filter(run=run)}
    told.again, told.summary = collect(engagement, servers), summary(engagement)

    told.signed = dict(SignOff.objects.values_list("pk", "content_sha256"))
    row_ids = Crosswalk.objects.values_list("row_id", flat=True)
    told.row_ids = [form for row_id in row_ids for form in (str(row_id), row_id.hex)]  # as PostgreSQL and as SQLite have them
    told.codes = sorted(LedgerEntry.objects.values_list("code", "outcome"))
    call_command("purge_engagement", engagement.slug, yes=True, **as_engineer)
    told.purged, told.breaks_after_purge = looking.found([*THEIRS, *OTHERS, *OWNERS]), list(history.breaks(engagement))
    told.row_ids_left = looking.found(told.row_ids)
    told.certificate = json.loads(content_of(engagement, "purge"))
    return told


def rows_of(servers: Any, *source_ids: str) -> set[str]:
    """Ids of the rows at the destination that carry one of these source ids."""
    tables = {"contact": "contactid", "opportunity": "opportunityid"}
    wanted = {f"{name}:{source_id}" for name in ("user", "purchase") for source_id in source_ids}
    return {row[key] for table, key in tables.items() for row in dump(servers.dataverse, table) if row.get("mwb_sourceid") in wanted}


def content_of(engagement: Any, kind: str) -> bytes:
    document = Document.objects.standing().get(engagement=engagement, kind=kind, format="json")
    return (looking.store() / document.path).read_bytes()


def kept_places(lines: Iterable[str]) -> set[str]:
    """Where something stands, but for documents, which are written anew, and files of keys, which are named by what is on the register."""
    return {line for line in lines if "/documents/" not in line and "/keys/" not in line}


def test_before_everybody_is_found_in_the_store_the_database_and_the_documents(played):
    for needle in (*THEIRS, *OTHERS, *OWNERS):
        assert any(line.endswith(f": {needle}") for line in played.before), needle
    for place in (
        "table loads_crosswalk",
        "table engagements_auditentry",
        "file demo-iterable/landed",
        "file demo-iterable/documents/diff",
    ):
        assert any(line.startswith(place) for line in played.before), place
    for needle in ("zdravka", "sam@customer.example"):
        assert any(".pdf: " in line and line.endswith(f": {needle}") for line in played.before), needle


def test_of_an_erased_person_nothing_is_left_and_the_others_are_as_they_were(played):
    assert played.erased == []
    assert kept_places(played.others) == kept_places(line for line in played.before if line.endswith(OTHERS))


def test_the_record_of_an_erasure_names_nobody_and_lists_the_rows_at_the_destination(played):
    erasure, entry = played.erasure, AuditEntry.objects.get(engagement=played.engagement, action="erased person")
    assert (erasure.sought, len(erasure.names) >= 4, is_pseudonym(erasure.person)) == ("", True, True)
    assert (entry.number, entry.subject, entry.detail["counts"]) == (erasure.entry, erasure.person, erasure.counts)
    assert played.breaks_after_erasure == []
    listed = {(row["environment"], row["row_id"]) for row in played.record["rows"]}
    assert {("production", row_id) for row_id in played.theirs_there} <= listed
    assert len(played.theirs_there) == 2
    assert not any(name in json.dumps(played.record) for name in THEIRS)


def test_a_later_load_leaves_an_erased_person_out_and_opts_their_row_out(played):
    assert played.loaded == []
    assert [reason["code"] for reason in played.theirs[0]["reasons"]] == ["person.forgotten"]
    assert {("contact", "forgotten", "opted_out"), ("listmember", "forgotten", "removed")} <= played.departed
    people = {row["mwb_sourceid"]: row for row in played.again.rows("contact") if row.get("mwb_sourceid")}
    assert (people["user:u-quist-1"]["donotbulkemail"], people["user:u-quist-1"]["jobtitle"][:6]) == (True, "Keeper")
    assert people["user:u-haddad"]["jobtitle"] == "Changed since"
    assert all(phase["balanced"] for phase in played.summary["phases"])


def test_after_a_purge_nobody_is_found_anywhere(played):
    assert played.purged == []
    assert played.row_ids_left == []
    assert set(Connection.objects.values_list("secret", flat=True)) == {""}


def test_after_a_purge_sums_hashes_signatures_and_the_chain_of_the_history_stay(played):
    assert (played.breaks_after_erasure, played.breaks_after_purge) == ([], [])
    assert dict(SignOff.objects.values_list("pk", "content_sha256")) == played.signed
    entry = AuditEntry.objects.get(engagement=played.engagement, action="purged engagement")
    assert played.certificate["entry"]["hash"] == entry.hash
    assert played.certificate["redacted"] == entry.detail["redacted"]
    runs = {run["run"]: run for run in played.certificate["evidence"]["runs"]}
    told = [(phase["object"], phase["table"], phase["loaded"]) for run in runs.values() for phase in run["phases"] if phase["extracted"]]
    for phase in played.summary["phases"]:
        assert not phase["extracted"] or (phase["object"], phase["table"], phase["loaded"]) in told, phase


def test_after_a_purge_what_is_left_still_joins_by_keyed_hashes(played):
    hashed = pseudonyms_of(played.engagement)
    assert sorted(LedgerEntry.objects.values_list("code", "outcome")) == played.codes
    held = LedgerEntry.objects.filter(source_id=hashed.of("u-okafor-2")).values_list("run", flat=True).distinct()
    assert held.count() == 3
    assert Crosswalk.objects.filter(source_id=hashed.of("u-haddad"), environment__kind="production").count() == 1
    assert all(map(is_pseudonym, Crosswalk.objects.exclude(source_id__startswith="@").values_list("source_id", flat=True)))


def test_after_a_purge_nothing_is_read_loaded_or_taken_back_and_the_gates_say_why(played):
    engagement, engineer = played.engagement, played.cast.engineer
    production = engagement.environments.get(kind="production")
    for name in (Step.Name.DISCOVER, Step.Name.EXTRACT, Step.Name.DELTA, Step.Name.CHECK, Step.Name.HANDOFF):
        with pytest.raises(gates.GateClosed, match="was purged on"):
            steps.request(engagement, name, user=engineer)
    with pytest.raises(gates.GateClosed, match="was purged on"):
        steps.request(engagement, Step.Name.LOAD, environment=production, user=engineer)
    with pytest.raises(gates.GateClosed, match="The rollback can't start: The engagement was purged on"):
        rollback.open_rollback(Run.objects.loads().latest("pk"), engineer)
    with pytest.raises(CommandError, match="It was purged on"):
        call_command("purge_engagement", engagement.slug, yes=True, user=engineer.username)
    with pytest.raises(CommandError, match="was purged on"):
        call_command("erase_person", engagement.slug, id="u-haddad", user=engineer.username)


def test_the_pages_of_a_purged_engagement_still_open(played):
    pages = looking.pages_of(played.engagement)
    with override_settings(STORE_URL=str(played.work / "store"), VAR_DIR=played.work / "var", SECURE_SSL_REDIRECT=False):
        client = Client()
        client.force_login(played.cast.engineer)
        answers = {address: client.get(address).status_code for address in pages}
    assert {address: code for address, code in answers.items() if code not in (200, 302)} == {}
    assert len(answers) > 70
