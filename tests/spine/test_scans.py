"""Tables of the destination that are too long for one task: read and counted in steps, by whichever worker comes, killed or not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors import store
from connectors.dataverse.errors import DataverseRefused
from loads import counting, crosswalk, engine, reconciliation, runs, staged
from loads.destination import Destination
from loads.models import Crosswalk, Run
from loads.rollback import agree, closing, open_rollback
from loads.scans import reading
from loads.scans.reading import Wanted
from loads.staging import existing, ranges
from tests import folders, snapshots
from tests.folders import organisation_list, user
from tests.playing import dump
from tests.spine import few_records
from tests.spine.few_records import CONTACTS, Few
from tests.spine.test_links import ADA, EVA, LEO
from tests.spine.test_load_engine import unqueued

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
THERE = [{"accountid": f"00000000-0000-0000-0000-{n:012}", "name": f"Account {n}"} for n in range(20)]
NORTHPINE = {"accountid": "00000000-0000-0000-0000-0000000000ff", "name": "Northpine"}  # on the last page
SOMEBODY = {"contactid": "00000000-0000-0000-0000-0000000000c1", "emailaddress1": "p0@company0.example", "lastname": "There"}
GOING = (Run.State.QUEUED, Run.State.STAGING, Run.State.LOADING)


def person(number: int) -> dict:
    signed_up = f"2024-03-{number % 28 + 1:02} 09:10:11 +00:00"
    return user(f"u-{number}", f"p{number}@company{number % 5}.example", "customer", signupDate=signed_up)


def folder(path: Path) -> Path:
    return folders.write(
        path,
        [*map(person, range(24)), user("u-north", "n@northpine.example", "customer", emailListIds=[1])],
        lists=[organisation_list(1, "Company: Northpine")],
        rows={"dataverse/account": [*THERE, NORTHPINE], "dataverse/contact": [SOMEBODY]},
    )


@pytest.fixture
def small_steps(monkeypatch) -> None:
    """Tables take several steps of a page each, and tasks have time for a few rows."""
    monkeypatch.setattr(reading, "PAGE", 7)
    for module, limit in ((reading, "STEP_S"), (ranges, "GIVING_S"), (reconciliation, "TELLING_S"), (closing, "TELLING_S")):
        monkeypatch.setattr(module, limit, 0)
    monkeypatch.setattr(crosswalk, "BATCH", 10)


@pytest.fixture
def prepared(tmp_path: Path, small_steps) -> Iterator[Few]:
    """What another module's long name is asked about is answered; the run that was staged then is given up."""
    with snapshots.put_back(Few, few_records.folder, tmp_path) as prepared:
        runs.pause(prepared.run, prepared.cast.engineer)
        yield prepared


@pytest.fixture
def done(tmp_path: Path, small_steps) -> Iterator[Few]:
    with snapshots.put_back(few_records.loaded, few_records.folder, tmp_path, after=Few) as prepared:
        yield prepared


@pytest.fixture
def loaded(done: Few) -> Run:
    """A run that is done."""
    return done.run


def test_a_run_whose_tasks_end_after_a_page_each_ends_as_any_other_and_reads_no_page_twice(prepared):
    run, seen = prepared.open(), dict[str, list[int]]()
    own, another = existing.people(Destination(run.environment))[0], Wanted("there-another-lead", "lead")
    reading.is_read(run, another)  # as of an object that waits while others are staged
    busy = staged.folder(run) / f"scan-{own.name}.busy"  # what can't be taken away at first
    busy.mkdir(parents=True)
    for number in range(500):
        if run.state not in GOING:
            break
        try:
            engine.step(run, Destination(run.environment), f"worker-{number}")  # each a task of another worker
        except OSError:
            busy.rmdir()
        run.refresh_from_db()
        for scan in run.scans.all():
            rows = seen.setdefault(scan.name, [0])
            rows += [scan.rows] if scan.rows != rows[-1] else []
    run = prepared.finish(run)
    assert run.state == Run.State.DONE
    assert seen["companies"] == [0, 7, 14, 21, 23]
    assert all(rows == sorted(rows) for rows in seen.values())
    accounts, contacts = (dump(prepared.servers.dataverse_sandbox, table) for table in ("account", "contact"))
    assert sum(row["name"] == "Northpine" for row in accounts) == 1
    assert sum(row["emailaddress1"] == "p0@company0.example" for row in contacts) == 1
    phase = run.phases.get(table="contact")
    assert seen[f"count-{phase.pk}"] == [0, 7, 14, 21, 28, CONTACTS]
    assert phase.at_destination == CONTACTS
    known = Crosswalk.objects.filter(table="contact", alias=False)
    assert set(known.values_list("state", flat=True)) == {Crosswalk.State.PRESENT}
    assert known.count() == CONTACTS
    assert [scan.name for scan in run.scans.all()] == [another.name]
    assert not list(staged.folder(run).glob("scan-*"))


def test_a_rollback_whose_tasks_end_as_early_takes_all_back_and_leaves_what_was_there(done):
    with unqueued():
        rollback = open_rollback(done.run, done.cast.engineer)
        agree(done.work(rollback), done.cast.engineer)
    assert done.work(rollback).state == Run.State.DONE
    left = {row["contactid"] for row in dump(done.servers.dataverse_sandbox, "contact")}
    assert left == {SOMEBODY["contactid"], ADA, LEO, EVA}
    assert not Crosswalk.objects.filter(table="contact", state=Crosswalk.State.PRESENT).exists()
    assert not rollback.scans.exists()


def test_many_rows_are_counted_by_ranges_that_several_workers_take_and_each_row_once(loaded, monkeypatch):
    monkeypatch.setattr(counting, "PER_RANGE", 5)
    phase, destination = loaded.phases.get(table="contact"), Destination(loaded.environment)
    assert counting.written_rows(loaded, phase, destination) is None
    one, other = (reading.claim_next(loaded, name) for name in ("one", "other"))
    assert one.number != other.number
    for name in ("one", "other"):
        reading.give_back(name)
    reading.read_here(loaded, destination, "tests")
    assert counting.written_rows(loaded, phase, destination) == CONTACTS
    assert loaded.scans.count() == 6
    assert max(loaded.scans.values_list("rows", flat=True)) < 10


def test_a_worker_that_is_killed_in_a_step_costs_that_step_alone_and_what_it_left_is_not_read(loaded):
    wanted, destination = Wanted("all", "account", ["name"], "found"), Destination(loaded.environment)
    assert not reading.is_read(loaded, wanted)
    underway = reading.begin(reading.claim_next(loaded, "first"), destination, "first")
    underway.results += underway.jobs[0](destination.client)  # and no more is heard of it
    assert reading.claim_next(loaded, "second") is None
    engine.release("first")
    reading.read_here(loaded, destination, "second")
    assert reading.is_read(loaded, wanted)
    with store.database() as con:
        names = [row[0] for row in con.execute("SELECT row_id FROM read_parquet(?)", [reading.files(loaded, "all")]).fetchall()]
    assert sorted(names) == sorted(row["accountid"] for row in dump(loaded.environment.connection.base_url, "account"))
    assert len(list(staged.folder(loaded).glob("scan-all.*"))) == len(reading.files(loaded, "all")) + 1


def test_where_the_service_does_not_go_on_from_a_link_any_more_the_next_task_begins_anew(loaded):
    wanted, destination = Wanted("all", "account"), Destination(loaded.environment)
    reading.is_read(loaded, wanted)
    loaded.scans.update(following="accounts?$select=accountid&$skiptoken=gone", rows=7)
    with pytest.raises(DataverseRefused):
        reading.read_here(loaded, destination, "first")
    reading.give_back("first")
    reading.read_here(loaded, destination, "second")
    assert reading.counted(loaded, "all") == len(dump(loaded.environment.connection.base_url, "account"))


def test_rows_that_are_known_by_their_ids_alone_are_looked_up_a_part_of_the_list_at_a_time(loaded, monkeypatch):
    monkeypatch.setattr(reading, "LIST_PART", 8)
    monkeypatch.setattr(reading, "LOOKED_UP", 3)
    there, gone = [row["accountid"] for row in THERE], [f"00000000-0000-0000-0000-1{n:011}" for n in range(5)]
    name = reading.list_name("ids")
    with store.ParquetFile(staged.folder(loaded) / name, counting.IDS) as file:
        for row_id in [*there, *gone]:
            file.add(row_id)
    reading.is_read(loaded, Wanted("ids", "account", ids=name))
    assert loaded.scans.count() == 4
    reading.read_here(loaded, Destination(loaded.environment), "tests")
    assert reading.counted(loaded, "ids") == len(there)
