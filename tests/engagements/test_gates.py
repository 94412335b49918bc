import pytest

from tests.pages import cast
from workbench.engagements import gates
from workbench.engagements.gates import GateClosed

pytestmark = pytest.mark.django_db


@pytest.fixture
def northwind():
    return cast.make_engagement("Northwind")


@pytest.fixture
def two_gates(monkeypatch):
    """A registry with two gates of the test's own."""
    monkeypatch.setattr(gates, "_gates", {})

    @gates.gate("keys", "extract")
    def keys(engagement, environment):
        yield "There is no key.", "engineer"

    @gates.gate("house", "extract", "load")
    def house(engagement, environment):
        if environment is None or environment.is_production:
            yield "The house isn't in order.", "approver"


@pytest.mark.usefixtures("two_gates")
def test_a_closed_gate_says_everything_that_is_missing_and_whose_move_it_is(northwind):
    found = gates.missing("extract", northwind)
    assert [(item.gate, item.says, item.move) for item in found] == [
        ("keys", "There is no key.", "engineer"),
        ("house", "The house isn't in order.", "approver"),
    ]
    with pytest.raises(GateClosed) as closed:
        gates.require("extract", northwind)
    assert closed.value.missing == found
    assert str(closed.value) == "Extract can't start: There is no key. The house isn't in order."


@pytest.mark.usefixtures("two_gates")
def test_a_gate_closes_only_the_actions_and_environments_that_it_names(northwind):
    gates.require("provision", northwind)
    gates.require("load", northwind, northwind.environments.get(kind="sandbox"))
    with pytest.raises(GateClosed):
        gates.require("load", northwind, northwind.environments.get(kind="production"))


def test_a_look_asks_each_check_once_for_an_environment_and_one_that_is_the_same_everywhere_once(northwind, monkeypatch):
    monkeypatch.setattr(gates, "_gates", {})
    asked = []

    @gates.gate("house", "provision", "load")
    def house(engagement, environment):
        asked.append(environment.kind)
        yield f"The house isn't in order in {environment.kind}.", "engineer"

    @gates.gate("keys", "extract", "provision", "load", everywhere=True)
    def keys(engagement, environment):
        asked.append("keys")
        yield "There is no key.", "engineer"

    look = gates.Look(northwind)
    assert [one.says for one in look.missing("extract")] == ["There is no key."]
    for kind in ("sandbox", "production"):
        for action in ("provision", "load"):
            found = look.missing(action, northwind.environments.get(kind=kind))
            assert [one.says for one in found] == [f"The house isn't in order in {kind}.", "There is no key."]
    assert asked == ["keys", "sandbox", "production"]


def test_a_gate_can_not_be_registered_for_an_unknown_action():
    with pytest.raises(ValueError, match="fly"):
        gates.gate("wings", "fly")


@pytest.mark.parametrize("address", ["https://production.crm4.dynamics.com/", "https://Production.api.crm4.dynamics.com/api/data/v9.2"])
@pytest.mark.parametrize("action", ["provision", "load"])
def test_a_sandbox_with_the_address_of_production_is_never_written(northwind, action, address):
    sandbox = northwind.environments.get(kind="sandbox")
    assert "environments apart" not in {one.gate for one in gates.missing(action, northwind, sandbox)}
    northwind.connections.filter(pk=sandbox.connection_id).update(base_url=address)
    said = [one.says for one in gates.missing(action, northwind, sandbox) if one.gate == "environments apart"]
    assert said == [
        "Sandbox and production have the same address, production.crm4.dynamics.com: enter each environment's own in its connection."
    ]
