"""A run under control: its budget, its application users, stopping at a safe point, and the commands; looked at at the destination."""

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.db.models.signals import post_save
from django.utils import timezone
from django_q.models import Schedule

from connectors.dataverse import governor
from connectors.dataverse.governor import governor_of
from connectors.http_errors import Throttled
from connectors.models import ServiceUser
from loads import callers, engine, runs, tasks, tuning
from loads.destination import Destination
from loads.learned import Learned
from loads.models import Caller, CallSize, Chunk, Phase, Run
from loads.tuning import rows_per_call
from reports import reconciliation
from tests import snapshots
from tests.pages import cast
from tests.playing import dump
from tests.spine.test_load_engine import Gated, Prepared, northpine, with_a_run_staged
from workbench.engagements.models import Connection

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def prepared(tmp_path: Path):
    with snapshots.put_back(Gated, northpine, tmp_path, application_users=3) as prepared:
        yield prepared


@pytest.fixture
def staged(tmp_path: Path):
    with snapshots.put_back(with_a_run_staged, northpine, tmp_path, after=Gated, application_users=3) as prepared:
        yield prepared


def written(prepared: Prepared, run: Run) -> list[dict]:
    """Rows of the run at the destination."""
    tables = ("account", "contact", "lead")
    return [row for table in tables for row in dump(prepared.servers.dataverse_sandbox, table) if row.get("mwb_runid") == run.key]


def command(*given: str) -> str:
    out = StringIO()
    call_command(*given, stdout=out)
    return out.getvalue()


def test_a_run_pauses_when_the_requests_of_a_day_are_used_up_and_goes_on_by_itself_when_there_is_room(staged):
    staged.sandbox.daily_requests = 45
    staged.sandbox.save()
    run = staged.finish(staged.run)
    assert run.state == Run.State.PAUSED
    assert "may use 45 requests in 24 hours" in run.message
    sent = len(written(staged, run))
    assert 0 < sent <= 45
    assert not run.phases.filter(state=Phase.State.LOADING).exists()  # what was sent is read back and balanced
    [later] = Schedule.objects.filter(func="loads.tasks.go_on")
    first = Chunk.objects.exclude(settled_at=None).earliest("settled_at").settled_at
    assert later.next_run == run.resume_at > first + timedelta(hours=24)

    tasks.go_on(run.pk)  # too early
    assert Run.objects.get(pk=run.pk).state == Run.State.PAUSED
    Chunk.objects.update(settled_at=F("settled_at") - timedelta(hours=25))
    Run.objects.update(resume_at=timezone.now() - timedelta(seconds=1))
    tasks.go_on(run.pk)
    run.refresh_from_db()
    assert (run.state, run.message, run.resume_at) == (Run.State.DONE, "", None)
    assert len(written(staged, run)) == sum(phase.created + phase.updated for phase in run.phases.all()) > 45


def test_who_pauses_a_run_that_would_go_on_by_itself_keeps_it_from_that(staged):
    staged.sandbox.daily_requests = 45
    staged.sandbox.save()
    run = staged.finish(staged.run)
    runs.pause(run, staged.cast.engineer)
    Run.objects.filter(resume_at__isnull=False).update(resume_at=timezone.now())
    tasks.go_on(run.pk)
    assert Run.objects.get(pk=run.pk).state == Run.State.PAUSED


def test_a_stop_is_heeded_between_two_objects_that_one_step_would_stage(prepared):
    run, documented = prepared.open(), []

    def ask(instance: Phase, **signal) -> None:
        if instance.kind == Phase.Kind.DOCUMENT:
            documented.append(instance.object_name)
            Run.objects.filter(pk=run.pk).update(stop_asked="sam")

    post_save.connect(ask, sender=Phase)  # what is kept of an object once it is staged
    try:
        prepared.work(run)
    finally:
        post_save.disconnect(ask, sender=Phase)
    assert (run.state, len(documented), written(prepared, run)) == (Run.State.STOPPED, 1, [])


def test_a_run_asked_to_stop_completes_its_phase_and_sends_no_row_of_the_next(staged):
    run = staged.run
    destination = engine.Destination(run.environment)
    while not Chunk.objects.filter(phase__table="account").exclude(state=Chunk.State.WAITING).exists():
        run.refresh_from_db()
        engine.step(run, destination, "tests")
    assert "ends when the phase in hand is complete" in command("stop", run.key, "--user", staged.cast.engineer.username)
    staged.work(run)
    assert run.state == Run.State.STOPPED
    assert "Stopped at a safe point" in run.message
    accounts = run.phases.get(table="account")
    assert (accounts.state, len(written(staged, run))) == (Phase.State.BALANCED, accounts.created + accounts.updated)
    runs.resume(run, staged.cast.engineer)
    run.refresh_from_db()
    assert run.state == Run.State.DONE
    assert run.phases.get(table="contact").created == 31


def test_users_that_can_load_share_it_and_others_are_left_out_with_the_reason(prepared):
    first = prepared.sandbox.connection
    second, third = prepared.servers.credentials["more_clients"]
    wrong = {**third, "client_secret": "wrong"}
    for name, client in (("Second", second), ("Narrow", third), ("Wrong", wrong), ("Again", second)):
        settings = first.settings | {"client_id": client["client_id"]}
        prepared.sandbox.further_connections.add(
            Connection.objects.create(
                engagement=prepared.engagement, kind="dataverse", name=name, base_url=first.base_url, settings=settings,
                secret=client["client_secret"], ca_pem=first.ca_pem,
            )
        )  # fmt: skip
    users = {row["applicationid"]: row["systemuserid"] for row in dump(first.base_url, "systemuser") if row.get("applicationid")}
    prepared.servers.control("dataverse_sandbox", "privileges", {"user": users[third["client_id"]], "missing": ["prvCreateContact"]})
    run = prepared.finish(prepared.open())
    assert run.state == Run.State.DONE
    told = {one["name"]: one["left_out"] for one in run.users}
    assert told[first.name] == told["Second"] == ""
    assert "prvCreateContact" in told["Narrow"]
    assert "same application user as Second" in told["Again"]
    assert told["Wrong"]
    ours = {users[first.settings["client_id"]], users[second["client_id"]]}
    assert {row["_modifiedby_value"] for row in written(prepared, run)} <= ours
    # who wrote in an earlier run is ours, though it loads no more
    assert Destination(prepared.sandbox).user_ids >= {user.lower() for user in (*ours, users[third["client_id"]])}
    shown = {one["user"]: one for one in reconciliation.content(run)["tuning"]["users"]}
    assert shown["Narrow"]["left_out"]
    assert "prvCreateContact" in shown["Narrow"]["said"]


def test_a_user_whom_the_service_holds_for_minutes_keeps_no_run_waiting(staged, monkeypatch):
    monkeypatch.setattr("connectors.dataverse.governor._kept", {})
    first, second = staged.sandbox.connection, staged.servers.credentials["more_clients"][0]
    more = {"settings": {**first.settings, "client_id": second["client_id"]}, "secret": second["client_secret"], "ca_pem": first.ca_pem}
    staged.sandbox.further_connections.add(
        Connection.objects.create(engagement=staged.engagement, kind="dataverse", name="Second", base_url=first.base_url, **more)
    )
    run = staged.run
    governor_of(first).hold("", 300)
    assert staged.finish(run).state == Run.State.DONE
    users = {row["applicationid"]: row["systemuserid"] for row in dump(first.base_url, "systemuser") if row.get("applicationid")}
    assert {row["_modifiedby_value"] for row in written(staged, run)} == {users[second["client_id"]]}


def test_the_commands_open_list_and_verify_a_run_and_refuse_with_words(prepared):
    engineer = ("--user", prepared.cast.engineer.username)
    where = f"{prepared.engagement.slug}/sandbox"
    assert "is queued" in command("run_load", where, *engineer)
    run = Run.objects.latest("pk")
    prepared.finish(run)
    assert run.state == Run.State.DONE
    assert f"{run.key}  {where}" in command("runs")
    with pytest.raises(CommandError, match="is done"):
        command("resume", str(run.pk), *engineer)
    with pytest.raises(CommandError, match="isn't going on"):
        command("pause", str(run.pk), *engineer)
    with pytest.raises(CommandError, match=f"There are: .*{where}"):
        command("run_load", "nowhere/sandbox", *engineer)
    assert "rows are as they were sent" in command("verify", run.key, *engineer)
    edit = {"table": "contact", "count": 1, "seed": 3, "values": {"lastname": "Edited"}, "user": run.users[0]["user_id"]}
    [someone] = prepared.servers.control("dataverse_sandbox", "edit", edit)["ids"]
    out = StringIO()
    with pytest.raises(CommandError, match="1 of .* rows aren't as they were sent") as refused:
        call_command("verify", run.key, *engineer, stdout=out)
    assert refused.value.returncode == 3
    row = next(one for one in dump(prepared.servers.dataverse_sandbox, "contact") if one["contactid"] == someone)
    named = f"    {row['mwb_sourceid'].partition(':')[2]}: lastname"
    assert f"{named}\n" in out.getvalue()
    ours = {one["user_id"] for one in run.users}
    other = next(row["systemuserid"] for row in dump(prepared.servers.dataverse_sandbox, "systemuser") if row["systemuserid"] not in ours)
    anew = {"table": "contact", "id": someone, "values": {"lastname": "By another one"}, "user": other}
    prepared.servers.control("dataverse_sandbox", "edit", anew)
    assert f"{named}, changed by somebody else\n" in command("verify", run.key, *engineer)
    prepared.servers.fault("dataverse_sandbox", {"method": "GET", "path": "leads", "do": "status", "status": 403, "code": "0x80040220"})
    out = StringIO()
    with pytest.raises(CommandError, match="All .* other rows are as they were sent. 1 were changed .* more couldn't be read.") as partly:
        call_command("verify", run.key, *engineer, stdout=out)
    assert partly.value.returncode == 4
    assert "rows couldn't be read: " in out.getvalue()
    assert "Give the application user's role" in out.getvalue()
    prepared.servers.fault("dataverse_sandbox")
    tuning = reconciliation.content(run)["tuning"]
    assert tuning["users"][0]["at_once"] >= 1
    assert {key: value for one in tuning["tables"] if one["table"] == "contact" for key, value in one.items() if key != "said"} == {
        "object": "user",
        "table": "contact",
        "calls": "rows created",
        "rows_per_call": 200,
    }


def test_a_new_worker_begins_with_the_sizes_of_calls_that_others_learned_in_the_environment(monkeypatch):
    engagement = cast.make_engagement()
    sandbox, production = (engagement.environments.get(kind=kind) for kind in ("sandbox", "production"))
    before = Learned(sandbox, "https://a/")
    size = rows_per_call("https://a/", "contact", "update")
    for _ in range(tuning.SEEN):
        size.took(50, 0.5)
    before.keep()
    monkeypatch.setattr(tuning, "_kept", {})  # as another process has it
    Learned(sandbox, "https://a/")
    assert rows_per_call("https://a/", "contact", "update").said == size.said == "50 rows a call: 10.0 ms a row."
    Learned(production, "https://b/")
    assert rows_per_call("https://b/", "contact", "update").said == ""
    CallSize.objects.update(learned={**size.learned(), "best": 4})
    Learned(sandbox, "https://a/")
    assert rows_per_call("https://a/", "contact", "update").size == 200


def test_machines_share_the_hint_and_say_who_waits_until_when(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    engagement = cast.make_engagement()
    environment = engagement.environments.get(kind="sandbox")
    environment.connection.settings = {"authority": "https://login.microsoftonline.com/t", "client_id": "c"}
    run = Run.objects.create(engagement=engagement, environment=environment, requested_by=cast.make_user("e"), state="loading")
    destination = Destination(environment)
    here = callers.Callers(run, destination, "here:1:x")
    pace = destination.client.governor
    pace.hear(8)
    pace.wait()
    here.tell()
    pace.done()
    assert run.callers.get(node="here").waits_for == "1 request out, the oldest for 0 s"
    elsewhere = Caller.objects.create(
        run=run, connection=environment.connection, node="elsewhere", at_once=4, refused=2,
    )  # fmt: skip
    here.hear()
    assert pace.at_once == 4
    pace.hold("", 60)
    here.tell()
    here.tell()
    [user] = callers.users_content(run)
    assert (user["at_once"], user["machines"], user["refused"]) == (8, 2, 3)
    assert run.callers.get(node="here").held_until > timezone.now() + timedelta(seconds=50)
    Caller.objects.filter(pk=elsewhere.pk).update(at=timezone.now() - timedelta(minutes=1))
    here.hear()
    assert pace.at_once == 8


def test_a_pause_that_any_request_was_asked_to_make_holds_the_users_workers_on_other_machines(prepared, settings, tmp_path, monkeypatch):
    prepared.servers.fault("dataverse_sandbox", {"path": "WhoAmI", "do": "status", "status": 429, "retry_after_s": 1, "times": 1})
    Destination(prepared.sandbox).client.who_am_i()  # no run is at it
    user = ServiceUser.objects.exclude(held_until=None).get()
    ServiceUser.objects.filter(pk=user.pk).update(held_until=timezone.now() + timedelta(seconds=60))
    settings.VAR_DIR = tmp_path / "elsewhere"
    monkeypatch.setattr(governor, "_kept", {})  # as a worker of another machine begins
    with pytest.raises(Throttled) as asked:
        Destination(prepared.sandbox).client.who_am_i()
    assert 50 < (asked.value.retry_after_s or 0) <= 61
