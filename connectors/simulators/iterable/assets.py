"""What marketing made: templates per medium, snippets, catalogs with their items, metadata tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from connectors.simulators.iterable.answers import Json, Refused, envelope
from connectors.simulators.iterable.pages import in_order, missing, number_of, one_of, page_of, value_of
from connectors.simulators.iterable.project import Project
from connectors.simulators.iterable.rows import parse
from connectors.simulators.iterable.times import parameter_time, row_time

MEDIA = {"email": "Email", "push": "Push", "inapp": "InApp", "sms": "SMS", "embedded": "Embedded"}


async def templates(project: Project, request: Request) -> Response:
    """Rows made of the template files, whose `templateType` (not part of the answer) says their type."""
    given, found = request.query_params, []
    for folder, medium in MEDIA.items():
        if given.get("messageMedium", medium) == medium:
            found += [each for each in _templates(project, folder) if given.get("templateType") in (None, each.get("templateType"))]
    shown = ("templateId", "name", "createdAt", "updatedAt", "creatorUserId", "messageTypeId", "campaignId", "clientTemplateId")
    found = [each for each in found if _created_between(each, given.get("startDateTime"), given.get("endDateTime"))]
    rows = [{key: each[key] for key in shown if key in each} for each in in_order(found, "templateId")]
    return Json(page_of(request, rows, "templates", "totalTemplatesCount", (20, 1000)))


async def template(project: Project, request: Request) -> Response:
    """One template of a medium; 404 where there is none."""
    number = number_of(request.query_params.get("templateId"), "templateId")
    path = project.folder.find(f"iterable/templates/{request.path_params['medium']}/{number}.json")
    body = parse(path.read_bytes()) if path is not None else None
    if not isinstance(body, dict):
        raise Refused(404, "Template not found")
    locale = request.query_params.get("locale")
    if locale and locale != body.get("locale"):
        raise Refused(404, f"Template has no content for the locale {locale}")
    return Json({key: value for key, value in body.items() if key != "templateType"})


async def by_client_id(project: Project, request: Request) -> Response:
    """Templates of every medium with one client id; their locales as the published description has them (the client wants texts)."""
    wanted = request.query_params.get("clientTemplateId")
    found = [each for folder in MEDIA for each in _templates(project, folder) if wanted and each.get("clientTemplateId") == wanted]
    shown = ("templateId", "name", "createdAt", "updatedAt", "creatorUserId", "messageTypeId", "campaignId", "clientTemplateId")
    rows = [{key: each[key] for key in shown if key in each} | {"locales": []} for each in found]
    return Json({"templates": rows})


async def snippet(project: Project, request: Request) -> Response:
    """One snippet by id or name, wrapped as the vendor's own client reads it."""
    wanted = request.path_params["key"]
    found = project.listed("snippets.json", "snippets")
    return Json(
        {"snippet": next((each for each in found if wanted in (str(value_of(each, "id")), value_of(each, "name"))), None) or missing()}
    )


async def catalogs(project: Project, request: Request) -> Response:
    """Names of catalogs, wrapped in the envelope."""
    names = project.listed("catalogs.json", "catalogNames", under="params")
    return Json(envelope("", params=page_of(request, names, "catalogNames", "totalCatalogsCount", (10, 1000))))


async def catalog_items(project: Project, request: Request) -> Response:
    """Items of a catalog by pages, or one item as it is."""
    items = list(_catalog_items(project, request.path_params["name"]))
    if "item_id" in request.path_params:
        return Json(one_of(items, "itemId", request.path_params["item_id"]))
    if order := request.query_params.get("orderBy"):
        items = in_order(items, order, backwards=request.query_params.get("sortAscending") == "false")
    return Json(envelope("", params=page_of(request, items, "catalogItemsWithProperties", "totalItemsCount", (10, 1000))))


async def field_mappings(project: Project, request: Request) -> Response:
    """The keys of a catalog's items: none has a type of its own (*assumed*: types are set by hand and the folder tells of none)."""
    values = [row.get("value") for row in _catalog_items(project, request.path_params["name"])]
    keys = {key for value in values if isinstance(value, dict) for key in value}
    return Json(envelope("", params={"definedMappings": {}, "undefinedFields": sorted(keys)}))


async def metadata(project: Project, request: Request) -> Response:
    """Keys of a metadata table, or one of its values; `metadata/<table>.json` holds {"results": […]} (*assumed*: that shape, one page)."""
    found = project.listed(f"metadata/{request.path_params['table']}.json", "results")
    if "key" in request.path_params:
        return Json(one_of(found, "key", request.path_params["key"]))
    return Json({"results": [{name: each[name] for name in each if name != "value"} for each in found]})


def _created_between(template: dict[str, Any], start: str | None, end: str | None) -> bool:
    bounds = [None if text is None else parameter_time(text) for text in (start, end)]
    for text, bound in zip((start, end), bounds, strict=True):
        if text is not None and bound is None:
            raise Refused(400, f"Invalid date: {text}")
    created = row_time(template.get("createdAt"))
    return (bounds[0] is None or created >= bounds[0]) and (bounds[1] is None or created < bounds[1])


def _templates(project: Project, folder: str) -> Iterator[dict[str, Any]]:
    roots = [project.folder.root / "iterable" / "templates" / folder, project.folder.root / "later" / "iterable" / "templates" / folder]
    names = {path.name for root in roots for path in root.glob("*.json")}
    for name in sorted(names):
        path = project.folder.find(f"iterable/templates/{folder}/{name}")
        if path is not None and isinstance(body := parse(path.read_bytes()), dict):
            yield body


def _catalog_items(project: Project, name: str) -> Iterator[dict[str, Any]]:
    names = [str(value_of(each, "name")) for each in project.listed("catalogs.json", "catalogNames", under="params")]
    name = next((each for each in names if each.lower() == name.lower()), name)  # names of catalogs have no case
    path = project.folder.find(f"iterable/catalogs/{name}/items.ndjson")
    if path is not None:
        yield from (row for line in path.read_bytes().splitlines() if isinstance(row := parse(line), dict))
