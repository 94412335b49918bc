"""Objects that export jobs give, by windows of time; several exports may be one object together."""

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from http import HTTPStatus

from connectors import rawjson
from connectors.base import Finding, Reading, Slice
from connectors.http import HttpRefused
from connectors.iterable.exports import Exports, Jobs
from connectors.iterable.windows import OPEN, Window, since, windows

JOBS_AT_ONCE = 4
REFUSED = "A record that claims a date in these years isn't extracted. Compare the counts with what Iterable shows."


class Exported:
    """One object of one or more exports.

    Slices are best read in their order: the jobs of the next ones run while one is read, up to four at once. Only the open
    one is started last and alone, so that what changes during the extraction is in it.
    """

    def __init__(self, exports: Exports, *data_types: str) -> None:
        """data_types: what the exports are called. Rows of several are given the name of theirs."""
        self._exports, self._data_types = exports, data_types
        self._order: list[Slice] = []
        self._lock = threading.Lock()

    def slices(self, now: datetime) -> list[Slice]:
        """Time slices of each export: all that is old, then years, then one that is open towards the future."""
        return self._in_order([self._slice(of, name, window, now) for of in self._data_types for name, window in windows(now)])

    def changes(self, moment: datetime) -> list[Slice]:
        """One slice of each export, from the moment on; their jobs run at once."""
        name, window = since(moment)
        return self._in_order([self._slice(of, name, window) for of in self._data_types])

    def _in_order(self, pieces: list[Slice]) -> list[Slice]:
        with self._lock:
            self._order = pieces
        return pieces

    def read(self, piece: Slice, reading: Reading) -> Iterator[bytes]:
        """The raw JSON lines of a slice, malformed ones too; blank lines are left out.

        The jobs stand in the reading's memory until their lines are read, so that another task finds them again. Years that the source
        takes no export of are told in a finding.
        """
        jobs, data_type, window = Jobs(reading.memory.setdefault("jobs", {}), reading.fields), self._type_of(piece), _window(piece, reading)
        with self._lock:
            if not self._begun(data_type, window, jobs):
                evidence = f"Iterable exports no {data_type} from {window.start.date()} to {window.end.date()}."
                reading.findings.append(
                    Finding("years that aren't exported", "warning", evidence, REFUSED, subject=f"{data_type} {piece.name}")
                )
                return
            for each in _ahead(self._order, piece):
                self._begun(self._type_of(each), _window(each, reading), jobs)
        lines = self._exports.lines(data_type, window, jobs, until=reading.until) if window.start < window.end else iter(())
        yield from lines if len(self._data_types) == 1 else (named(line, data_type) for line in lines)

    def _begun(self, data_type: str, window: Window, jobs: Jobs) -> bool:
        """Begin a window's job, unless it runs; False where it is of odd dates and the source takes no export of them."""
        try:
            self._exports.begin(data_type, window, jobs)
        except HttpRefused as refused:
            if refused.status != HTTPStatus.BAD_REQUEST or not window.is_odd:
                raise
            return False
        return True

    def _slice(self, data_type: str, name: str, window: Window, now: datetime | None = None) -> Slice:
        params = {**window.as_params(), **({"read_until": now.replace(microsecond=0).isoformat()} if now and name == OPEN else {})}
        if len(self._data_types) == 1:
            return Slice(name, params)
        return Slice(f"{data_type} {name}", {**params, "dataType": data_type})

    def _type_of(self, piece: Slice) -> str:
        return piece.params.get("dataType", self._data_types[0])


def named(line: bytes, data_type: str) -> bytes:
    """The line with `_type` first in the object, where it has none.

    Rows don't say which export they came from, and with several exports in one object nothing else tells an opt-in from an opt-out; a
    person's own history (export/userEvents) has the same key for it. What is no object stays as it is.
    """
    try:
        record = rawjson.read(line)
    except (ValueError, RecursionError):
        return line
    if not isinstance(record, dict) or "_type" in record:
        return line
    head, _, rest = line.partition(b"{")
    return b'%b{"_type":"%b"%b%b' % (head, data_type.encode(), b"," if record else b"", rest)


def _window(piece: Slice, reading: Reading) -> Window:
    """A slice's window; where no record may come twice, without what the slice before it gave."""
    window, read_until = Window.of(piece), piece.params.get("read_until", "")
    return window.after(datetime.fromisoformat(read_until)) if reading.once and read_until else window


def _ahead(order: Sequence[Slice], piece: Slice) -> list[Slice]:
    """The next slices, whose jobs run while this one is read; the open one is begun for itself."""
    if piece not in order:
        return []
    position = order.index(piece)
    return [each for each in order[position + 1 : position + JOBS_AT_ONCE] if not each.name.endswith(OPEN)]
