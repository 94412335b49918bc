"""The simulator's own paths of an organisation, under /_simulator/ beside those of control.py.

    GET  tables/<logical name>[?canonical=1]   all rows as JSON lines
    GET  fired                                 custom logic that writes set off, by name
    POST privileges {"user", "missing"}        take privileges from a user or team
    POST limits     {"pace", "requests", "execution_s", "concurrent", "window_s", "web_servers"}   see protection.py
    POST capacity   {"hint", "slots", "organisation_slots", "latency_ms", "row_ms", "read_row_ms", "users"}   see capacity.py
    POST keys       {"build_s", "fail"}        how long the indexes of alternate keys are built from now on, how many of the next fail
    POST edit, build_upon, delete, users       what people do, see people.py; {"ids": [...]}

A change answers what holds from then on; one that can't be understood is refused with 400 and changes nothing.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from . import dump, errors, people
from .capacity import Slots
from .protection import Limits, ServiceProtection
from .service import Service

_Change = Callable[[Mapping[str, Any]], Any]


class Controls:
    """Endpoints that look at an organisation or change how it behaves."""

    def __init__(self, service: Service, protection: ServiceProtection, slots: Slots) -> None:
        """What they look at and change."""
        self._service, self._protection, self._slots = service, protection, slots

    def routes(self) -> list[Route]:
        """One for each path."""
        changes: dict[str, _Change] = {
            "privileges": self._privileges, "limits": self._limits, "capacity": self._capacity, "keys": self._keys,
            **{name: partial(self._people, deed) for name, deed in people.DEEDS.items()},
        }  # fmt: skip
        return [
            Route("/_simulator/tables/{table}", self._tables),
            Route("/_simulator/fired", self._fired),
            *(Route(f"/_simulator/{name}", _changing(change), methods=["POST"]) for name, change in changes.items()),
        ]

    def stats(self, anew: bool) -> dict[str, Any]:
        """What each user asked for, with the limits and the capacity that hold; anew: counting begins at nothing after."""
        users = self._service.org.rows("systemuser")
        found = {
            user: {"application_id": users.get(user, {}).get("applicationid"), **usage} for user, usage in self._protection.usage().items()
        }
        if anew:
            self._protection.count_anew()
        return {"users": found, "limits": self._protection.limits_shown(), "capacity": self._slots.capacity.shown()}

    async def _tables(self, request: Request) -> Response:
        org = self._service.org
        table = org.catalog.tables.get(request.path_params["table"])
        if table is None:
            return JSONResponse({"error": f"no table {request.path_params['table']}"}, 404)
        canonical = request.query_params.get("canonical") == "1"
        lines = dump.canonical(org, table) if canonical else dump.plain(org, table)
        return StreamingResponse(_chunks(lines), media_type="application/x-ndjson")

    async def _fired(self, request: Request) -> Response:
        return JSONResponse(dict(self._service.org.fired))

    def _privileges(self, given: Mapping[str, Any]) -> Any:
        org = self._service.org
        user = given.get("user") or (org.application_user(org.client_ids[0]) or {}).get("systemuserid")
        self._service.set_missing(str(user), list(given.get("missing", [])))
        return {"user": user, "missing": given.get("missing", [])}

    def _limits(self, given: Mapping[str, Any]) -> Any:
        self._protection.change(Limits.read(given))
        return self._protection.limits_shown()

    def _capacity(self, given: Mapping[str, Any]) -> Any:
        self._slots.change(self._slots.capacity.changed(given))
        return self._slots.capacity.shown()

    def _keys(self, given: Mapping[str, Any]) -> Any:
        org = self._service.org
        build_s, fail = given.get("build_s", org.key_build_s), given.get("fail", org.key_failures)
        if set(given) - {"build_s", "fail"} or not isinstance(build_s, int | float) or not isinstance(fail, int) or min(build_s, fail) < 0:
            raise ValueError('expected {"build_s": seconds, "fail": number of builds}')
        org.key_build_s, org.key_failures = float(build_s), fail
        return {"build_s": build_s, "fail": fail}

    def _people(self, deed: people.Deed, given: Mapping[str, Any]) -> Any:
        return {"ids": self._service.meddle(deed, given)}


def _changing(change: _Change) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that makes a change from a JSON object and shows what came of it."""

    async def endpoint(request: Request) -> Response:
        try:
            given = orjson.loads(await request.body() or b"{}")
            if not isinstance(given, dict):
                raise ValueError("expected an object")
            return JSONResponse(change(given))
        except errors.ServiceError as error:
            return JSONResponse(error.body(), error.status)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)

    return endpoint


def _chunks(lines: Iterator[bytes]) -> Iterator[bytes]:
    while chunk := b"".join(islice(lines, 1000)):
        yield chunk
