"""An engagement that is loaded and taken back again, what stands at the destination meanwhile, and what people do to it."""

import json
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from loads import engine, rollback, runs
from loads.models import Run
from loads.rollback.scope import Scope
from tests.folders import user
from tests.playing import dump, dumps
from tests.spine import test_objects_again
from tests.spine.test_load_engine import Prepared
from tests.spine.test_second_run import SELLER, edit

ANEW = {("opportunityproduct", "opportunitystatecode")}  # of a line made again: the deal's state when it was made
OUTCOMES = ("removed", "restored", "kept", "refused")
Rows = dict[str, dict[str, dict]]


class Loaded(Prepared):
    """An engagement whose sandbox was dumped, then loaded."""

    def __init__(self, engagement, cast, servers, leave) -> None:
        super().__init__(engagement, cast, servers, leave=leave)
        self.before = self.everything()
        self.run = self.load()

    def load(self) -> Run:
        run = self.finish(self.open())
        assert run.state == Run.State.DONE, run.message
        return run

    def everything(self) -> Rows:
        """The canonical dump of every table of the sandbox: table -> id -> row."""
        wanted = {"$select": "LogicalName,PrimaryIdAttribute", "$filter": "IsPrivate eq false"}
        tables = engine.Destination(self.sandbox).client.get("EntityDefinitions", params=wanted)["value"]
        keys = {table["LogicalName"]: table["PrimaryIdAttribute"] for table in tables}
        found = dumps(self.servers.dataverse_sandbox, keys, canonical=True)
        return {name: {row[keys[name]]: row for row in rows} for name, rows in found.items() if rows}

    def plan(self, run: Run | None = None, **scope) -> Run:
        """The rollback of a run, planned."""
        with held():
            planned = rollback.open_rollback(run or self.run, self.cast.engineer, Scope(**scope))
        self.work(planned)
        assert planned.state == Run.State.PAUSED, planned.message
        return planned

    def agree(self, run: Run) -> Run:
        """Let it begin, its work not yet taken up."""
        with held():
            rollback.agree(run, self.cast.engineer)
        return run

    def take_back(self, run: Run | None = None, **scope) -> Run:
        """A rollback planned and carried out."""
        done = self.work(self.agree(self.plan(run, **scope)))
        assert done.state == Run.State.DONE, done.message
        found = counts(done)
        assert found["planned"] == sum(found[name] for name in OUTCOMES) > 0
        return done

    def edit(self, table: str, row_id: str, values: dict) -> None:
        """A person changes a row."""
        edit(self.servers, table, row_id, values)

    def make(self, entity_set: str, values: dict) -> None:
        """A person makes a row."""
        client = engine.Destination(self.sandbox).client
        client.post(entity_set, values, {"MSCRMCallerID": SELLER})

    def row(self, table: str, source_id: str) -> dict:
        return next(row for row in dump(self.servers.dataverse_sandbox, table) if row.get("mwb_sourceid") == source_id)


@contextmanager
def held():
    """Nobody takes work up."""
    runs.queue_work, queue = lambda run: None, runs.queue_work
    try:
        yield
    finally:
        runs.queue_work = queue


@contextmanager
def lacking(loaded: Loaded, *missing: str):
    """The application user may not do something for a while."""
    with requests.Session() as session:
        session.trust_env = False
        address = f"{loaded.servers.dataverse_sandbox}/_simulator/privileges"
        session.post(address, json={"missing": missing}, timeout=10)
        yield
        session.post(address, json={"missing": []}, timeout=10)


def counts(run: Run) -> Counter:
    found: Counter = Counter()
    for phase in run.phases.all():
        found.update({name: getattr(phase, name) for name in ("planned", *OUTCOMES)})
    return found


def differences(one: Rows, other: Rows, apart: set = frozenset()) -> list[tuple]:
    """(table, id, column, values) of all that isn't the same, tables and columns to leave apart left out."""
    found = []
    for table in sorted((one.keys() | other.keys()) - {name for name, column in apart if column is None}):
        mine, theirs = one.get(table, {}), other.get(table, {})
        for row_id in sorted(mine.keys() | theirs.keys()):
            a, b = mine.get(row_id, {}), theirs.get(row_id, {})
            keys = sorted((a.keys() | b.keys()) - {column for name, column in apart if name == table})
            found += [(table, row_id, key, a.get(key), b.get(key)) for key in keys if a.get(key) != b.get(key)]
    return found


def changing(path: Path) -> Path:
    """A few people, products, purchases and events, a list and two campaigns; later there are more, and both have sent to the list.

    Of no value is it asked what shall become of it.
    """
    source = test_objects_again.folder(path)
    for folder, state, lists in ((source, "Draft", []), (source / "later", "Archived", [7])):
        campaigns = [campaign(71, "Spring", state, lists), campaign(72, "Winter", "Finished", [7])]
        answer = {"campaigns": campaigns, "totalCampaignsCount": len(campaigns)}
        (folder / "iterable" / "campaigns.json").write_text(json.dumps(answer))
        with (folder / "iterable" / "export" / "user.ndjson").open("a") as users:
            users.write(json.dumps(user("u-4", "ivy@gmail.com", emailListIds=lists)) + "\n")
            consent = {"subscribedMessageTypeIds": [902, 903], "unsubscribedChannelIds": [31] if lists else []}
            users.write(json.dumps(user("u-5", "noa@gmail.com", firstName=state, **consent)) + "\n")
    purchases = source / "later" / "iterable" / "export" / "purchase.ndjson"
    purchases.write_text(purchases.read_text().replace('{"id": "P-retired"}', '{"id": "P-retired", "price": 5, "quantity": 1}'))
    return source


def campaign(number: int, name: str, state: str, lists: list[int]) -> dict[str, Any]:
    given = {"id": number, "name": name, "type": "Blast", "campaignState": state, "messageMedium": "Email", "listIds": lists}
    return {**given, "createdAt": 1_700_000_000_000, "labels": []}
