"""Iterable's asynchronous exports: a job per time window, its files, their lines.

Source: facts 1.11 of the platform's Swagger "Iterable API 1.8", tag export. At most four jobs run for an organisation.
"""

import logging
import math
import time
from codecs import BOM_UTF8
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import orjson

from connectors.base import StillPreparing
from connectors.http import HttpRefused, HttpSession
from connectors.iterable.answers import no_page, page
from connectors.iterable.windows import Window
from workbench.engagements.errors import Retryable, WorkbenchError

logger = logging.getLogger(__name__)
START, FILES = "export_start", "export_files"  # rate buckets
_DONE, _FAILED, _STOPPED = "completed", "failed", ("cancelling", "cancelled", "canceled")
_LONGEST_PAUSE = 15  # seconds between two looks at a job, at the published pace
_EXPIRED = (403, 404, 410)  # what an expired file link answers


class ExportCancelled(Retryable):
    """Somebody cancelled the export at the source."""

    remedy = "Ask who cancelled the export in Iterable, then resume."


class ExportTooSlow(Retryable):
    """The export didn't end in the time we wait for one."""

    remedy = "Look at the export jobs in Iterable (at most four run at once), then resume."


class ExportFailed(WorkbenchError):
    """Even the shortest window can't be exported whole."""

    remedy = "Ask Iterable's support about the failing export; everything before it is kept."


@dataclass(frozen=True, slots=True)
class File:
    """A file of an export: its link dies after 30 minutes, its name stays."""

    name: str
    url: str


class Jobs:
    """The jobs that were started and whose lines aren't read yet: (data type, window) -> job and when it was started."""

    def __init__(self, kept: MutableMapping[str, list[float]], fields: Sequence[str] = ()) -> None:
        """kept: where they are remembered, as JSON: key -> [job id, seconds since 1970]. fields: the only ones that are asked for."""
        self._kept, self.fields = kept, fields

    def add(self, data_type: str, window: Window, job: int) -> None:
        """Remember a job."""
        self._kept[self._key(data_type, window)] = [job, time.time()]

    def get(self, data_type: str, window: Window) -> tuple[int, float] | None:
        """(job, seconds since 1970 when it was started), or None."""
        found = self._kept.get(self._key(data_type, window))
        return (int(found[0]), found[1]) if found else None

    def forget(self, data_type: str, window: Window) -> None:
        """The job is read, or can't be read any more."""
        self._kept.pop(self._key(data_type, window), None)

    @staticmethod
    def _key(data_type: str, window: Window) -> str:
        return f"{data_type} {window.start:%Y-%m-%dT%H:%M:%S} {window.end:%Y-%m-%dT%H:%M:%S}"


class Exports:
    """Starts export jobs and reads what they wrote."""

    def __init__(self, session: HttpSession, *, patience_s: float = 6 * 3600.0) -> None:
        """session: to the project's data centre, its pace with the buckets START and FILES. patience_s: for one job."""
        self._session, self._patience_s = session, patience_s

    def start(self, data_type: str, window: Window, fields: Sequence[str] = ()) -> int:
        """Start a job and return its id. A second job for the same window does no harm, so a lost answer is asked for again.

        fields: the only ones that are wanted, all where empty; names with a comma can't be asked for.
        """
        wanted = {"dataTypeName": data_type, "outputFormat": "application/x-json-stream", **window.as_params()}
        if fields:
            wanted["onlyFields"] = ",".join(fields)
        answer = self._session.request("POST", "api/export/start", json=wanted, repeatable=True, bucket=START)
        return int(page(answer, "jobId")["jobId"])

    def begin(self, data_type: str, window: Window, jobs: Jobs) -> int:
        """The job of a window: the one that is remembered, else one that is started now."""
        found = jobs.get(data_type, window)
        if found:
            return found[0]
        job = self.start(data_type, window, jobs.fields)
        jobs.add(data_type, window, job)
        return job

    def lines(self, data_type: str, window: Window, jobs: Jobs | None = None, *, until: float = math.inf) -> Iterator[bytes]:
        """The lines of a window as they came, without their line ends; blank ones left out.

        jobs: those that were started already; they are forgotten once all lines of the window are read. A window that fails or
        is cut off is read as two halves instead, before anything of it is handed out.
        Raises ExportFailed, ExportCancelled, ExportTooSlow, and StillPreparing where a job isn't done by `until`.
        """
        jobs, read = jobs or Jobs({}), [window]
        yield from self._lines(data_type, window, jobs, until, read)
        for each in read:
            jobs.forget(data_type, each)

    def _lines(self, data_type: str, window: Window, jobs: Jobs, until: float, read: list[Window]) -> Iterator[bytes]:
        remembered = jobs.get(data_type, window) is not None
        job = self.begin(data_type, window, jobs)
        try:
            first = self._listed(data_type, window, jobs, until)
        except HttpRefused as refused:
            if not remembered or refused.status not in _EXPIRED:
                raise
            job = self.begin(data_type, window, jobs)  # the one of an earlier try is gone at the source
            first = self._listed(data_type, window, jobs, until)
        files = self._files_of(job, first) if first is not None else None
        if files is not None:
            for file in files:
                yield from self._lines_of(job, file, files)
            return
        halves = window.halves()
        if halves is None:
            jobs.forget(data_type, window)
            raise ExportFailed(f"The export of {data_type} from {window.start:%Y-%m-%d %H:%M} fails or is cut off.")
        logger.info("export job %d was cut off or failed; its window is halved", job)
        for half in halves:
            read.append(half)
            yield from self._lines(data_type, half, jobs, until, read)

    def _listed(self, data_type: str, window: Window, jobs: Jobs, until: float) -> dict[str, Any] | None:
        """The first page of a finished job's files. A job that can't be used any more is forgotten: the next try starts another."""
        job, since = jobs.get(data_type, window) or (0, 0.0)
        try:
            return self._finished(job, since, until)
        except (ExportCancelled, ExportTooSlow):
            jobs.forget(data_type, window)
            raise
        except HttpRefused as refused:
            if refused.status in _EXPIRED:
                jobs.forget(data_type, window)
            raise

    def _finished(self, job: int, since: float, until: float) -> dict[str, Any] | None:
        """Wait for the end of a job started at `since`; the first page of its files, or None where it failed."""
        pause = self._session.pace.window_s(FILES) or 0.02
        longest = _LONGEST_PAUSE * pause
        while time.time() - since < self._patience_s:
            found = self._page(job, None)
            state = str(found.get("jobState", "")).lower()
            if state in _STOPPED:
                raise ExportCancelled(f"Export job {job} was cancelled.")
            if state in (_DONE, _FAILED):
                return found if state == _DONE else None
            if time.monotonic() >= until:
                raise StillPreparing(f"Export job {job} is {state or 'not done'}.")
            time.sleep(pause)
            pause = min(longest, pause * 1.25)
        raise ExportTooSlow(f"Export job {job} has not ended in {self._patience_s:.0f} s.")

    def _files_of(self, job: int, listed: dict[str, Any]) -> list[File] | None:
        """All files of a completed job, the first page of them known; None where the job left something out."""
        files: dict[str, File] = {}
        while not listed.get("exportTruncated"):
            new = {entry["file"]: File(entry["file"], entry["url"]) for entry in listed.get("files") or () if entry["file"] not in files}
            if not new:
                return list(files.values())
            files |= new
            listed = self._page(job, list(files)[-1])
        return None

    def _page(self, job: int, start_after: str | None) -> dict[str, Any]:
        answer = self._session.request("GET", f"api/export/{job}/files", params={"startAfter": start_after}, bucket=FILES)
        return page(answer, "jobState")

    def _lines_of(self, job: int, file: File, files: Sequence[File]) -> Iterator[bytes]:
        with no_page(self._fetched(job, file, files), f"File {file.name} of export job {job}") as content:
            for line in content:
                record = line.removeprefix(BOM_UTF8).rstrip(b"\r\n")  # a mark before a file's first line is no part of a record
                if record.strip():
                    yield record

    def _fetched(self, job: int, file: File, files: Sequence[File]) -> BinaryIO:
        content = self._linked(job, file, files)
        if _ends_well(content):
            return content
        # A body without a length can be cut unseen. Cut twice at the same byte means that the line really is like this.
        size = content.seek(0, 2)
        content.close()
        again = self._linked(job, file, files)
        if not _ends_well(again) and again.seek(0, 2) != size:
            again.close()
            raise Retryable(f"File {file.name} of export job {job} ends early, each time elsewhere.")
        again.seek(0)
        return again

    def _linked(self, job: int, file: File, files: Sequence[File]) -> BinaryIO:
        try:
            return self._session.download(file.url)
        except HttpRefused as refused:
            if refused.status not in _EXPIRED:
                raise
        position = [each.name for each in files].index(file.name)
        listed = self._page(job, files[position - 1].name if position else None)
        fresh = next((entry["url"] for entry in listed.get("files") or () if entry["file"] == file.name), None)
        if fresh is None:
            raise Retryable(f"Export job {job} no longer has its file {file.name}.")
        return self._session.download(fresh)


def _ends_well(content: BinaryIO) -> bool:
    """Whether the last line has its line end, or is a whole JSON document; leaves the file at its start."""
    size = content.seek(0, 2)
    content.seek(max(0, size - 1))
    ended = size == 0 or content.read(1) == b"\n"
    content.seek(0)
    if ended:
        return True
    last = b""
    for line in content:
        last = line
    content.seek(0)
    try:
        orjson.loads(last)
    except orjson.JSONDecodeError:
        return False
    return True
