"""Slices whose reading takes too long, kills its worker, or is done by two workers at once: each record is landed once."""

import json
from collections.abc import Iterator

import pytest

from connectors import landing
from connectors.extraction import Time
from connectors.models import Dataset, Piece
from mapping.discovery import source as source_side
from tests.pages import cast as people

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def northwind():
    return people.make_engagement("Northwind")


def land(engagement, source, time_given: Time, said: list[str]) -> Dataset | None:
    return source_side.land_people(engagement, source, Dataset.Purpose.DISCOVERY, progress=said.append, time_given=time_given)


class Slow(people.GivenSource):
    """A source whose slices can be divided down to one person."""

    def slices(self, object_name, now):
        return [landing_slice(0, len(self.people))]

    def halves(self, piece):
        start, stop = (int(piece.params[key]) for key in ("start", "stop"))
        middle = (start + stop) // 2
        return (landing_slice(start, middle), landing_slice(middle, stop)) if stop - start > 1 else None

    def read(self, object_name, piece, reading=None) -> Iterator[bytes]:
        start, stop = (int(piece.params[key]) for key in ("start", "stop"))
        return (json.dumps(person).encode() for person in self.people[start:stop])


def landing_slice(start: int, stop: int):
    return people.Slice(f"{start}-{stop}", {"start": str(start), "stop": str(stop)})


def test_a_slice_that_takes_too_long_is_landed_in_halves_and_each_record_once(northwind, monkeypatch):
    monkeypatch.setattr("connectors.extraction.LOOKED", 30)
    source, said = Slow([people.person(number) for number in range(100)]), []
    tries = 0
    while (dataset := land(northwind, source, Time(until=0, at_most=0), said)) is None:
        assert (tries := tries + 1) < 20
    assert dataset.rows == 100
    assert sorted(Piece.objects.values_list("name", flat=True)) == ["0-25", "25-50", "50-75", "75-100"]


def test_a_slice_that_killed_its_worker_twice_is_halved(northwind):
    source = Slow([people.person(number) for number in range(4)])
    dataset = landing.open_dataset(engagement=northwind, object_name="user", purpose="discovery")
    Dataset.objects.filter(pk=dataset.pk).update(memory={"begun": {"0-4": 2}})
    while not (landed := land(northwind, source, Time(), [])):
        pass
    assert (landed.rows, landed.pieces.count()) == (4, 2)


def test_of_two_workers_that_land_other_slices_of_a_dataset_at_once_none_writes_over_the_first(northwind):
    dataset = landing.open_dataset(engagement=northwind, object_name="user", purpose="discovery")
    landing.land_piece(dataset, "0-2", [b'{"userId": "u-1"}', b'{"userId": "u-2"}'], str, landed=0)
    with pytest.raises(landing.LandedMeanwhile):
        landing.land_piece(dataset, "0-4", [b'{"userId": "u-9"}'], str, landed=0)
    assert [one["userId"] for one in landing.records(landing.seal(dataset))] == ["u-1", "u-2"]
