"""What a purge would do, in counts, before anybody asks for it."""

from collections import Counter
from dataclasses import dataclass

from reports.downloads import title_of
from reports.models import Document
from workbench.engagements import gates
from workbench.engagements.gates import Missing
from workbench.engagements.models import Engagement
from workbench.privacy import files
from workbench.privacy.rules import EMPTIED, KEPT, PSEUDONYMISED, REMOVED, WORDS, rules

GOES = (REMOVED, PSEUDONYMISED, EMPTIED)
ROWS, FILES = "row", "file"


@dataclass(frozen=True, slots=True)
class Line:
    """One model, folder or kind of document. unit: row or file; size: bytes of files. fate: see `rules`."""

    name: str
    holds: str
    fate: str
    count: int
    unit: str
    why: str
    size: int = 0

    @property
    def words(self) -> str:
        """What becomes of it."""
        return WORDS[self.fate]


@dataclass(frozen=True, slots=True)
class Survey:
    """All of it, and what keeps it from being begun."""

    lines: list[Line]
    missing: list[Missing]

    def of(self, *fates: str) -> list[Line]:
        """The lines with these fates of which there is anything, the most first."""
        return sorted((line for line in self.lines if line.fate in fates and line.count), key=lambda line: -line.count)

    def total(self, unit: str, *fates: str) -> int:
        """Rows or files with these fates."""
        return sum(line.count for line in self.of(*fates) if line.unit == unit)


def survey(engagement: Engagement) -> Survey:
    """Count what there is."""
    lines = [Line(rule.words, rule.holds, rule.fate, rule.of(engagement).count(), ROWS, rule.why) for rule in rules().of_engagements]
    lines += [_folder(engagement, rule.folder, rule.holds, rule.why) for rule in rules().folders if rule.removed]
    known = [rule.folder for rule in rules().folders]
    lines += [_folder(engagement, name, "", "no rule names it") for name in files.unlisted_folders(engagement, known)]
    lines += _documents(engagement)
    return Survey(lines, gates.missing("purge", engagement))


def _folder(engagement: Engagement, name: str, holds: str, why: str) -> Line:
    found = files.amount(files.folder_of(engagement, name))
    return Line(f"Files in {name}", holds, REMOVED, found.files, FILES, why, found.size)


def _documents(engagement: Engagement) -> list[Line]:
    """Kinds of documents, those that go and those that stay."""
    kinds = {rule.kind: rule for rule in rules().documents}
    counted: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for kind, size in Document.objects.standing().filter(engagement=engagement).values_list("kind", "size"):
        counted[kind] += 1
        sizes[kind] += size
    found = []
    for kind, count in sorted(counted.items()):
        rule, title = kinds.get(kind), title_of(kind)
        fate, why = (rule.fate, rule.why) if rule else (REMOVED, "no rule says that it names nobody")
        found.append(Line(f"Document: {title.name}", title.holds, fate, count, FILES, why, sizes[kind]))
    return found


__all__ = ["FILES", "GOES", "KEPT", "REMOVED", "ROWS", "Line", "Survey", "survey"]
