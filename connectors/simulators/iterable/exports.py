"""Bulk export, at once (data.json, data.csv) and by jobs with files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from connectors.simulators.iterable.answers import Refused, envelope
from connectors.simulators.iterable.jobs import PENDING, Job, Order
from connectors.simulators.iterable.project import Project, data_type
from connectors.simulators.iterable.rows import Choice, Rows, parse
from connectors.simulators.iterable.times import named_range, parameter_time

JSON_LINES = "application/x-json-stream"
FORMATS = ("text/csv", JSON_LINES)


async def export_now(project: Project, request: Request) -> Response:
    """GET export/data.json and data.csv."""
    project.limit("export/data", 4, 60)
    given = request.query_params
    name = data_type(given.get("dataTypeName", ""))
    if "range" in given:
        bounds = named_range(given["range"], datetime.now(UTC))
        if bounds is None:
            raise Refused(400, f"Invalid range: {given['range']}")
    elif "startDateTime" in given and "endDateTime" in given:
        bounds = window(given)
    else:
        raise Refused(400, "Either range or startDateTime and endDateTime is required")
    choice = Choice(_names(given.getlist("omitFields")), _names(given.getlist("onlyFields")))
    rows, numbers = await run_in_threadpool(select, project, name, bounds, _campaign(given.get("campaignId")))
    if request.url.path.endswith(".csv"):
        return _csv_answer(rows, numbers, choice, _delimiter(given.get("delimiter")))
    return _json_answer(rows, numbers, choice)


async def start(project: Project, request: Request) -> Response:
    """POST export/start."""
    project.limit("export/start", 1, 1)
    try:
        given = json.loads(await request.body())
    except ValueError as error:
        raise Refused(400, "Invalid JSON body", code="BadJsonBody") from error
    if not isinstance(given, dict) or any(isinstance(value, list | dict) for value in given.values()):
        raise Refused(400, "Invalid JSON body", code="BadJsonBody")
    if given.get("outputFormat") not in FORMATS:
        raise Refused(400, f"Invalid outputFormat: {given.get('outputFormat')}")
    name = data_type(str(given.get("dataTypeName", "")))
    choice = Choice(_names([given.get("omitFields") or ""]), _names([given.get("onlyFields") or ""]))
    order = Order(name, given["outputFormat"], _delimiter(given.get("delimiter")), choice)
    rows, numbers = await run_in_threadpool(select, project, name, window(given), _campaign(given.get("campaignId")))
    job = project.jobs.start(order, rows, numbers)
    return JSONResponse({"jobId": job.id})


async def files(project: Project, request: Request) -> Response:
    """GET export/{jobId}/files."""
    project.limit("export/files", 1, 1)
    job, now = _job(project, request), project.jobs.clock()
    after = request.query_params.get("startAfter", "")
    names = [name for name in job.ready_files(now) if name > after][: project.jobs.page]
    base = str(request.base_url).rstrip("/")
    links = [{"file": name, "url": base + project.jobs.sign(job, name)} for name in names]
    return JSONResponse({"jobId": job.id, "jobState": job.state(now), "exportTruncated": False, "files": links})


async def jobs(project: Project, request: Request) -> Response:
    """GET export/jobs."""
    now, state = project.jobs.clock(), request.query_params.get("jobState", "").lower()
    found = [job.as_json(now) for job in project.jobs.all.values()]
    return JSONResponse({"jobs": [job for job in found if not state or job["jobState"] == state]})


async def cancel(project: Project, request: Request) -> Response:
    """DELETE export/{jobId}; one that has ended can't be cancelled (*assumed*)."""
    project.limit("export/cancel", 1, 1)
    job = _job(project, request)
    if job.state(project.jobs.clock()) not in PENDING:
        raise Refused(400, "The export job is not running")
    job.cancelled = True
    return JSONResponse(envelope(""))


async def download(project: Project, request: Request) -> Response:
    """A file behind its link: no key, the signature is the right; 403 once it has expired (*assumed*: as S3 does)."""
    job_id, name = request.path_params["job_id"], request.path_params["name"]
    given = request.query_params
    job = project.jobs.all.get(job_id)
    if job is None or not project.jobs.is_signed(job_id, name, given.get("expires", ""), given.get("signature", "")):
        return PlainTextResponse("<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>", 403)
    numbers = next(numbers for index, numbers in enumerate(job.files) if job.file_name(index) == name)
    if job.order.output_format == "text/csv":
        return _csv_answer(job.rows, numbers, job.order.choice, job.order.delimiter)
    return _json_answer(job.rows, numbers, job.order.choice)


def window(given: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """startDateTime (inclusive) and endDateTime (exclusive); each may be left out. Raises Refused (400)."""
    bounds = []
    for key in ("startDateTime", "endDateTime"):
        value = given.get(key)
        bounds.append(None if value is None else parameter_time(str(value)))
        if value is not None and bounds[-1] is None:
            raise Refused(400, f"Invalid {key}: {value}")
    return bounds[0], bounds[1]


def select(project: Project, name: str, bounds: tuple[int | None, int | None], campaign: int | None) -> tuple[Rows | None, Sequence[int]]:
    """The rows of a type in a window, of one campaign where asked."""
    rows = project.rows(name)
    if rows is None:
        return None, ()
    numbers = rows.between(*bounds)
    if campaign is None:
        return rows, numbers
    found = zip(numbers, map(parse, rows.lines(numbers)), strict=True)
    return rows, [number for number, row in found if isinstance(row, dict) and row.get("campaignId") == campaign]


def _job(project: Project, request: Request) -> Job:
    job = project.jobs.all.get(request.path_params["job_id"])
    if job is None:
        raise Refused(404, "Export job not found")
    return job


def _names(given: Iterable[str]) -> frozenset[str]:
    return frozenset(name.strip() for each in given for name in str(each).split(",") if name.strip())


def _campaign(given: Any) -> int | None:
    if given is None:
        return None
    try:
        return int(given)
    except ValueError as error:
        raise Refused(400, f"Invalid campaignId: {given}") from error


def _delimiter(given: Any) -> str:
    if given is not None and len(str(given)) != 1:
        raise Refused(400, f"Invalid delimiter: {given}")
    return str(given or ",")


def _json_answer(rows: Rows | None, numbers: Sequence[int], choice: Choice) -> Response:
    if rows is None:
        return Response(b"", media_type=JSON_LINES)
    # The length lets a client see that an answer was cut; with chosen keys it isn't known beforehand.
    headers = {} if choice else {"Content-Length": str(sum(rows.size(number) for number in numbers))}
    return StreamingResponse(iterate_in_threadpool(rows.stream(numbers, choice)), media_type=JSON_LINES, headers=headers)


def _csv_answer(rows: Rows | None, numbers: Sequence[int], choice: Choice, delimiter: str) -> Response:
    lines = _csv_lines(rows, numbers, choice, delimiter) if rows else iter(())
    return StreamingResponse(iterate_in_threadpool(lines), media_type="text/csv")


def _csv_lines(rows: Rows, numbers: Sequence[int], choice: Choice, delimiter: str) -> Iterator[str]:
    """A header of all keys met, then the rows; lists and objects as JSON text (*assumed*). A malformed row is left out."""
    columns: dict[str, None] = {}
    for line in rows.lines(numbers):
        columns |= dict.fromkeys(_object(choice.apply(line)))
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(columns)
    for line in rows.lines(numbers):
        if row := _object(choice.apply(line)):
            writer.writerow(_cell(row.get(column)) for column in columns)
        if text.tell() > 1 << 18:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def _object(line: bytes) -> dict[str, Any]:
    row = parse(line)
    return row if isinstance(row, dict) else {}


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
