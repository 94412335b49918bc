"""The data folder: `dataverse/<table>.ndjson` in read form, the sandbox's own files, `metadata.json`, and what `later/` brings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from connectors.simulators.folder import without_mark

from . import rules
from .organisation import Organisation
from .store import Row


class BadData(ValueError):
    """A file of the data folder that can't be served; the text says which and why."""


def files(data: Path, *, sandbox: bool, later: bool = False) -> dict[str, Path]:
    """File name -> path; the sandbox's own files stand in place of the shared ones."""
    root = data / "later" if later else data
    found: dict[str, Path] = {}
    for folder in ("dataverse", "dataverse_sandbox") if sandbox else ("dataverse",):
        for path in sorted((root / folder).glob("*.*json")):
            found[path.name] = path
    return found


def read_rows(org: Organisation, path: Path) -> dict[str, Row]:
    """The rows of one file by id, as they lie there. Raises BadData."""
    table = org.catalog.tables.get(path.stem)
    if table is None:
        raise BadData(f"{path.name}: no table '{path.stem}' (declare it in metadata.json).")
    rows: dict[str, Row] = {}
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            row = _parsed(path.name, number, line)
            if not isinstance(row, dict) or not isinstance(row.get(table.primary_id), str):
                raise BadData(f"{path.name}:{number}: a row is an object with '{table.primary_id}'.")
            rows[row[table.primary_id].lower()] = row
    return rows


def _parsed(name: str, number: int, line: bytes) -> Any:
    try:
        return orjson.loads(without_mark(line))
    except orjson.JSONDecodeError as error:
        raise BadData(f"{name}:{number}: {error}.") from error


def load(org: Organisation, found: Mapping[str, Path]) -> None:
    """Put the files' rows in place; each gets a row version if it has none."""
    for path in found.values():
        if path.suffix == ".ndjson":
            for row_id, row in read_rows(org, path).items():
                _put(org, path.stem, row_id, row)


def replace(org: Organisation, before: Mapping[str, Path], after: Mapping[str, Path]) -> None:
    """Let the files of `after` stand in place of those of the same name: rows they lack are deleted, others overwritten."""
    for name, path in after.items():
        if path.suffix != ".ndjson":
            continue
        rows = read_rows(org, path)
        old = read_rows(org, before[name]) if name in before else {}
        for row_id in old.keys() - rows.keys():
            if row_id in org.rows(path.stem):
                org.store.remove(path.stem, row_id)
        for row_id, row in rows.items():
            if old.get(row_id) != row:
                _put(org, path.stem, row_id, row)


def _put(org: Organisation, table: str, row_id: str, row: Row) -> None:
    org.logic.clear()
    if table in rules.PEOPLE:  # what is computed is there, whether the file has it or not
        row = {name: value for name, value in rules.full_names(row).items() if value is not None} | row
    version = row.get("versionnumber")
    if isinstance(version, int) and row_id not in org.rows(table):
        org.store.version = max(org.store.version, version)
    else:
        row = {**row, "versionnumber": org.store.next_version()}
    org.store.put(table, row_id, row)


def metadata(found: Mapping[str, Path]) -> dict[str, Any]:
    """The content of metadata.json, {} without one. Raises BadData."""
    path = found.get("metadata.json")
    content = _parsed(path.name, 1, path.read_bytes()) if path else {}
    if not isinstance(content, dict):
        raise BadData("metadata.json is an object with tables, columns and organization.")
    return content
