"""The single reads: users, lists, channels, campaigns, journeys."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from connectors.simulators.iterable.answers import Json, Refused, raw_json
from connectors.simulators.iterable.pages import number_of, one_of, page_of, value_of
from connectors.simulators.iterable.people import People
from connectors.simulators.iterable.project import Project


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
        return Json(people.profile(user_id=_needed(given, "userId")))
    return Json(people.profile(email=_needed(given, "email")))


async def list_users(project: Project, request: Request) -> Response:
    """getUsers and previewUsers: text, one key a line."""
    name = request.url.path.rsplit("/", 1)[-1]
    project.limit(f"lists/{name}", 5, 60)
    given = request.query_params
    prefer = given.get("preferUserId", "").lower() == "true"
    keys = await run_in_threadpool(_members, project, number_of(given.get("listId"), "listId"), prefer)
    if name == "previewUsers":
        size = min(number_of(given.get("size", "1000"), "size"), 5000)
        keys = random.Random(0).sample(keys, min(size, len(keys)))
    return PlainTextResponse("".join(f"{key}\n" for key in keys))


async def list_size(project: Project, request: Request) -> Response:
    """A bare number as text."""
    project.limit("lists/size", 5, 60)
    return PlainTextResponse(str(len(await run_in_threadpool(_members, project, request.path_params["list_id"], False))))


async def sent_messages(project: Project, request: Request) -> Response:
    """No sent messages are kept."""
    project.limit("users/getSentMessages", 3, 1)
    return Json({"messages": []})


async def campaigns(project: Project, request: Request) -> Response:
    """The list, by pages where asked for, filtered by campaignState."""
    found = project.listed("campaigns.json", "campaigns")
    if states := request.query_params.getlist("campaignState"):
        found = [each for each in found if value_of(each, "campaignState") in states]
    return Json(page_of(request, found, "campaigns", "totalCampaignsCount", (20, 1000), whole=True))


async def campaign(project: Project, request: Request) -> Response:
    """The bare object, or the children of a recurring one."""
    wanted, found = request.path_params["campaign_id"], project.listed("campaigns.json", "campaigns")
    if request.url.path.endswith("/childCampaigns"):
        children = [each for each in found if value_of(each, "recurringCampaignId") == wanted]
        return Json(page_of(request, children, "campaigns", "totalCampaignsCount", (20, 1000)))
    return Json(one_of(found, "id", wanted))


async def metrics(project: Project, request: Request) -> Response:
    """CSV text: the header as it stands, and the lines of the campaigns asked for."""
    project.limit("campaigns/metrics", 10, 60)
    wanted = {key.encode() for key in request.query_params.getlist("campaignId")}
    header, *lines = project.folder.read("iterable/campaigns/metrics.csv", b"id\n").splitlines(keepends=True)
    return Response(header + b"".join(line for line in lines if line.split(b",", 1)[0] in wanted), media_type="text/csv")


async def journeys(project: Project, request: Request) -> Response:
    """By pages; archived ones only when asked for (*assumed*)."""
    found = project.listed("journeys.json", "journeys")
    wants_archived = request.query_params.get("state") == "Archived"
    found = [each for each in found if bool(value_of(each, "isArchived")) == wants_archived]
    return Json(page_of(request, found, "journeys", "totalJourneysCount", (10, 50)))


def _members(project: Project, list_id: int, prefer_user_id: bool) -> list[str]:
    """Keys of a list's members: a dynamic list's from its file, a static one's from the profiles."""
    path = project.folder.find(f"iterable/lists/{list_id}.txt")
    if path is not None:
        return [line for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines() if line]
    known = project.listed("lists.json", "lists")
    people: People = project.people()
    if list_id not in people.members and all(value_of(each, "id") != list_id for each in known):
        raise Refused(400, f"List {list_id} does not exist")
    return list(people.keys_of(list_id, prefer_user_id))


def _needed(given: dict[str, Any], key: str) -> str:
    if not given.get(key):
        raise Refused(400, f"Missing parameter: {key}")
    return given[key]
