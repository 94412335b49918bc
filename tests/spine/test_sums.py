"""What was staged must add up before the first row is sent: each landed record once, and money to the cent."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loads import runs, staged
from loads.models import Run
from tests import folders
from tests.folders import user
from tests.playing import OTHERS, dump, engagement_on
from tests.spine.test_load_engine import Prepared
from workbench.pipeline import demonstration

pytestmark = pytest.mark.django_db(transaction=True)
LEAVE = tuple(name for name in OTHERS if name not in ("purchase", "purchaseLine"))
MORNING = "2024-03-05 09:10:11 +00:00"


def folder(path: Path) -> Path:
    bought = [
        {"id": f"pu-{n}", "userId": f"u-{n}", "orderId": f"A-{n}", "total": 19.9, "createdAt": MORNING}
        | {"shoppingCartItems": [{"id": "P", "name": "Sensor", "price": 19.9, "quantity": 1}]}
        for n in range(3)
    ]
    people = [user(f"u-{n}", f"p{n}@north.example") for n in range(3)]
    return folders.write(path, people, more={"export/purchase.ndjson": bought})


@pytest.fixture
def prepared(tmp_path: Path) -> Iterator[Prepared]:
    with engagement_on(folder(tmp_path / "source"), tmp_path) as (engagement, cast, servers):
        yield Prepared(engagement, cast, servers, LEAVE)


Rows = list[dict[str, Any]]


def cheaper(rows: Rows) -> Rows:
    """A cent less."""
    values = orjson.loads(rows[1]["values"])
    return [rows[0], {**rows[1], "values": orjson.dumps(values | {"estimatedvalue": values["estimatedvalue"] - 0.01})}, rows[2]]


def lost(rows: Rows) -> Rows:
    return rows[:-1]


def twice(rows: Rows) -> Rows:
    return [*rows[:-1], rows[0]]


BROKEN: dict[str, tuple[str, str, Callable[[Rows], Rows], str]] = {
    "a cent is missing": ("purchase", "opportunity", cheaper, "Of purchase 0.01"),
    "a row is missing": ("purchase", "opportunity", lost, "Of purchase 19.9"),
    "a line is missing": ("purchaseLine", "opportunityproduct", lost, "Of purchaseLine 19.9"),
    "a record has no disposition": ("user", "dispositions", lost, "Of user 3 records are landed and 2 have a disposition"),
    "a record has another one's": ("user", "dispositions", twice, "Of user 3 records are landed and 2 have a disposition"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_does_not_add_up_stops_the_run_before_its_first_row(prepared, name):
    object_name, kind, break_it, said = BROKEN[name]
    run = prepared.opened_and_staged("purchaseLine")
    [path] = staged.parts(run, object_name, kind)
    whole = path.read_bytes()
    table = pq.read_table(path)
    pq.write_table(pa.Table.from_pylist(break_it(table.to_pylist()), schema=table.schema), path)
    prepared.work(run)
    assert run.state == Run.State.STOPPED
    assert said in run.message
    assert dump(prepared.servers.dataverse_sandbox, "contact") == []
    path.write_bytes(whole)
    runs.resume(run, prepared.cast.engineer)
    demonstration.decide_quality(run, prepared.cast)
    assert Run.objects.latest("pk").state == Run.State.DONE
