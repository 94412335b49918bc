"""Iterable's templates, snippets and the campaigns that use them, as inventories read them; see connectors.messages.MessageReader.

Which fields of a template hold expressions: support.iterable.com article 35601631606036; their names: the Swagger's tag templates.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.iterable.expressions import scan
from connectors.iterable.figures import listed, text
from connectors.messages import Message, Snippet, Use
from connectors.sampling import moment_of

__all__ = ["MESSAGES", "SNIPPETS", "USES", "message", "scan", "snippet", "use"]
MESSAGES, SNIPPETS, USES = "template", "snippet", "campaign"
# What is read of each medium; lists and objects with all that is in them.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "Email": (
        "subject", "preheaderText", "fromName", "fromEmail", "replyToEmail", "ccEmails", "bccEmails", "html", "plainText", "linkParams",
        "googleAnalyticsCampaignName",
    ),
    "Push": ("title", "message", "badge", "buttons", "sound", "payload", "deeplink", "richMedia"),
    "SMS": ("message", "imageUrl", "linkParams"),
    "InApp": ("html", "payload", "inboxMetadata"),
}  # fmt: skip
_ANY = tuple(dict.fromkeys(name for names in FIELDS.values() for name in names))
_RUNNING = ("Ready", "Scheduled", "Starting", "Running", "Recurring")
_DEEPEST = 20  # levels of a payload


def message(record: Mapping[str, Any]) -> Message:
    """A landed template with its content."""
    medium = text(record.get("messageMedium"))
    sender = " ".join(filter(None, (text(record.get("fromName")), _angled(text(record.get("fromEmail"))))))
    feeds = [*listed(record.get("dataFeedIds")), *([record["dataFeedId"]] if record.get("dataFeedId") else [])]
    return Message(
        id=text(record.get("templateId")),
        name=text(record.get("name")),
        medium=medium,
        type=text(record.get("templateType")),
        subject=text(record.get("subject") or record.get("title")),
        sender=sender,
        reply_to=text(record.get("replyToEmail")),
        created=moment_of(record.get("createdAt")),
        changed=moment_of(record.get("updatedAt")),
        texts=tuple(pair for name in FIELDS.get(medium, _ANY) for pair in _texts(name, record.get(name))),
        markup=frozenset({"html"}),
        feeds=tuple(dict.fromkeys(map(text, feeds))),
        merged=record.get("mergeDataFeedContext") is True,
        campaign=text(record.get("campaignId")),
    )


def _angled(address: str) -> str:
    return f"<{address}>" if address else ""


def _texts(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Each text in a value with its place: `payload.deep.link`, `linkParams[0].value`."""
    waiting = [(name, value, 0)]
    while waiting:
        place, found, depth = waiting.pop()
        if isinstance(found, str):
            if found:
                yield place, found
        elif depth < _DEEPEST and isinstance(found, dict):
            waiting += [(f"{place}.{key}", part, depth + 1) for key, part in reversed(found.items())]
        elif depth < _DEEPEST and isinstance(found, list):
            waiting += [(f"{place}[{number}]", part, depth + 1) for number, part in reversed([*enumerate(found)])]


def snippet(record: Mapping[str, Any]) -> Snippet:
    """A landed snippet."""
    content = record.get("content")
    variables = tuple(one for one in listed(record.get("variables")) if isinstance(one, str))
    return Snippet(text(record.get("id")), text(record.get("name")), content if isinstance(content, str) else "", variables)


def use(record: Mapping[str, Any]) -> Use | None:
    """A landed campaign as the use of its template. Iterable doesn't say when a campaign sent last: the newest of its moments stands."""
    template = text(record.get("templateId"))
    if not template:
        return None
    state = text(record.get("campaignState"))
    moments = (moment_of(record.get(name)) for name in ("createdAt", "updatedAt", "startAt", "endedAt"))
    return Use(template, text(record.get("id")), text(record.get("name")), state, max(moments), state in _RUNNING)
