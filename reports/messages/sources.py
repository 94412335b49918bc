"""The landed templates, snippets and sends of an engagement: of the full extraction where there is one, else of discovery."""

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from typing import Any

from connectors import landing
from connectors.messages import Message, MessageReader, Scan, Snippet, Use
from connectors.models import Dataset
from connectors.registry import MESSAGE_READERS
from workbench.engagements.errors import BadInput
from workbench.engagements.models import Engagement

PURPOSES = (Dataset.Purpose.LOAD, Dataset.Purpose.DISCOVERY)


class Sources:
    """Templates stream; snippets with what they hold, and the sends by their template, are kept, since templates point at them."""

    def __init__(self, engagement: Engagement) -> None:
        """Nothing is read yet. Raises BadInput where the platform's templates can't be read."""
        if engagement.platform not in MESSAGE_READERS:
            raise BadInput(f"Templates of {engagement.get_platform_display()} can't be read.", remedy="List them by hand.")
        self.reader: MessageReader = MESSAGE_READERS[engagement.platform]
        self._engagement = engagement

    @cached_property
    def dataset(self) -> Dataset | None:
        """The dataset of the templates; None where none was landed."""
        return self._dataset(self.reader.MESSAGES)

    def _dataset(self, object_name: str) -> Dataset | None:
        found = (landing.latest(self._engagement, object_name, purpose) for purpose in PURPOSES)
        return next(filter(None, found), None)

    def _records(self, object_name: str) -> Iterator[dict[str, Any]]:
        dataset = self._dataset(object_name)
        return landing.records(dataset) if dataset else iter(())

    @property
    def taken_at(self) -> datetime | None:
        """When the templates were read from the source."""
        return self.dataset.started_at if self.dataset else None

    def messages(self) -> Iterator[Message]:
        """Every template, one at a time."""
        return map(self.reader.message, self._records(self.reader.MESSAGES))

    @cached_property
    def snippets(self) -> dict[str, tuple[Snippet, Scan]]:
        """Snippets by name with what they hold."""
        found = map(self.reader.snippet, self._records(self.reader.SNIPPETS))
        return {one.name: (one, self.reader.scan(one.content, "content", one.variables)) for one in found}

    def snippet(self, name: str) -> tuple[Snippet, Scan] | None:
        """A snippet by its name, else by its id."""
        return self.snippets.get(name) or self._by_id.get(name)

    @cached_property
    def _by_id(self) -> dict[str, tuple[Snippet, Scan]]:
        return {one[0].id: one for one in self.snippets.values()}

    @cached_property
    def uses(self) -> dict[str, list[Use]]:
        """Template -> the sends that use it, the newest first."""
        found: dict[str, list[Use]] = {}
        for one in filter(None, map(self.reader.use, self._records(self.reader.USES))):
            found.setdefault(one.template, []).append(one)
        return {template: sorted(uses, key=lambda one: (one.last, one.id), reverse=True) for template, uses in found.items()}

    @cached_property
    def _uses_by_id(self) -> dict[str, Use]:
        return {one.id: one for uses in self.uses.values() for one in uses}

    def uses_of(self, message: Message) -> list[Use]:
        """The sends that use a template, with the one that it names itself."""
        uses = self.uses.get(message.id, [])
        own = self._uses_by_id.get(message.campaign)
        return uses if own is None or own in uses else [*uses, own]
