"""The run page: live counts per phase, why it stands still, reconciliation, exceptions, and where a record went."""

import os
import time
from datetime import timedelta

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.urls import reverse
from django.utils import timezone

from loads import progress, staged
from loads.models import Caller, Phase, Run, Scan, StagingRange
from tests.pages import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(northwind, people):
    cast.make_planned(northwind)
    return cast.make_run(northwind, people.engineer, state="loading", heartbeat_at=timezone.now())


@pytest.fixture
def client(people, as_user):
    return as_user(people.engineer)


def live(client, run):
    return client.get(reverse("admin:loads_run_live", args=[run.pk])).json()


def loading(run, *, done: int, waiting: int) -> Phase:
    phase = cast.make_phase(run, 3, "user", "lead", state="loading")
    Phase.objects.filter(pk=phase.pk).update(started_at=timezone.now() - timedelta(seconds=10))
    cast.make_chunks(phase, done, waiting)
    return phase


def test_counts_rate_and_time_left_come_from_the_chunks(client, run):
    loading(run, done=3, waiting=1)
    answer = live(client, run)
    assert answer["texts"]["phase-3-created"] == "300"
    assert answer["texts"]["phase-3-done"] == "300 of 400"
    assert answer["bars"] == {"run": 75, "phase-1": 100, "phase-2": 100, "phase-3": 75}
    assert answer["texts"]["rate"] in [f"{rate} rows/s" for rate in range(25, 31)]  # the page may take a second
    assert answer["texts"]["left"] in ("about 3 s left", "about 4 s left")
    assert not answer["finished"]


def test_rate_and_time_left_follow_the_last_minute_where_it_tells_them(client, run):
    phase = loading(run, done=20, waiting=10)
    now = timezone.now()
    Phase.objects.filter(pk=phase.pk).update(started_at=now - timedelta(hours=1))
    phase.chunks.filter(number__lt=14).update(settled_at=now - timedelta(minutes=50))
    phase.chunks.filter(number__gte=14, state="done").update(settled_at=now - timedelta(seconds=20))
    texts = live(client, run)["texts"]
    assert (texts["phase-3-rate"], texts["phase-3-left"]) == (texts["rate"], texts["left"]) == ("10 rows/s", "about 1 min 40 s left")
    phase.chunks.filter(number__gt=15, state="done").update(settled_at=now - timedelta(minutes=2))
    assert live(client, run)["texts"]["phase-3-rate"] == "under 1 row/s"  # two chunks tell nothing: 2,000 rows in an hour


def test_live_figures_cost_the_same_however_many_chunks_there_are(client, run, django_assert_max_num_queries):
    loading(run, done=30, waiting=30)
    with django_assert_max_num_queries(10):
        live(client, run)


def test_what_is_read_of_the_destination_shows_how_far_it_is(client, run):
    before = live(client, run)["stamp"]
    wanted = {"table": "contact", "form": "people", "ids": ""}
    for number, (rows, done) in enumerate([(5_000, True), (1_200, False)]):
        Scan.objects.create(run=run, name="people-contact", number=number, wanted=wanted, rows=rows, done=done)
    phase = run.phases.get(table="contact")
    Scan.objects.create(run=run, phase=phase, name=f"count-{phase.pk}", wanted=wanted | {"form": ""}, rows=3)
    answer = live(client, run)
    assert answer["stamp"] != before  # so that the page shows them
    assert (answer["texts"]["read-0-rows"], answer["texts"]["read-0-parts"]) == ("6,200 rows so far", "1 of 2 parts")
    assert (answer["texts"]["read-1-rows"], answer["bars"]["read-1"]) == ("3 of 6 rows", 50)
    text = client.get(reverse("admin:loads_run_change", args=[run.pk])).content.decode()
    assert 'data-text="read-1-rows">3 of 6 rows<' in text
    assert "to find people again" in text


def test_a_new_state_asks_for_a_fresh_page(client, run):
    before = live(client, run)["stamp"]
    Run.objects.filter(pk=run.pk).update(state="done")
    after = live(client, run)
    assert after["stamp"] != before
    assert after["finished"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"state": "loading", "message": ""}, ""),
        ({"state": "loading", "message": "", "heartbeat_at": timezone.now() - timedelta(minutes=9)}, "No sign of life"),
        ({"state": "paused", "message": ""}, "Paused."),
        ({"state": "paused", "message": "The store is full. Free space."}, "The store is full. Free space."),
        ({"state": "failed", "message": ""}, "failed tasks"),
        ({"state": "done", "message": ""}, ""),
    ],
)
def test_it_says_why_it_stands_still(run, changes, says):
    for name, value in changes.items():
        setattr(run, name, value)
    told = progress.standstill(run, timezone.now())
    assert told == "" if says == "" else says in told


def test_pausing_and_resuming_are_posts_that_reach_the_run(client, run):
    url = reverse("admin:loads_run_pause", args=[run.pk])
    assert client.get(url).status_code == 405
    client.post(url)
    assert Run.objects.get(pk=run.pk).state == "paused"
    answer = client.post(url, follow=True)
    assert "isn&#x27;t going on" in answer.content.decode()
    answer = client.post(reverse("admin:loads_run_resume", args=[run.pk]), follow=True)
    assert "Load can&#x27;t start" in answer.content.decode()  # its gates aren't open in this test


def test_stopping_at_a_safe_point_is_asked_for_and_said(client, run):
    client.post(reverse("admin:loads_run_stop", args=[run.pk]))
    run.refresh_from_db()
    assert (run.state, run.stop_asked) == ("loading", run.requested_by.username)
    answer = client.get(reverse("admin:loads_run_change", args=[run.pk]))
    assert "asked it to stop" in answer.context["guidance"].press
    assert reverse("admin:loads_run_stop", args=[run.pk]) not in answer.content.decode()


def test_it_says_how_fast_each_user_calls_and_who_must_wait_until_when(client, run):
    first = run.environment.connection
    until = timezone.now() + timedelta(minutes=1)
    Caller.objects.create(run=run, connection=first, node="here", at_once=5, hint=8, refused=3, said="5 at once.", held_until=until)
    Run.objects.filter(pk=run.pk).update(
        users=[
            {"connection": first.pk, "name": "First", "user_id": "1", "left_out": ""},
            {"connection": 0, "name": "Second", "user_id": "", "left_out": "It may do less than First."},
        ]
    )
    Phase.objects.filter(run=run, number=1).update(tuning={"create": {"rows_per_call": 200, "said": "200 rows a call: quicker."}})
    texts = live(client, run)["texts"]
    assert [texts[f"user-0-{name}"] for name in ("at_once", "hint", "refused", "said")] == ["5", "8", "3", "5 at once."]
    assert f"wait until {until:%H:%M:%S} UTC" in texts["waits"]
    assert texts["phase-1-tuning"] == "200 a call"
    page = client.get(reverse("admin:loads_run_change", args=[run.pk])).content.decode()
    assert "It may do less than First." in page
    assert "200 rows a call: quicker." in page


@pytest.mark.parametrize(
    ("changes", "unbalanced", "press"),
    [
        ({"state": "paused", "message": "Paused by e."}, False, "then Resume"),
        ({"state": "paused", "resume_at": timezone.now() + timedelta(hours=3)}, False, "goes on by itself"),
        ({"state": "loading", "heartbeat_at": timezone.now() - timedelta(minutes=9)}, False, "manage.py qcluster"),
        ({"state": "stopped", "message": "It doesn't balance."}, True, "read back and counted again"),
        ({"state": "done"}, False, "manage.py verify"),
    ],
)
def test_it_says_what_to_press(client, run, changes, unbalanced, press):
    Run.objects.filter(pk=run.pk).update(**changes)
    if unbalanced:
        run.phases.filter(number=2).update(state="unbalanced")
    assert press in live(client, run)["texts"]["press"]


def ago(seconds: float):
    return timezone.now() - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("chunk", "caller", "says"),
    [
        ({"lease_until": -80}, {"waits_for": "2 requests out, the oldest for 70 s"}, "the service is slow: sandbox has 2 requests out, "),
        ({"lease_until": -80}, {"held_until": -80}, "the service asked sandbox to wait until "),
        ({"lease_until": -20}, {}, "a worker that fell silent holds 1 chunk; others take over by "),
        ({"state": "waiting"}, {}, "no worker has a chunk in hand; the next task takes one."),
        ({"state": "checked", "checked_at": 95}, {}, "the sums of user to lead are taken, and the destination is counted; "),
    ],
)
def test_where_nothing_is_settled_though_workers_live_it_says_since_when_and_why_and_tells_no_rate(client, run, chunk, caller, says):
    given, told = ({name: ago(value) if isinstance(value, int) else value for name, value in one.items()} for one in (chunk, caller))
    phase = loading(run, done=2, waiting=1)
    Phase.objects.filter(pk=phase.pk).update(started_at=ago(95))
    Run.objects.filter(pk=run.pk).update(created_at=ago(95))
    phase.chunks.update(state="checked", settled_at=ago(95), checked_at=ago(95))
    phase.chunks.filter(number=2).update(**{"state": "leased", "settled_at": None, "checked_at": None, **given})
    Caller.objects.create(run=run, connection=run.environment.connection, node="here", **told)
    texts = live(client, run)["texts"]
    assert texts["waits"].startswith(f"Nothing settled for 1 min 30 s: {says}")
    assert (texts["rate"], texts["left"], texts["phase-3-rate"], texts["phase-3-left"], texts["standstill"]) == ("", "", "", "", "")
    phase.chunks.filter(number=1).update(checked_at=timezone.now())  # reading back is a sign of life, too
    assert "Nothing settled" not in live(client, run)["texts"]["waits"]


def test_staging_says_how_many_ranges_are_done_and_how_long_the_rest_takes(client, run):
    Run.objects.filter(pk=run.pk).update(state="staging", staged=["company"], taken_up_at=ago(95))
    StagingRange.objects.bulk_create(StagingRange(run=run, object_name="user", number=number) for number in (1, 3, 4))
    now = time.time()
    for number, seconds in ((0, 30), (1, 0), (2, 20), (5, 10)):  # a range whose file is there and that isn't taken off the list yet
        path = staged.part(run, "user", staged.DISPOSITIONS_KIND, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (now - seconds, now - seconds))
    texts = live(client, run)["texts"]
    assert texts["happened"] == "Records become rows: 1 of the plan's 1 objects are staged; of user 3 of 6 ranges, about 30 s left."
    assert (texts["left"], texts["waits"]) == ("about 30 s left", "")


def test_a_staging_that_takes_long_says_what_it_does(client, run):
    Run.objects.filter(pk=run.pk).update(state="staging", created_at=ago(95), taken_up_at=ago(95))
    assert live(client, run)["texts"]["waits"].startswith("Nothing staged for 1 min 30 s: one worker decides on all records of an object")
    StagingRange.objects.create(run=run, object_name="user", number=1, worker="w", lease_until=timezone.now() + timedelta(seconds=30))
    assert "a worker that fell silent holds 1 range; others take over by" in live(client, run)["texts"]["waits"]


def test_a_parked_phase_says_why_and_who_waits_behind_it_and_the_run_can_be_stopped(client, run):
    first, second = run.phases.order_by("number")
    Phase.objects.filter(pk=first.pk).update(state="blocked", message="It lacks a privilege. Grant it.")
    Phase.objects.filter(pk=second.pk).update(state="waiting", behind=first)
    Run.objects.filter(pk=run.pk).update(state="paused", message="1 phase can't go on.")
    page = client.get(reverse("admin:loads_run_change", args=[run.pk])).content.decode()
    assert "It lacks a privilege. Grant it." in page
    assert "It waits for company to account." in page
    assert reverse("admin:loads_run_stop", args=[run.pk]) in page
    texts = live(client, run)["texts"]
    assert texts["happened"] == "Can't go on: company to account. 1 more waits behind. The reasons stand beside the phases."
    assert "do what its message says" in texts["press"]
    assert "doesn't balance" not in texts["press"]


def test_a_finished_run_names_its_point_of_no_return(client, run):
    Run.objects.filter(pk=run.pk).update(state="done")
    assert "The point of no return is the first edit by somebody else" in live(client, run)["texts"]["safe"]


def test_a_run_that_was_taken_back_says_so_and_does_not_speak_of_reading_it_back(client, run):
    Run.objects.filter(pk=run.pk).update(state="done")
    back = {"kind": "rollback", "undoes": run, "state": "done"}
    back = Run.objects.create(engagement=run.engagement, environment=run.environment, requested_by=run.requested_by, **back)
    texts = live(client, run)["texts"]
    assert f"but for what run {back.pk} lists as kept" in texts["safe"]
    assert "verify" not in texts["press"]


@pytest.mark.parametrize(("kept", "offers", "says"), [(0, False, "there is nothing more to roll back"), (2, True, "which left 2 rows")])
def test_a_run_is_rolled_back_again_only_where_the_rollback_left_something(client, run, kept, offers, says):
    Run.objects.filter(pk=run.pk).update(state="done")
    cast.make_chunks(run.phases.first(), 1, 0)
    back = {"kind": "rollback", "undoes": run, "state": "done"}
    back = Run.objects.create(engagement=run.engagement, environment=run.environment, requested_by=run.requested_by, **back)
    cast.make_phase(back, 1, "company", "account", planned=3, removed=3 - kept, kept=kept)
    shown = client.get(reverse("admin:loads_run_change", args=[run.pk])).content.decode()
    assert ("Roll back…" in shown, says in shown) == (offers, True)


def test_the_page_shows_reconciliation_exceptions_and_the_sample(client, run):
    cast.make_exception(run, "u-1")
    cast.make_exception(run, "u-2")
    cast.make_verified(run, "u-3", "wrong", [{"column": "lastname", "source": "Ada", "meant": "Ada", "found": "Eve", "verdict": "wrong"}])
    answer = client.get(reverse("admin:loads_run_change", args=[run.pk]))
    text = answer.content.decode()
    assert answer.context["exceptions"] == [{"code": "email.invalid", "outcome": "rejected", "count": 2}]
    assert f"run__id__exact={run.pk}&amp;code=email.invalid&amp;outcome__exact=rejected" in text
    assert "Eve" in text
    assert text.count("Balances") == 2
    listed = client.get(
        reverse("admin:loads_ledgerentry_changelist"), {"run__id__exact": run.pk, "code": "email.invalid", "outcome__exact": "rejected"}
    )
    assert listed.context["cl"].result_count == 2


def test_a_record_is_found_by_its_source_id_with_every_reason(client, run):
    rows = [
        {
            "position": 4,
            "source_id": "u-9",
            "disposition": "held",
            "main_table": "",
            "into": None,
            "reasons": orjson.dumps([{"code": "email.missing", "field": "email"}]),
        }
    ]
    path = staged.part(run, "user", staged.DISPOSITIONS_KIND, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=staged.DISPOSITIONS), path)
    page = reverse("admin:loads_run_change", args=[run.pk])
    text = client.get(page, {"object": "user", "source_id": "u-9"}).content.decode()
    assert "email.missing" in text
    assert "has no record" in client.get(page, {"object": "user", "source_id": "nobody"}).content.decode()
    assert "has no record" in client.get(page, {"object": "../../x", "source_id": "u-9"}).content.decode()


def test_a_run_of_another_engagement_is_not_there(run, as_user):
    stranger = as_user(cast.make_cast(cast.make_engagement("Contoso")).engineer)
    for page in ("live", "pause", "resume", "stop"):
        url = reverse(f"admin:loads_run_{page}", args=[run.pk])
        assert (stranger.get(url) if page == "live" else stranger.post(url)).status_code == 404
