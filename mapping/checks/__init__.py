"""Named checks of the source and the destination, what they found, and the decisions that findings ask for."""

from mapping.checks import columns, drift, environment, owners, pitfalls, quiet, rights, settings, source, usage  # noqa: F401 - they register their checks
