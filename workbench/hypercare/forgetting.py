"""Whom the source was asked to forget: of them, and of what belongs to them, a ticket shows nothing but that."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mapping.forgetting import names_of, newest_register
from mapping.playbooks import load_playbook
from workbench.engagements.models import Engagement

CODE, PARENT_SKIPPED = "person.forgotten", "parent.skipped"


class Register:
    """Everybody who is to be forgotten: on the newest register that was read from the source, or erased here."""

    def __init__(self, engagement: Engagement) -> None:
        """Read it once."""
        self._forgotten = newest_register(engagement)
        self._playbook = load_playbook(engagement.platform)

    def has(self, *keys: str) -> bool:
        """Whether one of the ids and e-mails is on it."""
        return self._forgotten.has(*keys)

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
