"""What the `maps` plan part says of each object: its tables and, from the playbook, how its records become rows.

It stands in the signed part, so that what was signed is what runs, whatever a later playbook says.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mapping.playbooks import Playbook
from workbench.engagements.errors import WorkbenchError

ACTIVITIES, PARENT = "@activities", "@parent"  # owners that a record rule may name
MORE_THAN_A_NAME = ("product", "list", "order_line", "membership")  # kinds of which the service takes no row with a name alone
UNBOUND_KINDS = ("company", "person")  # whose rows are staged by rules of their own, which bind none of the lookups in `parents`
BY_FORMS, BY_SERVICE = "ApplicationRequired", "SystemRequired"  # who asks for a column's value, see `connectors.dataverse.columns.Column`
Edge = tuple[str, str]  # an object and one that it looks up to, or comes after


class LookupCycle(WorkbenchError):
    """Objects look up to each other in a circle, and no lookup of it can be set once the rows are there."""

    remedy = "Break the circle: make one of these lookups optional at the destination, or take one out of the playbook."


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """Objects in load order. late: (object, parent) of lookups that are set once all rows are there, not in the create."""

    names: tuple[str, ...]
    late: frozenset[Edge]

    def is_late(self, object_name: str, rule: Mapping[str, Any]) -> bool:
        """Whether a lookup of an object is set late. rule: one of the object's `parents`."""
        return (object_name, rule["parent"]) in self.late


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


Required = Callable[[str, Mapping[str, Any]], Collection[str]]


def load_order(objects: Mapping[str, Mapping[str, Any]], required: Required = lambda name, rule: ()) -> LoadOrder:
    """The objects that load, each after its parents and what it comes `after`, else by name; which lookups can't be met so is chosen.

    objects: of the `maps` part, whose own order databases don't keep. A parent that isn't among them binds nothing; an object without
    tables is documented only. required: how much the destination's columns for an object's lookup are required, see `Column`; asked of
    lookups in circles alone. Raises LookupCycle where the service requires every lookup of a circle.
    """
    loaded = {name: objects[name] for name in sorted(objects) if objects[name]["tables"]}
    own = {(name, name) for name in loaded if _lookups(loaded, (name, name))}
    for edge in sorted(own):
        _chosen({edge}, loaded, required)
    late = own | {(name, rule["parent"]) for name in loaded if loaded[name]["kind"] in UNBOUND_KINDS for rule in loaded[name]["parents"]}
    left = {name: _needs(name, loaded, late) for name in loaded}
    order: list[str] = []
    while left:
        ready = next((name for name, needs in left.items() if not needs & set(left)), None)
        if ready is None:
            child, parent = _chosen(_in_circles(left), loaded, required)
            late.add((child, parent))
            left[child].discard(parent)
        else:
            order.append(ready)
            del left[ready]
    return LoadOrder(tuple(order), frozenset(late))


def comes_after(objects: Mapping[str, Mapping[str, Any]]) -> dict[str, set[str]]:
    """Object -> those that load before it since it looks up to them, at once or late, or comes `after` them, or after one that does.

    objects: of the `maps` part.
    """
    loaded = {name: one for name, one in objects.items() if one["tables"]}
    first = {name: _needs(name, loaded, ()) for name in loaded}
    return {name: _reached(first, name) for name in loaded}


def _needs(name: str, loaded: Mapping[str, Mapping[str, Any]], late: Collection[Edge]) -> set[str]:
    parents = {rule["parent"] for rule in loaded[name]["parents"] if (name, rule["parent"]) not in late}
    return (parents | set(loaded[name]["after"])) & loaded.keys() - {name}


def _lookups(loaded: Mapping[str, Mapping[str, Any]], edge: Edge) -> list[Mapping[str, Any]]:
    return [rule for rule in loaded[edge[0]]["parents"] if rule["parent"] == edge[1]]


def _in_circles(left: Mapping[str, set[str]]) -> set[Edge]:
    """The edges from whose end a way leads back to their beginning."""
    return {(child, parent) for child in left for parent in left[child] & left.keys() if child in _reached(left, parent)}


def _reached(left: Mapping[str, set[str]], start: str) -> set[str]:
    reached, ways = set[str](), [start]
    while ways:
        new = left[ways.pop()] & left.keys() - reached
        reached |= new
        ways += new
    return reached


def _chosen(edges: Collection[Edge], loaded: Mapping[str, Mapping[str, Any]], required: Required) -> Edge:
    """Of edges in circles the one whose lookups are set late: none that the service requires, the least missed one, the first by name.

    Raises LookupCycle.
    """
    levels = {edge: {level for rule in _lookups(loaded, edge) for level in required(edge[0], rule)} for edge in edges}
    possible = [edge for edge, asked in levels.items() if edge[1] not in loaded[edge[0]]["after"] and BY_SERVICE not in asked]
    if not possible:
        named = [f"{edge[0]}.{rule['column']} to {edge[1]}" for edge in sorted(edges) for rule in _lookups(loaded, edge)]
        named += [f"{name} comes after {first}" for name, first in sorted(edges) if first in loaded[name]["after"]]
        raise LookupCycle(f"These lookups lead in a circle, and none of them can be set later: {', '.join(named)}.")
    return min(possible, key=lambda edge: (BY_FORMS in levels[edge], any(one["absent"] == "hold" for one in _lookups(loaded, edge)), edge))


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
