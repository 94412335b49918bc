"""Names that every person's row must have, and texts cut to a column with the whole kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mapping.issues import Issue
from mapping.jsontext import plain_text
from mapping.transforms.texts import BREAKS, clean, cut, utf16_length

NAME_LIMIT = 50
SUBJECT_LIMIT = 300
LEAD_SUBJECT = "{platform}: {name or e-mail}"


@dataclass(frozen=True, slots=True)
class PersonNames:
    """A person's names as the columns take them. derived: the last name was made from the address. whole: column -> text that was cut."""

    first: str | None
    last: str | None
    derived: bool
    issues: tuple[Issue, ...] = ()
    whole: Mapping[str, str] | None = None

    def values(self, prefix: str) -> dict[str, Any]:
        """The columns of contact and lead; an empty first name is left out."""
        values: dict[str, Any] = {"lastname": self.last, f"{prefix}_name_derived": self.derived}
        return values if self.first is None else {"firstname": self.first, **values}


def shorten(text: str, limit: int) -> tuple[str, str | None]:
    """The text within `limit` UTF-16 code units, and the whole of it where that is more."""
    return (text, None) if utf16_length(text) <= limit else (cut(text, limit).rstrip(), text)


def person_names(first: Any, last: Any, email: str | None, full: Any = None) -> PersonNames:
    """First and last name; without a last name the local part of the address stands in, flagged as derived.

    full: a whole name, used where both others are missing: `Last, First`, else the last word is the last name. Without any name and address
    there is an issue name.missing (reject) and no last name.
    """
    given, family = _line(first), _line(last)
    issues: list[Issue] = []
    if not given and not family and full is not None:
        given, family = split_full_name(_line(full))
    derived = not family
    if derived:
        family = email.partition("@")[0] if email else given
    if not family:
        return PersonNames(None, None, False, (Issue("name.missing"),))
    whole: dict[str, str] = {}
    family = _within("lastname", family, whole, issues)
    given = _within("firstname", given, whole, issues)
    return PersonNames(given or None, family, derived, tuple(issues), whole)


def _line(value: Any) -> str:
    """A value as one clean line."""
    return "" if value is None else BREAKS.sub(" ", clean(plain_text(value), "")[0]).strip()


def _within(column: str, text: str, whole: dict[str, str], issues: list[Issue]) -> str:
    short, rest = shorten(text, NAME_LIMIT)
    if rest is not None:
        whole[column] = rest
        issues.append(Issue("text.shortened", column, f"{utf16_length(rest)} of {NAME_LIMIT}", "loss"))
    return short


def split_full_name(text: str) -> tuple[str, str]:
    """(first, last) of a whole name. One word alone is a last name."""
    if "," in text:
        family, _, given = text.partition(",")
        return given.strip(), family.strip()
    given, _, family = text.rpartition(" ")
    return given.strip(), family.strip()


def lead_subject(platform: str, names: PersonNames, email: str | None, template: str = LEAD_SUBJECT) -> tuple[str, str | None]:
    """A lead's topic from the template, within its limit, and the whole where it was cut.

    It shows the name, or the e-mail address where the name was derived from it.
    """
    name = " ".join(part for part in (names.first, names.last) if part)
    shown = (email if names.derived else name) or email or name
    text = template.replace("{platform}", platform).replace("{name or e-mail}", shown)
    return shorten(text, SUBJECT_LIMIT)
