"""What people write to name a record."""

import uuid

import pytest

from loads.destination import page_of
from loads.models import Crosswalk
from tests.pages import cast
from workbench.engagements.errors import BadInput
from workbench.hypercare import references

pytestmark = [pytest.mark.django_db, pytest.mark.database]
ROW = uuid.UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
PAGE = "https://production.crm4.dynamics.com/main.aspx"


def only(engagement, text):
    [found] = references.read(engagement, text)
    return found


@pytest.mark.parametrize(
    "text",
    [
        f"{PAGE}?appid=1f2e&pagetype=entityrecord&etn=contact&id={ROW}",
        f"{PAGE}?etn=contact&pagetype=entityrecord&id=%7B{str(ROW).upper()}%7D",
        f"HTTPS://PRODUCTION.crm4.dynamics.com:443/main.aspx?ETN=contact&ID={ROW}#top",
        f"contact {ROW}",
        f"contact({ROW})",
        f"Contact: {{{ROW}}}",
    ],
)
def test_a_row_is_named_by_its_address_or_by_table_and_id(northwind, text):
    found = only(northwind, text)
    assert (found.table, found.row_id, found.environment.kind) == ("contact", ROW, "production")


def test_the_addresss_host_says_the_environment(northwind):
    address = page_of(northwind.environments.get(kind="sandbox"), "lead", ROW)
    assert only(northwind, address).environment.kind == "sandbox"


def test_a_row_that_a_run_made_is_known_by_its_source_record_of_merged_ones_the_survivor(northwind):
    production = northwind.environments.get(kind="production")
    for source_id, alias in (("u-old", True), ("u-new", False), ("ada@example.test", True)):
        Crosswalk.objects.create(
            environment=production, object_name="user", source_id=source_id, table="contact", row_id=ROW, alias=alias, state="present"
        )
    found = only(northwind, f"contact {ROW}")
    assert (found.object_name, found.source_id, found.row_id) == ("user", "u-new", ROW)


@pytest.mark.parametrize(("text", "source_id"), [("user:u-118", "u-118"), ("Company: list:7", "list:7"), ("user:a:b <x>", "a:b <x>")])
def test_a_source_record_is_named_as_the_rows_column_shows_it(northwind, text, source_id):
    assert only(northwind, text).source_id == source_id


@pytest.mark.parametrize(
    "text",
    [
        f"https://evil.example/main.aspx?etn=contact&id={ROW}",
        f"https://production.crm4.dynamics.com.evil.example/main.aspx?etn=contact&id={ROW}",
        f"https://production.crm4.dynamics.com@evil.example/main.aspx?etn=contact&id={ROW}",
        f"{PAGE}?etn=contact",
        f"{PAGE}?etn=con'tact&id={ROW}",
        "https://[::1/main.aspx",
        "https://production.crm4.dynamics.com:port/",
        "unheard:u-1",
        "user:",
        "just words",
        "user:" + "x" * 400,
        "=HYPERLINK(1)",
    ],
)
def test_what_names_no_record_is_refused_with_what_to_write(northwind, text):
    with pytest.raises(BadInput):
        references.read(northwind, text)


def test_every_wrong_line_is_told_at_once_and_equal_lines_count_once(northwind):
    with pytest.raises(BadInput) as refused:
        references.read(northwind, "nonsense\nuser:u-1\nmore nonsense")
    assert str(refused.value).count("names no record") == 2
    with pytest.raises(BadInput, match="such as user:u-1"):
        references.read(northwind, "u-1")
    assert len(references.read(northwind, "user:u-1\n\n user:u-1 \nuser:u-2")) == 2
    with pytest.raises(BadInput, match="11 records"):
        references.read(northwind, "\n".join(f"user:u-{n}" for n in range(11)))


def test_an_engagement_without_environments_has_no_records_to_name(db):
    bare = cast.Engagement.objects.create(name="Bare", slug="bare", platform="iterable")
    assert references.read(bare, "  ") == []
    with pytest.raises(BadInput, match="no environment"):
        references.read(bare, "user:u-1")
