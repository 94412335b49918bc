"""What one person did: the newest events, and the whole history as the export of one person has it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from connectors.simulators.iterable.answers import Json, Refused
from connectors.simulators.iterable.project import DATA_TYPES, Project
from connectors.simulators.iterable.rows import Rows, parse, written

EVENTS = "customEvent"


class Doers:
    """Row numbers of one export by who did it: e-mail without regard to case, and user id."""

    def __init__(self, rows: Rows) -> None:
        """Read the file once; the numbers take 8 bytes a row."""
        self.rows = rows
        self.by_email: dict[str, array[int]] = {}
        self.by_user_id: dict[str, array[int]] = {}
        for number, line in enumerate(rows.lines(range(len(rows)))):
            if isinstance(row := parse(line), dict):
                self._add(number, row)

    def _add(self, number: int, row: dict[str, Any]) -> None:
        if isinstance(email := row.get("email"), str):
            self.by_email.setdefault(email.strip().lower(), array("q")).append(number)
        if isinstance(user_id := row.get("userId"), str):
            self.by_user_id.setdefault(user_id, array("q")).append(number)

    def of(self, *, email: str | None, user_id: str | None) -> Iterator[dict[str, Any]]:
        """The rows of one person."""
        numbers = self.by_user_id.get(user_id) if user_id is not None else self.by_email.get((email or "").strip().lower())
        yield from (parse(line) for line in self.rows.lines(numbers or ()))


async def newest(project: Project, request: Request) -> Response:
    """GET events/{email} and events/byUserId/{userId}: custom events (*assumed*: no others), newest first, without paging."""
    given = request.query_params.get("limit", "30")
    if not given.isdigit():
        raise Refused(400, f"Invalid limit: {given}")
    found = await run_in_threadpool(_of, project, EVENTS, request.path_params.get("email"), request.path_params.get("userId"))
    found.sort(key=lambda row: str(row.get("createdAt")), reverse=True)
    return Json({"events": found[: min(int(given), 200)]})


async def history(project: Project, request: Request) -> Response:
    """GET export/userEvents: every event of a person, one a line; custom events only when asked for (*assumed*: by default not)."""
    email, user_id = request.query_params.get("email"), request.query_params.get("userId")
    if not email and not user_id:
        raise Refused(400, "email or userId is required")
    custom = request.query_params.get("includeCustomEvents", "").lower() == "true"
    names = [name for name in sorted(DATA_TYPES - {"user"}) if custom or name != EVENTS]
    lines = await run_in_threadpool(lambda: b"".join(_lines(project, names, email, user_id or None)))
    return Response(lines, media_type="application/x-json-stream")


def _lines(project: Project, names: list[str], email: str | None, user_id: str | None) -> Iterator[bytes]:
    for name in names:
        for row in _of(project, name, email, user_id):
            yield written({"_type": name} | row) + b"\n"


def _of(project: Project, name: str, email: str | None, user_id: str | None) -> list[dict[str, Any]]:
    doers: Doers | None = project.doers(name, Doers)
    return list(doers.of(email=email, user_id=user_id)) if doers else []
