"""One Iterable project: its folder, its rate limits, the indexes of its files and its export jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from connectors.simulators.folder import Folder
from connectors.simulators.iterable.answers import Refused
from connectors.simulators.iterable.jobs import Jobs
from connectors.simulators.iterable.people import People
from connectors.simulators.iterable.rows import Rows
from connectors.simulators.limits import Windows

# The export's data types; another is refused. Singer writes emailUnsubscribe for emailUnSubscribe.
_NAMES = (
    "emailSend emailOpen emailClick hostedUnsubscribeClick emailComplaint emailBounce emailSendSkip pushSend pushOpen pushUninstall"
    " pushBounce pushSendSkip inAppSend inAppOpen inAppClick inAppClose inAppDelete inAppDelivery inAppSendSkip inAppRecall"
    " inboxSession inboxMessageImpression smsSend smsBounce smsClick smsReceived smsSendSkip webPushSend webPushClick webPushSendSkip"
    " rcsSend rcsSendSkip emailSubscribe emailUnSubscribe purchase customEvent user smsUsageInfo embeddedSend embeddedSendSkip"
    " embeddedClick embeddedReceived embeddedImpression embeddedSession anonSession journeyExit whatsAppBounce whatsAppClick"
    " whatsAppReceived whatsAppSeen whatsAppSend whatsAppSendSkip whatsAppUsageInfo"
)
DATA_TYPES = frozenset(_NAMES.split())


class Project:
    """What the endpoints share. Indexes are made when first asked for, and anew when a file has changed."""

    def __init__(self, data: Path, *, limits: str, api_key: str, jobs: Jobs) -> None:
        """data: the world's folder, with `iterable/` in it."""
        self.folder = Folder(data)
        self.windows = Windows(limits)
        self.api_key = api_key
        self.jobs = jobs
        self._indexes: dict[str, tuple[Any, Any]] = {}
        self._lock = threading.Lock()

    def limit(self, bucket: str, calls: int, seconds: float) -> None:
        """Count a call of a bucket. Raises Refused (429) where its window is full."""
        if self.windows.take(bucket, calls, seconds) is not None:
            raise Refused(429, "Exceeded rate limit.")

    def listed(self, name: str, key: str, under: str = "") -> list[Any]:
        """The rows that stand under a key of a single answer, `under` what wraps it; none where the folder has no such file.

        Raises Refused (500) where the file holds something else.
        """
        try:
            found = self.folder.read_json(f"iterable/{name}")
            rows = [] if found is None else (found.get(under) or found)[key]
        except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
            rows = None
        if not isinstance(rows, list):
            raise Refused(500, f"{name} of the folder served has no list of {key}.")
        return rows

    def rows(self, data_type: str) -> Rows | None:
        """The export rows of a type; None where the folder has none. Takes seconds at half a million rows: call in a thread."""
        time_field = "profileUpdatedAt" if data_type == "user" else "createdAt"
        return self._index(f"iterable/export/{data_type}.ndjson", lambda path: Rows(path, time_field), "rows")

    def people(self) -> People:
        """Who is found by which key and stands on which static list."""
        rows = self.rows("user")
        found = self._index("iterable/export/user.ndjson", lambda _: People(rows), "people") if rows else None
        return found or People(None)

    def doers(self, data_type: str, make: Callable[[Rows], Any]) -> Any:
        """The index of an export by person, made by `make`; None where the folder has none of that type."""
        rows = self.rows(data_type)
        return self._index(f"iterable/export/{data_type}.ndjson", lambda _: make(rows), "doers") if rows else None

    def _index(self, name: str, make: Any, kind: str) -> Any:
        path = self.folder.find(name)
        if path is None:
            return None
        state = path.stat()
        mark = (path, state.st_mtime_ns, state.st_size)
        with self._lock:
            known = self._indexes.get(f"{kind} {name}")
            if known is None or known[0] != mark:
                known = self._indexes[f"{kind} {name}"] = (mark, make(path))
            return known[1]


def data_type(name: str) -> str:
    """The data type of a request. Raises Refused (400)."""
    known = "emailUnSubscribe" if name == "emailUnsubscribe" else name
    if known not in DATA_TYPES:
        raise Refused(400, f"Invalid dataTypeName: {name}")
    return known
