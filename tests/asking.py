"""Which objects the source of a test is asked for: those that its folder holds anything of, since each takes a tenth of a play."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest

from mapping import playbooks
from mapping.playbooks import Playbook

# Dataset of Iterable's playbook -> the files that its records lie in, as its simulator serves them.
FILES = {
    "listMember": "lists.json",
    "campaign": "campaigns.json",
    "campaignMetric": "campaigns.json",
    "journey": "journeys.json",
    "template": "templates",
    "snippet": "snippets.json",
    "catalogItem": "catalogs.json",
    "customEvent": "export/customEvent.ndjson",
    "subscriptionEvent": "export/email*ubscribe.ndjson",
    "purchase": "export/purchase.ndjson",
}
DERIVED = {"purchaseLine": "purchase", "listMembership": "listMember"}  # object -> the dataset that its records come from
ALWAYS = ("company", "user", "list")
_read = lru_cache(playbooks.read_playbook)


@contextmanager
def for_what_is_there(folder: Path) -> Iterator[None]:
    """Playbooks of this process know of no objects but people, companies, lists and those that a hand-made folder holds, now or later."""
    there = {name for name, files in FILES.items() if any(map(_holds_any, folder.glob(f"**/iterable/{files}")))}

    def narrowed(path: Path, prefix: str) -> Playbook:
        whole = _read(path, prefix)
        datasets = tuple(rule for rule in whole.datasets if rule.name in there)
        objects = tuple(rule for rule in whole.objects if rule.name in ALWAYS or DERIVED.get(rule.name, rule.name) in there)
        return replace(whole, datasets=datasets, objects=objects)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(playbooks, "read_playbook", narrowed)
        playbooks.load_playbook.cache_clear()
        try:
            yield
        finally:
            playbooks.load_playbook.cache_clear()


def _holds_any(file: Path) -> bool:
    return file.name != "lists.json" or bool(json.loads(file.read_text(encoding="utf-8-sig"))["lists"])
