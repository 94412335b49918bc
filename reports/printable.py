"""Values as they are printed: text that every reader sees as it is, numbers with thousands, moments in UTC.

What others wrote is hostile: characters that nobody sees or that turn text around are replaced, long words get places to break.
"""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

LONGEST = 10_000  # characters of one value
MOST_LINES = 300  # of one value
NOTHING = "–"
_BREAK = "\u200b"  # a place where a line may end; it prints nothing
# Controls, lone surrogates, noncharacters, and what reverses or isolates the direction of text and so hides what it says.
_UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
_AFTER = re.compile(r"([_./\\@:,;=&?|)}\]>-])(?=[^ \n])")
_WIDE = re.compile("[A-Zmw@%&]")
_WIDEST = re.compile("[\u1100-\U0010ffff]")
_PIECE = 4  # characters between two places to break a word that has none


def shown(value: Any, fits: int = 90, longest: int = LONGEST) -> str:
    """A value as text. fits: characters that a line holds where it stands; longer words get places to break. longest: see `clean`."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, date):
        return value.isoformat()
    return breakable(clean(str(value), longest), fits)


def _number(value: int | float | Decimal) -> str:
    if isinstance(value, int) or value == value // 1:
        return f"{value:,.0f}" if isinstance(value, float | Decimal) else f"{value:,}"
    return f"{value:,.4f}".rstrip("0")


def money(value: float | Decimal | None) -> str:
    """An amount with at least two decimals: 1,243.90, 0.0375."""
    if value is None:
        return NOTHING
    whole, _, cents = f"{value:,.4f}".rstrip("0").partition(".")
    return f"{whole}.{cents:0<2}"


def moment(value: datetime | str | None) -> str:
    """A moment to the minute in UTC, also from ISO 8601; what is no moment stays as it is."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return clean(str(value))
    if value is None:
        return NOTHING
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if value.tzinfo else value.isoformat(" ", "minutes")


def clean(text: str, longest: int = LONGEST) -> str:
    """Text without what can't be printed, which a replacement character stands for; cut after `longest` characters, and says so."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n").replace("\t", " ")
    lines = _UNPRINTABLE.sub("\ufffd", plain[:longest]).split("\n")
    kept = "\n".join(lines[:MOST_LINES])
    left = len(plain) - len(kept)
    return f"{kept}… ({left:,} characters more)" if left > 0 else kept


def breakable(text: str, fits: int) -> str:
    """Text whose words are at most about `fits` characters wide between two places to break."""
    return text if len(text) * 2 <= fits else _words(fits).sub(lambda match: _broken(match[0], fits), text)


@lru_cache
def _words(fits: int) -> re.Pattern[str]:
    return re.compile(rf"[^ \n]{{{fits // 2 + 1},}}")


def _broken(word: str, fits: int) -> str:
    if _width(word) <= fits:
        return word
    pieces = _AFTER.sub(rf"\1{_BREAK}", word).split(_BREAK)
    return _BREAK.join(piece if _width(piece) <= fits else _cut(piece) for piece in pieces)


def _width(word: str) -> float:
    """About how many characters of average width a word takes."""
    return len(word) + 0.5 * len(_WIDE.findall(word)) + len(_WIDEST.findall(word))


def _cut(piece: str) -> str:
    return _BREAK.join(piece[at : at + _PIECE] for at in range(0, len(piece), _PIECE))
