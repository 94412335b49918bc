"""Slows the guessing of passwords: failed sign-ins are counted per name, per address and per both, over fifteen minutes."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from workbench.portal.models import FailedSignIn

WINDOW = timedelta(minutes=15)
# A person who forgot their password tries a handful of times. The limit per name alone is wide, so that a stranger can't
# lock someone out from one address; the one per address leaves room for an office behind one router.
LIMITS = {"name and address": 10, "name": 50, "address": 100, "link": 30}


def client_address(request: HttpRequest) -> str | None:
    """The address that asked: the peer, or behind a trusted proxy the last address that the proxy added."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "") if getattr(settings, "SECURE_PROXY_SSL_HEADER", None) else ""
    return forwarded.rsplit(",", 1)[-1].strip() or request.META.get("REMOTE_ADDR") or None


def _keys(request: HttpRequest, name: str) -> Iterator[tuple[str, str]]:
    """(kind, keyed hash) for every limit."""
    folded, address = name.strip().casefold(), client_address(request) or ""
    for kind, text in (("name and address", f"{folded}\n{address}"), ("name", folded), ("address", address)):
        yield kind, salted_hmac("workbench.portal.throttle", f"{kind}\n{text}", algorithm="sha256").hexdigest()


def _link_key(request: HttpRequest) -> str:
    """The keyed hash that links which aren't good are counted under: by the address alone, so that nobody else is locked out."""
    return salted_hmac("workbench.portal.throttle", f"link\n{client_address(request) or ''}", algorithm="sha256").hexdigest()


def is_blocked_for_links(request: HttpRequest) -> bool:
    """True where too many links that aren't good were tried lately."""
    since = timezone.now() - WINDOW
    return FailedSignIn.objects.filter(key=_link_key(request), at__gt=since).count() >= LIMITS["link"]


def note_bad_link(request: HttpRequest) -> None:
    """Count a link that isn't good, and forget what is past the window."""
    FailedSignIn.objects.filter(at__lt=timezone.now() - WINDOW).delete()
    FailedSignIn.objects.create(key=_link_key(request))


def is_blocked(request: HttpRequest, name: str) -> bool:
    """True where too many sign-ins failed lately."""
    since = timezone.now() - WINDOW
    return any(FailedSignIn.objects.filter(key=key, at__gt=since).count() >= LIMITS[kind] for kind, key in _keys(request, name))


def note_failure(request: HttpRequest, name: str) -> None:
    """Count a failed sign-in, and forget those that are past the window."""
    FailedSignIn.objects.filter(at__lt=timezone.now() - WINDOW).delete()
    FailedSignIn.objects.bulk_create([FailedSignIn(key=key) for _, key in _keys(request, name)])


def forget(request: HttpRequest, name: str) -> None:
    """A sign-in that worked clears the name's failures from this address."""
    kept = {key for kind, key in _keys(request, name) if kind == "name and address"}
    FailedSignIn.objects.filter(key__in=kept).delete()
