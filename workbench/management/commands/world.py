"""`manage.py world`: writes the folder of a fictional company."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectors.simulators.world import write_world


class Command(BaseCommand):
    """A seeded world: the same people and seed give the same bytes."""

    help = "Write a fictional company, in each platform's own shape, into a folder that the simulators can serve."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to and how large."""
        parser.add_argument("directory", type=Path, metavar="DIR")
        parser.add_argument("--people", type=int, default=2000)
        parser.add_argument("--seed", type=int, default=7)

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it; existing files of the same names are replaced."""
        if options["people"] < 0:
            raise CommandError("--people can't be negative")
        write_world(options["directory"], options["people"], options["seed"])
