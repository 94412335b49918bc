"""Campaigns, journeys and snippets, each whole as one slice; and what is asked for by name: metrics, templates."""

import csv
from collections.abc import Iterator, Mapping
from datetime import datetime
from io import BytesIO, StringIO
from itertools import product
from typing import Any

from connectors import rawjson
from connectors.base import Finding, Reading, Slice
from connectors.http import HttpRefused, HttpSession
from connectors.iterable.answers import is_number, no_page, opened, page
from connectors.iterable.paging import Listing, rows
from connectors.iterable.slicing import items, named_slice
from connectors.storable import storable
from connectors.store import batched

CAMPAIGNS = Listing("api/campaigns", "campaigns", "totalCampaignsCount", 1_000, {"sort": "id"})
JOURNEYS = Listing("api/journeys", "journeys", "totalJourneysCount", 50, {"sort": "id"})
ARCHIVED = Listing("api/journeys", "journeys", "totalJourneysCount", 50, {"sort": "id", "state": "Archived"})
METRICS_A_CALL, METRICS_A_SLICE = 20, 100
TEMPLATES_A_SLICE = 50
TYPES = ("Base", "Blast", "Triggered", "Workflow")
MEDIA: Mapping[str, str] = {"Email": "email", "Push": "push", "InApp": "inapp", "SMS": "sms"}  # in lists -> in addresses
WHOLE = "all"


class Listed:
    """An object that its lists give whole."""

    def __init__(self, session: HttpSession, *listings: Listing) -> None:
        """listings: the lists whose rows are the object together."""
        self._session, self._listings = session, listings

    def slices(self, now: datetime) -> list[Slice]:
        """One slice: such lists are short."""
        return [Slice(WHOLE)]

    def read(self, piece: Slice, reading: Reading) -> Iterator[bytes]:
        """The rows of all lists."""
        for listing in self._listings:
            yield from map(rawjson.write, rows(self._session, listing))


class Answered:
    """An object that one answer gives whole."""

    def __init__(self, session: HttpSession, path: str, key: str) -> None:
        """path, key: where the answer is, and what its rows stand under."""
        self._session, self._path, self._key = session, path, key

    def slices(self, now: datetime) -> list[Slice]:
        """One slice."""
        return [Slice(WHOLE)]

    def read(self, piece: Slice, reading: Reading) -> Iterator[bytes]:
        """The rows of the answer."""
        yield from map(rawjson.write, opened(self._session.request("GET", self._path, bucket="reads"), self._key))


class Metrics:
    """Metrics of campaigns: one object per line of the answer's CSV, whose header names the keys.

    Which columns there are depends on the media present; the header is data. Ten calls a minute of 20 campaigns each.
    """

    def __init__(self, session: HttpSession) -> None:
        """session: its pace with the bucket `metrics`."""
        self._session = session

    def slices(self, now: datetime) -> list[Slice]:
        """A hundred campaigns each, in the order of their ids."""
        ids = sorted({row["id"] for row in rows(self._session, CAMPAIGNS) if isinstance(row, dict) and is_number(row.get("id"))})
        return [named_slice(f"{some[0]} to {some[-1]}", map(str, some)) for some in batched(ids, METRICS_A_SLICE)]

    def read(self, piece: Slice, reading: Reading) -> Iterator[bytes]:
        """The lines of the slice's campaigns; those never sent have none."""
        for ids in batched(items(piece), METRICS_A_CALL):
            answer = self._session.request("GET", "api/campaigns/metrics", params={"campaignId": ids}, bucket="metrics")
            content = no_page(BytesIO(answer.content), "What Iterable gives as metrics of campaigns").read()
            lines = csv.reader(StringIO(content.decode("utf-8-sig", "replace"), newline=""))
            header = next(lines, [])
            yield from (rawjson.write(dict(zip(header, line, strict=False))) for line in lines if line)


class Templates:
    """Templates of every type and medium with their whole content: one call each, since no call gives several.

    What a list without filters leaves out isn't documented; so all 16 combinations are asked for.
    """

    def __init__(self, session: HttpSession) -> None:
        """session: to the project."""
        self._session = session

    def slices(self, now: datetime) -> list[Slice]:
        """Fifty templates of one type and medium each, in the order of their ids."""
        return [piece for kind, medium in product(TYPES, MEDIA) for piece in self._of(kind, medium)]

    def read(self, piece: Slice, reading: Reading) -> Iterator[bytes]:
        """Each template's content with what its row in the list says beside it, and its medium and type."""
        medium = piece.params["medium"]
        beside = {"messageMedium": medium, "templateType": piece.params["type"]}
        for row in map(_row, items(piece)):
            yield rawjson.write({**row, **self._content(row.get("templateId"), medium, reading), **beside})

    def _of(self, kind: str, medium: str) -> Iterator[Slice]:
        given = {"templateType": kind, "messageMedium": medium, "sort": "id"}
        listing = Listing("api/templates", "templates", "totalTemplatesCount", 1_000, given)
        known = [row for row in rows(self._session, listing) if isinstance(row, dict)]
        numbered = {row["templateId"]: row for row in known if is_number(row.get("templateId"))}
        nameless = [row for row in known if not is_number(row.get("templateId"))]
        for some in batched([*(numbered[key] for key in sorted(numbered)), *nameless], TEMPLATES_A_SLICE):
            name = f"{kind} {medium} {some[0].get('templateId')} to {some[-1].get('templateId')}"
            texts = (rawjson.write(row).decode("utf-8", "surrogatepass") for row in some)
            yield named_slice(name, texts, {"type": kind, "medium": medium})

    def _content(self, template_id: Any, medium: str, reading: Reading) -> dict[str, Any]:
        if not is_number(template_id):
            shown = storable(str(template_id)[:100])
            evidence = f"A template of {medium} in the list has no number as its id ({shown}), so that its content can't be asked for."
            reading.findings.append(Finding("template without content", "warning", evidence, "Look at it in Iterable.", subject=shown))
            return {}
        try:
            answer = self._session.request("GET", f"api/templates/{MEDIA[medium]}/get", params={"templateId": template_id}, bucket="reads")
        except HttpRefused as refused:
            if refused.status != 404:  # what the API answers where the default locale has no content
                raise
            evidence = f"The {medium} template {template_id} has no content in its default locale."
            reading.findings.append(
                Finding("template without content", "warning", evidence, "Look at it in Iterable.", subject=str(template_id))
            )
            return {}
        return page(answer, "templateId")


def _row(text: str) -> dict[str, Any]:
    return dict(rawjson.read(text.encode("utf-8", "surrogatepass")))
