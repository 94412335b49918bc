"""The order in which objects load: from their lookups and what they come after, the same on every database."""

import pytest

from mapping.objects import LookupCycle, load_order
from mapping.playbooks import load_playbook


def lookup(parent: str, absent: str = "leave") -> dict:
    return {"parent": parent, "column": f"{parent}id", "absent": absent}


def of(*parents: str | dict, after: tuple[str, ...] = (), tables: tuple[str, ...] = ("task",), kind: str = "record") -> dict:
    rules = [lookup(parent) if isinstance(parent, str) else parent for parent in parents]
    return {"tables": list(tables), "after": list(after), "parents": rules, "kind": kind}


def required(**levels: str):
    """How much the lookups of objects are required, by the object's name."""
    return lambda name, rule: {levels.get(name, "None")}


def test_parents_load_before_their_children_and_others_by_name():
    objects = {"event": of("user"), "user": of(after=("company",)), "campaign": of(), "company": of()}
    assert load_order(objects).names == ("campaign", "company", "user", "event")
    assert load_order(dict(reversed(objects.items()))) == load_order(objects)
    assert not load_order(objects).late


def test_what_is_not_loaded_keeps_nobody_waiting():
    assert load_order({"user": of("company"), "journey": of(tables=()), "note": of("journey")}).names == ("note", "user")


def test_lookups_of_an_object_to_itself_and_of_people_and_companies_are_set_late():
    order = load_order({"account": of("account", "owner"), "owner": of("person", kind="person"), "person": of()})
    assert order.names == ("owner", "account", "person")
    assert order.late == {("account", "account"), ("owner", "person")}


CIRCLE = {"deal": of("person"), "person": of("firm"), "firm": of("deal"), "line": of("deal")}


@pytest.mark.parametrize(
    ("changes", "levels", "late"),
    [
        ({}, {}, ("deal", "person")),  # the first by name
        ({"deal": of(lookup("person", "hold"))}, {}, ("firm", "deal")),  # a record is better loaded than held
        ({}, {"deal": "ApplicationRequired"}, ("firm", "deal")),
        ({"firm": of(lookup("deal", "hold"))}, {"deal": "SystemRequired", "person": "ApplicationRequired"}, ("firm", "deal")),
        ({"deal": of("person", after=("person",))}, {}, ("firm", "deal")),
        ({"person": of("firm", "deal")}, {}, ("deal", "person")),  # which is in two circles at once
    ],
)
def test_a_circle_is_broken_at_the_lookup_that_is_missed_least(changes, levels, late):
    objects = CIRCLE | changes
    order = load_order(objects, required(**levels))
    assert order.late == {late}
    assert load_order(dict(reversed(objects.items())), required(**levels)) == order
    places = {name: place for place, name in enumerate(order.names)}
    ties = [(name, rule["parent"]) for name, content in objects.items() for rule in content["parents"]]
    assert all(places[parent] < places[name] for name, parent in ties if (name, parent) != late)


def test_a_circle_of_which_the_service_requires_every_lookup_is_refused_by_name():
    with pytest.raises(LookupCycle, match="deal.personid to person, firm.dealid to deal, person comes after firm"):
        load_order(CIRCLE | {"person": of(after=("firm",))}, required(deal="SystemRequired", firm="SystemRequired"))
    with pytest.raises(LookupCycle, match="account.accountid to account"):
        load_order({"account": of("account")}, required(account="SystemRequired"))


def test_iterable_loads_companies_then_people_then_what_hangs_on_them():
    playbook = load_playbook("iterable")
    parents = {rule.name: [one.parent for one in playbook.parents if one.object == rule.name] for rule in playbook.objects}
    found = load_order({rule.name: of(*parents[rule.name], after=rule.after, kind=rule.kind) for rule in playbook.objects})
    assert not found.late
    order = found.names
    for first, second in [
        ("company", "user"), ("user", "list"), ("list", "campaign"), ("list", "listMembership"), ("user", "customEvent"),
        ("campaign", "purchase"), ("catalogItem", "purchase"), ("purchase", "purchaseLine"), ("user", "subscriptionEvent"),
    ]:  # fmt: skip
        assert order.index(first) < order.index(second), (first, second)
