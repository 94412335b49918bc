import pytest

from tests.simulators.dataverse_organisation import NS, guid, multipart, organisation

BATCH = {"Content-Type": "multipart/mixed; boundary=b"}
GO_ON = BATCH | {"Prefer": "odata.continue-on-error"}


@pytest.fixture(scope="module")
def org(tmp_path_factory):
    with organisation(tmp_path_factory.mktemp("empty")) as served:
        yield served


def batch(org, body, headers=BATCH):
    return org.session.post(org.root + "$batch", data=body, headers=headers, timeout=30)


def statuses(answer):
    return [int(line.split(" ")[1]) for line in answer.text.split("\r\n") if line.startswith("HTTP/1.1 ")]


def test_create_multiple_gives_the_ids_in_order(org):
    own = guid()
    rows = [{"lastname": "M0"}, {"lastname": "M1", "contactid": own}, {"lastname": "M2"}]
    answer = org.bulk("contacts", "contact", "CreateMultiple", rows)
    ids = answer.json()["Ids"]
    assert answer.status_code == 200
    assert ids[1] == own
    assert [org.get(f"contacts({i})?$select=lastname")["lastname"] for i in ids] == ["M0", "M1", "M2"]


def test_one_bad_row_undoes_the_whole_call(org):
    rows = [{"lastname": "All or"}, {"lastname": "nothing" * 9}]
    answer = org.bulk("contacts", "contact", "CreateMultiple", rows)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "0x80044331")
    assert not org.get("contacts?$filter=lastname eq 'All or'")["value"]


def test_update_multiple_applies_the_first_of_two_and_says_nothing(org):
    row_id = org.create("contacts", {"lastname": "Twice"})
    rows = [{"contactid": row_id, "jobtitle": "first"}, {"contactid": row_id.upper(), "jobtitle": "second"}]
    answer = org.bulk("contacts", "contact", "UpdateMultiple", rows)
    assert answer.status_code == 204
    assert not answer.content
    assert org.get(f"contacts({row_id})")["jobtitle"] == "first"
    assert org.bulk("contacts", "contact", "UpdateMultiple", [{"contactid": guid(), "jobtitle": "x"}]).status_code == 404
    assert org.bulk("contacts", "contact", "UpdateMultiple", [{"jobtitle": "x"}]).status_code == 400


def test_upsert_multiple_creates_and_updates_without_saying_which_and_takes_no_duplicates(org):
    row_id, fresh = org.create("contacts", {"lastname": "There"}), guid()
    rows = [{"contactid": row_id, "jobtitle": "u"}, {"contactid": fresh, "lastname": "Made"}]
    answer = org.bulk("contacts", "contact", "UpsertMultiple", rows)
    assert answer.status_code == 204
    assert not answer.content
    assert org.get(f"contacts({fresh})")["lastname"] == "Made"
    assert org.bulk("contacts", "contact", "UpsertMultiple", rows[:1] * 2).status_code == 412


def test_targets_name_their_table_and_some_tables_have_no_bulk_messages(org):
    assert org.refusal("POST", f"contacts/{NS}.CreateMultiple", {"Targets": [{"lastname": "x"}]})[1] == "0x80048d19"
    assert org.bulk("contacts", "account", "CreateMultiple", [{"name": "x"}]).status_code == 400
    assert org.bulk("teams", "team", "CreateMultiple", [{"name": "x"}]).status_code == 400
    supported = "sdkmessagefilters?$select=sdkmessagefilterid&$filter=sdkmessageid/name eq @message and primaryobjecttypecode eq @table"
    values = {"account": 1, "team": 0, "listmember": 0, "contact": 1}
    found = {t: len(org.get(f"{supported}&@message='CreateMultiple'&@table='{t}'")["value"]) for t in values}
    assert found == values


def test_a_batch_stops_at_the_first_failure_and_answers_400(org):
    parts = [("POST", "contacts", {"lastname": "One"}), ("POST", "contacts", {"nope": 1}), ("POST", "contacts", {"lastname": "Two"})]
    answer = batch(org, multipart(parts))
    assert (answer.status_code, statuses(answer)) == (400, [204, 400])
    assert not org.get("contacts?$filter=lastname eq 'Two'")["value"]


def test_a_batch_that_goes_on_answers_every_part_in_order(org):
    parts = [("GET", "accounts?$top=1", None), ("POST", "contacts", {"nope": 1}), ("POST", "contacts", {"lastname": "Three"}),
             ("DELETE", f"contacts({guid()})", None)]  # fmt: skip
    answer = batch(org, multipart(parts, root="/api/data/v9.2/"), GO_ON)
    assert (answer.status_code, statuses(answer)) == (200, [200, 400, 204, 404])
    assert answer.content.startswith(b"--batchresponse_")
    assert answer.text.count("REQ_ID: ") == 2


def test_a_batch_has_at_most_a_thousand_requests(org):
    many = [("GET", "WhoAmI", None)] * 1001
    assert batch(org, multipart(many[:1000])).status_code == 200
    assert batch(org, multipart(many)).status_code == 400


def change_set(*requests):
    inner = "".join(
        f"--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {n}\r\n\r\n{r}\r\n"
        for n, r in enumerate(requests, 1)
    )
    return f'--b\r\nContent-Type: multipart/mixed; boundary="c"\r\n\r\n{inner}--c--\r\n--b--\r\n'.encode()


def post(url, body):
    return f"POST {url} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{body}"


def test_a_change_set_is_one_transaction_whose_parts_refer_to_each_other(org):
    body = change_set(post("accounts", '{"name": "Set"}'),
                      post("contacts", '{"lastname": "Set", "parentcustomerid_account@odata.bind": "$1"}'),
                      'PATCH $1 HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{"description": "by reference"}')  # fmt: skip
    answer = batch(org, body)
    assert (answer.status_code, statuses(answer)) == (200, [204, 204, 204])
    assert "--changesetresponse_" in answer.text
    assert "Content-ID: 2" in answer.text
    contact = org.get("contacts?$filter=lastname eq 'Set'&$expand=parentcustomerid_account($select=description)")["value"][0]
    assert contact["parentcustomerid_account"]["description"] == "by reference"
    broken = batch(org, change_set(post("accounts", '{"name": "Undone"}'), post("accounts", '{"nope": 1}')), GO_ON)
    assert (broken.status_code, statuses(broken)) == (200, [400])
    assert not org.get("accounts?$filter=name eq 'Undone'")["value"]


@pytest.mark.parametrize("requests", [(post("contacts", '{"lastname": "x", "parentcustomerid_account@odata.bind": "$9"}'),),
                                      ("GET WhoAmI HTTP/1.1\r\n\r\n",)])  # fmt: skip
def test_a_change_set_refuses_unknown_references_and_reads(org, requests):
    answer = batch(org, change_set(*requests), GO_ON)
    assert statuses(answer) == [400]
    assert "0x80060888" in answer.text
