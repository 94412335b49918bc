"""Settings for tests of pages: plain http."""

import pytest
from django.test import Client

from tests.pages import cast


@pytest.fixture(autouse=True)
def _pages(settings):
    settings.SECURE_SSL_REDIRECT = False
    settings.WHITENOISE_AUTOREFRESH = True  # else every client reads through all static files


@pytest.fixture
def northwind(db):
    return cast.make_engagement("Northwind")


@pytest.fixture
def people(northwind):
    """engineer, approver, viewer, admin of Northwind."""
    return cast.make_cast(northwind)


@pytest.fixture
def as_user():
    """A test client signed in as the user."""

    def sign_in(user) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return sign_in
