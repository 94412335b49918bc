"""What decisions about custom logic mean for the headers of a write."""

import pytest

from mapping.quiet import DUPLICATES, FLOWS, LOGIC, STEPS, Thing, headers_of

ALL = {LOGIC: "CustomSync,CustomAsync", FLOWS: "true"}


def step(name: str, decision: str, mode: str = "sync") -> Thing:
    return Thing("step", name, f"id-{name}", "contacts", mode, decision)


def workflow(name: str, decision: str, mode: str = "sync") -> Thing:
    return Thing("workflow", name, "", "contacts", mode, decision)


def flow(decision: str) -> Thing:
    return Thing("flow", "flow", "", "contacts", "", decision)


@pytest.mark.parametrize(
    ("things", "headers"),
    [
        ([], ALL),
        ([step("a", ""), workflow("b", "bypass"), flow("bypass")], ALL),
        ([step("a", "run")], {LOGIC: "CustomAsync", FLOWS: "true"}),
        ([step("a", "run", "async")], {LOGIC: "CustomSync", FLOWS: "true"}),
        ([step("a", "run"), workflow("b", "run", "async"), flow("run")], {}),
        ([step("a", "run"), step("b", "bypass")], {STEPS: "id-b", LOGIC: "CustomAsync", FLOWS: "true"}),
        ([Thing("duplicates", "d", "", "contacts", "", "run")], {**ALL, DUPLICATES: "false"}),
        ([Thing("duplicates", "d", "", "contacts", "", "bypass")], ALL),
    ],
)
def test_headers_leave_out_what_was_not_let_run(things, headers):
    assert headers_of(things) == (headers, [])


@pytest.mark.parametrize(
    "things",
    [
        [step("a", "run"), workflow("b", "bypass")],
        [flow("run"), flow("bypass")],
        [step("a", "run"), *(step(f"b{n}", "bypass") for n in range(4))],
    ],
)
def test_what_can_not_be_had_together_is_said_and_nothing_runs_unasked(things):
    headers, said = headers_of(things)
    assert len(said) == 1
    assert headers == ALL
