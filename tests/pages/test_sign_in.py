"""Signing in to the portal and to the admin, and how guessing passwords is slowed."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from reports import sent_book
from tests.pages import cast
from workbench.portal import throttle
from workbench.portal.models import FailedSignIn
from workbench.security import MOST_SENT

pytestmark = pytest.mark.django_db
DOORS = ["/sign-in/", "/admin/login/"]


@pytest.fixture
def ada():
    return cast.make_user("ada", staff=True)


def sign_in(name="ada", password=cast.PASSWORD, door="/sign-in/", address="192.0.2.1"):
    return Client(REMOTE_ADDR=address).post(door, {"username": name, "password": password})


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("door", DOORS)
def test_ten_wrong_passwords_close_both_doors_for_that_name_and_address(door):
    for _ in range(10):
        assert sign_in(password="wrong", door=door).status_code == 200
    for each in DOORS:
        answer = sign_in(door=each)
        assert answer.status_code == 200
        assert "Wait 15 minutes" in answer.content.decode()
    assert sign_in(address="192.0.2.2").status_code == 302


@pytest.mark.usefixtures("ada")
def test_an_empty_password_does_not_clear_the_failures():
    for _ in range(9):
        sign_in(password="wrong")
    sign_in(password="")
    sign_in(password="wrong")
    assert "Wait 15 minutes" in sign_in().content.decode()


@pytest.mark.usefixtures("ada")
def test_the_door_opens_again_after_the_window_and_old_failures_are_forgotten():
    for _ in range(10):
        sign_in(password="wrong")
    FailedSignIn.objects.update(at=timezone.now() - throttle.WINDOW - timedelta(seconds=1))
    assert sign_in().status_code == 302
    sign_in(name="eve", password="wrong")
    assert FailedSignIn.objects.count() == 3


@pytest.mark.usefixtures("ada")
def test_a_sign_in_that_works_clears_the_failures_of_that_name_and_address():
    for _ in range(9):
        sign_in(password="wrong")
    assert sign_in().status_code == 302
    for _ in range(9):
        assert "Wait 15 minutes" not in sign_in(password="wrong").content.decode()


@pytest.mark.usefixtures("ada")
def test_what_was_typed_is_not_kept():
    sign_in(name="my-password-by-mistake", password="wrong")
    assert all("password" not in row.key for row in FailedSignIn.objects.all())


def test_unknown_names_and_wrong_passwords_get_the_same_answer(ada):
    def said(name):
        return [line for line in sign_in(name, "wrong").content.decode().splitlines() if "alert" in line]

    assert said("ada") == said("nobody") != []


@pytest.mark.usefixtures("ada")
def test_a_foreign_address_to_go_on_to_is_ignored():
    answer = Client().post(
        "/sign-in/?next=https://evil.example/", {"username": "ada", "password": cast.PASSWORD, "next": "https://evil.example/"}
    )
    assert answer.url == "/"


def test_signing_out_is_a_post(ada, as_user):
    client = as_user(ada)
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/").status_code == 302
    assert client.get("/").status_code == 302


def test_a_request_that_is_larger_than_any_file_is_refused_before_it_is_read(db, client):
    assert MOST_SENT > sent_book.MOST_BYTES
    answer = client.generic("POST", "/sign-in/", b"", "multipart/form-data; boundary=x", CONTENT_LENGTH=str(MOST_SENT + 1))
    assert (answer.status_code, answer.content) == (413, b"At most 25 MB are taken at once.")
