"""Documents as they are recorded: versions stay, the newest is what holds now, and what is written already isn't written again."""

from datetime import UTC, datetime

import pytest

from connectors import store
from reports import documents, xlsx
from reports.models import Document
from tests.pages import cast
from workbench.engagements.models import Engagement

pytestmark = pytest.mark.django_db


@pytest.fixture
def northwind() -> Engagement:
    return cast.make_engagement()


def write(northwind, said: str) -> Document:
    return documents.write_json(northwind, "scope", {"said": said})


def test_a_content_that_comes_back_is_the_newest_again(northwind):
    first, second = write(northwind, "one"), write(northwind, "two")
    assert Document.objects.newest() == [second]
    assert write(northwind, "one") == first
    assert Document.objects.newest() == [first]
    assert Document.objects.count() == 2


def test_the_same_content_keeps_its_date(northwind):
    assert write(northwind, "one").written_at == write(northwind, "one").written_at


def test_what_stands_beside_others_has_the_date_that_it_is_of(northwind):
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in (5, 6)]
    for _ in range(2):
        for day in days:
            documents.write_json(northwind, "certificate", {"day": str(day)}, at=day)
    assert [row.written_at for row in Document.objects.order_by("written_at")] == days


def test_a_format_is_up_to_date_while_its_content_and_its_file_stand(northwind):
    def is_up_to_date() -> bool:
        return documents.is_up_to_date(northwind, "scope", "xlsx", None)

    def write_workbook() -> Document:
        return documents.write_sheets(northwind, "scope", [xlsx.Sheet("Said", ["What"], [["one"]], [10])])

    assert not is_up_to_date()
    write(northwind, "one")
    assert not is_up_to_date()
    written = write_workbook()
    assert is_up_to_date()
    write(northwind, "two")
    assert not is_up_to_date()
    write_workbook()
    (store.root() / written.path).unlink()
    assert not is_up_to_date()
