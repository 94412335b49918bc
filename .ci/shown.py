"""Whether the demonstration's summary tells of all that it is to show; the exit code is 1 where something is missing, which is named."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SHOWN: Mapping[str, Callable[[Any], bool]] = {
    "verified": lambda said: said["rows"] > 0 and said["done"] > 0 and not (said["wrong"] or said["lookups_wrong"] or said["undone"]),
    "crash": lambda said: said["chunks_in_flight"] > 0,
    "delta": lambda said: said["balanced"] and said["new"] > 0 and said["changed"] > 0,
    "rollback": lambda said: said["proved"] and said["removed"] > 0,
    "tuning": lambda said: any(run["users"] and run["tables"] for run in said if run["environment"] == "production"),
}


def missing(summary: Mapping[str, Any]) -> list[str]:
    """The parts that aren't there, or don't say what they should, with what they say."""
    parts = {name: summary.get(name) for name in SHOWN}
    return [f"{name}: {json.dumps(said)}" for name, said in parts.items() if not (said and SHOWN[name](said))]


if __name__ == "__main__":
    lacking = missing(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    sys.exit("\n".join(f"The demonstration didn't show this as it should: {one}" for one in lacking) or 0)
