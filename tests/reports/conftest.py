"""Pages in tests of reports: plain http."""

import pytest
from django.test import Client


@pytest.fixture(autouse=True)
def _pages(settings):
    settings.SECURE_SSL_REDIRECT = False
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture
def as_user():
    """A test client signed in as the user."""

    def sign_in(user) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return sign_in
