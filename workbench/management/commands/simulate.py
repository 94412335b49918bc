"""`manage.py simulate`: starts the simulators and prints one line of JSON with their addresses."""

from __future__ import annotations

import json
import signal
import tempfile
import time
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError

from connectors.simulators.servers import NotStarted, Options, start
from connectors.simulators.world import write_world


class Command(BaseCommand):
    """Servers on loopback that answer as the real platforms do."""

    help = "Start the simulators, print their addresses as one line of JSON when all are ready, and stop on SIGTERM."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The options; without --data a world is written into a temporary folder first."""
        parser.add_argument("--data", type=Path, help="the folder to serve (see `world`)")
        parser.add_argument("--people", type=int, default=2000, help="people of the world that is made where --data is not given")
        parser.add_argument("--seed", type=int, default=7, help="seed of that world")
        parser.add_argument("--only", default="", metavar="A,B", help="names of simulators; dataverse is both organisations and entra")
        parser.add_argument("--latency", type=float, default=0, metavar="MS", help="milliseconds added to every answer")
        parser.add_argument("--limits", choices=["real", "scaled", "none"], default="none", help="scaled: windows 60 times shorter")
        parser.add_argument("--state", type=Path, metavar="DIR", help="keep the destination's rows here, over a kill too")
        parser.add_argument("--application-users", type=int, default=1, metavar="N", help="app registrations with their users")
        parser.add_argument("--control", type=Path, metavar="FILE", help="JSON: server -> control path -> what to post there")
        parser.add_argument("--port-base", type=int, metavar="P", help="first port; free ones without it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave)
        with ExitStack() as stack:
            data = options["data"] or _make_world(stack, options["people"], options["seed"])
            try:
                running = stack.enter_context(start(_read(options, data)))
            except (NotStarted, ValueError, OSError) as error:
                raise CommandError(str(error)) from error
            self.stdout.write(json.dumps(running.addresses))
            self.stdout.flush()
            while not (ended := running.ended()):
                time.sleep(0.5)
            raise CommandError(f"Ended by itself: {', '.join(ended)}")


def _leave(*_: object) -> NoReturn:
    """End as asked, with everything put away on the way; a second signal must not stop the putting away."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(0)


def _make_world(stack: ExitStack, people: int, seed: int) -> Path:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="world-")))
    write_world(folder, people, seed)
    return folder


def _read(options: dict[str, Any], data: Path) -> Options:
    if not data.is_dir():
        raise ValueError(f"no folder {data}")
    return Options(
        data=data,
        only=[name for name in options["only"].split(",") if name],
        latency_ms=options["latency"],
        limits=options["limits"],
        state=options["state"],
        port_base=options["port_base"],
        application_users=options["application_users"],
        control=json.loads(options["control"].read_text(encoding="utf-8")) if options["control"] else {},
    )
