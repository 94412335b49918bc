"""Workers and the destination killed in every kind of step, the database gone, and a service that fails: all ends as where nothing happens.

One engagement and two destinations that begin alike. Into the sandbox everything goes undisturbed. For production the test is the task
queue: it begins each queued task in a process of its own, and strikes while that waits for an answer, mostly once the work was done.
What stands in both is compared after each stage.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django_q.conf import Conf

from loads import provisioning, rollback, runs
from loads.acceptance import sandbox_content
from loads.models import Chunk, Run, StagingRange
from loads.rollback.scope import Scope
from mapping import playbooks
from tests import database
from tests.folders import user
from tests.playing import engagement_on
from tests.spine import test_lost_deals
from tests.spine.interruptions import (
    DATABASE,
    DESTINATION,
    DISK,
    LOCKED_S,
    READING,
    UNDONE,
    WORKER,
    Blows,
    Journal,
    Queue,
    Stage,
    batched,
    post,
)
from tests.spine.taking_back import changing, held
from tests.spine.test_delta import LATER
from tests.spine.test_load_engine import Prepared
from tests.spine.test_objects_again import purchase
from tests.spine.workers import Nursery, Worker, nursery, wait_until
from workbench.engagements.models import Environment, SignOff
from workbench.management.commands.bench_load import FAILING, UNFAILING
from workbench.management.proof import Dumps, canonical_dumps
from workbench.pipeline import demonstration, steps
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.database, pytest.mark.django_db]
SERVER = "dataverse"
Rows = dict[tuple[str, str], bytes | None]  # table and row id -> SHA-256 of the row
CONSTANTS = {
    "loads.staging.ranges.RANGE": 16,
    "loads.staging.ranges.FEW": 4,
    "loads.staging.sums.RANGE": 16,
    "loads.staging.phases.CHUNK_ROWS": 12,
    "loads.rollback.planning.CHUNK_ROWS": 12,
    "loads.budget.CHUNK_ROWS": 12,
    "loads.tuning.MOST_AT_ONCE": 1,  # else all links may be made by the time that the first call to make some is struck
    "loads.tasks.LONGEST_WAIT_S": 0.05,
    "loads.tasks.PAUSES_S": (0.1, 0.3, 1, 4),
    "loads.writer.FIRST_WAIT_S": 0.001,
    "loads.carrying_out.FIRST_WAIT_S": 0.001,
    "connectors.retries._LONGEST_BACKOFF_S": 0.05,
}
LEFT_OUT = ("email*ubscribe.ndjson", "catalogs.json", "items.ndjson")  # whose rows are written as others are
PROVISIONING = [post("/solutions"), post("/Attributes", after=5), post("PublishAllXml")]
UPDATING = [
    post("/opportunities[?]", method="GET"),
    post("/opportunityproducts[?].*_modifiedby_value", method="GET"),
    post("contacts/.*CreateMultiple"),
    batched("PATCH [^ ]*/contacts", WORKER, DESTINATION, DATABASE, DISK),
    post("opportunities/.*CreateMultiple"),
    batched("WinOpportunity|LoseOpportunity", UNDONE, DATABASE),
    post("AddListMembersList", WORKER, DESTINATION, DATABASE),
    batched("RemoveMemberList"),
    batched("AddItemCampaign"),
    post("tasks/.*UpdateMultiple", UNDONE, DATABASE),
    batched('PATCH [^ ]*/contacts(?s:.*)"statecode"'),
]
TAKING_BACK = [
    batched("DELETE [^ ]*/contacts", WORKER, DESTINATION),
    batched("PATCH [^ ]*/contacts", WORKER, DATABASE),
    batched("PATCH [^ ]*/opportunities", WORKER, DESTINATION),
    batched("RemoveMemberList"),
    batched("AddMemberList"),
    batched("DELETE [^ ]*/campaignlist_association"),
]


def source(path: Path) -> Path:
    """Companies, some forty people, lists, campaigns, events and deals; later much of it is otherwise, and some are gone."""
    changing(path)
    for name in LEFT_OUT:
        for one in path.rglob(name):
            one.unlink()
    for folder, later in ((path, False), (path / "later", True)):
        export = folder / "iterable" / "export"
        purchases = [json.loads(line) for line in (export / "purchase.ndjson").read_text().splitlines()]
        with (export / "user.ndjson").open("a") as file:
            file.writelines(json.dumps(one) + "\n" for one in people(later=later))
        lines = [{"outcome": "Won", **one} for one in (*purchases, *deals(later=later))]
        (export / "purchase.ndjson").write_text("".join(json.dumps(one) + "\n" for one in lines))
    return path


def people(*, later: bool) -> Iterator[dict[str, Any]]:
    """Customers and leads by turns, on the list by turns. Later some have another job, some left the list, one is gone, others are new."""
    for number in range(1 if later else 0, 40 if later else 36):
        lists = [7] if number % 3 == (1 if later else 0) else []
        changed = {"jobTitle": "Head clerk", "profileUpdatedAt": LATER} if later and number % 2 == 0 else {}
        stage = ("customer", "customer", "lead")[number % 3]
        yield user(f"p-{number}", f"p{number}@company{number % 5}.example", stage, lastName=f"Name {number}", emailListIds=lists, **changed)


def deals(*, later: bool) -> Iterator[dict[str, Any]]:
    """Deals that are won, lost and open. Later some end otherwise, or for another value, and others are new."""
    for number in range(20, 44 if later else 36):
        outcome = ("Won", "Lost", "open")[(number + (later and number % 8 == 0)) % 3]
        value = {"total": 45} if later and number % 5 == 0 else {}
        yield purchase(number, userId=f"p-{number - 19}", outcome=outcome, **value)


@dataclass
class Load:
    """What came of a whole load that nobody is killed in. requests: that the service got, in vain too."""

    settled: list[tuple[Any, ...]]
    requests: int
    faults: Mapping[str, int]
    differences: list[tuple[str, str]] = field(default_factory=list)


class Story:
    """The engagement as it goes on, on both sides."""

    def __init__(self, prepared: Prepared, workers: Nursery, state: Path) -> None:
        self.prepared, self.workers, self.state = prepared, workers, state
        self.queue = Queue(prepared.servers, SERVER, workers)
        self.engagement, self.cast, self.servers = prepared.engagement, prepared.cast, prepared.servers
        self.production = self.engagement.environments.get(kind=Environment.Kind.PRODUCTION)
        self.stages: dict[str, Stage] = {}
        self.before = {prepared.sandbox: canonical_dumps(prepared.sandbox)}
        self.schemas: list[list[dict[str, Any]]] = []  # of the sandbox and of production, as the plan finds them

    @contextmanager
    def disturbed(self, name: str, blows: Sequence[Blows]) -> Iterator[None]:
        """A stage in production with these blows; afterwards both destinations are compared."""
        with self.queue.struck(blows) as stage:
            yield
        self.stages[name] = stage
        if self.production in self.before:
            stage.differences = self.compared()

    def compared(self) -> list[tuple[str, str]]:
        """Table and row id of all that isn't the same in what either side has got since it was provisioned."""
        one, other = (changed(before, canonical_dumps(environment)) for environment, before in self.before.items())
        return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))

    def loaded(self, environment: Environment, server: str, faults: Mapping[str, Any] = UNFAILING) -> Load:
        """A whole load, carried out here."""
        self.servers.control(server, "stats", {})
        self.servers.control(server, "faults", dict(faults))
        run = runs.open_run(environment, self.cast.engineer)
        demonstration.decide_quality(run, self.cast)
        run.refresh_from_db()
        stats = self.servers.stats(server)
        self.servers.fault(server)
        return Load(settled(done(run)), sum(stats["requests"].values()), stats["faults"])

    def load(self, run: Run) -> Run:
        """A run of production to its end, the data-quality report answered as proposed; resumed where workers died too often."""
        self.through(run)
        if demonstration.decide_quality(run, self.cast):
            self.through(run)
        return run

    def through(self, run: Run) -> None:
        self.queue.work()
        run.refresh_from_db()
        while run.state == Run.State.PAUSED and "resume the run" in run.message:
            runs.resume(run, self.cast.engineer)
            self.queue.work()
            run.refresh_from_db()

    def stage_badly(self) -> None:
        """Two workers that come to stage a range of records: one is killed in it, and for the other the disk is full."""
        first = self.in_a_range()
        self.queue.kill(first)
        second = self.in_a_range()
        second.may_write(0)
        second.go_on()
        wait_until(lambda: any("failure 1 of" in line for line in self.workers.log))
        second.may_write(-1)
        self.queue.follow(second)

    def in_a_range(self) -> Worker:
        """A worker that stands still while it stages a range."""
        worker = self.queue.begun("loads.staging.persons.Persons.stage_range")
        wait_until(lambda: worker.stands_still)
        assert StagingRange.objects.filter(worker__contains=f":{worker.pid}:", lease_until__isnull=False).exists()
        return worker

    def journals(self) -> tuple[Journal, Journal]:
        """What the sandbox and production write from now on."""
        sandbox, production = (Journal(self.state / f"dataverse_{name}.jsonl") for name in ("sandbox", "production"))
        return sandbox, production

    def compare(self, name: str, calm: Run, run: Run, journals: tuple[Journal, Journal]) -> None:
        """What a stage did otherwise, or more often, than the undisturbed run."""
        self.stages[name].settled = [one for one in zip(settled(calm), settled(run), strict=True) if one[0] != one[1]]
        wanted = {_place(chunk): chunk.attempts for chunk in _chunks(calm)}
        self.stages[name].again = {chunk: chunk.attempts - wanted[_place(chunk)] for chunk in _chunks(run)}
        undisturbed, disturbed = (journal.written() for journal in journals)
        self.stages[name].twice = disturbed - undisturbed


def settled(run: Run) -> list[tuple[Any, ...]]:
    """What became of each phase's records and rows; a row that was made before its answer got lost may be found equal."""
    counted = ("loaded", "held", "refused", "waiting", "removed", "restored", "kept")
    return sorted(
        (one.object_name, one.table, one.kind, *(getattr(one, name) for name in counted), one.created + one.updated + one.equal)
        for one in run.phases.all()
    )


def _chunks(run: Run) -> Iterator[Chunk]:
    return Chunk.objects.filter(phase__run=run).select_related("phase__run").iterator()


def _place(chunk: Chunk) -> tuple[str, str, str, int]:
    return (chunk.phase.object_name, chunk.phase.table, chunk.phase.kind, chunk.number)


def changed(before: Dumps, after: Dumps) -> Rows:
    """What isn't as it was, by table and row id; two destinations differ in rows that nobody loads."""
    one, other = flat(before), flat(after)
    return {key: other.get(key) for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def flat(dumps: Dumps) -> Rows:
    return {(table, row_id): digest for table, found in dumps.items() for row_id, digest in found.items()}


def play(story: Story) -> None:
    prepared, cast = story.prepared, story.cast
    story.calm = story.loaded(prepared.sandbox, "dataverse_sandbox")
    demonstration.sign(story.engagement, SignOff.Kind.SANDBOX, sandbox_content(story.engagement), cast)
    demonstration._answer_findings(story.engagement, cast)
    with story.disturbed("provisioning", PROVISIONING):
        step = steps.request(story.engagement, Step.Name.PROVISION, environment=story.production, user=cast.engineer)
        story.queue.work()
        step.refresh_from_db()
        assert step.state == Step.State.DONE, step.message
    story.schemas = [provisioning.propose(environment).steps for environment in (prepared.sandbox, story.production)]
    story.before[story.production] = canonical_dumps(story.production)
    story.failing = story.loaded(story.production, SERVER, FAILING)
    story.failing.differences = story.compared()
    story.servers.advance("iterable")
    demonstration._step(story.engagement, Step.Name.DELTA, None, cast, lambda said: None)
    demonstration._answer_findings(story.engagement, cast)
    journals = story.journals()
    calm = done(prepared.finish(prepared.open()))
    with story.disturbed("delta", UPDATING):
        run = runs.open_run(story.production, cast.engineer)
        story.stage_badly()
        done(story.load(run))
    story.compare("delta", calm, run, journals)
    journals = story.journals()
    with held():
        back = rollback.open_rollback(calm, cast.engineer, Scope())
        prepared.work(back)
        rollback.agree(back, cast.engineer)
    calm = done(prepared.work(back))
    with story.disturbed("rollback", TAKING_BACK):
        back = rollback.open_rollback(run, cast.engineer, Scope())
        story.through(back)
        rollback.agree(back, cast.engineer)
        story.through(back)
    story.compare("rollback", calm, done(back), journals)


def done(run: Run) -> Run:
    assert run.state == Run.State.DONE, run.message
    return run


@pytest.fixture(scope="module")
def story(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Story]:
    work = tmp_path_factory.mktemp("work")
    constants = {**CONSTANTS, "mapping.playbooks.FOLDER": test_lost_deals.playbooks_in(work)}
    options = {"purchasing_leads": "contact", "departed": "deactivate"}
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        playbooks.load_playbook.cache_clear()
        for name, value in constants.items():
            patch.setattr(name, value)
        patch.setattr(Conf, "SYNC", True)
        try:
            with (
                engagement_on(source(work / "source"), work, state=work / "state", killable=[SERVER], **options) as (
                    engagement,
                    cast,
                    servers,
                ),
                nursery(constants, LOCKED_S) as workers,
            ):
                told = Story(Prepared(engagement, cast, servers, leave=(), production=True), workers, work / "state")
                play(told)
                yield told
        finally:
            playbooks.load_playbook.cache_clear()
            database.empty()


ALL = (WORKER, DESTINATION, DATABASE)
MET: Mapping[str, set[tuple[str, str, str]]] = {
    "provisioning": set(),
    "delta": {
        *((what, table, kind) for what in ALL for table, kind in (("contact", "rows"), ("listmember", "members"))),
        (f"{WORKER}, {READING}", "opportunityproduct", "rows"), (DISK, "contact", "rows"),
        *((what, table, kind) for what in (UNDONE, DATABASE) for table, kind in (("opportunity", "close"), ("task", "states"))),
        (WORKER, "opportunity", "rows"), (WORKER, "listmember", "left"), (WORKER, "campaignitem", "ties"), (WORKER, "contact", "gone"),
    },
    "rollback": {
        *((what, "contact", "rows") for what in ALL), (DESTINATION, "opportunity", "rows"),
        (WORKER, "opportunity", "close"), (WORKER, "listmember", "members"), (WORKER, "listmember", "left"),
        (WORKER, "campaignitem", "ties"),
    },
}  # fmt: skip
WRITTEN_BY = {"list": "listmember"}  # a list is written with its members


@pytest.mark.parametrize("name", MET)
def test_a_stage_that_is_disturbed_at_each_kind_of_request_ends_as_one_that_nobody_disturbs(story, name):
    stage = story.stages[name]
    assert (stage.differences, MET[name] - stage.struck, stage.unmet) == ([], set(), [])
    assert stage.settled == []
    assert stage.kills >= 3


@pytest.mark.parametrize("name", ["delta", "rollback"])
def test_only_chunks_in_flight_are_taken_again_and_no_more_rows_written_twice(story, name):
    stage = story.stages[name]
    assert {str(chunk): times for chunk, times in stage.again.items() if not 0 <= times <= stage.in_flight[chunk]} == {}
    assert {table for table, rows in stage.twice.items() if rows > stage.rows_in_flight[WRITTEN_BY.get(table, table)]} == set()


def test_a_schema_whose_makers_are_killed_is_made_whole_and_once(story):
    sandbox, production = story.schemas
    assert production == sandbox
    assert {step["action"] for step in production} == {"exists"}


def test_a_service_that_loses_a_tenth_of_its_answers_gets_everything_once_and_little_more_is_asked_for(story):
    assert story.failing.differences == []
    assert min(story.failing.faults[name] for name in ("lose", "status")) > 5
    assert story.failing.settled == story.calm.settled
    assert story.failing.requests <= 1.5 * story.calm.requests
