#!/usr/bin/env python
"""Django's command line."""

import os
import sys


def main() -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings")
    from django.core.management import execute_from_command_line  # settings must be named first

    execute_from_command_line(_own_settings_option(sys.argv))


def _own_settings_option(argv: list[str]) -> list[str]:
    """`demo --settings FILE` names a JSON file; Django would take the option for its settings module, whatever the command."""
    if argv[1:2] != ["demo"]:
        return argv
    return [("--names" + word.removeprefix("--settings") if word.partition("=")[0] == "--settings" else word) for word in argv]


if __name__ == "__main__":
    main()
