"""`manage.py serve`: the admin and the portal on this machine, with the tasks' workers beside them."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from workbench.management.cluster import task_cluster
from workbench.management.commands.demo import free_port
from workbench.management.pages import serve_pages
from workbench.management.stopping import leaving_on_signals


class Command(BaseCommand):
    """For one machine. On a server run a WSGI server of `workbench.wsgi` and `manage.py qcluster` as services of their own."""

    help = "Serve the admin and the portal on 127.0.0.1 and work the queue."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The port; the first free one from 8000 without it."""
        parser.add_argument("--port", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until Ctrl-C or SIGTERM."""
        port = options["port"] or free_port()
        self.stdout.write(f"admin:  http://127.0.0.1:{port}/admin/\nportal: http://127.0.0.1:{port}/\nStop with Ctrl-C.")
        with leaving_on_signals(), task_cluster():
            serve_pages(port)
