"""A platform's typical map as data: one declarative file per platform, read and checked here.

What a playbook says is a proposal; a person confirms it before anything moves.
"""

from functools import lru_cache
from pathlib import Path

from mapping.playbooks.reading import PREFIX, read_playbook
from mapping.playbooks.rules import (
    BuyerRule,
    ComputedRule,
    DatasetRule,
    Identity,
    KnownField,
    LeftField,
    ListedRule,
    MemberRule,
    ObjectRule,
    ParentRule,
    Playbook,
    RecordRule,
    StandingColumn,
    TableRule,
    field_key,
)
from workbench.engagements.errors import BadInput

__all__ = [
    "BuyerRule", "ComputedRule", "DatasetRule", "Identity", "KnownField", "LeftField", "ListedRule", "MemberRule", "ObjectRule",
    "ParentRule", "Playbook", "RecordRule", "StandingColumn", "TableRule", "field_key", "load_playbook", "platforms", "read_playbook",
]  # fmt: skip

FOLDER = Path(__file__).parent


def platforms() -> list[str]:
    """The platforms that have a playbook."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


@lru_cache(maxsize=64)
def load_playbook(platform: str, prefix: str = PREFIX) -> Playbook:
    """The playbook of a platform; in the names of tables and columns stands the publisher's prefix, `{prefix}` where none is given.

    Raises BadInput where there is none or where its file has mistakes, all of them named.
    """
    if platform not in platforms():
        raise BadInput(f"There is no playbook for {platform!r}.", remedy=f"Take one of {', '.join(platforms())}.")
    return read_playbook(FOLDER / f"{platform}.toml", prefix)
