"""What no page may do: a content policy, strict for the portal, as wide for the admin as unfold's pages need; and how much may be sent."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

PORTAL = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Alpine compiles its attributes at run time, so unfold needs 'unsafe-eval'; unfold also writes style attributes.
ADMIN = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
)

MOST_SENT = 25_000_000  # bytes of a request: the largest file that a page takes, and the form around it


class LimitedRequests:
    """Middleware that refuses what is too large before any of it is read, whoever sent it. What has no length isn't read at all."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, or say how much is taken."""
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and int(length) > MOST_SENT:
            return HttpResponse(f"At most {MOST_SENT // 1_000_000} MB are taken at once.", status=413, content_type="text/plain")
        return self.get_response(request)


class ContentSecurityPolicy:
    """Middleware that adds the policy header to every answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer with the policy of the part of the site that was asked for."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", ADMIN if request.path.startswith("/admin/") else PORTAL)
        return response
