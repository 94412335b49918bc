"""The simulator of Iterable's API: its addresses, its key, and its limits per address."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from connectors.simulators.control import Control
from connectors.simulators.iterable import assets, events, exports, reads
from connectors.simulators.iterable.answers import Refused, injected
from connectors.simulators.iterable.jobs import Jobs
from connectors.simulators.iterable.project import Project

Endpoint = Callable[[Project, Request], Awaitable[Response]]
# Address -> endpoint and, where it is one for the address, the limit (calls, seconds). Order matters: the first that fits serves.
READS: tuple[tuple[str, Endpoint, tuple[int, float] | None], ...] = (
    ("/api/lists", reads.stored("lists.json", b'{"lists":[]}'), (100, 1)),
    ("/api/lists/getUsers", reads.list_users, None),
    ("/api/lists/previewUsers", reads.list_users, None),
    ("/api/lists/{list_id:int}/size", reads.list_size, None),
    ("/api/channels", reads.stored("channels.json", b'{"channels":[]}'), (100, 1)),
    ("/api/messageTypes", reads.stored("messageTypes.json", b'{"messageTypes":[]}'), (100, 1)),
    ("/api/users/getFields", reads.stored("users/getFields.json", b'{"fields":{}}'), (3, 1)),
    ("/api/users/forgotten", reads.stored("users/forgotten.json", b'{"hashedEmails":[]}'), (3, 1)),
    ("/api/users/forgottenUserIds", reads.stored("users/forgottenUserIds.json", b'{"hashedUserIds":[]}'), (3, 1)),
    ("/api/users/getSentMessages", reads.sent_messages, None),
    ("/api/users/getByEmail", reads.user, (100, 1)),
    ("/api/users/byUserId", reads.user, (100, 1)),
    ("/api/users/byUserId/{userId:path}", reads.user, (100, 1)),
    ("/api/users/{email:path}", reads.user, (100, 1)),
    ("/api/export/data.json", exports.export_now, None),
    ("/api/export/data.csv", exports.export_now, None),
    ("/api/export/userEvents", events.history, None),
    ("/api/metadata", reads.stored("metadata.json", b'{"results":[]}'), None),
    ("/api/metadata/{table}", assets.metadata, None),
    ("/api/metadata/{table}/{key:path}", assets.metadata, None),
    ("/api/export/jobs", exports.jobs, None),
    ("/api/export/{job_id:int}/files", exports.files, None),
    ("/api/campaigns", reads.campaigns, (100, 1)),
    ("/api/campaigns/metrics", reads.metrics, None),
    ("/api/campaigns/recurring/{campaign_id:int}/childCampaigns", reads.campaign, (100, 1)),
    ("/api/campaigns/{campaign_id:int}", reads.campaign, (100, 1)),
    ("/api/journeys", reads.journeys, None),
    ("/api/templates", assets.templates, (100, 1)),
    ("/api/templates/getByClientTemplateId", assets.by_client_id, (100, 1)),
    ("/api/templates/{medium}/get", assets.template, (100, 1)),
    ("/api/snippets", reads.stored("snippets.json", b'{"snippets":[]}'), None),
    ("/api/snippets/{key}", assets.snippet, None),
    ("/api/catalogs", assets.catalogs, (100, 1)),
    ("/api/catalogs/{name}/fieldMappings", assets.field_mappings, (100, 1)),
    ("/api/catalogs/{name}/items", assets.catalog_items, (100, 1)),
    ("/api/catalogs/{name}/items/{item_id:path}", assets.catalog_items, (100, 1)),
    ("/api/events/byUserId/{userId:path}", events.newest, (100, 1)),
    ("/api/events/{email:path}", events.newest, (100, 1)),
)


def build_app(
    data: Path,
    *,
    limits: str = "none",
    latency_ms: float = 0,
    api_key: str,
    jobs: Jobs | None = None,
) -> ASGIApp:
    """The API over a folder with `iterable/` in it. jobs: how long exports run, how large files are and how long links live."""
    project = Project(data, limits=limits, api_key=api_key, jobs=jobs or Jobs())
    routes = [_route(project, path, endpoint, limit) for path, endpoint, limit in READS]
    routes += [
        _route(project, "/api/export/start", exports.start, None, "POST"),
        _route(project, "/api/export/{job_id:int}", exports.cancel, None, "DELETE"),
        Route("/export-files/{job_id:int}/{name}", partial(exports.download, project)),
    ]
    app = Starlette(routes=routes, exception_handlers={404: _unknown, 405: _unknown})
    return Control(project.folder.advance, error_body=injected, latency_ms=latency_ms).wrap(app)


def _route(project: Project, path: str, endpoint: Endpoint, limit: tuple[int, float] | None, method: str = "GET") -> Route:
    """The endpoint behind the key and its limit, with errors in Iterable's envelope."""

    async def serve(request: Request) -> Response:
        try:
            _check_key(project, request)
            if limit is not None:
                project.limit(path, *limit)
            return await endpoint(project, request)
        except Refused as refused:
            return refused.answer()

    return Route(path, serve, methods=[method])


def _check_key(project: Project, request: Request) -> None:
    given = request.headers.get("api-key") or request.headers.get("api_key") or ""
    if not secrets.compare_digest(given.encode(), project.api_key.encode()):
        place = {"ip": "192.0.2.7", "endpoint": request.url.path}
        raise Refused(401, "Invalid API key", params=place)


async def _unknown(request: Request, _: Exception) -> Response:
    return Refused(404, f"No endpoint {request.method} {request.url.path}").answer()
