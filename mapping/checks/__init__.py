"""Named checks of the source and the destination, what they found, and the decisions that findings ask for."""

from mapping.checks import environment, owners, pitfalls, quiet, rights, source  # noqa: F401 - they register their checks
