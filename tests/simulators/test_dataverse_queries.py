import pytest

from tests.simulators.dataverse_organisation import NS, organisation


@pytest.fixture(scope="module")
def org(tmp_path_factory):
    with organisation(tmp_path_factory.mktemp("empty")) as served:
        account = served.create("accounts", {"name": "O'Hara & Söhne", "accountnumber": "A-1"})
        rows = [
            {"lastname": f"L{n:02}", "firstname": None if n % 3 else "Ann", "numberofchildren": n, "birthdate": f"19{50 + n}-01-01",
             "emailaddress1": f"p+{n}@example.com", "donotemail": n % 2 == 0,
             **({"parentcustomerid_account@odata.bind": f"/accounts({account})"} if n < 4 else {})}
            for n in range(12)
        ]  # fmt: skip
        served.bulk("contacts", "contact", "CreateMultiple", rows)
        served.account = account
        yield served


def names(org, query):
    return [row["lastname"] for row in org.get(f"contacts?$select=lastname&{query}")["value"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("numberofchildren ge 9 and not (lastname eq 'l10')", ["L09", "L11"]),
        ("numberofchildren lt 2 or lastname eq 'L05'", ["L00", "L01", "L05"]),
        ("firstname eq null and numberofchildren gt 9", ["L10", "L11"]),
        ("firstname ne 'Ann' and numberofchildren lt 3", ["L01", "L02"]),
        ("donotemail eq true and birthdate ge 1958-01-01", ["L08", "L10"]),
        ("contains(emailaddress1,'%2B7@')", ["L07"]),
        ("startswith(lastname,'l1') and endswith(lastname,'0')", ["L10"]),
        (f"{NS}.In(PropertyName='lastname',PropertyValues=[\"L01\",\"l02\",\"zz\"])", ["L01", "L02"]),
        (f"{NS}.Between(PropertyName='numberofchildren',PropertyValues=[\"3\",\"4\"])", ["L03", "L04"]),
        ("parentcustomerid_account/name eq 'O''Hara %26 Söhne'", ["L00", "L01", "L02", "L03"]),
        ("createdon gt 2100-01-01T00:00:00Z", []),
        ("lastname eq @who&@who='L03'", ["L03"]),
    ],
)  # fmt: skip
def test_filters_find_what_the_service_finds(org, text, expected):
    assert sorted(names(org, f"$filter={text}")) == expected


def test_lookup_and_primary_key_filters_find_rows_without_reading_all(org):
    ids = [row["contactid"] for row in org.get(f"contacts?$select=contactid&$filter=_parentcustomerid_value eq {org.account}")["value"]]
    assert len(ids) == 4
    wanted = ",".join(f'"{i}"' for i in ids[:2])
    found = org.get(f"contacts?$filter={NS}.In(PropertyName='contactid',PropertyValues=[{wanted}])&$select=contactid")["value"]
    assert sorted(r["contactid"] for r in found) == sorted(ids[:2])


def test_ranges_of_the_moment_of_creation_find_rows_as_they_are_now(org):
    def found(text):
        return sorted(row["name"] for row in org.get(f"accounts?$select=name&$filter={text}")["value"])

    ids = {
        year: org.create("accounts", {"name": f"Y{year}", "overriddencreatedon": f"{year}-01-01T00:00:00Z"}) for year in (2016, 2017, 2018)
    }
    assert found("createdon ge 2016-01-01T00:00:00Z and createdon lt 2018-01-01T00:00:00Z") == ["Y2016", "Y2017"]
    assert found("(createdon lt 2016-01-01T00:00:01Z or createdon eq null) and name ne 'x'") == ["Y2016"]
    org.session.delete(f"{org.root}accounts({ids[2017]})", timeout=30)
    org.create("accounts", {"name": "again", "overriddencreatedon": "2017-05-01T00:00:00Z"})
    assert found("createdon gt 2016-01-01T00:00:00Z and createdon le 2018-01-01T00:00:00Z") == ["Y2018", "again"]


@pytest.mark.parametrize("query", ["$filter=nosuch eq 1", "$select=nosuch", "$filter=lastname eq", "$skip=5", "$orderby=nosuch", "$top=-1",
                                   "$filter=lastname eq 'a' or", "$expand=nosuch", "$filter=shout(lastname)"])  # fmt: skip
def test_a_query_that_the_service_would_refuse_is_refused(org, query):
    assert org.refusal("GET", f"contacts?{query}") == (400, "0x80060888")


def test_rows_are_ordered_with_nulls_first(org):
    assert names(org, "$orderby=firstname asc,lastname desc&$top=2") == ["L11", "L10"]
    assert names(org, "$orderby=firstname desc,lastname&$top=1") == ["L00"]


def test_pages_cover_everything_once_and_survive_deletes_between_them(org):
    url, seen, pages = "contacts?$select=lastname&$count=true", [], 0
    while url:
        page = org.get(url, Prefer="odata.maxpagesize=5")
        assert page["@odata.count"] == 12
        seen += [row["lastname"] for row in page["value"]]
        url, pages = page.get("@odata.nextLink", "").removeprefix(org.root), pages + 1
    assert sorted(seen) == [f"L{n:02}" for n in range(12)]
    assert pages == 3
    assert org.session.get(f"{org.root}contacts/$count", timeout=30).text == "12"


def test_annotations_are_shown_only_when_asked_for(org):
    plain = org.get("contacts?$top=1&$select=donotemail,createdon")["value"][0]
    assert set(plain) == {"@odata.etag", "contactid", "donotemail", "createdon"}
    shown = org.get("contacts?$top=1&$select=donotemail", Prefer='odata.include-annotations="OData.Community.Display.V1.FormattedValue"')
    assert shown["value"][0]["donotemail@OData.Community.Display.V1.FormattedValue"] == "Yes"


def test_alternate_keys_with_unsafe_characters_break_the_request(org):
    assert org.refusal("GET", "accounts(accountnumber='A-1')") == (400, "0x80060890")
    assert org.refusal("GET", "accounts(accountnumber='a%2Bb@c.d')") == (400, "0x80060888")


def test_functions_answer_with_and_without_brackets_and_by_alias(org):
    assert org.get("WhoAmI")["UserId"] == org.get("WhoAmI()")["UserId"]
    for url in ("RetrieveTotalRecordCount(EntityNames=['contact'])", 'RetrieveTotalRecordCount(EntityNames=@p1)?@p1=["contact"]'):
        assert org.get(url)["EntityRecordCountCollection"] == {"Keys": ["contact"], "Values": [12]}
    assert org.refusal("GET", "NoSuchThing")[0] == 404


def fetch(org, xml, **headers):
    return org.call("GET", "contacts", params={"fetchXml": xml}, headers=headers)


def test_fetchxml_pages_by_its_cookie_and_leaves_nulls_out(org):
    xml = ('<fetch count="2" page="{0}"><entity name="contact"><attribute name="lastname"/><attribute name="firstname"/>'
           '<order attribute="lastname" descending="true"/><filter><condition attribute="lastname" operator="like" value="l%"/>'
           '<condition attribute="numberofchildren" operator="ge" value="9"/></filter></entity></fetch>')  # fmt: skip
    first, second = fetch(org, xml.format(1)).json(), fetch(org, xml.format(2)).json()
    assert [r["lastname"] for r in first["value"] + second["value"]] == ["L11", "L10", "L09"]
    assert [f"@{NS}.fetchxmlpagingcookie" in page for page in (first, second)] == [True, False]
    assert ["firstname" in r for r in first["value"] + second["value"]] == [False, False, True]


def test_fetchxml_adds_up_and_stops_at_its_limit(org):
    xml = ('<fetch aggregate="true"{0}><entity name="contact"><attribute name="contactid" alias="n" aggregate="count"/>'
           '<attribute name="numberofchildren" alias="s" aggregate="sum"/><attribute name="firstname" alias="g" groupby="true"/>'
           "</entity></fetch>")  # fmt: skip
    assert fetch(org, xml.format("")).json()["value"] == [{"g": "Ann", "n": 4, "s": 18}, {"n": 8, "s": 48}]
    assert fetch(org, xml.format(' aggregatelimit="3"')).json()["error"]["code"] == "0x8004e023"
