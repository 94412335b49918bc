"""One engagement played to its end: a person is erased, loads go on without them, and then all of it is purged."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import call_command

from tests import folders
from tests.folders import organisation_list, user
from tests.playing import collect, dump, engagement_on
from tests.privacy import looking
from workbench.engagements import history
from workbench.engagements.models import AuditEntry
from workbench.pipeline import demonstration
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.database, pytest.mark.django_db]
LATER = "2026-01-01 00:00:00 +00:00"
NEWS = 7
OWNER = "00000000-0000-0000-0000-0000000000b1"
VERA = (
    "wilhelmine@quistgaard.example",
    "w.quistgaard@work.example",
    "Wilhelmine",
    "Quistgaard",
    "+49 170 5550111",
    "u-wilhelmine",
    "u-wilhelmine-old",
)
OTHERS = (
    "oluwaseun@north.example", "Oluwaseun", "Haddad", "+49 151 7770222", "u-oluwaseun",
    "zdravka@south.example", "Zdravka", "Okafor", "u-zdravka", "broken-address-of-zdravka2",
)  # fmt: skip
OWNERS = ("sam@customer.example", "Sam Seller", "gone@customer.example")


def person(user_id: str, email: str, first: str, last: str, **fields) -> dict:
    return user(user_id, email, firstName=first, lastName=last, **{"ownerEmail": "sam@customer.example", "emailListIds": [NEWS], **fields})


PEOPLE = [
    person(
        "u-wilhelmine",
        "wilhelmine@quistgaard.example",
        "Wilhelmine",
        "Quistgaard",
        phoneNumber="+49 170 5550111",
        jobTitle="Head of everything " * 30,
    ),
    person("u-wilhelmine-old", "wilhelmine@quistgaard.example", "Wilhelmine", "Quistgaard", profileUpdatedAt="2024-01-01 00:00:00 +00:00"),
    person(
        "u-oluwaseun", "oluwaseun@north.example", "Oluwaseun", "Haddad", phoneNumber="+49 151 7770222", ownerEmail="gone@customer.example"
    ),
    person("u-zdravka", "zdravka@south.example", "Zdravka", "Okafor", lifecycleStage="lead", jobTitle="Keeper of many keys " * 30),
    person("u-zdravka2", "broken-address-of-zdravka2", "Zdravka", "Okafor"),
]


def event(name: str, who: str, **fields) -> dict:
    return {"eventName": "visited", "userId": who, "email": "", "createdAt": "2024-05-05 09:10:11 +00:00", "page": name, **fields}


def bought(purchase_id: str, who: str, email: str) -> dict:
    item = {"id": "sku-1", "name": "Chair", "price": 20, "quantity": 1}
    return {
        "id": purchase_id,
        "userId": who,
        "email": email,
        "total": 20,
        "createdAt": "2024-03-05 09:10:11 +00:00",
        "shoppingCartItems": [item],
    }


def folder(path: Path) -> Path:
    seller = {
        "systemuserid": OWNER,
        "fullname": "Sam Seller",
        "internalemailaddress": "sam@customer.example",
        "isdisabled": False,
        "accessmode": 0,
    }
    more = {
        "export/customEvent.ndjson": [
            event("of wilhelmine quistgaard", "u-wilhelmine"),
            event("again", "u-wilhelmine"),
            event("of oluwaseun haddad", "u-oluwaseun"),
        ],
        "export/purchase.ndjson": [
            bought("pu-1", "u-wilhelmine", "wilhelmine@quistgaard.example"),
            bought("pu-2", "u-oluwaseun", "oluwaseun@north.example"),
        ],
    }
    lists = [organisation_list(NEWS, "News")]
    folders.write(path, PEOPLE, lists=lists, rows={"dataverse/systemuser": [seller]}, more=more)
    later = path / "later" / "iterable" / "export"
    later.mkdir(parents=True)
    since = [{**one, "profileUpdatedAt": LATER, "jobTitle": "Changed"} for one in PEOPLE]
    (later / "user.ndjson").write_text("".join(json.dumps(one) + "\n" for one in since))
    return path


@pytest.fixture(scope="module")
def played(django_db_setup, django_db_blocker, tmp_path_factory):
    with django_db_blocker.unblock():
        source, work = folder(tmp_path_factory.mktemp("source")), tmp_path_factory.mktemp("work")
        try:
            with engagement_on(source, work) as (engagement, cast, servers):
                yield play(engagement, cast, servers)
        finally:
            call_command("flush", verbosity=0, interactive=False)


def play(engagement, cast, servers) -> SimpleNamespace:
    import time

    t = time.time()
    said = []
    demonstration.play(engagement, cast, said.append)
    print("played", time.time() - t)
    demonstration.hand_off(engagement, cast, said.append)
    print("handed", time.time() - t)
    told = SimpleNamespace(before=looking.found([*VERA, *OTHERS, *OWNERS]))
    print("looked", time.time() - t)
    call_command("erase_person", engagement.slug, email="Wilhelmine@quistgaard.example", user=cast.engineer.username)
    print("erased", time.time() - t)
    told.erased, told.others = looking.found(VERA), looking.found(OTHERS)
    servers.advance("iterable")
    demonstration.load_changes(engagement, cast, said.append, lambda e: None)
    print("loaded again", time.time() - t)
    told.later = looking.found(VERA)
    told.breaks = list(history.breaks(engagement))
    demonstration.hand_off(engagement, cast, said.append)
    told.handed = looking.found(VERA)
    from loads.delta.models import Departed
    from loads.models import Run

    run = Run.objects.latest("pk")
    print([(d.table, d.source_id, d.cause, d.deed) for d in Departed.objects.filter(run=run)])
    print(
        [
            (p.object_name, p.table, p.kind, p.extracted, p.loaded, p.skipped, p.held, p.created, p.updated, p.equal)
            for p in run.phases.all()
        ]
    )
    from workbench.privacy.models import Erasure

    print(Erasure.objects.get().counts, [e.detail for e in AuditEntry.objects.filter(action="erased person")])
    told.again = collect(engagement, servers)
    call_command("purge_engagement", engagement.slug, yes=True, user=cast.engineer.username)
    print("purged", time.time() - t)
    told.purged = looking.found([*VERA, *OTHERS, *OWNERS])
    told.breaks_after = list(history.breaks(engagement))
    return told


def test_x(played):
    from collections import Counter

    for name in ("before", "erased", "later", "handed", "others", "purged"):
        print(name, len(getattr(played, name)))
        for line, n in sorted(Counter(getattr(played, name)).items())[: 60 if name not in ("before", "others") else 5]:
            print("   ", line, n)
    print(played.breaks, played.breaks_after)
