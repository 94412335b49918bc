"""What the `maps` plan part says of each object: its tables and, from the playbook, how its records become rows.

It stands in the signed part, so that what was signed is what runs, whatever a later playbook says.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mapping.playbooks import Playbook
from workbench.engagements.errors import WorkbenchError

ACTIVITIES, PARENT = "@activities", "@parent"  # owners that a record rule may name
MORE_THAN_A_NAME = ("product", "list", "order_line", "membership")  # kinds of which the service takes no row with a name alone


class LookupCycle(WorkbenchError):
    """Objects look up to each other in a circle."""

    remedy = "Break the circle in the playbook: set one of the lookups in a later pass."


def object_content(playbook: Playbook, name: str, tables: Sequence[str], names: Mapping[str, str]) -> dict[str, Any]:
    """One object as the `maps` part keeps it, with `{prefix}` and the settings' `@names` put in. names: see `plan.names_of`."""
    record = {key: value for key, value in asdict(playbook.record(name)).items() if key != "object"}
    parents = [asdict(rule) for rule in playbook.parents if rule.object == name]
    computed = [asdict(rule) for rule in playbook.computed if rule.object == name]
    rule = playbook.object(name)
    content = {"kind": rule.kind, "after": rule.after, "record": record, "parents": parents, "computed": computed}
    return {"tables": list(tables), **_put_in(content, names)}


def _put_in(value: Any, names: Mapping[str, str]) -> Any:
    """Plain JSON, the placeholders replaced; '@activities' and '@parent' are no settings and stay."""
    if isinstance(value, str):
        text = value.replace("{prefix}", names["prefix"])
        return names.get(text[1:], text) if text.startswith("@") else text
    if isinstance(value, Mapping):
        return {_put_in(key, names): _put_in(part, names) for key, part in value.items()}
    return [_put_in(part, names) for part in value] if isinstance(value, (list, tuple)) else value


def load_order(objects: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Names of the objects that load, each after its parents and what it comes `after`, else by name. Raises LookupCycle.

    objects: of the `maps` part, whose own order databases don't keep. A parent that isn't among them binds nothing; an object without
    tables is documented only.
    """
    left = {name: _needs(objects[name], objects) - {name} for name in sorted(objects) if objects[name]["tables"]}
    order: list[str] = []
    while left:
        ready = next((name for name, needs in left.items() if not needs & set(left)), None)
        if ready is None:
            raise LookupCycle(f"These objects look up to each other: {', '.join(left)}.")
        order.append(ready)
        del left[ready]
    return order


def documented(objects: Mapping[str, Mapping[str, Any]], playbook: Playbook) -> list[str]:
    """Names of what is landed and of which nothing moves: by the maps, or since an inventory alone tells of it.

    objects: of the `maps` part.
    """
    told = [rule.name for rule in playbook.datasets if rule.documented and rule.name not in objects]
    return [*sorted(name for name, content in objects.items() if not content["tables"]), *told]


def may_be_stood_for(kind: str) -> bool:
    """Whether a row with a name alone may stand for a missing record of a kind."""
    return kind not in MORE_THAN_A_NAME


def has_placeholders(objects: Mapping[str, Mapping[str, Any]], name: str) -> bool:
    """Whether a placeholder may stand for a missing parent of an object's records. objects: of the `maps` part."""
    parents = [rule["parent"] for rule in objects[name]["parents"] if rule["absent"] == "hold"] if name in objects else []
    return any(may_be_stood_for(objects[parent]["kind"]) for parent in parents if parent in objects and objects[parent]["tables"])


def _needs(content: Mapping[str, Any], objects: Iterable[str]) -> set[str]:
    return ({parent["parent"] for parent in content["parents"]} | set(content["after"])) & set(objects)
