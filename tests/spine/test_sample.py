"""A sample run: a few records that stand for all are loaded alone, every value of them is kept, and a whole run loads the rest."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from loads import resampling, runs
from loads.delta import conflicts
from loads.delta.models import Conflict
from loads.models import Crosswalk, Run, VerifiedRow
from mapping.models import FieldMap
from mapping.workshop import decisions
from reports import documents
from tests import folders, snapshots
from tests.folders import organisation_list, user
from tests.pages import cast
from tests.playing import OTHERS, dump
from tests.spine.test_load_engine import Prepared, unqueued
from workbench.engagements import gates
from workbench.engagements.errors import BadInput
from workbench.engagements.models import Environment

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
PLAIN = 600
LONG = "Reads every newsletter. " * 40
LEAVE = tuple(name for name in OTHERS if name != "customEvent")
EVENT = {"userId": "u-rare", "eventName": "login", "createdAt": "2024-03-05 09:10:11 +00:00"}
RARE = [
    user("u-rare", "rare@northpine.example", "customer", emailListIds=[101], plan="one of its kind"),
    user("u-long", "long@northpine.example", "lead", plan=LONG),
    user("u-empty", "empty@northpine.example", "lead", firstName=None),
    user("u-bad", "no address", "lead"),
    user("u-graded", "graded@northpine.example", "customer", plan="a", grade="Grade 30"),
]
# More different texts than a table's share of the sample has room for, each with fewer values than there are grades.
TEXTS, VALUES, GRADES = ("hobby", "desk", "shift", "team", "room"), 28, 31


class Graded(Prepared):
    """One whose contacts have a choice of a grade."""

    def __init__(self, engagement, cast, servers) -> None:
        super().__init__(engagement, cast, servers, LEAVE)

    def discover(self) -> None:
        super().discover()
        options = [[727_000_000 + n, f"Grade {n}"] for n in range(GRADES)]
        spec = {"name": "mwb_grade", "kind": "Choice", "display_name": "Grade", "options": options}
        maps = FieldMap.objects.filter(engagement=self.engagement, source="grade", table="contact")
        maps.update(column="mwb_grade", transform="choice", options={"values": {text: value for value, text in options}}, new_column=spec)
        decisions.decide(maps, FieldMap.State.CONFIRMED, user=self.cast.engineer)


def contact(place: int) -> dict[str, str]:
    """What only contacts have; of the texts each value is somebody else's, but for the tier."""
    number, text = divmod(place, len(TEXTS))
    shared = {"grade": f"Grade {place % (GRADES - 1)}", "tier": f"tier {place % 3}"}
    return shared | ({TEXTS[text]: f"value {number}"} if number < VALUES else {})


def folder(path: Path) -> Path:
    kinds = (lambda n: {"stage": "customer", **contact(n // 2)}, lambda n: {"stage": "lead"})
    many = [user(f"u-{n}", f"p{n}@northpine.example", plan=("a", "b", "c")[n % 3], **kinds[n % 2](n)) for n in range(PLAIN)]
    lists, events = [organisation_list(101, "Company: Rare Ltd")], {"export/customEvent.ndjson": [EVENT]}
    return folders.write(path, [*many, *RARE], lists=lists, more=events)


def sample(graded: Graded) -> Graded:
    """The same after a sample."""
    with unqueued():
        graded.run = resampling.open_sample(graded.sandbox, graded.cast.engineer)
    assert graded.work(graded.run).state == Run.State.DONE, graded.run.message
    return graded


@pytest.fixture
def sampled(tmp_path) -> Iterator[Graded]:
    with snapshots.put_back(sample, folder, tmp_path, after=Graded) as sampled:
        yield sampled


def test_a_sample_is_loaded_alone_with_what_it_looks_up_to_and_every_value_of_it_is_kept(sampled):
    run = sampled.run
    assert all(phase.balanced for phase in run.phases.all())
    rows = sampled.rows()
    people = [row for table in ("contact", "lead") for row in rows[table] if str(row.get("mwb_sourceid")).startswith("user:")]
    loaded = {row["mwb_sourceid"].removeprefix("user:") for row in people}
    assert {"u-rare", "u-long", "u-empty", "u-graded"} <= loaded
    assert len(loaded) == sum(phase.loaded for phase in run.phases.filter(object_name="user")) < PLAIN
    [account] = [row for row in rows["account"] if row.get("name") == "Rare Ltd"]
    [rare] = [row for row in rows["contact"] if row.get("mwb_sourceid") == "user:u-rare"]
    assert rare["_parentcustomerid_value"] == account["accountid"]
    assert [row["_regardingobjectid_value"] for row in dump(sampled.servers.dataverse_sandbox, "task")] == [rare["contactid"]]
    left_out = sum(phase.skipped for phase in run.phases.filter(object_name="user"))
    assert left_out == PLAIN + len(RARE) - 1 - len(loaded)
    kept = VerifiedRow.objects.filter(run=run, phase__object_name="user")
    assert kept.count() == len(loaded)
    assert all(one["verdict"] != "wrong" for row in kept for one in row.fields)
    assert run in documents.runs_to_report(sampled.engagement)


def test_a_whole_run_finds_the_sample_equal_loads_the_rest_and_is_what_the_customer_signs(sampled):
    first = sampled.run
    said = sum(phase.created for phase in first.phases.filter(object_name="user", kind="rows"))
    run = sampled.finish(sampled.open())
    assert run.state == Run.State.DONE, run.message
    people = run.phases.filter(object_name="user", kind="rows").exclude(table="")
    assert sum(phase.equal for phase in people) == said
    assert sum(phase.created for phase in people) == PLAIN + len(RARE) - 1 - said
    assert not Crosswalk.objects.filter(environment=sampled.sandbox, alias=False, state="planned").exists()
    assert Run.objects.loads().get() == run


def test_a_sample_settles_nothing_that_was_asked_or_decided_about_rows_which_it_leaves_out():
    engagement, engineer = cast.make_engagement(), cast.make_user("e")
    before, run = (cast.make_run(engagement, engineer, state=state) for state in ("done", "loading"))
    phase = run.phases.get(table="contact")
    place = {"environment": run.environment, "run": before, "object_name": "user", "table": "contact"}
    states = {uuid4(): state for state in (Conflict.State.OPEN, Conflict.State.DECIDED)}
    asked = [Conflict(**place, row_id=row_id, source_id="u", state=state) for row_id, state in states.items()]
    Conflict.objects.bulk_create(asked)
    phase.run.kind = Run.Kind.SAMPLE
    conflicts.close(phase)
    assert dict(Conflict.objects.values_list("row_id", "state")) == states


def test_a_sample_opens_no_production_and_does_not_go_into_it():
    engagement, engineer = cast.make_engagement(), cast.make_user("e")
    Run.objects.filter(pk=cast.make_run(engagement, engineer).pk).update(kind=Run.Kind.SAMPLE)
    production = engagement.environments.get(kind=Environment.Kind.PRODUCTION)
    assert "sandbox signed" in [one.gate for one in gates.missing("load", engagement, production)]
    with pytest.raises(BadInput):
        runs.open_run(production, engineer, kind=Run.Kind.SAMPLE)
