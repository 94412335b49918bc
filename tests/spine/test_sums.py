"""What was staged must add up before the first row is sent: each landed record once, documented ones too, and money to the cent."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors import landing
from connectors.models import Dataset
from loads import runs, staged
from loads.dispositions import lookup
from loads.models import Run
from loads.staging import sums
from loads.staging.decisions import Money
from loads.sums import AMOUNTS
from tests import database, folders
from tests.folders import user
from tests.playing import OTHERS, dump, engagement_on
from tests.spine import together
from tests.spine.test_load_engine import Prepared, unqueued
from workbench.pipeline import demonstration
from workbench.pipeline.summary import summary

pytestmark = pytest.mark.django_db
LEAVE = tuple(name for name in OTHERS if name not in ("customEvent", "purchase", "purchaseLine"))
MORNING = "2024-03-05 09:10:11 +00:00"
EVENT = {"userId": "u-sum-1", "createdAt": MORNING, "messageTypeIds": [901]}
JOURNEYS = [{"id": 55, "name": "Welcome"}, {"id": 56, "name": "Farewell"}, {"id": 55, "name": "Welcome back"}]
INCOMES = ({"annualIncome": 1000.125}, {"annualIncome": "2000.50"}, {})
Rows = list[dict[str, Any]]


def folder(path: Path) -> Path:
    bought = [
        {"id": f"pu-sum-{n}", "userId": f"u-sum-{n}", "orderId": f"A-{n}", "total": 19.9, "createdAt": MORNING}
        | {"shoppingCartItems": [{"id": "P", "name": "Sensor", "price": 19.9, "quantity": 1}]}
        for n in range(3)
    ]
    people, events = [user(f"u-sum-{n}", f"sum{n}@gmail.com", **INCOMES[n]) for n in range(3)], [EVENT, {**EVENT, "messageTypeIds": [902]}]
    more = {"export/purchase.ndjson": bought, "export/emailUnSubscribe.ndjson": events, "journeys.json": {"journeys": JOURNEYS}}
    return folders.write(path, people, more=more)


def cheaper(rows: Rows) -> Rows:
    values = orjson.loads(rows[1]["values"])
    return [rows[0], {**rows[1], "values": orjson.dumps(values | {"estimatedvalue": values["estimatedvalue"] - 0.01})}, *rows[2:]]


def poorer(rows: Rows) -> Rows:
    values = [orjson.loads(row["values"]) for row in rows]
    return [
        {**row, "values": orjson.dumps({**one, "annualincome": one["annualincome"] - 1} if "annualincome" in one else one)}
        for row, one in zip(rows, values, strict=True)
    ]


def lost(rows: Rows) -> Rows:
    return rows[:-1]


def another_place(rows: Rows) -> Rows:
    return [*rows[:-1], rows[0]]


# What is broken: the object, what of it was staged, how, and what is said.
BROKEN: dict[str, tuple[str, str, Callable[[Rows], Rows], str]] = {
    "a cent is missing": ("purchase", "opportunity", cheaper, "Of purchase 0.01"),
    "a row is missing": ("purchase", "opportunity", lost, "Of purchase 19.9"),
    "a line is missing": ("purchaseLine", "opportunityproduct", lost, "Of purchaseLine 19.9"),
    "a person's income is another one": ("user", "contact", poorer, "Of user 1 EUR (annualIncome) of 3000.625 landed can't be explained"),
    "a record has no disposition": ("user", "dispositions", lost, "Of user 15 records are landed and 14 have a disposition."),
    "a record has another one's": ("user", "dispositions", another_place, "Of user 15 records are landed and 14 have a disposition."),
    "an event that stays has none": (
        "subscriptionEvent",
        "dispositions",
        lost,
        "Of subscriptionEvent 2 records are landed and 1 have a disposition.",
    ),
    "a journey has none": ("journey", "dispositions", lost, "Of journey 3 records are landed and 2 have a disposition."),
}


def broken(prepared: Prepared, run: Run, object_name: str, kind: str, break_it: Callable[[Rows], Rows]) -> tuple[str, str, int]:
    """The run's state, what it says, and how many contacts there are, once what it staged is broken; it is whole again after that."""
    [path] = staged.parts(run, object_name, kind)
    whole, table = path.read_bytes(), pq.read_table(path)
    pq.write_table(pa.Table.from_pylist(break_it(table.to_pylist()), schema=table.schema), path)
    if run.state == Run.State.STOPPED:
        runs.resume(run, prepared.cast.engineer)
    else:
        prepared.work(run)
    run.refresh_from_db()
    path.write_bytes(whole)
    return run.state, run.message, len(dump(prepared.servers.dataverse_sandbox, "contact"))


def stuck(prepared: Prepared) -> tuple[Run, SimpleNamespace]:
    """A run whose purchases can't be read, as far as it comes, and what is told of it; resumed once they can be."""
    run = prepared.open()
    path, *_ = landing.files(Dataset.objects.get(pk=run.datasets["purchase"]))
    whole = path.read_bytes()
    path.write_bytes(b"not what was landed")
    prepared.work(run)
    path.write_bytes(whole)
    phases = {phase.object_name: (phase.state, phase.behind and phase.behind.object_name) for phase in run.phases.select_related("behind")}
    found = SimpleNamespace(state=run.state, message=run.message, staged=set(run.staged), phases=phases)
    found.contacts = len(dump(prepared.servers.dataverse_sandbox, "contact"))
    with unqueued():
        runs.resume(run, prepared.cast.engineer)
    run.refresh_from_db()
    return run, found


def tell(folder: Path, work: Path, modules: Sequence[ModuleType]) -> dict[str, Any]:
    """A run that is broken in every way before its first row, and carried out in the end; the others tell of it what they saw."""
    *others, _ = modules
    try:
        with engagement_on(folder, work) as (engagement, cast, servers):
            prepared = Prepared(engagement, cast, servers, together.leave(modules))
            stories = {one.__name__: one.story(prepared) for one in others}
            for story in stories.values():
                next(story)
            run, parked = stuck(prepared)
            run = prepared.staged_up_to(run, "purchaseLine")
            stopped = {name: broken(prepared, run, *how) for name, (*how, _) in BROKEN.items()}
            runs.resume(run, cast.engineer)
            run.refresh_from_db()
            demonstration.decide_quality(run, cast)
            event = next(landing.scan(landing.latest(engagement, "subscriptionEvent", "load"))).source_id
            asked, last = (("journey", "55"), ("journey", "56"), ("subscriptionEvent", event)), Run.objects.latest("pk")
            seen = SimpleNamespace(
                stopped=stopped,
                parked=parked,
                state=last.state,
                message=last.message,
                incomes=[one for one in last.sums["money"] if one["object"] == "user"],
                told={one["object"]: one for one in summary(engagement)["phases"] if one["environment"] is None},
                records={key[1] if key[0] == "journey" else key[0]: lookup(run, *key) for key in asked},
            )
            return {__name__: seen} | {name: story.send(last) for name, story in stories.items()}
    finally:
        database.empty()


@pytest.fixture(scope="module")
def seen(told) -> SimpleNamespace:
    return told


def test_an_object_that_cannot_be_staged_holds_up_what_needs_it_and_nothing_is_sent_before_it_is(seen):
    told = seen.parked
    assert (told.state, told.contacts) == (Run.State.PAUSED, 0)
    assert {"company", "user", "subscriptionEvent", "journey"} <= told.staged
    assert {name: told.phases[name] for name in ("purchase", "purchaseLine")} == {
        "purchase": ("blocked", None),
        "purchaseLine": ("waiting", "purchase"),
    }
    assert told.message.startswith("1 phase can't be staged. ")
    assert "Behind it wait: purchaseLine to opportunityproduct." in told.message


@pytest.mark.parametrize("name", BROKEN)
def test_what_does_not_add_up_stops_the_run_before_its_first_row(seen, name):
    state, message, contacts = seen.stopped[name]
    assert (state, contacts) == (Run.State.STOPPED, 0)
    assert BROKEN[name][-1] in message


# A record in euros, what became of it, its rows (currency, price, quantity, whether left as they are), and the sums that come of it.
PLANNED, ROUNDED = ("planned", []), ("planned", [{"severity": "loss", "field": "price"}])
RECORDS: dict[str, tuple[Any, ...]] = {
    "as it is": (("2.50", "2"), PLANNED, [("", "2.5", "2.0", False)], {"EUR": {"landed": 5, "staged": 5}}),
    "but for noise": (("59.97000000000001", "1"), PLANNED, [("EUR", "59.97", "1", False)],
                      {"EUR": {"landed": "59.97000000000001", "staged": "59.97", "changed": "-0.00000000000001"}}),
    "rounded": (("2.555", "2"), ROUNDED, [("", "2.56", "2", False)], {"EUR": {"landed": "5.11", "staged": "5.12", "changed": "0.01"}}),
    "rounded without a word": (("2.555", "2"), PLANNED, [("", "2.56", "2", False)],
                               {"EUR": {"landed": "5.11", "staged": "5.12", "unexplained": "-0.01", "differing": 1}}),
    "in another currency": (("1", "1"), PLANNED, [("USD", "1", "1", False)],
                            {"EUR": {"landed": 1, "unexplained": 1, "differing": 1},
                             "USD": {"staged": 1, "unexplained": -1, "differing": 1}}),
    "left as somebody edited it": (("1", "1"), PLANNED, [("", None, None, True)], {"EUR": {"landed": 1, "kept": 1}}),
    "held": (("1", "1"), ("held", []), [], {"EUR": {"landed": 1, "held": 1}}),
    "held, and sent": (("1", "1"), ("held", []), [("", "1", "1", False)], {"EUR": {"landed": 1, "differing": 1}}),
    "a price that nobody can read": ((None, "1"), ("rejected", []), [], {"EUR": {"without": 1}}),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_counts_with_what_became_of_it(name):
    factors, (disposition, reasons), rows, expected = RECORDS[name]
    numbers = [None if one is None else Decimal(one) for one in factors]
    built = [sums.Row(code, [None if one is None else Decimal(one) for one in held], kept) for code, *held, kept in rows]
    money = Money("price", {"opportunityproduct": ["priceperunit", "quantity"]}, lambda record: ("", []), frozenset({("loss", "price")}))
    found: dict[str, sums.Sum] = {}
    sums.add(found, money, sums.Compared(0, "EUR", numbers, disposition, orjson.dumps(reasons), built))
    for currency, one in found.items():
        counted = one.content()
        told = {key: Decimal(counted[key]) for key in (*AMOUNTS, "without", "differing") if Decimal(counted[key])}
        assert told == {key: Decimal(value) for key, value in expected[currency].items()}


def test_a_run_that_adds_up_goes_on(seen):
    assert (seen.state, seen.message) == (Run.State.DONE, "")


def test_what_columns_of_money_of_people_come_to_is_summed_too(seen):
    [told] = seen.incomes
    assert (told["landed"], told["staged"], told["changed"], told["without"]) == (
        "3000.625",
        "3000.62",
        "-0.005",
        1 + 12,
    )  # of test_rule_previews


def test_each_record_of_what_is_documented_only_has_a_disposition_that_anyone_can_look_up(seen):
    counts = ("table", "extracted", "documented", "merged", "rejected", "balanced")
    assert [seen.told["journey"][name] for name in counts] == [None, 3, 2, 1, 0, True]
    assert [seen.told["subscriptionEvent"][name] for name in counts] == [None, 2, 2, 0, 0, True]
    assert set(seen.told) == {"journey", "list", "subscriptionEvent"}
    assert [(one["disposition"], one["into"]) for one in seen.records["55"]] == [("merged", "55"), ("documented", "")]
    [other], [event] = seen.records["56"], seen.records["subscriptionEvent"]
    assert [one["code"] for one in other["reasons"]] == ["object.documented_only"]
    assert event["disposition"] == "documented"
