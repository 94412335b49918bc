"""The order in which objects load: from their lookups and what they come after, the same on every database."""

import pytest

from mapping.objects import LookupCycle, load_order
from mapping.playbooks import load_playbook


def of(*parents: str, after: tuple[str, ...] = (), tables: tuple[str, ...] = ("task",)) -> dict:
    return {"tables": list(tables), "after": list(after), "parents": [{"parent": parent} for parent in parents]}


def test_parents_load_before_their_children_and_others_by_name():
    objects = {"event": of("user"), "user": of(after=("company",)), "campaign": of(), "company": of()}
    assert load_order(objects) == ["campaign", "company", "user", "event"]
    assert load_order(dict(reversed(objects.items()))) == ["campaign", "company", "user", "event"]


def test_what_is_not_loaded_keeps_nobody_waiting():
    assert load_order({"user": of("company"), "journey": of(tables=()), "note": of("journey")}) == ["note", "user"]


def test_an_object_that_looks_up_to_itself_is_no_circle():
    assert load_order({"account": of("account")}) == ["account"]


def test_a_circle_is_named():
    with pytest.raises(LookupCycle, match="deal, person"):
        load_order({"person": of("deal"), "deal": of(after=("person",))})


def test_iterable_loads_companies_then_people_then_what_hangs_on_them():
    playbook = load_playbook("iterable")
    parents = {rule.name: [one.parent for one in playbook.parents if one.object == rule.name] for rule in playbook.objects}
    order = load_order({rule.name: of(*parents[rule.name], after=rule.after) for rule in playbook.objects})
    for first, second in [
        ("company", "user"), ("user", "list"), ("list", "campaign"), ("list", "listMembership"), ("user", "customEvent"),
        ("campaign", "purchase"), ("catalogItem", "purchase"), ("purchase", "purchaseLine"), ("user", "subscriptionEvent"),
    ]:  # fmt: skip
        assert order.index(first) < order.index(second), (first, second)
