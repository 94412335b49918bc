"""Names of new columns: what the service allows, told apart where source names fall together."""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha1

from mapping.identity import UNDECOMPOSED
from mapping.issues import Issue
from workbench.engagements.errors import BadInput

NAME_LIMIT = 50
TAIL = 7  # an underscore and six hexadecimal digits
PREFIX = re.compile(r"[a-z][a-z0-9]{1,7}")
CYRILLIC = ("абвгдежзийклмнопрстуфхцчшщыэюя", "a b v g d e zh z i i k l m n o p r s t u f kh ts ch sh shch y e yu ya")
GREEK = ("αβγδεζηθικλμνξοπρσςτυφχψω", "a v g d e z i th i k l m n x o p r s s t y f ch ps o")
SILENT = dict.fromkeys("ъь", "")
ALPHABETS = str.maketrans(
    SILENT | {own: latin for alphabet, names in (CYRILLIC, GREEK) for own, latin in zip(alphabet, names.split(), strict=True)}
)
ADDED = ("name", "yominame", "_base")  # what lookups, choices and money columns add to their own name


@dataclass(frozen=True, slots=True)
class ColumnName:
    """A column's logical name and what a person should look at because of it."""

    name: str
    issues: tuple[Issue, ...] = ()


def check_prefix(prefix: str) -> str:
    """A publisher prefix: 2 to 8 letters or digits, a letter first, not mscrm... Raises BadInput."""
    if not PREFIX.fullmatch(prefix) or prefix.startswith("mscrm"):
        raise BadInput(f"{prefix!r} can't be a publisher prefix.", remedy="Take 2 to 8 small letters or digits, a letter first, not mscrm.")
    return prefix


def transliterate(text: str) -> str:
    """Text in ASCII letters: accents dropped, Cyrillic and Greek as usual, other alphabets by their letters' names, the rest as code."""
    return text if text.isascii() else "".join(map(_latin, unicodedata.normalize("NFKD", text)))


def _latin(character: str) -> str:
    if character.isascii() or unicodedata.combining(character):
        return character if character.isascii() else ""
    plain = character.casefold().translate(UNDECOMPOSED).translate(ALPHABETS)
    if plain.isascii():
        return plain
    letter = unicodedata.name(character, "").rpartition(" LETTER ")[2]
    if character.isalpha() and letter and len(letter.split()) == 1 and letter.isalpha():
        return letter.lower()
    return f"u{ord(character):x}" if character.isalnum() else "_"


def stem_of(text: str) -> str:
    """A source name as the stem of a column: small letters, digits and single underscores. Empty where nothing is left."""
    return re.sub(r"[^a-z0-9]+", "_", transliterate(text).casefold()).strip("_")


def column_name(stem: str, prefix: str, taken: Collection[str], table: str = "") -> ColumnName:
    """The logical name for a source name: `{prefix}_{stem}`, at most 50 characters, clashing with nothing.

    taken: lower-case names that exist or are planned in the table. Too long and clashing names get a tail of the source name's hash, so
    that they are the same in every run. Raises BadInput for a prefix that can't be one.
    """
    check_prefix(prefix)
    plain = stem_of(stem)
    issues = [] if stem.isascii() else [Issue("name.transliterated", stem, plain, "note")]
    wanted = f"{prefix}_{plain or 'field'}"
    name = wanted if plain else _tailed(wanted, stem, 0)
    if len(name) > NAME_LIMIT:
        name = _tailed(wanted, stem, 0)
        issues.append(Issue("name.cut", stem, name, "note"))
    elif clash := clashes_with(name, taken, table):
        issues.append(Issue("name.clash", stem, clash, "note"))
    attempt = 0
    while clashes_with(name, taken, table):
        name, attempt = _tailed(wanted, stem, attempt), attempt + 1
    return ColumnName(name, tuple(issues))


def _tailed(name: str, stem: str, attempt: int) -> str:
    salted = stem if attempt == 0 else f"{stem}#{attempt}"
    tail = sha1(salted.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[: TAIL - 1]
    return f"{name[: NAME_LIMIT - TAIL].rstrip('_')}_{tail}"


def clashes_with(name: str, taken: Collection[str], table: str = "") -> str | None:
    """The name that a new column would clash with, by itself or by what its type, or another's, adds to names; None where it is free.

    Which type adds which ending is not asked: a name that is free for every type stays free when a type changes.
    """
    if name in taken:
        return name
    if table and name == f"{table}id":
        return f"{table}id"
    for ending in ADDED:
        if name.endswith(ending) and name[: -len(ending)] in taken:
            return name[: -len(ending)]
        if name + ending in taken:
            return name + ending
    return None
