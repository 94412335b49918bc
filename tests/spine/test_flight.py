"""Requests under way: a user whom the service holds keeps no other one waiting, and what was answered is settled whatever comes after."""

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from connectors.dataverse.client import Client
from connectors.dataverse.governor import Governor
from connectors.http import HttpSession, OutcomeUnknown, Throttled
from loads.delta import unlinked
from loads.flight import AHEAD, Flight, Underway
from loads.flight import asking as asking_the_database
from loads.models import Chunk
from loads.staged import StagedRow
from tests.connectors.loopback import Received, Reply, Service, serving
from tests.pages import cast

HELD_S = 300


def slow(_: Received) -> Reply:
    time.sleep(0.1)
    return Reply(json={})


def held(_: Received) -> Reply:
    time.sleep(0.05)
    return Reply(429, json={}, headers={"Retry-After": str(HELD_S)})


@pytest.fixture
def services() -> Iterator[tuple[Service, Service]]:
    with serving() as first, serving() as second:
        first.script = second.script = slow
        yield first, second


@pytest.fixture
def clients(services: tuple[Service, Service]) -> list[Client]:
    """Two application users, told apart by the service that each asks."""
    return [Client(HttpSession(one.url, name="test", attempts=1, patience_s=1, pace=Governor())) for one in services]


def asking(path: str) -> Callable[[Client], list[str]]:
    def job(client: Client) -> list[str]:
        client.get(path)
        return [path]

    return job


def chunk(*paths: str, settled: list[list[str]]) -> Underway:
    return Underway(Chunk(), [asking(path) for path in paths], lambda underway: settled.append(sorted(underway.results)))


def landed(flight: Flight) -> None:
    while flight.underway:
        flight.land(1)


def test_the_requests_of_a_user_whom_the_service_holds_go_to_the_others(services, clients):
    first, second = services
    first.script = held
    settled: list[list[str]] = []
    paths = [f"row{number}" for number in range(12)]
    with Flight(clients, patience_s=1) as flight:
        flight.start(chunk(*paths, settled=settled))
        landed(flight)
        flight.start(chunk("later", settled=settled))
        landed(flight)
    assert settled == [sorted(paths), ["later"]]
    assert len(second.received) == 13
    assert len(first.received) <= clients[0].governor.at_once + AHEAD


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_of_many_requests_at_once_one_asks_the_database_at_a_time_and_holds_no_connection_while_it_waits(clients):
    at_it = list[int]()

    def job(client: Client) -> list[tuple[int, bool]]:
        with asking_the_database():
            at_it.append(Chunk.objects.count())
            time.sleep(0.01)
            together = len(at_it)
            at_it.pop()
        is_open = connection.connection is not None
        client.get("later")
        return [(together, is_open)]

    settled: list[list[tuple[int, bool]]] = []
    with Flight(clients) as flight:
        flight.start(Underway(Chunk(), [job] * 8, lambda underway: settled.append(underway.results)))
        landed(flight)
    assert settled == [[(1, False)] * 8]


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_who_asks_whether_somebody_took_a_link_away_holds_no_connection_to_the_database_after():
    run = cast.make_run(cast.make_engagement(), cast.make_user("e"), state="loading")
    link = StagedRow(str(uuid.uuid4()), "i", 0, "", "listmember", "create", "created", {}, (), None, "", (), (), None, None)

    def ask() -> tuple[dict[str, str], object]:
        return unlinked.barred(run.key, "listmember", "members", [link]), connection.connection

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(ask).result() == ({}, None)


def test_a_user_who_is_held_already_is_asked_for_nothing(services, clients):
    clients[0].governor.hold("", HELD_S)
    settled: list[list[str]] = []
    with Flight(clients, patience_s=1) as flight:
        flight.start(chunk("a", "b", "c", settled=settled))
        landed(flight)
    assert (settled, services[0].received) == ([["a", "b", "c"]], [])


def test_where_all_users_are_held_what_was_answered_is_settled_before_that_is_said(services, clients):
    for service in services:
        service.script = lambda request: held(request) if "held" in request.path else slow(request)
    settled: list[list[str]] = []
    with Flight(clients, patience_s=1) as flight, pytest.raises(Throttled) as asked:  # noqa: PT012 - it is raised with the last answer
        flight.start(chunk("a", "b", settled=settled))
        flight.start(chunk("held1", "held2", "held3", settled=settled))
        landed(flight)
    assert settled == [["a", "b"]]
    assert HELD_S - 20 < (asked.value.retry_after_s or 0) <= HELD_S


def test_after_a_request_that_failed_nothing_more_goes_out_and_complete_chunks_are_settled(services, clients):
    def broken(client: Client) -> list[str]:
        while len(services[0].received) < 2:  # the other chunk's requests are out
            time.sleep(0.005)
        raise OutcomeUnknown("Its answer got lost.")

    settled: list[list[str]] = []
    many = [f"row{number}" for number in range(100)]
    with Flight(clients[:1], patience_s=1) as flight, pytest.raises(OutcomeUnknown):  # noqa: PT012 - it is raised with the last answer
        flight.start(chunk("a", "b", settled=settled))
        flight.start(Underway(Chunk(), [broken, *map(asking, many)], lambda underway: settled.append(underway.results)))
        landed(flight)
    assert settled == [["a", "b"]]
    assert not flight.has_room
    assert len(services[0].received) < 20
