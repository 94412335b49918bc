"""One organisation at work: starts from a folder and a journal, answers calls, and keeps what it answered."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import builtin_rows, dispatch, errors, folder, metadata_keys, metadata_writing, people, security
from .builtin import finish, install_apps
from .calls import Answer, Call, Caller, refused
from .columns import Column
from .definitions import read_column
from .journal import Journal
from .organisation import Organisation, moment

ROOT = "http://127.0.0.1/api/data/v9.2/"


class Service:
    """The simulated organisation without HTTP around it."""

    def __init__(self, data: Path, *, sandbox: bool, client_ids: Sequence[str], state: Path | None = None) -> None:
        """data: the folder of a world. client_ids: of the application users. state: folder of the journal; None: nothing survives.

        Raises BadData.
        """
        self.org = Organisation(sandbox=sandbox, client_ids=client_ids)
        self._data, self._sandbox = data, sandbox
        self._files = folder.files(data, sandbox=sandbox)
        self._journal = Journal(state / f"dataverse_{self.org.name}.jsonl") if state else None
        lines = self._journal.lines() if self._journal else iter(())
        first = next(lines, None)
        started = first["started"] if first else moment()
        self._start(started)
        self.org.store.commit()
        self._replay(lines)
        if self._journal:
            self._journal.open()
            self.org.store.on_commit = self._journal.append
            if first is None:
                self._journal.append({"started": started})

    def handle(self, call: Call) -> Answer:
        """Answer one request; what it changed is in the journal before this returns."""
        metadata_keys.settle(self.org)
        self._keep_settled_keys()
        before = self.org.written
        try:
            with self.org.store.transaction():
                answer = dispatch.run(self.org, call)
        except errors.ServiceError as error:
            answer = refused(error)
        for change in self.org.metadata_changes:
            self._keep({"metadata": _kept(change)})
        self.org.metadata_changes.clear()
        self._keep_settled_keys()
        self.org.store.commit()
        answer.written = self.org.written - before
        if call.method == "GET" and isinstance(answer.body, dict):
            answer.read = len(answer.body.get("value") or ())
        return answer

    def close(self) -> None:
        """Close the journal."""
        if self._journal:
            self._journal.close()

    def advance(self) -> None:
        """Let the files under `later/` take the place of those they are named after."""
        later = folder.files(self._data, sandbox=self._sandbox, later=True)
        folder.replace(self.org, self._files, later)
        self._files = {**self._files, **later}
        self.org.store.commit()

    def meddle(self, deed: people.Deed, given: Mapping[str, Any]) -> list[str]:
        """Let a person do something to rows; ids of what was changed, made or deleted. Raises ServiceError, and nothing was done then."""
        self._keep_settled_keys()
        with self.org.store.transaction():
            ids = deed(self.org, given)
        self.org.store.commit()
        return ids

    def set_missing(self, principal: str, privileges: list[str]) -> None:
        """Take privileges from a user or a team, by a role of its own; an empty list gives its roles back."""
        owner = "team" if principal in self.org.rows("team") else "systemuser"
        security.take(self.org, owner, principal, privileges)
        lacks = {role: sorted(names) for role, names in self.org.role_lacks.items()}
        self._keep({"role_lacks": lacks, "put_aside": self.org.put_aside})

    def _keep(self, line: dict[str, Any]) -> None:
        if self._journal:
            self._journal.append(line)

    def _keep_settled_keys(self) -> None:
        """An index that became active, or failed, does so at the same place of a replay."""
        for table, key in self.org.settled:
            self._keep({"key": [table.name, key.name, key.failed]})
        self.org.settled.clear()

    def _start(self, started: str) -> None:
        given = folder.metadata(self._files)
        call = self._system_call()
        install_apps(self.org.catalog, [name.removesuffix(".ndjson") for name in self._files])
        for shape in given.get("tables", []):
            _tolerant(metadata_writing.create_table, self.org, call, shape)
        for name, shapes in given.get("columns", {}).items():
            for shape in shapes:
                self._add_column(name, shape)
        folder.load(self.org, self._files)
        builtin_rows.add(self.org, started)
        if settings := given.get("organization"):
            _declare_settings(self.org, settings)
            row_id, row = next(iter(self.org.rows("organization").items()))
            self.org.store.put("organization", row_id, {**row, **settings})

    def _add_column(self, name: str, shape: Mapping[str, Any]) -> None:
        table = self.org.table(name)
        prefix = str(shape.get("SchemaName", "")).partition("_")[0].lower()
        column = read_column(self.org.catalog, table, shape, {prefix})
        table.columns[column.name] = column
        self.org.catalog.relate(table, column)
        table.changed()

    def _system_call(self) -> Call:
        return Call("POST", "", {}, {}, b"", ROOT, Caller(""), moment())

    def _replay(self, lines: Iterable[dict[str, Any]]) -> None:
        self.org.key_build_s = math.inf  # indexes are ready where the journal says so
        for line in lines:
            if "metadata" in line:
                self._repeat(line["metadata"])
            elif "key" in line:
                self._settle(*line["key"])
            elif "role_lacks" in line:
                self.org.role_lacks = {role: frozenset(names) for role, names in line["role_lacks"].items()}
                self.org.put_aside = line["put_aside"]
            else:
                self.org.store.apply(line)
        self.org.key_build_s = 0.0
        for _, key in self.org.building:
            key.ready_at = 0.0
        self.org.settled.clear()

    def _settle(self, table: str, name: str, failed: bool) -> None:
        found = self.org.table(table)
        metadata_keys.end_building(self.org, found, found.keys[name], failed=failed)

    def _repeat(self, kept: Mapping[str, Any]) -> None:
        user = self.org.application_user(self.org.client_ids[0]) or {}
        call = Call(kept["method"], kept["path"], kept["query"], kept["headers"], kept["body"].encode(), ROOT,
                    Caller(str(user.get("systemuserid", ""))), moment())  # fmt: skip
        dispatch.run(self.org, call)
        self.org.store.forget()
        self.org.metadata_changes.clear()


def _declare_settings(org: Organisation, settings: Mapping[str, Any]) -> None:
    """Settings of an organisation that the built-in table doesn't list become columns of the kind of their value."""
    table = org.table("organization")
    for name, value in settings.items():
        if name.lstrip("_").removesuffix("_value") not in table.columns:
            kind = "Boolean" if isinstance(value, bool) else "Integer" if isinstance(value, int) else "Memo"
            column = Column(name, kind)
            finish("organization", column)
            table.columns[name] = column
    table.changed()


def _kept(call: Call) -> dict[str, Any]:
    headers = {k: v for k, v in call.headers.items() if k.startswith("mscrm.")}
    return {"method": call.method, "path": call.path, "query": dict(call.query), "headers": headers, "body": call.body.decode()}


def _tolerant(create: Any, org: Organisation, call: Call, shape: Mapping[str, Any]) -> None:
    prefix = str(shape.get("SchemaName", "")).partition("_")[0].lower()
    row_id = org.id_of("publisher", prefix)
    org.store.put("publisher", row_id, {"publisherid": row_id, "uniquename": prefix, "friendlyname": prefix, "customizationprefix": prefix,
                                        "customizationoptionvalueprefix": 10000, "versionnumber": org.store.next_version()})  # fmt: skip
    create(org, call, shape)
