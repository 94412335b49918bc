"""What a person agreed to, per medium; never weaker than what the source says.

The rule: out where the person is on a suppression list, or a Marketing channel or one of its message types is refused; else in where at
least one of those types counts as in, out where none does; unknown where the profile says nothing. An opt-in type counts as in only where
subscribed, an opt-out type unless unsubscribed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from mapping.issues import Issue, brief
from mapping.jsontext import plain_text
from workbench.engagements.errors import BadInput

Answer = Literal["in", "out", "unknown"]
MEDIA: tuple[str, ...] = ("email", "sms", "push", "inapp")
STRICTNESS: dict[str, int] = {"in": 0, "unknown": 1, "out": 2}
NOTHING: frozenset[int] = frozenset()

ARRAYS = {
    "lists": "emailListIds",
    "channels_out": "unsubscribedChannelIds",
    "types_out": "unsubscribedMessageTypeIds",
    "types_in": "subscribedMessageTypeIds",
}


@dataclass(frozen=True, slots=True)
class Consent:
    """A person's answers. suppressed: on a suppression list. no_mail: refused what the customer named for `donotemail`."""

    email: Answer
    sms: Answer
    push: Answer
    inapp: Answer
    suppressed: bool = False
    no_mail: bool = False
    issues: tuple[Issue, ...] = ()

    def values(self, prefix: str, unknown_is_out: bool = True) -> dict[str, bool]:
        """The columns of contact and lead; true = refused. `unknown_is_out` is the signed default for who said nothing.

        `donotemail` is in only where it is true: it would stop a seller's own mail.
        """
        refused = ("out", "unknown") if unknown_is_out else ("out",)
        values = {
            "donotbulkemail": self.email in refused,
            f"{prefix}_sms_opt_out": self.sms in refused,
            f"{prefix}_push_opt_out": self.push in refused,
            f"{prefix}_inapp_opt_out": self.inapp in refused,
        }
        return values | {"donotemail": True} if self.no_mail else values


@dataclass(frozen=True, slots=True)
class Medium:
    """One medium's Marketing channels and message types, by id. newer_channels, newer_types: unsigned ones, which count where refused."""

    channels: frozenset[int] = NOTHING
    opt_in: frozenset[int] = NOTHING
    opt_out: frozenset[int] = NOTHING
    newer_channels: frozenset[int] = NOTHING
    newer_types: frozenset[int] = NOTHING

    @property
    def types(self) -> frozenset[int]:
        """All message types that were signed."""
        return self.opt_in | self.opt_out

    def answer(self, channels_out: frozenset[int], types_out: frozenset[int], types_in: frozenset[int]) -> Answer:
        """Out, in or, where the source has no such channel at all, unknown."""
        if channels_out & (self.channels | self.newer_channels) or types_out & (self.types | self.newer_types):
            return "out"
        if not self.channels:
            return "unknown"
        return "in" if self.opt_out or types_in & self.opt_in else "out"


@dataclass(frozen=True, slots=True)
class ConsentRules:
    """The signed rules, ready to be asked."""

    suppression_lists: frozenset[int] = NOTHING
    media: Mapping[str, Medium] = field(default_factory=dict)
    known_channels: frozenset[int] = NOTHING
    known_types: frozenset[int] = NOTHING
    no_mail_channels: frozenset[int] = NOTHING
    no_mail_types: frozenset[int] = NOTHING
    no_mail_suppressed: bool = False
    unknown_is_out: bool = True
    arrays: Mapping[str, str] = field(default_factory=lambda: ARRAYS)

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> "ConsentRules":
        """From the `consent` plan part, as `consent_content` makes it. Raises BadInput where it can't be read."""
        try:
            channels, types = content["channels"], content["message_types"]
            no_mail = content.get("donotemail", {})
            return cls(
                suppression_lists=frozenset(int(entry["id"]) for entry in content["suppression_lists"]),
                media={name: _medium(name, channels, types) for name in MEDIA},
                known_channels=frozenset(int(entry["id"]) for entry in channels),
                known_types=frozenset(int(entry["id"]) for entry in types),
                no_mail_channels=frozenset(map(int, no_mail.get("channels", ()))),
                no_mail_types=frozenset(map(int, no_mail.get("message_types", ()))),
                no_mail_suppressed=bool(no_mail.get("suppressed", False)),
                unknown_is_out=content.get("unknown", "out") != "in",
                arrays=ARRAYS | dict(content.get("arrays", {})),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            remedy = "Propose the consent part again from the source's channels."
            raise BadInput(f"The consent rules can't be read: {error!r}", remedy=remedy) from error

    def heeding(self, newer: "ConsentRules") -> "ConsentRules":
        """These rules beside what the source has by now: its further lists suppress, and to refuse its further channels and types counts.

        Nothing else of them does, so that no answer is weaker than by the rules as they were signed.
        """
        media = {}
        for name, mine in self.media.items():
            theirs = newer.media.get(name, Medium())
            media[name] = replace(mine, newer_channels=theirs.channels - mine.channels, newer_types=theirs.types - mine.types)
        return replace(self, suppression_lists=self.suppression_lists | newer.suppression_lists, media=media)


def _medium(name: str, channels: Sequence[Mapping[str, Any]], types: Sequence[Mapping[str, Any]]) -> Medium:
    ids = frozenset(int(entry["id"]) for entry in channels if entry["marketing"] and entry["medium"] == name)
    mine = [entry for entry in types if int(entry["channel"]) in ids]
    opt_out = frozenset(int(entry["id"]) for entry in mine if _is_opt_out(entry))
    return Medium(ids, frozenset(int(entry["id"]) for entry in mine) - opt_out, opt_out)


@dataclass(frozen=True, slots=True)
class Topic:
    """A message type of a Marketing channel, or a channel without any: what a system that keeps consent by address asks about.

    purpose, name: the channel's name and the type's, '' without one.
    """

    medium: str
    purpose: str
    name: str
    channel: int
    type: int | None = None
    opt_out: bool = False


def topics_of(content: Mapping[str, Any]) -> list[Topic]:
    """The topics of the `consent` plan part, in its order."""
    found = []
    for channel in (entry for entry in content["channels"] if entry["marketing"]):
        medium, purpose, number = channel["medium"], plain_text(channel["name"] or ""), int(channel["id"])
        types = [entry for entry in content["message_types"] if int(entry["channel"]) == number]
        found += [Topic(medium, purpose, plain_text(one["name"] or ""), number, int(one["id"]), _is_opt_out(one)) for one in types]
        found += [] if types else [Topic(medium, purpose, "", number)]
    return found


def consent_content(
    channels: Sequence[Mapping[str, Any]], message_types: Sequence[Mapping[str, Any]], lists: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The `consent` plan part proposed from the source's own channels, message types and lists (Iterable's shapes).

    Everything the customer may change before signing stands in it: which channels are Marketing, which lists suppress, what `unknown`
    counts as ("out" or "in"), and the refusals that set `donotemail` (channel ids, message type ids, suppression).
    The same answers in another order are the same content. What has no number as its id is left out: nobody's answer can name it.
    """
    channels, message_types, lists = (_numbered(entries) for entries in (channels, message_types, lists))
    return {
        "unknown": "out",
        "suppression_lists": [{"id": e["id"], "name": e.get("name", "")} for e in lists if _word(e.get("listType")) == "suppression"],
        "channels": [
            {
                "id": e["id"],
                "name": e.get("name", ""),
                "medium": _word(e.get("messageMedium")),
                "marketing": _word(e.get("channelType")) == "marketing",
            }
            for e in channels
        ],
        "message_types": [
            {"id": e["id"], "name": e.get("name", ""), "channel": e["channelId"], "policy": e.get("subscriptionPolicy", "OptIn")}
            for e in message_types
            if _id(e.get("channelId")) is not None
        ],
        "donotemail": {"channels": [], "message_types": [], "suppressed": False},
        "arrays": dict(ARRAYS),
    }


def _is_opt_out(entry: Mapping[str, Any]) -> bool:
    """Whether a message type counts as in unless refused; a policy that is neither is read as opt-in, the stricter one."""
    return str(entry["policy"]).casefold() == "optout"


def _numbered(entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted((entry for entry in entries if _id(entry.get("id")) is not None), key=lambda entry: str(entry["id"]))


def _word(value: Any) -> str:
    """A source's word, letters only, in lower case: 'In-App', 'InApp' and 'inapp' are one."""
    return "".join(character for character in str(value or "").casefold() if character.isalnum())


def consent(record: Mapping[str, Any], rules: ConsentRules) -> Consent:
    """What one profile agreed to. Never raises: an array that can't be read counts as refusal of everything, with an issue."""
    read = {role: _ids(record.get(name), name) for role, name in rules.arrays.items()}
    unreadable = tuple(found for found in read.values() if isinstance(found, Issue))
    if unreadable:
        return Consent("out", "out", "out", "out", no_mail=_names_no_mail(rules), issues=unreadable)
    lists, channels_out, types_out, types_in = (read[role] for role in ARRAYS)
    if (lists or NOTHING) & rules.suppression_lists:
        no_mail = rules.no_mail_suppressed or _no_mail(rules, channels_out, types_out)
        return Consent("out", "out", "out", "out", suppressed=True, no_mail=no_mail)
    if channels_out is None and types_out is None and types_in is None:
        return Consent("unknown", "unknown", "unknown", "unknown")
    refused, refused_types, wanted = channels_out or NOTHING, types_out or NOTHING, types_in or NOTHING
    answers: dict[str, Any] = {name: rules.media.get(name, Medium()).answer(refused, refused_types, wanted) for name in MEDIA}
    return Consent(**answers, no_mail=_no_mail(rules, refused, refused_types), issues=_unknown_ids(rules, refused, refused_types | wanted))


def topic_answers(record: Mapping[str, Any], rules: ConsentRules, topics: Sequence[Topic]) -> list[Answer]:
    """What one profile says of each topic, by the rule of the module for a single type. Never raises."""
    read = {role: _ids(record.get(name), name) for role, name in rules.arrays.items()}
    lists, channels_out, types_out, types_in = (read[role] for role in ARRAYS)
    if any(isinstance(found, Issue) for found in read.values()) or (lists or NOTHING) & rules.suppression_lists:
        return ["out"] * len(topics)
    if channels_out is None and types_out is None and types_in is None:
        return ["unknown"] * len(topics)
    refused, refused_types, wanted = channels_out or NOTHING, types_out or NOTHING, types_in or NOTHING
    return [
        "out" if one.channel in refused or one.type in refused_types else "in" if one.opt_out or one.type in wanted else "out"
        for one in topics
    ]


def _ids(value: Any, name: str) -> Any:
    """A frozenset of ids, None where the profile has no such array, or an Issue where it can't be read."""
    if value is None:
        return None
    if isinstance(value, str):
        value = _from_text(value)
    ids = [_id(part) for part in value] if isinstance(value, list) else [None]
    if None in ids:
        return Issue("consent.unreadable", name, brief(value), "note")
    return frozenset(ids)


def _from_text(text: str) -> Any:
    """Exports to text write arrays as JSON; anything else stays what it is."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _id(value: Any) -> int | None:
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 20:
        return int(value)
    return None


def _names_no_mail(rules: ConsentRules) -> bool:
    return bool(rules.no_mail_suppressed or rules.no_mail_channels or rules.no_mail_types)


def _no_mail(rules: ConsentRules, channels: frozenset[int] | None, types: frozenset[int] | None) -> bool:
    return bool((channels or NOTHING) & rules.no_mail_channels or (types or NOTHING) & rules.no_mail_types)


def _unknown_ids(rules: ConsentRules, channels: frozenset[int], types: frozenset[int]) -> tuple[Issue, ...]:
    strange = sorted(channels - rules.known_channels) + sorted(types - rules.known_types)
    return (Issue("consent.unknown_id", "", ", ".join(map(str, strange[:20])), "note"),) if strange else ()


def consent_columns(prefix: str) -> tuple[str, ...]:
    """All columns of contact and lead in which true is a refusal."""
    return "donotbulkemail", "donotemail", f"{prefix}_sms_opt_out", f"{prefix}_push_opt_out", f"{prefix}_inapp_opt_out"


def stricter_values(ours: Mapping[str, bool], existing: Mapping[str, Any]) -> dict[str, bool]:
    """What to write into a row that exists already: refusals that it doesn't have yet, and our answer where it has none.

    An existing refusal is never taken back.
    """
    return {column: refused for column, refused in ours.items() if existing.get(column) is None or (refused and existing[column] is False)}
