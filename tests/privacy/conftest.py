"""Northwind with data that discovery landed, and its people."""

import pytest

from tests.pages import cast


@pytest.fixture(autouse=True)
def _pages(settings):
    settings.SECURE_SSL_REDIRECT = False


@pytest.fixture
def northwind(db):
    engagement = cast.make_engagement("Northwind")
    people = [cast.person(n, "customer", firstName=f"Zdravka{n}", lastName=f"Okafor{n}") for n in range(1, 5)]
    cast.make_discovered(engagement, [*people, {**people[0], "userId": "u-1-again", "lastName": "Okafor1"}])
    return engagement


@pytest.fixture
def people(northwind):
    return cast.make_cast(northwind)
