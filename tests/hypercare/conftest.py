"""Northwind and its people, as in the tests of pages."""

import pytest

from tests.pages import cast


@pytest.fixture
def northwind(db):
    return cast.make_engagement("Northwind", options={"day_zone": "Europe/Berlin"})


@pytest.fixture
def people(northwind):
    """engineer, approver, viewer, admin of Northwind."""
    return cast.make_cast(northwind)
