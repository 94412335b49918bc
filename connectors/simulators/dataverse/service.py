"""One organisation at work: starts from a folder and a journal, answers calls, and keeps what it answered."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from . import builtin_rows, dispatch, errors, folder, metadata_writing, security, writing
from .builtin import finish, install_apps
from .calls import Answer, Call, Caller, refused
from .columns import Column
from .definitions import read_column
from .journal import Journal
from .organisation import Organisation, moment

ROOT = "http://127.0.0.1/api/data/v9.2/"


class Service:
    """The simulated organisation without HTTP around it."""

    def __init__(self, data: Path, *, sandbox: bool, client_id: str, state: Path | None = None) -> None:
        """data: the folder of a world. state: folder of the journal; None: nothing survives. Raises BadData."""
        self.org = Organisation(sandbox=sandbox, client_id=client_id)
        self._data, self._sandbox, self._client_id = data, sandbox, client_id
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
        try:
            with self.org.store.transaction():
                answer = dispatch.run(self.org, call)
        except errors.ServiceError as error:
            answer = refused(error)
        for change in self.org.metadata_changes:
            if self._journal:
                self._journal.append({"metadata": _kept(change)})
        self.org.metadata_changes.clear()
        self.org.store.commit()
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

    def edit(self, table_name: str, row_id: str, values: Mapping[str, Any], user: str) -> None:
        """Change a row as another user would. Raises ServiceError."""
        table = self.org.table(table_name)
        self.org.row(self.org.table("systemuser"), user)
        call = Call("PATCH", "", {}, {}, b"", ROOT, Caller(user), moment())
        writing.update(self.org, call, table, row_id.lower(), values)
        self.org.store.commit()

    def set_missing(self, principal: str, privileges: list[str]) -> None:
        """Take privileges from a user or a team, by a role of its own; an empty list gives its roles back."""
        owner = "team" if principal in self.org.rows("team") else "systemuser"
        security.take(self.org, owner, principal, privileges)

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
        for line in lines:
            if "metadata" in line:
                self._repeat(line["metadata"])
            else:
                self.org.store.apply(line)

    def _repeat(self, kept: Mapping[str, Any]) -> None:
        user = self.org.application_user(self._client_id) or {}
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
