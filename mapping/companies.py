"""Companies out of lists and e-mail domains."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from mapping.identity import fold_name
from mapping.issues import Issue


def organisation_name(list_name: Any, prefix: str) -> str | None:
    """The organisation that a list stands for: what follows the prefix (case doesn't matter); None for any other list."""
    if not isinstance(list_name, str):
        return None
    text = list_name.strip()
    if not prefix or not text.casefold().startswith(prefix.casefold()):
        return None
    return " ".join(text[len(prefix) :].split()) or None


def email_domain(email: str | None) -> str | None:
    """The domain of a normalised address."""
    return email.rpartition("@")[2] or None if email and "@" in email else None


def is_free_mail(domain: str, free: Collection[str], extra: Collection[str] = ()) -> bool:
    """Whether a domain hands out mailboxes to anyone, so that it says nothing of a company. All in lower case."""
    return domain in free or domain in extra


def company_key(name: str) -> str:
    """The form in which two company names are one: no case, no accents, single spaces."""
    return fold_name(name)


def commonest_domain(domains: Mapping[str, int] | Counter[str]) -> str | None:
    """The domain of most of an organisation's members; None where two share the first place, since then neither is the company's."""
    ranked = sorted(domains.items(), key=lambda item: (-item[1], item[0]))
    if not ranked or (len(ranked) > 1 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def choose_organisation(domain: str | None, organisations: Mapping[str, str | None]) -> str | Issue | None:
    """The one organisation of a person: the only one, or the one whose members' commonest domain is the person's.

    organisations: those the person is listed in -> their members' commonest domain. None where the person is in none.
    """
    if len(organisations) <= 1:
        return next(iter(organisations), None)
    fitting = [name for name, common in organisations.items() if common is not None and common == domain]
    if len(fitting) == 1:
        return fitting[0]
    return Issue("company.ambiguous", "emailListIds", f"{len(organisations)} organisations", "note")
