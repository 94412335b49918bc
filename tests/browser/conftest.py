"""A real browser against a real server. Where Chromium is missing the tests are skipped loudly; REQUIRE_BROWSER=1 makes that a failure."""

import os
import re
import shutil
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.test import Client, override_settings
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.pages import cast

CANDIDATES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = "no Chromium was found. Install it (apt-get install chromium) or set CHROMIUM to its path."


def chromium() -> str | None:
    """Path of a Chromium: CHROMIUM, or the first that is installed."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CANDIDATES)), None)


def pytest_terminal_summary(terminalreporter) -> None:
    """Say loudly, at the end, where nobody overlooks it, that pages were not looked at in a browser."""
    if any(MISSING in str(report.longrepr) for report in terminalreporter.stats.get("skipped", ())):
        terminalreporter.section("BROWSER TESTS WERE LEFT OUT", sep="!", red=True, bold=True)
        terminalreporter.line(f"The pages were not tested in a browser: {MISSING}")


@pytest.fixture(scope="session")
def served(request) -> Iterator[str]:
    """Address of the server, set up for plain http; started once, and only where there is a browser."""
    plain = {"SECURE_SSL_REDIRECT": False, "SESSION_COOKIE_SECURE": False, "CSRF_COOKIE_SECURE": False}
    with override_settings(WHITENOISE_AUTOREFRESH=True, **plain):
        yield request.getfixturevalue("live_server").url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window; each test has contexts of its own in it."""
    path = chromium()
    if path is None:
        stop = pytest.fail if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip
        stop(f"The browser tests need a browser: {MISSING}")
    # Playwright runs an event loop in the test's thread, where Django would refuse to use its database.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def by_form() -> set[str]:
    """Names of those who signed in through the form already."""
    return set()


@pytest.fixture
def signed_in(browser, served, by_form) -> Callable[..., Page]:
    """Sign in: the first of each role through the portal's own form. A console error of any page, a broken policy too, fails the test."""
    said: list[str] = []
    opened: list[BrowserContext] = []

    def sign_in(user, width: int = 1400) -> Page:
        opened.append(browser.new_context(base_url=served, viewport={"width": width, "height": 900}))
        page = opened[-1].new_page()
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        if user.username in by_form:
            client = Client()
            client.force_login(user)
            cookie = client.cookies[settings.SESSION_COOKIE_NAME]
            opened[-1].add_cookies([{"name": cookie.key, "value": cookie.value, "url": served}])
            return page
        by_form.add(user.username)
        page.goto("/sign-in/")
        page.get_by_label("Username").fill(user.username)
        page.get_by_label("Password").fill(cast.PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page).not_to_have_url(re.compile("/sign-in/"))
        return page

    yield sign_in
    for context in opened:
        context.close()
    assert said == []
