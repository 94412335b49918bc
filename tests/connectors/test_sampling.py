"""A first look at an object that is too large to keep: exact counts, few records."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from connectors import landing
from connectors.base import Slice
from connectors.extraction import Time, extract
from connectors.iterable.exported import Exported
from connectors.models import Dataset
from connectors.sampling import Sampling, counted, moment_of, shown_value
from tests.pages import cast

pytestmark = [pytest.mark.database, pytest.mark.django_db]
START = datetime(2024, 1, 1, tzinfo=UTC)


def event(number: int, name: str) -> bytes:
    return json.dumps(
        {"eventName": name, "n": number, "createdAt": f"{START + timedelta(minutes=number):%Y-%m-%d %H:%M:%S} +00:00"}
    ).encode()


class Stream(cast.GivenSource):
    """A source of slices of lines; it fails where it is told to."""

    def __init__(self, slices: list[list[bytes]], fails_at: int = -1) -> None:
        super().__init__([])
        self.given, self.fails_at, self.read_slices = slices, fails_at, []

    def slices(self, object_name, now):
        return [Slice(str(number)) for number in range(len(self.given))]

    def read(self, object_name, piece, reading=None) -> Iterator[bytes]:
        number = int(piece.name)
        self.read_slices.append(number)
        for at, line in enumerate(self.given[number]):
            if number == self.fails_at and at == len(self.given[number]) // 2:
                raise OSError("the cable")
            yield line


@pytest.fixture
def northwind():
    return cast.make_engagement("Northwind")


def land(engagement, source, time_given: Time = Time(), most: int = 100) -> Dataset | None:  # noqa: B008 - it can't change
    return extract(
        engagement=engagement, source=source, object_name="customEvent", purpose="discovery", identify=lambda record: str(record["n"]),
        progress=lambda words: None, time_given=time_given, sampling=Sampling("eventName", "createdAt", most),
    )  # fmt: skip


def stream(dice: random.Random) -> list[list[bytes]]:
    names = ["pageView"] * 90 + ["signup"] * 9 + ["PageView"]
    lines = [event(n, dice.choice(names)) for n in range(12_000)]
    return [lines[:5_000], lines[5_000:7_000], lines[7_000:]]


def kept(dataset: Dataset) -> list[bytes]:
    return [landed.raw for landed in landing.scan(dataset)]


def test_every_record_is_counted_and_few_are_kept_spread_over_the_time(northwind):
    slices = stream(random.Random(3))
    dataset = land(northwind, Stream(slices))
    lines = [line for piece in slices for line in piece]
    for name in ("pageView", "signup", "PageView"):
        of_name = [line for line in lines if json.loads(line)["eventName"] == name]
        found = [line for line in kept(dataset) if json.loads(line)["eventName"] == name]
        assert counted(dataset)[name] == {
            "kind": "value", "value": name, "count": len(of_name), "first": moment(of_name[0]), "last": moment(of_name[-1])
        }  # fmt: skip
        assert min(len(of_name), 50) <= len(found) <= 100
        quarters = [json.loads(line)["n"] // 3_000 for line in found]
        assert set(quarters) == {0, 1, 2, 3}
    assert dataset.rows == len(kept(dataset))


def moment(line: bytes) -> str:
    return json.loads(line)["createdAt"].replace(" +00:00", "Z").replace(" ", "T")


def test_a_cut_leaves_the_same_counts_and_the_same_samples(northwind):
    slices = stream(random.Random(3))
    whole = land(northwind, Stream(slices))
    for failing in (0, 1, 2):
        broken = Stream(slices, fails_at=failing)
        with pytest.raises(OSError, match="cable"):
            land(northwind, broken)
        source = Stream(slices)
        while (again := land(northwind, source, Time(until=0))) is None:
            pass
        assert source.read_slices == [number for number in range(3) if number >= failing]
        assert (again.counts, kept(again)) == (whole.counts, kept(whole))


def test_a_kill_between_the_counts_and_the_slice_counts_nothing_twice(northwind, monkeypatch):
    slices = stream(random.Random(3))
    whole = land(northwind, Stream(slices))
    land_piece = landing.land_piece

    def killed(dataset, name, lines, identify, **more):
        if name == "1":
            list(lines)
            raise KeyboardInterrupt
        return land_piece(dataset, name, lines, identify, **more)

    monkeypatch.setattr(landing, "land_piece", killed)
    with pytest.raises(KeyboardInterrupt):
        land(northwind, Stream(slices))
    monkeypatch.undo()
    assert land(northwind, Stream(slices)).counts == whole.counts


def test_equal_records_unreadable_ones_and_odd_names_are_counted_too(northwind):
    odd = [b'{"eventName": null, "n": 1}', b'{"n": 2}', b'{"eventName": "  ", "n": 3}', b'{"eventName": 7, "n": 4}', b"nonsense", b"[1]"]
    dataset = land(northwind, Stream([[event(1, "same")] * 300 + odd]))
    counts = {(entry["kind"], entry["value"]): entry["count"] for entry in dataset.counts}
    assert counts == {
        ("value", "same"): 300, ("value", ""): 2, ("value", "  "): 1, ("value", "7"): 1, ("unreadable", ""): 2,
    }  # fmt: skip
    assert len(kept(dataset)) == 106


def test_names_without_end_are_counted_together(northwind, monkeypatch):
    monkeypatch.setattr("connectors.sampling.MOST_VALUES", 10)
    dataset = land(northwind, Stream([[event(n, f"e{n}") for n in range(500)]]))
    assert len(counted(dataset)) == 10
    assert [entry["count"] for entry in dataset.counts if entry["kind"] == "others"] == [490]
    assert 60 <= len(kept(dataset)) <= 110


def test_a_window_that_overlaps_the_one_before_is_not_counted_twice():
    asked = []

    class Exports:
        def begin(self, data_type, window, jobs):
            pass

        def lines(self, data_type, window, jobs, until):
            asked.append(window)
            return iter(())

    from connectors.base import Reading

    exported, now = Exported(Exports(), "customEvent"), datetime(2026, 11, 25, 12, tzinfo=UTC)
    *_, closed, _, last = exported.slices(now)
    for piece in (closed, last):
        list(exported.read(piece, Reading(once=True)))
    list(exported.read(last, Reading()))
    assert asked[0].end == asked[1].start == now
    assert asked[2].start == now - timedelta(minutes=5)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2024-03-05 09:10:11 +00:00", "2024-03-05T09:10:11Z"), ("2024-03-05T09:10:11+02:00", "2024-03-05T07:10:11Z"),
        ("2024-03-05 09:10:11", "2024-03-05T09:10:11Z"), (1_683_280_800_000, "2023-05-05T10:00:00Z"), ("2023-13-45 99:00:00 +00:00", ""),
        (None, ""), (True, ""), ("soon", ""), (1e300, ""), ("0000-00-00 00:00:00", ""),
    ],
)  # fmt: skip
def test_moments_are_read_as_the_source_writes_them(value, moment):
    assert moment_of(value) == moment


def test_a_long_or_unstorable_name_is_shown_short_and_stays_apart():
    long = [shown_value("x" * 400 + end) for end in "ab"]
    assert long[0] != long[1]
    assert all(len(text) < 170 for text in long)
    assert shown_value("a\x00b\ud800") == "a\ufffdb\ufffd"
