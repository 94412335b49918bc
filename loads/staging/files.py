"""Files of notes and attachments held against what the organisation takes, so that what can't arrive says so before anything is sent."""

import mimetypes
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from connectors.dataverse.files import ANY_TYPE, NAME, TABLES, TOO_LARGE, TYPE
from connectors.files import is_name, size_of
from loads.staging.context import StagingContext
from loads.staging.rows import Draft
from mapping.issues import Issue
from mapping.transforms import cut, utf16_length

UNNAMED = "file"
LONGEST = 255  # of a name, with its extension
# *assumed*: the service refuses (0x80044a08) what Windows takes in no name.
_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]')


def fit(context: StagingContext, drafts: Sequence[tuple[str, Draft]]) -> list[Issue]:
    """Give the files of a record's rows names and types that the service takes; everything that is to be said of them."""
    return [issue for table, draft in drafts if table in TABLES for issue in _fit(context, TABLES[table].content, draft.values)]


def _fit(context: StagingContext, content: str, values: dict[str, Any]) -> Iterator[Issue]:
    file = values.get(content)
    if file is None:
        return
    if not is_name(str(file)):
        values.pop(content)
        yield Issue("file.unreadable", content, "", "hold")
        return
    given = str(values.get(NAME) or UNNAMED)
    values[NAME] = name = safe_name(given)
    if name != given:
        yield Issue("file.renamed", NAME, "", "note")
    kind = values.setdefault(TYPE, mimetypes.guess_type(name)[0] or ANY_TYPE)
    if not size_of(file):
        values.pop(content)
        yield Issue("file.empty", content, "", "note")
    elif fault := context.file_rules.fault(name, kind, size_of(file)):
        code, detail = fault
        yield Issue("file.too_large" if code == TOO_LARGE else "file.blocked", content, detail, "reject")


def safe_name(name: str) -> str:
    """A name without what none may hold, as long as one may be; its extension stays."""
    clean = _NOT_IN_NAMES.sub("_", name).strip(" .") or UNNAMED
    if utf16_length(clean) <= LONGEST:
        return clean
    extension = cut(PurePosixPath(clean).suffix, LONGEST)
    return cut(clean.removesuffix(extension), LONGEST - utf16_length(extension)) + extension
