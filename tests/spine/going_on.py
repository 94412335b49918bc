"""An engagement that goes on: loaded, changed on both sides by the modules that share it, and loaded again."""

import importlib
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from django.core.management import CommandError, call_command

from connectors.dataverse.client import NS
from loads import engine
from loads.models import Run
from tests import folders
from tests.playing import Played as Stands
from tests.playing import collect, dump
from tests.spine import together
from tests.spine.test_load_engine import Prepared
from workbench.pipeline.models import Step


class Played(Prepared):
    """The engagement as it goes on."""

    def load(self) -> Run:
        run = self.finish(self.open())
        assert run.state == Run.State.DONE, run.message
        return run

    def verify(self, run: Run) -> str:
        out = StringIO()
        try:
            call_command("verify", run.key, user=self.cast.engineer.username, stdout=out)
        except CommandError as error:
            out.write(str(error))
        return out.getvalue()

    def dump(self, table: str) -> list[dict]:
        return dump(self.servers.dataverse_sandbox, table)

    def row(self, table: str, source_id: str) -> dict:
        return next(row for row in self.dump(table) if row.get("mwb_sourceid") == source_id)

    def list_of(self, list_id: int, code: int) -> str:
        found = [row for row in self.dump("list") if row["mwb_sourceid"] == f"list:{list_id}" and row["createdfromcode"] == code]
        return found[0]["listid"]

    def members(self) -> set[tuple[str, str, str]]:
        """(the list's source id, the members' table, the member's source id)."""
        lists = {row["listid"]: row["mwb_sourceid"].partition(":")[2] for row in self.dump("list")}
        people = {
            row[f"{name}id"]: (name, row["mwb_sourceid"].partition(":")[2])
            for name in ("contact", "lead")
            for row in self.dump(name)
            if row["mwb_sourceid"]
        }
        return {(lists[row["_listid_value"]], *people[row["_entityid_value"]]) for row in self.dump("listmember")}

    def ties(self) -> set[tuple[str, tuple[str, int]]]:
        """(the campaign's source id, the list's source id and type)."""
        lists = {row["listid"]: (row["mwb_sourceid"], row["createdfromcode"]) for row in self.dump("list")}
        campaigns = {row["campaignid"]: row["mwb_sourceid"] for row in self.dump("campaign")}
        return {(campaigns[row["_campaignid_value"]], lists[row["entityid"]]) for row in self.dump("campaignitem")}

    def change(self, list_id: str, message: str, member: str, as_user: str | None = None) -> None:
        headers = {"MSCRMCallerID": as_user} if as_user else {}
        engine.Destination(self.sandbox).client.post(f"lists({list_id})/{NS}.{message}", {"EntityId": member}, headers)


def modules() -> list[ModuleType]:
    """Those that share it."""
    return [importlib.import_module(name) for name in together.names("tests.spine.test_leaving")]


def told_by(name: str, *given: Any) -> dict[str, Any]:
    """What each module that has a function of this name says, by the module's name."""
    return {one.__name__: getattr(one, name)(*given) for one in modules() if hasattr(one, name)}


def folder(path: Path) -> Path:
    """What the folders of the modules hold."""
    return folders.joined(path, [one.folder(path.parent / one.__name__) for one in modules()])


class Twice(Played):
    """One after its second run; a module has a hand in the first one while it loads, and each does its part `between` it and the delta.

    runs, after: the runs, and what stood at the destination after each. seen: what `between` told, by the module's name.
    """

    def __init__(self, engagement, cast, servers) -> None:
        super().__init__(engagement, cast, servers, together.leave(modules()))
        self.runs: list[Run] = []
        self.after: list[Stands] = []
        first = self.finish_staging()
        told_by("during", self, first)
        self.keep(self.finish(first))
        self.seen = told_by("between", self, first)
        servers.advance("iterable")
        self.take(Step.Name.DELTA)
        self.load()

    def back(self, engagement, servers) -> Self:
        """The same where time has moved on at the source, which serves as it was in the beginning when it is started."""
        servers.advance("iterable")
        other = super().back(engagement, servers)
        other.runs, other.after = list(self.runs), list(self.after)
        return other

    def load(self) -> Run:
        run = super().load()
        self.keep(run)
        return run

    def keep(self, run: Run) -> None:
        """How it stands after a run."""
        assert run.state == Run.State.DONE, run.message
        self.runs.append(run)
        self.after.append(collect(self.engagement, self.servers))


def decided(twice: Twice) -> Twice:
    """The same after a third run, before which modules had a look and decided; `decided` is what they saw."""
    twice.decided = told_by("decide", twice)
    twice.load()
    return twice
