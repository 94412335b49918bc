"""Steps under disturbance: what a kill, a time limit or news at the source leave behind, seen in the plan and the datasets."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import DatabaseError, IntegrityError, OperationalError, connection
from django.utils import timezone
from django_q.conf import Conf
from django_q.exceptions import TimeoutException
from django_q.models import Schedule

from connectors import landing, store
from connectors.models import Dataset
from loads.models import Run
from loads.signals import run_finished, run_stands
from mapping.models import DiscoveryFinding, FieldMap
from mapping.playbooks import load_playbook
from mapping.preview import BeingPrepared, matrix_content
from mapping.workshop import completeness, decisions
from reports.models import Document
from tests import folders, snapshots
from tests.folders import user
from tests.pages import cast as people
from tests.spine.test_load_engine import Prepared
from workbench.engagements import gates
from workbench.engagements.errors import BadInput
from workbench.engagements.models import Environment, SignOff
from workbench.pipeline import demonstration, leases, steps, tasks
from workbench.pipeline.models import Step
from workbench.pipeline.work import Part, Work, go_on, started

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def northwind():
    return people.make_engagement("Northwind")


def a_step(engagement, *, heard: int, state: str = "running", **fields) -> Step:
    """A step that another worker took; `heard`: seconds since its last sign of life."""
    then = timezone.now() - timedelta(seconds=heard)
    given = {"name": "handoff", "worker": "another", "requested_by": "ada", "queued_at": then, "heartbeat_at": then}
    return Step.objects.create(engagement=engagement, state=state, **given | fields)


def test_a_step_whose_worker_was_killed_is_taken_over_by_the_next_delivery(northwind):
    step = a_step(northwind, heard=61)
    tasks.carry_out(step.pk)
    step.refresh_from_db()
    assert (step.state, step.message) == (Step.State.DONE, "")


def test_a_delivery_that_finds_the_step_held_leaves_it_to_its_worker(northwind):
    step = a_step(northwind, heard=5)
    tasks.carry_out(step.pk)
    step.refresh_from_db()
    assert (step.state, step.worker) == (Step.State.RUNNING, "another")


@pytest.mark.parametrize(("state", "worker"), [("queued", ""), ("running", "another")])
def test_a_step_whose_task_was_lost_is_queued_again_and_one_that_lives_is_not(northwind, state, worker):
    lost, lives = (a_step(northwind, heard=heard, state=state, worker=worker) for heard in (61, 30))
    [look] = Schedule.objects.filter(func="workbench.pipeline.tasks.take_up_silent")
    assert (look.schedule_type, look.minutes) == (Schedule.MINUTES, 1)
    tasks.take_up_silent()
    assert Step.objects.get(pk=lost.pk).state == Step.State.DONE
    assert Step.objects.get(pk=lives.pk).state == state


def test_a_step_that_the_database_did_not_let_be_queued_goes_on_all_the_same(northwind):
    """The step was given back, and its next task couldn't be written."""
    step = a_step(northwind, heard=61)
    sync, Conf.SYNC = Conf.SYNC, False
    try:
        with queue_refuses(), pytest.raises(DatabaseError):
            tasks.queue(leases.take(step.pk, "first"))
    finally:
        Conf.SYNC = sync
    step.refresh_from_db()
    assert (step.state, step.worker) == (Step.State.QUEUED, "")
    Step.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=61))
    tasks.take_up_silent()
    assert Step.objects.get(pk=step.pk).state == Step.State.DONE


def test_a_run_of_which_nothing_is_heard_is_worked_on_again(northwind):
    people.make_planned(northwind)
    heard = timezone.now() - timedelta(seconds=61)
    run = people.make_run(northwind, people.make_user("ada"), state=Run.State.LOADING, heartbeat_at=heard)
    tasks.take_up_silent()
    run.refresh_from_db()
    assert run.state == Run.State.PAUSED  # the work begins by asking whether the plan is signed, and it isn't
    assert "signature" in run.message


@contextmanager
def queue_refuses():
    """The queue's table takes no row."""
    connection.cursor().execute("ALTER TABLE django_q_ormq RENAME TO away")
    try:
        yield
    finally:
        connection.cursor().execute("ALTER TABLE away RENAME TO django_q_ormq")


@pytest.mark.parametrize(("state", "heard"), [("running", 61), ("queued", 61)])
def test_asking_for_a_step_that_fell_silent_takes_it_up_and_for_one_that_lives_is_refused(northwind, state, heard):
    step = a_step(northwind, heard=10, state=state)
    with pytest.raises(steps.StepOpen):
        steps.request(northwind, "handoff", user="ada")
    Step.objects.filter(pk=step.pk).update(heartbeat_at=timezone.now() - timedelta(seconds=heard))
    assert steps.request(northwind, "handoff", user="grace").pk == step.pk
    assert Step.objects.get().state == Step.State.DONE
    assert northwind.history.filter(action="took up handoff", actor="grace").exists()


def test_a_worker_that_lost_its_step_writes_nothing_more_of_it(northwind):
    step = a_step(northwind, heard=61)
    first = leases.take(step.pk, "first")
    assert first is not None
    Step.objects.filter(pk=step.pk).update(heartbeat_at=timezone.now() - timedelta(seconds=61))
    second = leases.take(step.pk, "second")
    with pytest.raises(leases.LeaseLost):
        leases.keep(first, progress="from the grave")
    leases.keep(second, progress="alive")
    step.refresh_from_db()
    assert (step.progress, step.worker, step.attempts) == ("alive", "second", 2)


def test_a_part_that_says_nothing_for_long_keeps_its_lease(northwind, monkeypatch):
    monkeypatch.setattr(leases, "BEAT_S", 0.05)
    step = leases.take(a_step(northwind, heard=61).pk, "first")
    with leases.beating(step):
        Step.objects.filter(pk=step.pk).update(heartbeat_at=timezone.now() - timedelta(hours=1))
        wait_until(lambda: not Step.objects.get(pk=step.pk).is_silent)
    assert leases.take(step.pk, "second") is None


def test_each_part_is_told_as_it_begins_and_words_in_passing_leave_it_standing(northwind):
    seen: list[tuple[str, list[str]]] = []

    def part(work: Work) -> None:
        work.in_passing()("said faster than anybody reads")
        step = Step.objects.get()
        seen.append((step.progress, step.done))

    step = leases.take(a_step(northwind, heard=61).pk, "first")
    go_on(started(step), [Part("a", part, "the first"), Part("b", part), Part("c", part, "the third")])
    assert seen == [("the first", []), ("the first", ["a"]), ("the third", ["a", "b"])]


def wait_until(true, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it didn't happen in time"
        time.sleep(0.02)


def test_a_step_that_is_cut_off_again_and_again_ends_with_a_message(northwind):
    step = a_step(northwind, heard=61, attempts=tasks.ATTEMPTS)
    tasks.carry_out(step.pk)
    step.refresh_from_db()
    assert step.state == Step.State.FAILED
    assert "cut off 5 times" in step.message


def test_a_part_that_exceeds_the_time_limit_is_tried_again_and_at_last_told(northwind, monkeypatch):
    tries: list[int] = []

    def endless(work: Work) -> None:
        tries.append(work.step.attempts)
        raise TimeoutException("Task exceeded maximum timeout value")

    monkeypatch.setitem(tasks.PARTS, Step.Name.HANDOFF, lambda step: [Part("endless", endless)])
    step = steps.request(northwind, "handoff", user="ada")
    step.refresh_from_db()
    assert (tries, step.state) == ([1, 2, 3, 4, 5], Step.State.FAILED)
    assert "TASK_TIMEOUT_S" in step.message


def test_a_failed_step_is_gone_on_with_unless_it_would_do_something_else_now(northwind, monkeypatch):
    done: list[str] = []

    def second(work: Work) -> None:
        if len(done) == 1:
            raise BadInput("The address is wrong.")

    parts = [Part("first", lambda work: done.append("first")), Part("second", second)]
    monkeypatch.setitem(tasks.PARTS, Step.Name.DISCOVER, lambda step: parts)
    steps.request(northwind, "discover", user="ada")
    assert Step.objects.first().state == Step.State.FAILED
    steps.request(northwind, "discover", user="ada")
    assert (Step.objects.first().state, done) == (Step.State.FAILED, ["first"])
    northwind.connections.filter(name="sandbox").update(base_url="https://other.crm4.dynamics.com")
    steps.request(northwind, "discover", user="ada")
    assert (Step.objects.first().state, done) == (Step.State.DONE, ["first", "first"])


def test_an_unexpected_error_leaves_its_type_and_place_and_nothing_that_names_a_person(northwind, monkeypatch, caplog):
    def refuse(step: Step):
        raise IntegrityError("Key (email)=(ada@customer.example) already exists.")

    monkeypatch.setitem(tasks.PARTS, Step.Name.HANDOFF, refuse)
    step = a_step(northwind, heard=61)
    with pytest.raises(tasks.TaskFailed, match=r"IntegrityError at .*test_steps.py:\d+") as failed:
        tasks.carry_out(step.pk)
    step.refresh_from_db()
    assert failed.value.__suppress_context__
    assert step.state == Step.State.FAILED
    assert "ada@" not in caplog.text + step.message + str(failed.value)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OperationalError("database or disk is full"), "See that it runs and has room"),
        (OSError(28, "No space left on device"), "No space left on device. Look at this machine's disk"),
    ],
)
def test_a_machine_without_room_is_said_as_such(northwind, monkeypatch, error, told):
    def refuse(step: Step):
        raise error

    monkeypatch.setitem(tasks.PARTS, Step.Name.HANDOFF, refuse)
    step = a_step(northwind, heard=61)
    with pytest.raises(tasks.TaskFailed):
        tasks.carry_out(step.pk)
    step.refresh_from_db()
    assert told in step.message


def news_folder(path: Path) -> Path:
    """A source that has a new stage, a new owner and a new field once it is advanced."""
    before = [user("u-1", "a@northpine.example"), user("u-2", "b@northpine.example", "lead")]
    folder = folders.write(path, before)
    later = folder / "later" / "iterable" / "export" / "user.ndjson"
    later.parent.mkdir(parents=True)
    after = [*before, user("u-3", "c@northpine.example", "evangelist", shoeSize=38, hatSize="", ownerEmail="new@northpine.example")]
    later.write_text("".join(json.dumps(record) + "\n" for record in after))
    return folder


def undecided(engagement) -> tuple[int, int]:
    """What a load says of fields without a decision, how often; and the fields that came later and have none."""
    missing = [one for one in gates.missing("load", engagement) if one.gate == "every field decided"]
    return len(missing), sum(line.later for line in completeness.of(engagement))


class Signed(Prepared):
    """One whose matrix is signed, and of which nothing is extracted."""

    def prepare(self) -> None:
        self.discover()
        assert undecided(self.engagement) == (1, 0)
        self.sign()
        assert undecided(self.engagement) == (0, 0)


@pytest.mark.parametrize("step", [Step.Name.EXTRACT, Step.Name.DISCOVER])
def test_what_is_new_after_the_signature_is_asked_and_changes_nothing_that_was_signed(tmp_path, monkeypatch, step):
    monkeypatch.setattr(settings, "WORK_SECONDS", 0)  # a task does one part, and queues itself
    with snapshots.put_back(Signed, news_folder, tmp_path) as signed:
        engagement, before = signed.engagement, demonstration.plan.hashes(signed.engagement)
        signed.servers.advance("iterable")
        signed.take(step)
        assert demonstration.plan.hashes(engagement) == before
        assert engagement.split_rules.get(stage="evangelist").outcome == ""
        assert engagement.owner_matches.get(source_owner="new@northpine.example").kind == "open"
        new = FieldMap.objects.filter(engagement=engagement, source__in=("shoeSize", "hatSize")).values_list("source", "table", "state")
        assert set(new) == {(field, table, "proposed") for field in ("shoeSize", "hatSize") for table in ("contact", "lead")}
        assert undecided(engagement) == (0, 3)  # these and the owner are questions, and no load waits for them
        done = Step.objects.filter(name=step).first().done
        assert len(done) >= 6
        assert not gates.missing("extract", engagement)
        decisions.decide(FieldMap.objects.filter(source="lastName"), "deferred", user=signed.cast.engineer)
        assert undecided(engagement) == (1, 3)  # one that was signed is waited for, however often it is profiled anew
        landed = [rule.name for rule in load_playbook("iterable").datasets if landing.latest(engagement, rule.name, Dataset.Purpose.LOAD)]
        assert len(landed) == (len(load_playbook("iterable").datasets) if step == Step.Name.EXTRACT else 0)


def test_a_finding_that_blocks_closes_its_gates_until_a_discovery_no_longer_finds_it(northwind):
    people.make_discovered(northwind)
    sandbox, production = (northwind.environments.get(kind=kind) for kind in ("sandbox", "production"))
    common = {"engagement": northwind, "severity": "blocker", "evidence": "It is broken."}
    DiscoveryFinding.objects.create(**common, check_name="of the source")
    DiscoveryFinding.objects.create(**common, check_name="of the sandbox", environment=sandbox)

    def blocked(action: str, environment: Environment | None) -> list[str]:
        return [one.says.partition(":")[0] for one in gates.missing(action, northwind, environment) if one.gate == "findings mended"]

    assert blocked("extract", None) == blocked("load", production) == ["of the source"]
    assert blocked("load", sandbox) == ["of the sandbox", "of the source"]
    people.make_discovered(northwind)
    assert (blocked("extract", None), blocked("load", sandbox)) == ([], ["of the sandbox"])


def test_the_preview_makes_no_keys_itself_and_a_new_version_of_the_plan_has_them_made(northwind):
    people.make_discovered(northwind, [people.person(1, "customer", rank="gold"), people.person(2, "customer", rank="tin")])
    assert [row["stage"] for row in matrix_content(northwind)["rows"] if row["count"]] == ["customer"]
    northwind.options = {"lifecycle_field": "rank"}
    northwind.save()
    with pytest.raises(BeingPrepared):
        matrix_content(northwind)
    demonstration.plan.revise(northwind, ["split"], actor="ada")
    assert matrix_content(northwind)["people"] == 2


def test_the_same_answers_in_another_order_are_the_same_plan(northwind):
    people.make_discovered(northwind, lists=[{"id": n, "name": f"List {n}", "listType": "Suppression"} for n in (1, 2)])
    before = demonstration.plan.hashes(northwind)
    people.make_discovered(northwind, lists=[{"id": n, "name": f"List {n}", "listType": "Suppression"} for n in (2, 1)])
    assert demonstration.plan.hashes(northwind) == before


def test_a_report_that_cannot_be_written_stops_no_run_and_is_written_at_the_handoff(northwind, caplog):
    run = people.make_run(northwind, people.make_user("ada"))
    documents = store.folder(northwind.slug) / "documents"
    documents.write_text("in the way")
    run_stands.send(sender=Run, run=run)
    assert "StoreUnwritable" in caplog.text
    assert not Document.objects.exists()
    documents.unlink()
    steps.request(northwind, "handoff", user="ada")
    assert Document.objects.get(kind="reconciliation", format="json").run == run
    assert Document.objects.get(kind="scope", format="json").run is None
    assert Step.objects.get().state == Step.State.DONE


def test_a_run_that_ends_has_its_documents_written_and_the_handoff_leaves_them(northwind, settings):
    settings.DOCUMENTS_AT_ONCE = True
    run = people.make_run(northwind, people.make_user("ada"))
    run_finished.send(sender=Run, run=run)
    written = {(row.kind, row.format): (row.pk, (store.root() / row.path).stat().st_mtime_ns) for row in Document.objects.all()}
    assert written.keys() == {(kind, one) for kind in ("reconciliation", "quality", "losses", "diff") for one in ("json", "xlsx", "pdf")}
    steps.request(northwind, "handoff", user="ada")
    after = {(row.kind, row.format): (row.pk, (store.root() / row.path).stat().st_mtime_ns) for row in run.documents.exclude(format="json")}
    assert after == {key: value for key, value in written.items() if key[1] != "json"}


def test_a_signature_has_its_certificate_written(northwind, settings):
    settings.DOCUMENTS_AT_ONCE = True
    people.make_discovered(northwind)
    demonstration.sign(northwind, SignOff.Kind.MATRIX, matrix_content(northwind), people.make_cast(northwind))
    assert set(Document.objects.values_list("kind", "format")) == {("certificate", "json"), ("certificate", "pdf")}


def test_a_command_that_is_ended_from_outside_takes_its_workers_with_it(tmp_path):
    code = """if True:
        import django; django.setup()
        import time
        from workbench.management.cluster import task_cluster
        from workbench.management.stopping import leaving_on_signals
        with leaving_on_signals(), task_cluster() as cluster:
            print(cluster.pid, flush=True)
            time.sleep(60)
    """
    own = {"VAR_DIR": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path / 'own.sqlite3'}", "REDIS_URL": ""}
    environment = {**os.environ, **own, "DJANGO_SETTINGS_MODULE": "workbench.settings"}
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environment, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True
    ) as command:
        cluster = int(command.stdout.readline())
        command.send_signal(signal.SIGTERM)
        assert command.wait(30) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(cluster, 0)
