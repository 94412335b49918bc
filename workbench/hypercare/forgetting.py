"""Whom the source was asked to forget: of them, and of what belongs to them, a ticket shows nothing but that."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from connectors import landing
from connectors.models import Dataset
from mapping.fieldmaps import reader
from mapping.identity import normalise_email
from mapping.people import forgotten_hashes, is_forgotten
from mapping.playbooks import load_playbook
from workbench.engagements.models import Engagement

CODE, PARENT_SKIPPED = "person.forgotten", "parent.skipped"


class Register:
    """The newest register of forgotten people that was read from the source."""

    def __init__(self, engagement: Engagement) -> None:
        """Read it once."""
        datasets = [landing.latest(engagement, "forgotten", purpose) for purpose in Dataset.Purpose.values]
        newest = max((dataset for dataset in datasets if dataset), key=lambda dataset: dataset.started_at, default=None)
        self._hashes = forgotten_hashes(landing.records(newest)) if newest else frozenset()
        self._playbook = load_playbook(engagement.platform)

    def has(self, *keys: str) -> bool:
        """Whether one of the ids and e-mails is on it."""
        return is_forgotten(self._hashes, *keys)

    def covers(self, record: Mapping[str, Any], codes: Collection[str], parents: Sequence[Mapping[str, Any]]) -> bool:
        """Whether a record is of a forgotten person or belongs to one, as an event does.

        codes: of its reasons; parents: what the run says of the records that it belongs to. A record whose parent was left out is taken
        for a forgotten person's, unless the parent is found and was left out for something else.
        """
        identity = self._playbook.identity
        if CODE in codes or self.has(*names_of(record, (*identity.source_id, identity.email))):
            return True
        if any(CODE in codes_of(told) or self.has(told["source_id"]) for told in parents):
            return True
        explained = any(told["disposition"] == "skipped" and PARENT_SKIPPED not in codes_of(told) for told in parents)
        return PARENT_SKIPPED in codes and not explained


def codes_of(told: Mapping[str, Any]) -> set[str]:
    """The codes of a disposition's reasons."""
    return {reason["code"] for reason in told["reasons"]}


def names_of(record: Mapping[str, Any], fields: Iterable[str]) -> Iterator[str]:
    """The ids and e-mails that fields of a record hold, as they are written and as they are compared."""
    for field in fields:
        value = reader(field)(record)
        if isinstance(value, str) and value:
            yield value
            if address := normalise_email(value)[0]:
                yield address
