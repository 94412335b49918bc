"""The engagement's folders in the store: how much is in them, and taking them away."""

import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from connectors import store
from workbench.engagements.models import Engagement

DOCUMENTS = "documents"


@dataclass(frozen=True, slots=True)
class Amount:
    """Files, and their bytes."""

    files: int = 0
    size: int = 0


def folder_of(engagement: Engagement, *parts: str) -> Path:
    """A folder of the engagement; it isn't made."""
    return store.root().joinpath(engagement.slug, *parts)


def files_of(path: Path) -> Iterator[Path]:
    """Every file below a folder; none where there is no such one."""
    return (found for found in sorted(path.rglob("*")) if found.is_file()) if path.is_dir() else iter(())


def amount(path: Path) -> Amount:
    """How much is below a folder."""
    sizes = [found.stat().st_size for found in files_of(path)]
    return Amount(len(sizes), sum(sizes))


def unlisted_folders(engagement: Engagement, known: Collection[str]) -> list[str]:
    """Folders, and files beside them, that no rule names."""
    path = folder_of(engagement)
    return sorted(found.name for found in path.iterdir() if found.name not in known) if path.is_dir() else []


def clear(path: Path) -> Amount:
    """Take a folder or a file away with all that is in it; how much that was. Raises StoreUnwritable, StoreFull."""
    if not path.exists():
        return Amount()
    found = amount(path) if path.is_dir() else Amount(1, path.stat().st_size)
    with store.disk_errors():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return found
