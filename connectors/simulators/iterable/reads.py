"""The single reads: users, lists, channels, campaigns, journeys, templates, snippets, catalogs, events of one person."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from connectors.simulators.iterable.answers import Refused, envelope, raw_json
from connectors.simulators.iterable.people import People
from connectors.simulators.iterable.project import Project
from connectors.simulators.iterable.rows import parse

MEDIA = {"email": "Email", "push": "Push", "inapp": "InApp", "sms": "SMS", "embedded": "Embedded"}


def stored(name: str, missing: bytes) -> Callable[[Project, Request], Any]:
    """An endpoint that sends one file of the folder as it is."""

    async def send(project: Project, _: Request) -> Response:
        return raw_json(project.folder.read(f"iterable/{name}", missing))

    return send


async def user(project: Project, request: Request) -> Response:
    """One person by e-mail or user id, in the path or the query; 200 without `user` for nobody."""
    given = {**request.query_params, **request.path_params}
    people = await run_in_threadpool(project.people)
    if "byUserId" in request.url.path:
        return JSONResponse(people.profile(user_id=_needed(given, "userId")))
    return JSONResponse(people.profile(email=_needed(given, "email")))


async def list_users(project: Project, request: Request) -> Response:
    """getUsers and previewUsers: text, one key a line."""
    name = request.url.path.rsplit("/", 1)[-1]
    project.limit(f"lists/{name}", 5, 60)
    given = request.query_params
    prefer = given.get("preferUserId", "").lower() == "true"
    keys = await run_in_threadpool(_members, project, _number(given.get("listId"), "listId"), prefer)
    if name == "previewUsers":
        size = min(_number(given.get("size", "1000"), "size"), 5000)
        keys = random.Random(0).sample(keys, min(size, len(keys)))
    return PlainTextResponse("".join(f"{key}\n" for key in keys))


async def list_size(project: Project, request: Request) -> Response:
    """A bare number as text."""
    project.limit("lists/size", 5, 60)
    return PlainTextResponse(str(len(await run_in_threadpool(_members, project, request.path_params["list_id"], False))))


async def sent_messages(project: Project, request: Request) -> Response:
    """No sent messages are kept."""
    project.limit("users/getSentMessages", 3, 1)
    return JSONResponse({"messages": []})


async def campaigns(project: Project, request: Request) -> Response:
    """The list, by pages where asked for, filtered by campaignState."""
    found = project.read_json("campaigns.json", {"campaigns": []})["campaigns"]
    if states := request.query_params.getlist("campaignState"):
        found = [each for each in found if each.get("campaignState") in states]
    return JSONResponse(_page(request, found, "campaigns", "totalCampaignsCount", (20, 1000), whole=True))


async def campaign(project: Project, request: Request) -> Response:
    """The bare object, or the children of a recurring one."""
    wanted, found = request.path_params["campaign_id"], project.read_json("campaigns.json", {"campaigns": []})["campaigns"]
    if request.url.path.endswith("/childCampaigns"):
        children = [each for each in found if each.get("recurringCampaignId") == wanted]
        return JSONResponse({"campaigns": children})
    return JSONResponse(_one(found, "id", wanted))


async def metrics(project: Project, request: Request) -> Response:
    """CSV text: the header as it stands, and the lines of the campaigns asked for."""
    project.limit("campaigns/metrics", 10, 60)
    wanted = set(request.query_params.getlist("campaignId"))
    header, *lines = project.folder.read("iterable/campaigns/metrics.csv", b"id\n").decode().splitlines(keepends=True)
    return PlainTextResponse(header + "".join(line for line in lines if line.split(",", 1)[0] in wanted), media_type="text/csv")


async def journeys(project: Project, request: Request) -> Response:
    """By pages; archived ones only when asked for (*assumed*)."""
    found = project.read_json("journeys.json", {"journeys": []})["journeys"]
    wants_archived = request.query_params.get("state") == "Archived"
    found = [each for each in found if bool(each.get("isArchived")) == wants_archived]
    return JSONResponse(_page(request, found, "journeys", "totalJourneysCount", (10, 50)))


async def templates(project: Project, request: Request) -> Response:
    """Rows made of the template files, whose `templateType` (not part of the answer) says their type."""
    given, found = request.query_params, []
    for folder, medium in MEDIA.items():
        if given.get("messageMedium", medium) == medium:
            found += [each for each in _templates(project, folder) if given.get("templateType") in (None, each.get("templateType"))]
    shown = ("templateId", "name", "createdAt", "updatedAt", "creatorUserId", "messageTypeId", "campaignId", "clientTemplateId")
    rows = [{key: each[key] for key in shown if key in each} for each in sorted(found, key=lambda each: each["templateId"])]
    return JSONResponse(_page(request, rows, "templates", "totalTemplatesCount", (20, 1000)))


async def template(project: Project, request: Request) -> Response:
    """One template of a medium; 404 where there is none."""
    number = _number(request.query_params.get("templateId"), "templateId")
    path = project.folder.find(f"iterable/templates/{request.path_params['medium']}/{number}.json")
    if path is None:
        raise Refused(404, "Template not found")
    body = parse(path.read_bytes())
    return JSONResponse({key: value for key, value in body.items() if key != "templateType"})


async def snippet(project: Project, request: Request) -> Response:
    """One snippet by id or name."""
    wanted = request.path_params["key"]
    found = project.read_json("snippets.json", {"snippets": []})["snippets"]
    return JSONResponse(next((each for each in found if wanted in (str(each.get("id")), each.get("name"))), None) or _missing())


async def catalogs(project: Project, request: Request) -> Response:
    """Names of catalogs, wrapped in the envelope."""
    found = project.read_json("catalogs.json", {"params": {"catalogNames": []}})
    names = found.get("params", found)["catalogNames"]
    return JSONResponse(envelope("", params=_page(request, names, "catalogNames", "totalCatalogsCount", (10, 1000))))


async def catalog_items(project: Project, request: Request) -> Response:
    """Items of a catalog by pages, or one item as it is."""
    items = list(_catalog_items(project, request.path_params["name"]))
    if "item_id" in request.path_params:
        return JSONResponse(_one(items, "itemId", request.path_params["item_id"]))
    if order := request.query_params.get("orderBy"):
        items.sort(key=lambda each: str(each.get(order, "")), reverse=request.query_params.get("sortAscending") == "false")
    return JSONResponse(envelope("", params=_page(request, items, "catalogItemsWithProperties", "totalItemsCount", (10, 1000))))


async def user_events(project: Project, request: Request) -> Response:
    """The newest events of one person; no paging."""
    limit = min(_number(request.query_params.get("limit", "30"), "limit"), 200)
    key = "userId" if "byUserId" in request.url.path else "email"
    rows = await run_in_threadpool(project.rows, "customEvent")
    found = [row for line in (rows.lines(range(len(rows))) if rows else ()) if isinstance(row := parse(line), dict)]
    mine = [row for row in found if row.get(key) == request.path_params[key]]
    return JSONResponse({"events": sorted(mine, key=lambda row: str(row.get("createdAt")), reverse=True)[:limit]})


def _members(project: Project, list_id: int, prefer_user_id: bool) -> list[str]:
    """Keys of a list's members: a dynamic list's from its file, a static one's from the profiles."""
    path = project.folder.find(f"iterable/lists/{list_id}.txt")
    if path is not None:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line]
    known = project.read_json("lists.json", {"lists": []})["lists"]
    people: People = project.people()
    if list_id not in people.members and all(each.get("id") != list_id for each in known):
        raise Refused(400, f"List {list_id} does not exist")
    return list(people.keys_of(list_id, prefer_user_id))


def _templates(project: Project, folder: str) -> Iterator[dict[str, Any]]:
    roots = [project.folder.root / "iterable" / "templates" / folder, project.folder.root / "later" / "iterable" / "templates" / folder]
    names = {path.name for root in roots for path in root.glob("*.json")}
    for name in sorted(names):
        if path := project.folder.find(f"iterable/templates/{folder}/{name}"):
            yield parse(path.read_bytes())


def _catalog_items(project: Project, name: str) -> Iterator[dict[str, Any]]:
    path = project.folder.find(f"iterable/catalogs/{name}/items.ndjson")
    if path is not None:
        yield from (row for line in path.read_bytes().splitlines() if isinstance(row := parse(line), dict))


def _page(request: Request, rows: Sequence[Any], key: str, total: str, sizes: tuple[int, int], *, whole: bool = False) -> dict[str, Any]:
    """One page with the total and its neighbours' addresses. sizes: default and most; whole: all at once without page parameters."""
    given = request.query_params
    if sort := given.get("sort") or "":
        field = sort.lstrip("-")
        rows = sorted(rows, key=lambda row: (row.get(field) is not None, row.get(field)), reverse=sort.startswith("-"))
    if whole and "page" not in given and "pageSize" not in given:
        return {key: rows, total: len(rows)}
    size = max(1, min(_number(given.get("pageSize", str(sizes[0])), "pageSize"), sizes[1]))
    page = max(1, _number(given.get("page", "1"), "page"))
    answer: dict[str, Any] = {key: rows[(page - 1) * size : page * size], total: len(rows)}
    others = [(name, value) for name, value in given.multi_items() if name != "page"]
    if page * size < len(rows):
        answer["nextPageUrl"] = f"{request.url.path}?{urlencode([*others, ('page', page + 1)])}"
    if page > 1:
        answer["previousPageUrl"] = f"{request.url.path}?{urlencode([*others, ('page', page - 1)])}"
    return answer


def _one(rows: Sequence[dict[str, Any]], key: str, wanted: Any) -> dict[str, Any]:
    return next((row for row in rows if row.get(key) == wanted), None) or _missing()


def _missing() -> Any:
    raise Refused(404, "Not found")


def _needed(given: dict[str, Any], key: str) -> str:
    if not given.get(key):
        raise Refused(400, f"Missing parameter: {key}")
    return given[key]


def _number(given: str | None, name: str) -> int:
    try:
        return int(given or "")
    except ValueError as error:
        raise Refused(400, f"Invalid {name}: {given}") from error
