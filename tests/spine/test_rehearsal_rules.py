"""What the rehearsal says to single values and bodies, by the destination's metadata alone."""

import pytest

from connectors.dataverse.metadata import Column, Table
from loads.rehearsal.bodies import Bodies
from loads.rehearsal.values import compile_check

ID = "00000000-0000-0000-0000-000000000001"


def column(name, kind, **rules):
    return Column("contact", name, kind, **rules)


@pytest.mark.parametrize(
    ("of", "value", "code"),
    [
        (column("a", "String", max_length=3), "abc", None),
        (column("a", "String", max_length=3), "a😀b", "0x80044331"),  # four code units
        (column("a", "Memo", max_length=3), 3, "0x80048d19"),
        (column("a", "String", max_length=9), "a\x01", "0x80040203"),
        (column("a", "Integer", min=0, max=9), 9, None),
        (column("a", "Integer", min=0, max=9), 10, "0x8004432f"),
        (column("a", "Integer"), True, "0x80048d19"),
        (column("a", "Integer"), 1.0, "0x80048d19"),
        (column("a", "BigInt"), 2**63, "0x8004432f"),
        (column("a", "Money", max=100, precision=2), 12.34567, None),  # rounded by the service
        (column("a", "Decimal", max=100), 100.5, "0x80044330"),
        (column("a", "Double"), float("nan"), "0x80048d19"),
        (column("a", "Boolean"), 1, "0x80048d19"),
        (column("a", "Choice", options={1: "One"}), 2, "0x8004431a"),
        (column("a", "Choice", options={1: "One"}), "1", "0x80048d19"),
        (column("a", "MultiChoice", options={1: "One", 2: "Two"}), "1,2", None),
        (column("a", "MultiChoice", options={1: "One"}), "1,3", "0x8004431a"),
        (column("a", "MultiChoice", options={}), "one", "0x80048d19"),
        (column("a", "DateTime", behavior="DateOnly"), "2024-02-29", None),
        (column("a", "DateTime", behavior="DateOnly"), "2023-02-29", "0x80048d19"),
        (column("a", "DateTime", behavior="UserLocal"), "2024-02-29", "0x80048d19"),
        (column("a", "DateTime", behavior="UserLocal"), "2024-02-29T10:00:00Z", None),
        (column("a", "DateTime", behavior="UserLocal"), "1752-12-31T10:00:00Z", "0x80040203"),
        (column("a", "Uniqueidentifier"), ID, None),
        (column("a", "Uniqueidentifier"), "no id", "0x80048d19"),
        (column("a", "Lookup"), ID, "0x80048d19"),
    ],
)
def test_a_value_is_refused_as_the_service_would_refuse_it(of, value, code):
    fault = compile_check(of)(value)
    assert (fault.code if fault else None) == code


TABLE = Table(
    "contact",
    "contacts",
    "contactid",
    {
        one.name: one
        for one in (
            column("contactid", "Uniqueidentifier"),
            column("lastname", "String", required="ApplicationRequired"),
            column("code", "String", required="SystemRequired"),
            column("fullname", "String", valid_for_create=False),
            column("statecode", "State", options={0: "Active", 1: "Inactive"}),
            column("statuscode", "Status", options={1: "Active", 2: "Inactive"}, states={1: 0, 2: 1}),
            column(
                "parentcustomerid", "Customer", navigation={"account": "parentcustomerid_account", "contact": "parentcustomerid_contact"}
            ),
            column("ownerid", "Owner", navigation={"systemuser": "ownerid", "team": "ownerid"}),
        )
    },
)
SETS = {"account": "accounts", "contact": "contacts", "systemuser": "systemusers", "team": "teams"}
GOOD = {"code": "1", "lastname": "Lind", "parentcustomerid_account@odata.bind": f"/accounts({ID})", "ownerid@odata.bind": f"/teams({ID})"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"code": None}, [("0x80040200", "code")]),
        ({"colour": "red"}, [("0x80048d19", "colour")]),
        ({"parentcustomerid_lead@odata.bind": f"/leads({ID})"}, [("0x80048d19", "parentcustomerid_lead")]),
        ({"parentcustomerid_account@odata.bind": f"/contacts({ID})"}, [("0x80048d19", "parentcustomerid")]),
        ({"ownerid@odata.bind": None}, [("0x80040203", "ownerid")]),
        ({"statecode": 1, "statuscode": 1}, [("0x80048408", "statuscode")]),
        ({"fullname": 5}, []),  # the service leaves it out
    ],
)
def test_a_body_is_refused_for_all_its_faults_at_once(changes, told):
    faults = Bodies(TABLE, create=True, sets=SETS).faults(GOOD | changes)
    assert [(fault.code, fault.column) for fault in faults] == told


def test_what_the_service_takes_but_not_as_it_is_meant_is_remarked():
    remarks = Bodies(TABLE, create=True, sets=SETS).remarks({"code": "1", "fullname": "Mara Lind"})
    assert sorted((one.code, one.column) for one in remarks) == [("column.business_required", "lastname"), ("column.ignored", "fullname")]


def test_rows_that_are_bound_are_known_by_table_and_id():
    found = list(Bodies(TABLE, create=True, sets=SETS).references(GOOD))
    assert [(one.column, one.entity_set, one.row_id, one.owner) for one in found] == [
        ("parentcustomerid", "accounts", ID, False),
        ("ownerid", "teams", ID, True),
    ]
