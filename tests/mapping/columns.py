"""Columns for tests: a kind and only what matters about it."""

from connectors.dataverse.columns import Column
from mapping.transforms import Mapped, TimeRules, compile_transform


def column(kind="String", name="mwb_field", **facts) -> Column:
    return Column("contact", name, kind, **facts)


def convert(transform, value, kind="String", options=None, zones=("UTC", "UTC"), **facts) -> Mapped:
    """One value through one transform into a column of `kind`."""
    compiled = compile_transform(transform, field="f", column=column(kind, **facts), options=options, time=TimeRules(*zones))
    return compiled(value)


def codes(mapped) -> list[str]:
    return [issue.code for issue in mapped.issues]
