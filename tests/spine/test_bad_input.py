"""What people and machines get wrong: a message that says what to do, nothing lost, nothing half-written."""

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from django.utils import timezone

from connectors import landing, store
from connectors.models import Dataset
from loads import bindings
from loads.models import SchemaPlan
from mapping.models import PlanVersion
from tests import folders, snapshots
from tests.folders import user
from tests.playing import OTHERS, dump, engagement_on
from tests.spine.test_load_engine import Prepared
from workbench.engagements import gates
from workbench.engagements.models import Environment
from workbench.pipeline import steps
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
SELLER = "00000000-0000-0000-0000-00000000005e"


def a_folder(path: Path, **given) -> Path:
    return folders.write(path, [user("u-1", "a@northpine.example")], **given)


def discovered(engagement, cast) -> Step:
    """A discovery of the source and the sandbox."""
    engagement.environments.filter(kind=Environment.Kind.PRODUCTION).delete()
    step = steps.request(engagement, Step.Name.DISCOVER, user=cast.engineer)
    step.refresh_from_db()
    return step


def test_a_wrong_source_key_is_told_with_what_to_do(tmp_path):
    with engagement_on(a_folder(tmp_path / "source"), tmp_path) as (engagement, cast, _):
        connection = engagement.connections.get(kind="iterable")
        connection.secret = "not-the-key"
        connection.save()
        step = discovered(engagement, cast)
        assert step.state == Step.State.FAILED
        assert "key" in step.message.lower()
        assert "not-the-key" not in step.message


def test_an_unreachable_source_is_told_and_nothing_is_left_half_written(tmp_path, monkeypatch):
    monkeypatch.setattr("connectors.retries._LONGEST_BACKOFF_S", 0.01)
    with engagement_on(a_folder(tmp_path / "source"), tmp_path) as (engagement, cast, _):
        engagement.connections.filter(kind="iterable").update(base_url="http://127.0.0.1:9")
        step = discovered(engagement, cast)
        assert step.state == Step.State.FAILED
        assert step.message
        assert not Dataset.objects.filter(state=Dataset.State.SEALED).exists()
        assert not PlanVersion.objects.exists()


def owned(path: Path) -> Path:
    """A person who has an owner, and that one at the destination."""
    seller = {"systemuserid": SELLER, "fullname": "Sam", "internalemailaddress": "sam@corp.example", "isdisabled": False, "accessmode": 0}
    return folders.write(path, [user("u-1", "a@northpine.example", ownerEmail="sam@corp.example")], rows={"dataverse/systemuser": [seller]})


class Signed(Prepared):
    """One whose matrix is signed, and of which nothing is provisioned. Its sandbox was first read with a wrong secret.

    failed, landed: the message of that try, and the datasets that it left.
    """

    def __init__(self, engagement, cast, servers) -> None:
        super().__init__(engagement, cast, servers, leave=tuple(set(OTHERS) - {"customEvent"}), production=True)

    def prepare(self) -> None:
        connection = self.sandbox.connection
        right, connection.secret = connection.secret, "wrong"
        connection.save()
        step = steps.request(self.engagement, Step.Name.DISCOVER, user=self.cast.engineer)
        step.refresh_from_db()
        assert step.state == Step.State.FAILED
        self.failed, self.landed = step.message, Dataset.objects.count()
        connection.secret = right
        connection.save()
        self.discover()
        self.sign()


@pytest.fixture
def signed(tmp_path: Path) -> Iterator[Signed]:
    with snapshots.put_back(Signed, owned, tmp_path, events_become="own_table", whole=True) as signed:
        yield signed


def test_a_wrong_client_secret_is_told_and_the_next_try_with_the_right_one_goes_on(signed):
    assert "secret" in signed.failed.lower()
    assert signed.engagement.source_fields.exists()
    assert Dataset.objects.count() == signed.landed


def provisioned(signed: Signed) -> Step:
    step = steps.request(signed.engagement, Step.Name.PROVISION, environment=signed.sandbox, user=signed.cast.engineer)
    step.refresh_from_db()
    return step


def test_a_column_in_another_shape_stops_provisioning_before_anything_is_made(tmp_path, request):
    wrong = {
        "@odata.type": "Microsoft.Dynamics.CRM.IntegerAttributeMetadata",
        "LogicalName": "mwb_sourceid",
        "SchemaName": "mwb_sourceid",
        "AttributeType": "Integer",
        "MinValue": 0,
        "MaxValue": 10,
    }
    folder = tmp_path / "source" / "dataverse"
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text(json.dumps({"columns": {"contact": [wrong]}}))  # found by the servers that begin now
    signed = request.getfixturevalue("signed")
    step = provisioned(signed)
    assert step.state == Step.State.FAILED
    assert "contact.mwb_sourceid" in step.message
    plan = SchemaPlan.objects.get()
    assert (plan.provisioned_at, plan.count("conflict")) == (None, 1)
    assert not [row for row in dump(signed.servers.dataverse_sandbox, "solution") if "MigrationWorkbench" in row["uniquename"]]


def test_a_table_that_the_application_user_may_not_write_is_said_once_it_is_made(signed):
    signed.servers.control("dataverse_sandbox", "privileges", {"missing": ["prvCreatemwb_iterable_event"]})
    step = provisioned(signed)
    assert step.state == Step.State.FAILED
    assert "may not: create on mwb_iterable_event" in step.message
    assert not SchemaPlan.objects.exclude(provisioned_at=None).exists()
    signed.servers.control("dataverse_sandbox", "privileges", {"missing": []})
    assert provisioned(signed).state == Step.State.DONE
    [plan] = SchemaPlan.objects.exclude(provisioned_at=None)
    assert plan.count("create") == 0


@contextmanager
def little_room(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_keeps_what_was_complete_and_the_second_try_goes_on(tmp_path):
    with engagement_on(a_folder(tmp_path / "source"), tmp_path) as (engagement, _, _servers):
        dataset = landing.open_dataset(engagement=engagement, object_name="user", purpose="discovery")
        identify = lambda record: record["id"]  # noqa: E731
        landing.land_piece(dataset, "first", [b'{"id": "1"}'], identify)
        much = [b'{"id": "2", "noise": "%s"}' % os.urandom(200).hex().encode() for _ in range(6_000)]
        with little_room(100_000), pytest.raises(store.StoreFull, match="full") as refused:
            landing.land_piece(dataset, "second", much, identify)
        assert "Free space" in refused.value.remedy
        assert [piece.name for piece in dataset.pieces.all()] == ["first"]
        assert [path.name for path in landing.folder_of(dataset).iterdir()] == ["00001.parquet"]
        landing.land_piece(dataset, "first", [b'{"id": "other"}'], identify)
        landing.land_piece(dataset, "second", [b'{"id": "2"}'] * 10, identify)
        landing.seal(dataset)
        assert (dataset.rows, [item.source_id for item in landing.scan(dataset)][:2]) == (11, ["1", "2"])


def test_two_writers_of_one_file_do_not_write_into_each_other_and_abandoned_parts_are_cleared(tmp_path):
    path, old = store.folder("keys") / "1.parquet", store.folder("keys") / "1.parquet.7-dead.part"
    old.write_bytes(b"half")
    os.utime(old, (0, 0))
    schema = pa.schema([("n", pa.int64())])
    with store.ParquetFile(path, schema) as first, store.ParquetFile(path, schema) as second:
        first.add(1)
        second.add(2)
    assert [row["n"] for row in store.read_rows(path)] == [1]
    assert [found.name for found in path.parent.iterdir()] == ["1.parquet"]


def test_equal_records_of_overlapping_slices_count_once_and_repeats_within_one_stay(tmp_path):
    with engagement_on(a_folder(tmp_path / "source"), tmp_path) as (engagement, _, _servers):
        dataset = landing.open_dataset(engagement=engagement, object_name="user", purpose="discovery")
        identify = lambda record: record["id"]  # noqa: E731
        landing.land_piece(dataset, "first", [b'{"id": "1"}', b'{"id": "1"}', b'{"id": "2", "v": 1}'], identify)
        landing.land_piece(dataset, "second", [b'{"id": "2", "v": 1}', b'{"id": "2", "v": 2}', b"broken"], identify)
        landing.seal(dataset)
        assert (dataset.rows, dataset.repeated_rows, dataset.bad_rows) == (5, 1, 1)
        with pytest.raises(landing.DatasetSealed):
            landing.land_piece(dataset, "third", [], identify)


def test_an_owner_who_cant_read_what_they_would_own_is_not_bound_but_stood_in_for_in_the_sandbox(signed):
    engagement = signed.engagement
    match = engagement.owner_matches.get(source_owner="sam@corp.example")
    assert (match.kind, match.answer) == ("user", "sam@corp.example")
    for server in ("dataverse", "dataverse_sandbox"):
        signed.servers.control(server, "privileges", {"user": SELLER, "missing": ["prvReadContact"]})
    bound = {}
    for environment in engagement.environments.all():
        bindings.bind(environment, actor=signed.cast.engineer)
        bound[environment.kind] = environment.bindings.get(kind="user")
    assert "don't read contact" in bound["production"].problem
    assert bound["production"].row_id is None
    assert bound["sandbox"].row_id == signed.sandbox.bindings.get(kind="team").row_id
    assert "don't read contact" in bound["sandbox"].problem
    production = engagement.environments.get(kind="production")
    SchemaPlan.objects.create(environment=production, maps=PlanVersion.objects.filter(part="maps").first(), provisioned_at=timezone.now())
    assert any("sam@corp.example has no row in production" in one.says for one in gates.missing("load", engagement, production))
