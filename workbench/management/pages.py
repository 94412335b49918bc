"""The admin and the portal served on this machine alone."""

from django.conf import settings


def serve_pages(port: int) -> None:
    """Serve on 127.0.0.1 until interrupted; plain http, since nobody else can reach it."""
    from waitress import serve  # only where pages are served

    # Before the application is made: its middleware reads these once.
    settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
    settings.SECURE_HSTS_SECONDS = 0
    from workbench.wsgi import application

    serve(application, host="127.0.0.1", port=port, threads=4)
