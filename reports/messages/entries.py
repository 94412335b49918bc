"""A template, or a snippet, as the inventory tells it: its head, its structure, its expressions, and what is recommended."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from connectors.messages import Message, Mistake, Scan, Snippet, Use
from reports.messages.destinations import Destinations
from reports.messages.judging import expressions, judged
from reports.messages.markup import structure
from reports.messages.rebuild import Count, recommend, table
from reports.messages.sources import Sources

SHOWN = 50  # campaigns and mistakes of one template that are told; all are counted
MONTH = 30.44  # days
# Reasons that the rules count by themselves.
_COUNTED = {"feed": "feeds", "feed_merged": "feeds", "catalog": "catalogs", "loop": "loops", "unknown_helper": "unknown_functions",
            "computed": "computed"}  # fmt: skip
MISTAKES: Mapping[str, str] = {
    "tag.not_closed": "The tag isn't closed.",
    "tag.unexpected": "The tag holds a character that can't stand there.",
    "tag.empty": "The tag is empty.",
    "tag.unreadable": "The words of the tag don't make an expression.",
    "tag.too_deep": "Parentheses are nested too deep.",
    "comment.not_closed": "The comment isn't closed.",
    "name.not_closed": "A name in square brackets isn't closed.",
    "text.not_closed": "A text in quotes isn't closed.",
    "block.not_closed": "The block isn't closed.",
    "block.not_open": "Nothing is open that this could close.",
    "block.else_outside": "The else stands outside of any block.",
}


def template(message: Message, sources: Sources, destinations: Destinations) -> dict[str, Any]:
    """A template as data; see the functions below for the shapes of its parts."""
    scans = [(field, text, sources.reader.scan(text, field)) for field, text in message.texts]
    told = list(expressions(message, [scan for _, _, scan in scans], sources, destinations))
    mistakes = [mistake for _, _, scan in scans for mistake in scan.mistakes]
    uses = sources.uses_of(message)
    counted = _counted(message, uses, told, mistakes, sources.taken_at)
    markup = [structure(text, scan) | {"field": field} for field, text, scan in scans if field in message.markup]
    return {
        **_head(message),
        "campaigns": campaigns(uses),
        "content": {"fields": [{"field": field, "characters": len(text)} for field, text, _ in scans], "markup": markup},
        "expressions": told,
        "mistakes": _mistakes(mistakes),
        "counts": counted | {status: number for status, number in Counter(one["status"] for one in told).items()},
        "recommendation": asdict(recommend(counted, sum(one["characters"] for one in markup))),
    }


def _head(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "name": message.name,
        "medium": message.medium,
        "type": message.type,
        "subject": message.subject,
        "from": message.sender,
        "reply_to": message.reply_to,
        "created_at": message.created,
        "changed_at": message.changed,
        "feeds": list(message.feeds),
        "feeds_merged": message.merged,
    }


def campaigns(uses: Sequence[Use]) -> dict[str, Any]:
    """{"count", "running", "last", "rows": [{"id", "name", "state", "last"}]}, the newest first; at most SHOWN rows."""
    return {
        "count": len(uses),
        "running": sum(one.running for one in uses),
        "last": uses[0].last if uses else "",
        "rows": [{"id": one.id, "name": one.name, "state": one.state, "last": one.last} for one in uses[:SHOWN]],
    }


def _counted(
    message: Message, uses: Sequence[Use], told: Sequence[Mapping[str, Any]], mistakes: Sequence[Mistake], taken_at: datetime | None
) -> dict[str, Count]:
    """What the rules of the recommendation ask for. unresolved: expressions that somebody has to decide about."""
    reasons = Counter(_COUNTED[reason["code"]] for one in told for reason in one["reasons"] if reason["code"] in _COUNTED)
    last = max((message.created, message.changed, *(one.last for one in uses)))
    return {
        **{name: reasons[name] for name in _COUNTED.values()},
        "medium": message.medium,
        "texts": len(message.texts),
        "campaigns": len(uses),
        "running": sum(one.running for one in uses),
        "idle_months": _months(last, taken_at),
        "mistakes": len(mistakes),
        "expressions": len(told),
        "snippets": len({one["target"] for one in told if one["kind"] == "snippet"}),
        "conditions": sum("condition" in one["families"] and one["kind"] != "comment" for one in told),
        "unresolved": sum(one["status"] == "by_hand" for one in told),
    }


def _months(last: str, taken_at: datetime | None) -> int:
    """Whole months from a moment to the reading of the source; 0 where either isn't known."""
    if not last or taken_at is None:
        return 0
    return max(0, int((taken_at - datetime.fromisoformat(last)).days / MONTH))


def _mistakes(found: Sequence[Mistake]) -> list[dict[str, Any]]:
    """At most SHOWN; the counts say how many there are."""
    return [asdict(one) | {"words": MISTAKES.get(one.code, "")} for one in found[:SHOWN]]


def snippet(one: Snippet, scan: Scan, used: int, destinations: Destinations) -> dict[str, Any]:
    """A snippet as data. used: templates that show it, also through another snippet."""
    anybody = Message("", "")
    told = [judged(expression, anybody, destinations) for expression in scan.expressions]
    return {
        "id": one.id,
        "name": one.name,
        "variables": list(one.variables),
        "characters": len(one.content),
        "templates": used,
        "expressions": told,
        "mistakes": _mistakes(scan.mistakes),
        "counts": dict(Counter(expression["status"] for expression in told)) | {"mistakes": len(scan.mistakes)},
    }


def words_of(reasons: Iterable[Mapping[str, str]]) -> str:
    """Reasons in one line of words."""
    known = table().reasons
    told = ((known[one["code"]].words, one["detail"].removesuffix(".")) for one in reasons)
    return " ".join(f"{words[:-1]}: {detail}." if detail else words for words, detail in told)
