"""Companies out of the names of lists."""

from typing import Any

from mapping.identity import fold_name, same_name


def organisation_name(list_name: Any, prefix: str) -> str | None:
    """The organisation that a list stands for: what follows the prefix (case doesn't matter); None for any other list."""
    if not isinstance(list_name, str):
        return None
    text = list_name.strip()
    if not prefix or not text.casefold().startswith(prefix.casefold()):
        return None
    return " ".join(text[len(prefix) :].split()) or None


def company_keys(name: str) -> tuple[str, str]:
    """The form in which two lists are of one company, and the one in which an account may be it: that has no accents either."""
    return same_name(name), fold_name(name)
