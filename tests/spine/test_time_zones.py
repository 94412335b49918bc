"""What the clocks' changes make of a date, by its column's behaviour and its map's own zone; read at the destination."""

from pathlib import Path

import pytest

from connectors.dataverse.columns import ColumnSpec
from loads.models import VerifiedRow
from mapping.models import FieldMap
from mapping.schema import spec_as_dict
from mapping.workshop import decisions
from tests import folders
from tests.folders import user
from tests.playing import OTHERS, dump, engagement_on
from workbench.engagements.models import SignOff
from workbench.pipeline import demonstration
from workbench.pipeline.models import Step

pytestmark = pytest.mark.django_db(transaction=True)
BERLIN = "Europe/Berlin"
# Field -> behaviour of the column that is made for it, and its map's options. The engagement itself takes days in New York.
FIELDS = {
    "seenAt": ("UserLocal", {}),
    "calledAt": ("TimeZoneIndependent", {"zone": BERLIN}),
    "openedAt": ("TimeZoneIndependent", {}),
    "dueOn": ("DateOnly", {"zone": BERLIN}),
}
# One moment of the source in every field, and what stands in each column.
MOMENTS = {
    "2024-03-30 22:59:59 +00:00": ("2024-03-30T22:59:59Z", "2024-03-30T23:59:59Z", "2024-03-30T18:59:59Z", "2024-03-30"),
    "2024-03-31 00:59:59 +00:00": ("2024-03-31T00:59:59Z", "2024-03-31T01:59:59Z", "2024-03-30T20:59:59Z", "2024-03-31"),
    "2024-03-31 01:00:00 +00:00": ("2024-03-31T01:00:00Z", "2024-03-31T03:00:00Z", "2024-03-30T21:00:00Z", "2024-03-31"),
    "2024-07-01 22:00:00 +00:00": ("2024-07-01T22:00:00Z", "2024-07-02T00:00:00Z", "2024-07-01T18:00:00Z", "2024-07-02"),
    "2024-10-27 00:30:00 +00:00": ("2024-10-27T00:30:00Z", "2024-10-27T02:30:00Z", "2024-10-26T20:30:00Z", "2024-10-27"),
    "2024-10-27 01:30:00 +00:00": ("2024-10-27T01:30:00Z", "2024-10-27T02:30:00Z", "2024-10-26T21:30:00Z", "2024-10-27"),
    "2024-11-03 05:30:00 +00:00": ("2024-11-03T05:30:00Z", "2024-11-03T06:30:00Z", "2024-11-03T01:30:00Z", "2024-11-03"),
    "2024-03-31 02:30:00": ("2024-03-31T02:30:00Z", "2024-03-31T04:30:00Z", "2024-03-30T22:30:00Z", "2024-03-31"),
}
IN_ITS_ZONE = ("2024-07-01 12:00:00", "2024-07-01T10:00:00Z")  # a time without a zone, of a field whose times are Berlin's


def folder(path: Path) -> Path:
    return folders.write(
        path,
        [
            user(f"u-{n}", f"p{n}@gmail.com", "customer", toldAt=IN_ITS_ZONE[0], **dict.fromkeys(FIELDS, moment))
            for n, moment in enumerate(MOMENTS)
        ],
    )


def give_zones(engagement, cast) -> None:
    """The engineer's edits of the proposed maps."""
    for name, (behavior, options) in {**FIELDS, "toldAt": ("UserLocal", {"source_zone": BERLIN})}.items():
        row = FieldMap.objects.get(engagement=engagement, source=name, table="contact")
        shape = "DateOnly" if behavior == "DateOnly" else "DateAndTime"
        row.column, row.transform, row.options = f"mwb_{name.lower()}", "datetime", options
        row.new_column = spec_as_dict(ColumnSpec(row.column, "DateTime", name, format=shape, behavior=behavior))
        decisions.change(row, user=cast.engineer)


def test_each_column_gets_the_moment_the_wall_time_or_the_day_of_its_own_zone(tmp_path):
    zones = {"source_zone": "UTC", "day_zone": "America/New_York"}
    with engagement_on(folder(tmp_path / "source"), tmp_path, zones=zones) as (engagement, cast, servers):
        demonstration._step(engagement, Step.Name.DISCOVER, None, cast, print)
        give_zones(engagement, cast)
        demonstration.answer(engagement, cast, OTHERS)
        demonstration.sign(engagement, SignOff.Kind.MATRIX, demonstration.matrix_content(engagement), cast)
        sandbox = engagement.environments.get(kind="sandbox")
        for name, environment in ((Step.Name.EXTRACT, None), (Step.Name.PROVISION, sandbox)):
            demonstration._step(engagement, name, environment, cast, print)
        demonstration._load(engagement, sandbox, cast, print)
        rows = {row.get("mwb_sourceid"): row for row in dump(servers.dataverse_sandbox, "contact")}
    for n, (moment, wanted) in enumerate(MOMENTS.items()):
        row = rows[f"user:u-{n}"]
        assert tuple(row[f"mwb_{name.lower()}"] for name in FIELDS) == wanted, moment
        assert row["mwb_toldat"] == IN_ITS_ZONE[1]
    assert VerifiedRow.objects.filter(phase__table="contact").exists()
    assert not VerifiedRow.objects.filter(verdict="wrong").exists()
