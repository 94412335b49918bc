"""What a staged run's records and money come to, as `loads.staging.sums` took it: its names, and whether it adds up."""

from collections.abc import Mapping
from typing import Any

# What became of a landed sum. kept: what rows hold that are left as a person edited them, or that were there before with a value.
PARTS = ("staged", "kept", "merged", "skipped", "rejected", "held")
UNSTAGED = PARTS[1:]
AMOUNTS = ("landed", "changed", *PARTS, "unexplained")  # landed + changed = the sum of the parts + unexplained
DISPOSITIONS = ("planned", "merged", "documented", "skipped", "rejected", "held")


def are_whole(sums: Mapping[str, Any]) -> bool:
    """Whether all of a run is summed."""
    return "records" in sums and not sums.get("left")


def differences(sums: Mapping[str, Any]) -> list[str]:
    """What doesn't add up, in words; empty where everything does, and before all is summed."""
    said: list[str] = []
    if not are_whole(sums):
        return said
    for one in sums.get("records", ()):
        told = sum(one[name] for name in DISPOSITIONS)
        if told != one["landed"] or one["doubled"]:
            said.append(f"Of {one['object']} {one['landed']} records are landed and {told - one['doubled']} have a disposition.")
    for one in sums.get("money", ()):
        if one["differing"]:
            count, places = one["differing"], ", ".join(map(str, one["positions"]))
            where = f"{count} record{'s' * (count != 1)}, at place {places}{' and others' if count > len(one['positions']) else ''}"
            money = f"{one['unexplained']} {one['currency']} ({one['name']})"
            said.append(f"Of {one['object']} {money} of {one['landed']} landed can't be explained: {where} of the dataset.")
    return said
