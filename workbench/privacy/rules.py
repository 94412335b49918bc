"""What becomes of each model, folder and kind of document, read from `rules.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db.models import Model, QuerySet

from workbench.engagements.models import Engagement, Redactable

REMOVED, PSEUDONYMISED, EMPTIED, KEPT = "removed", "pseudonymised", "emptied", "kept"
WORDS = {REMOVED: "Removed", PSEUDONYMISED: "Ids become keyed hashes", EMPTIED: "Values removed", KEPT: "Kept"}
LISTS = ("hashed", "rows", "emptied", "secrets", "mentions")
_FILE = Path(__file__).with_name("rules.toml")


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of a model's rows; see the head of `rules.toml`. others: a purge leaves rows with these values as they are."""

    model: type[Model]
    holds: str
    why: str
    engagement: str = ""
    removed: bool = False
    hashed: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    redacted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)
    of_records: str = ""
    mentions: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The model as Django calls it, `loads.Crosswalk`."""
        return self.model._meta.label

    @property
    def words(self) -> str:
        """The rows as people call them: Exceptions."""
        return str(self.model._meta.verbose_name_plural).capitalize()

    @property
    def fate(self) -> str:
        """What becomes of the rows in a word."""
        if self.removed:
            return REMOVED
        if self.hashed or self.rows:
            return PSEUDONYMISED
        return EMPTIED if self.emptied or self.secrets or self.keys or self.redacted else KEPT

    def of(self, engagement: Engagement) -> QuerySet:
        """The rows of an engagement."""
        if not self.engagement:
            raise ValueError(f"{self.name} belongs to no engagement.")
        rows = self.model._base_manager.filter(**{self.engagement: engagement.pk})
        return rows.exclude(**self.others) if self.others else rows

    @property
    def is_redactable(self) -> bool:
        """Whether its rows are written once."""
        return issubclass(self.model, Redactable)


@dataclass(frozen=True, slots=True)
class Folder:
    """What becomes of a folder of an engagement in the store."""

    folder: str
    holds: str
    why: str
    removed: bool = False

    @property
    def fate(self) -> str:
        """What becomes of it in a word."""
        return REMOVED if self.removed else KEPT


@dataclass(frozen=True, slots=True)
class Kind:
    """What becomes of a kind of document. lists: whether it lists records."""

    kind: str
    why: str
    removed: bool = False
    lists: bool = False

    @property
    def fate(self) -> str:
        """What becomes of it in a word."""
        return REMOVED if self.removed else KEPT


@dataclass(frozen=True, slots=True)
class Rules:
    """All of it. models: in the order in which they are dealt with. whole, counted: see `[history]`."""

    models: tuple[Rule, ...]
    folders: tuple[Folder, ...]
    documents: tuple[Kind, ...]
    whole: tuple[str, ...]
    counted: tuple[str, ...]

    @property
    def of_engagements(self) -> tuple[Rule, ...]:
        """The models whose rows belong to an engagement."""
        return tuple(rule for rule in self.models if rule.engagement)

    def of(self, name: str) -> Rule:
        """The rule of a model, by its name `loads.Crosswalk`."""
        return next(rule for rule in self.models if rule.name == name)

    @property
    def kept_documents(self) -> frozenset[str]:
        """The kinds of documents that stay; one that isn't listed goes."""
        return frozenset(kind.kind for kind in self.documents if not kind.removed)

    @property
    def listing_documents(self) -> frozenset[str]:
        """The kinds of documents that list records."""
        return frozenset(kind.kind for kind in self.documents if kind.lists)

    def keeps_whole(self, action: str) -> bool:
        """Whether entries of the history about this stay as they are."""
        return any(fnmatchcase(action, pattern) for pattern in self.whole)

    def keeps_subject(self, action: str) -> bool:
        """Whether entries about this keep their subject, a count, a run or an environment."""
        return any(fnmatchcase(action, pattern) for pattern in self.counted)


@lru_cache(maxsize=1)
def rules() -> Rules:
    """The rules, read once per process."""
    read = tomllib.loads(_FILE.read_text())
    return Rules(
        models=tuple(_rule(entry) for entry in read["models"]),
        folders=tuple(Folder(**entry) for entry in read["folders"]),
        documents=tuple(Kind(**entry) for entry in read["documents"]),
        whole=tuple(read["history"]["whole"]),
        counted=tuple(read["history"]["counted"]),
    )


def _rule(entry: Mapping[str, Any]) -> Rule:
    """A rule whose fields exist. Raises FieldDoesNotExist, LookupError."""
    model = apps.get_model(entry["model"])
    known: dict[str, Any] = {**entry, "model": model}
    for name in LISTS:
        known[name] = tuple(entry.get(name, ()))
    for name in ("keys", "redacted"):
        known[name] = {of: tuple(keys) for of, keys in entry.get(name, {}).items()}
    for name in (*(one for of in LISTS for one in known[of]), *known["keys"], *known["redacted"]):
        model._meta.get_field(name)
    return Rule(**known)
