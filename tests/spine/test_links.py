"""Rows linked by a many-to-many relationship, and unlinked again by a rollback: read at the destination."""

import uuid

import pytest

from connectors.dataverse.client import NS
from loads import engine
from loads.models import Chunk, Phase, Run
from loads.staging.context import StagingContext
from loads.staging.rows import LateWriter
from tests import folders, snapshots
from tests.playing import dump
from tests.spine import few_records
from tests.spine.few_records import Few

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
BOTH = "mwb_account_contact"
ACCOUNT, OTHER_ACCOUNT, ADA, LEO, EVA, NOBODY = (str(uuid.UUID(int=number)) for number in range(0xB01, 0xB07))
FOUND = (ACCOUNT, ADA)  # linked by a person before the load
WANTED = (FOUND, (ACCOUNT, LEO), (ACCOUNT, EVA), (OTHER_ACCOUNT, ADA), (OTHER_ACCOUNT, NOBODY))


def folder(path):
    """An organisation with accounts and contacts that can be linked."""
    rows = {
        "dataverse/account": [{"accountid": row_id, "name": f"Account {row_id[-1]}"} for row_id in (ACCOUNT, OTHER_ACCOUNT)],
        "dataverse/contact": [{"contactid": row_id, "lastname": f"Contact {row_id[-1]}"} for row_id in (ADA, LEO, EVA)],
    }
    return folders.write(path, [], rows=rows)


@pytest.fixture
def done(tmp_path):
    """After a run, where one link stands."""
    with snapshots.put_back(few_records.loaded, few_records.folder, tmp_path, after=Few) as prepared:
        client = engine.Destination(prepared.sandbox).client
        ends = {"Entity1LogicalName": "account", "Entity2LogicalName": "contact", "IntersectEntityName": BOTH}
        client.post("RelationshipDefinitions", {"@odata.type": f"{NS}.ManyToManyRelationshipMetadata", "SchemaName": BOTH, **ends})
        account, contact = FOUND
        client.post(f"accounts({account})/{BOTH}/$ref", {"@odata.id": f"{client.base_url}contacts({contact})"})
        yield prepared


def with_links(done: Few) -> Run:
    """A run that is staged, with a phase of links made by hand."""
    run = done.finish_staging()
    context = StagingContext(run, engine.Destination(run.environment), "tests", lambda: None)
    with LateWriter(context, "accountContact", BOTH, Phase.Kind.LINKS) as writer:
        for number, (account, contact) in enumerate(WANTED):
            link = {"entity_set": "accounts", "row_id": account, "collection": BOTH}
            other = {"other_set": "contacts", "other_key": "contactid", "other_id": contact}
            writer.add(str(uuid.UUID(int=100 + number)), f"link-{number}", number, BOTH, link | other, [f"contact:{contact}"])
    last = run.phases.order_by("number").last().number
    planned = {"object_name": "accountContact", "table": BOTH, "kind": Phase.Kind.LINKS, "planned": len(WANTED)}
    phase = Phase.objects.create(run=run, number=last + 1, **planned)
    Chunk.objects.create(phase=phase, number=1, start=0, stop=len(WANTED))
    return run


def linked(done: Few) -> set[tuple[str, str]]:
    rows = dump(done.servers.dataverse_sandbox, BOTH)
    assert len(rows) == len({(row["accountid"], row["contactid"]) for row in rows})
    return {(row["accountid"], row["contactid"]) for row in rows}


def test_links_that_are_missing_are_made_once_and_a_rollback_takes_back_those_alone(done):
    run = with_links(done)
    done.servers.fault("dataverse_sandbox", {"method": "POST", "path": r"\$batch", "do": "lose", "times": 3})
    done.work(run)
    assert run.state == Run.State.DONE, run.message
    assert linked(done) == set(WANTED[:4])
    phase = run.phases.get(kind=Phase.Kind.LINKS)
    assert (phase.created, phase.equal, phase.refused, phase.at_destination) == (3, 1, 1, 4)
    assert [(entry.source_id, entry.code) for entry in phase.ledger.all()] == [("link-4", "0x80040217")]
    taken_back = done.take_back(run)
    assert linked(done) == {FOUND}
    assert taken_back.phases.get(kind=Phase.Kind.LINKS).restored == 3
