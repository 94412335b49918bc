"""What the pages of the rules show in counts before anything is loaded is what the load then does, read at the destination."""

import json
from types import SimpleNamespace

import pytest

from loads import staged
from loads.models import Run
from mapping import plan
from mapping.models import FieldMap
from mapping.rule_previews import preview
from tests import folders
from tests.folders import NOBODY_REFUSED, organisation_list, user
from tests.playing import collect

pytestmark = [pytest.mark.database, pytest.mark.django_db]
LEAVE = ("list", "listMembership", "campaign", "catalogItem", "subscriptionEvent")
MORNING = "2024-03-05 09:10:11 +00:00"
COLUMNS = {"email": "donotbulkemail", "sms": "mwb_sms_opt_out", "push": "mwb_push_opt_out", "inapp": "mwb_inapp_opt_out"}
NOT_COLUMNS = {"payload.too_deep", "payload.array_of_objects"}


def people():
    silent = dict.fromkeys(NOBODY_REFUSED)
    return [
        *(user(f"u-{n}", f"p{n}@north.example", "customer" if n % 2 else "lead", emailListIds=[1]) for n in range(6)),
        user("u-silent", "silent@south.example", **silent),
        user("u-silent-2", "silent2@south.example", "lead", **silent),
        user("u-refused", "refused@west.example", unsubscribedChannelIds=[31]),
        user("u-suppressed", "suppressed@gmail.com", "lead", emailListIds=[2]),
        user("u-free", "free@gmail.com", "lead"),
        user("u-twice", "p1@north.example", profileUpdatedAt="2020-01-01 08:00:00 +00:00", unsubscribedChannelIds=[33]),
    ]


def folder(path):
    line = {"id": "P-1", "name": "Sensor", "price": 10.0, "quantity": 2}
    bought = [
        {"id": f"pu-{name}", "userId": name, "total": 20, "currency": "EUR", "createdAt": MORNING, "shoppingCartItems": [line]}
        for name in ("u-0", "u-1", "u-2", "u-2", "u-free")
    ]
    shapes = [{"plan": "gold"}, {"plan": "gold", "seats": 3}, {"answers": [{"a": 1}]}, {"poll": {"q": {"x": {"y": 1}}}}]
    events = [
        {"id": f"e-{n}", "userId": f"u-{n % 6}", "eventName": "used", "createdAt": MORNING, **shapes[n % len(shapes)]} for n in range(24)
    ]
    currency = {"transactioncurrencyid": "00000000-0000-0000-0000-00000000e001", "isocurrencycode": "EUR", "currencyname": "Euro"}
    currency |= {"exchangerate": 1.0, "currencyprecision": 2}
    lists = [organisation_list(1, "Company: Northpine"), {"id": 2, "name": "Do not mail", "listType": "Suppression", "createdAt": 0}]
    for number, one in enumerate(bought):
        one["id"] = f"pu-{number}"
    more = {"export/purchase.ndjson": bought, "export/customEvent.ndjson": events}
    return folders.write(path, people(), lists=lists, more=more, rows={"dataverse/transactioncurrency": [currency]})


@pytest.fixture(scope="module")
def loaded(told):
    """What the rules' pages showed, and what stands at the sandbox after the run."""
    return told


def story(prepared):
    """What is shown before the run that it is given, and what came of that."""
    shown = preview(prepared.engagement, plan.names_of(prepared.engagement))
    run = yield
    flat = [json.loads(row["reasons"]) for row in staged.read_reasons(run, "customEvent")]
    yield SimpleNamespace(
        state=run.state,
        people=shown["people"],
        events={row["object"]: row for row in shown["events"]},
        played=collect(prepared.engagement, prepared.servers),
        phases={(phase.object_name, phase.table): phase for phase in run.phases.filter(kind="rows")},
        flagged=sum(any(one["code"] in NOT_COLUMNS for one in reasons) for reasons in flat),
        lines=list(FieldMap.objects.filter(object_name="customEvent").values_list("column", "new_column")),
    )


def rows(loaded):
    return [row for table in ("contact", "lead") for row in loaded.played.of_source(table, "user", "sandbox")]


def test_every_person_is_one_row_and_arrives_opted_out_as_shown(loaded):
    assert loaded.state == Run.State.DONE
    assert loaded.people["people"] == len(rows(loaded)) == 11 + 3  # of test_sums
    shown = {row["medium"]: row["opted_out"] for row in loaded.people["consent"]}
    assert shown == {medium: sum(row[column] for row in rows(loaded)) for medium, column in COLUMNS.items()}
    assert shown["email"] == 4
    assert shown["sms"] > shown["email"]


def test_companies_come_from_lists_and_domains_as_shown(loaded):
    shown, made = loaded.people["companies"], loaded.played.of_source("account", "company", "sandbox")
    assert (shown["list_count"], shown["domains"]) == (1, 2)
    assert shown["list_count"] + shown["domains"] == len(made)
    parents = [row.get("_parentcustomerid_value") or row.get("_parentaccountid_value") for row in rows(loaded)]
    assert shown["without"] == parents.count(None) == 2 + 3


def test_purchases_of_leads_go_to_their_account_or_are_held_as_shown(loaded):
    purchases = loaded.people["purchases"]
    assert purchases["count"] == loaded.phases["purchase", "opportunity"].extracted == 5 + 3
    accounts = {row["accountid"] for row in loaded.played.rows("account", "sandbox")}
    deals = loaded.played.of_source("opportunity", "purchase", "sandbox")
    of_accounts, held = sum(row["_customerid_value"] in accounts for row in deals), loaded.phases["purchase", "opportunity"].held
    assert purchases["outcomes"]["lead"]["purchases"] == of_accounts + held == 4
    assert held == 1


def test_events_go_where_shown_with_as_many_columns_and_as_many_that_none_can_hold(loaded):
    shown, tasks = loaded.events["customEvent"], loaded.played.of_source("task", "customEvent", "sandbox")
    assert (shown["table"], shown["events"]) == ("task", len(tasks))
    assert shown["lost"] == loaded.flagged == 12
    new = {column for column, made in loaded.lines if made}
    assert shown["columns"] == len(new)
    assert new <= {name for row in tasks for name, value in row.items() if value is not None}
