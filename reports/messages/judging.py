"""What becomes of each expression of a template: its columns with their tokens, or the reasons why it is rebuilt by hand."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from connectors.messages import Expression, Message, Scan, Snippet
from reports.messages.destinations import Destinations, Found
from reports.messages.rebuild import STATUSES, table
from reports.messages.sources import Sources

# Families of functions that are a reason by themselves, and the reason.
_BY_FAMILY = {"loop": "loop", "send": "send", "variable": "variable", "format": "computed", "encode": "computed"}


def expressions(message: Message, scans: Sequence[Scan], sources: Sources, destinations: Destinations) -> Iterator[dict[str, Any]]:
    """Every expression of a template, and once those of each snippet that it uses; see `judged` for the shape."""
    used: dict[str, tuple[Snippet, Scan] | None] = {}
    waiting = [(one, "") for scan in reversed(scans) for one in reversed(scan.expressions)]
    while waiting:
        one, via = waiting.pop()
        new = one.kind == "snippet" and one.target not in used
        found = used.setdefault(one.target, sources.snippet(one.target)) if one.kind == "snippet" else None
        yield judged(one, message, destinations, via=via, is_missing=one.kind == "snippet" and found is None)
        if new and found is not None:
            way = f"{via} > {found[0].name}" if via else found[0].name
            waiting += [(inner, way) for inner in reversed(found[1].expressions)]


def judged(one: Expression, message: Message, destinations: Destinations, *, via: str = "", is_missing: bool = False) -> dict[str, Any]:
    """An expression as data: where it stands, what it is, each value that it reads with what became of it, and the worst of all that.

    status: resolved, replaced (the destination has something of its own), by_hand, or ignored (a comment). reasons: [{"code", "detail"}].
    """
    found = [destinations.of(reference, message, one.default) for reference in one.references]
    reasons = _reasons(one, found, is_missing=is_missing)
    return {
        "field": one.field,
        "line": one.line,
        "offset": one.offset,
        "via": via,
        "kind": one.kind,
        "text": one.text,
        "helper": one.helper,
        "helpers": list(one.helpers),
        "unknown": list(one.unknown),
        "families": list(one.families),
        "target": one.target,
        "default": one.default,
        "depth": one.depth,
        "paths": [_path(one, number, answer) for number, answer in enumerate(found)],
        "status": _worst(one, reasons),
        "reasons": [{"code": code, "detail": detail} for code, detail in reasons],
    }


def _path(one: Expression, number: int, found: Found) -> dict[str, Any]:
    reference = one.references[number]
    return {
        "written": reference.written,
        "path": reference.name,
        "root": reference.root,
        "of": reference.of,
        "resolved": bool(found.targets),
        "columns": [asdict(target) for target in found.targets],
        "code": found.code,
        "detail": found.detail,
        "note": found.note,
    }


def _reasons(one: Expression, found: Sequence[Found], *, is_missing: bool) -> list[tuple[str, str]]:
    """(code, detail) of everything that keeps an expression from being simply a column, each once."""
    if one.kind == "comment":
        return []
    reasons = [(answer.code, answer.detail) for answer in found if answer.code]
    if one.kind == "snippet":
        reasons.append(("snippet_missing" if is_missing else "snippet", one.target))
    elif one.kind in ("feed", "catalog", "partial"):
        reasons.append((one.kind, one.target))
    if one.unknown:
        reasons.append(("unknown_helper", ", ".join(one.unknown)))
    reasons += [(_BY_FAMILY[family], one.helper) for family in one.families if family in _BY_FAMILY]
    if not one.references and not reasons:
        reasons.append(("nothing_read", ""))
    return _each_code_once(reasons)


def _each_code_once(reasons: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    details: dict[str, dict[str, None]] = {}
    for code, detail in reasons:
        details.setdefault(code, {})[detail] = None
    return [(code, ", ".join(filter(None, found))) for code, found in details.items()]


def _worst(one: Expression, reasons: Sequence[tuple[str, str]]) -> str:
    if one.kind == "comment":
        return "ignored"
    known = table().reasons
    return min((known[code].status for code, _ in reasons), key=STATUSES.index, default="resolved")
