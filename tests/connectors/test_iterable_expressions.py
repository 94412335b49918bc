"""What Iterable's templates read: every expression with its place and path, and nothing that holds the reader up."""

import cProfile

import pytest

from connectors.iterable.expressions import scan
from connectors.iterable.templates import message


def paths(text, **given):
    """The paths that a text reads, in order."""
    return [reference.name for one in scan(text, "html", **given).expressions for reference in one.references]


def roots(text):
    return [(reference.root, reference.name) for one in scan(text, "html").expressions for reference in one.references]


def mistakes(text):
    return [(one.code, one.offset) for one in scan(text, "html").mistakes]


def only(text):
    [found] = scan(text, "html").expressions
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{firstName}}", ["firstName"]),
        ("{{{rawHtml}}}{{&more}}", ["rawHtml", "more"]),
        ("{{~ a ~}}{{{~b~}}}{{~{c}~}}", ["a", "b", "c"]),
        ("{{[Lead Source]}} {{obj.[odd key].x}} {{items.[0].name}} {{items.1.name}}",
         ["Lead Source", "obj.odd key.x", "items[].name", "items[].name"]),
        ("{{plan/tier}} {{this.city}} {{./city}}", ["plan.tier", "city", "city"]),
        ("{{profile.firstName}}", ["firstName"]),
        ("{{capitalizeFirst (lower (trim firstName)) by=lastName}}", ["firstName", "lastName"]),
        ("{{math 3.5 '+' -2}} {{or true null a}}", ["a"]),
        ("{{1stName}}", ["1stName"]),
    ],
)  # fmt: skip
def test_a_value_is_read_by_its_path_however_it_is_written(text, expected):
    assert (paths(text), mistakes(text)) == (expected, [])


def test_an_expression_says_where_it_stands_and_what_it_calls():
    found = scan("Hi\n\n  {{defaultIfEmpty firstName 'there'}}", "subject").expressions[0]
    assert (found.field, found.line, found.offset, found.kind) == ("subject", 3, 6, "helper")
    assert (found.text, found.helper, found.default) == ("{{defaultIfEmpty firstName 'there'}}", "defaultIfEmpty", "there")


def test_braces_in_strings_and_comments_end_nothing():
    assert paths('{{defaultIfEmpty a "}} {{b}}"}}{{!-- {{c}} --}}{{! d }}{{~!-- {{e}} --~}}{{f}}') == ["a", "f"]
    assert [one.kind for one in scan("{{!-- {{c}} --}}{{! d }}", "html").expressions] == ["comment", "comment"]
    assert paths(r"{{cut a '\'}}'}}{{b}}") == ["a", "b"]


def test_a_backslash_makes_a_tag_text_and_two_dont():
    assert paths(r"\{{a}} \\{{b}} \{{{c}}} {{d}}") == ["b", "d"]


def test_a_raw_block_keeps_its_content_from_being_read():
    found = scan("{{{{verbatim}}}} {{a}} {{{{/verbatim}}}}{{b}}", "html")
    assert ([one.helper for one in found.expressions], paths("{{{{verbatim}}}} {{a}} {{{{/verbatim}}}}{{b}}")) == (["verbatim", ""], ["b"])


def test_a_loop_gives_its_items_fields_and_leads_out_again():
    text = (
        "{{#each shoppingCartItems}}{{name}}{{@index}}{{#if sku}}{{../plan}}{{this.sku}}{{/if}}"
        "{{#each lines}}{{../id}}{{../../x}}{{/each}}{{/each}}{{y}}"
    )
    assert roots(text) == [
        ("field", "shoppingCartItems"),
        ("field", "shoppingCartItems[].name"),
        ("loop", "@index"),
        ("field", "shoppingCartItems[].sku"),
        ("field", "plan"),
        ("field", "shoppingCartItems[].sku"),
        ("field", "shoppingCartItems[].lines"),
        ("field", "shoppingCartItems[].id"),
        ("field", "x"),
        ("field", "y"),
    ]


def test_what_a_block_is_about_and_the_names_that_it_gives_hold_within_it_only():
    assert paths("{{#with address}}{{city}}{{/with}}{{city}}") == ["address", "address.city", "city"]
    assert paths("{{#each a as |item|}}{{item.b}}{{/each}}{{item.b}}") == ["a", "a[].b", "item.b"]
    assert paths("{{#with a}}{{b}}{{else}}{{c}}{{/with}}") == ["a", "a.b", "c"]
    assert paths("{{#sortBy a field='p' as |s|}}{{#each s}}{{p}}{{/each}}{{/sortBy}}") == ["a", "a", "a[].p"]
    assert paths("{{#orders}}{{sku}}{{/orders}}{{^orders}}{{none}}{{/orders}}") == ["orders", "orders.sku", "orders", "none"]


def test_else_chains_are_conditions_of_their_own():
    text = "{{#ifEq plan 'free'}}{{a}}{{else if vip}}{{b}}{{else ifGt score 3}}{{c}}{{else}}{{d}}{{/ifEq}}{{#if e}}x{{^}}{{f}}{{/if}}"
    found = scan(text, "html")
    assert (paths(text), found.mistakes) == (["plan", "a", "vip", "b", "score", "c", "d", "e", "f"], ())
    assert [one.helper for one in found.expressions if one.kind == "block"] == ["ifEq", "if", "ifGt", "if"]


def test_feeds_are_told_from_fields():
    text = '[[#each items]][[this.name]] [[{body}]] [[list.[0].["content:encoded"]]] {{firstName}}{{this.price}}[[/each]][[more.x]]'
    assert roots(text) == [
        ("feed", "items"),
        ("feed", "items[].name"),
        ("feed", "items[].body"),
        ("feed", "items[].list[].content:encoded"),
        ("field", "firstName"),
        ("feed", "items[].price"),
        ("feed", "more.x"),
    ]
    assert {one.kind for one in scan(text, "html").expressions if one.text.startswith("[")} == {"feed"}


def test_catalogs_snippets_and_partials_name_what_they_bring():
    text = "{{#catalog 'products' favourite as |p|}}{{p.name}}{{firstName}}{{/catalog}}{{#catalog 'shops' 'x'}}{{city}}{{/catalog}}"
    assert roots(text) == [("field", "favourite"), ("catalog", "name"), ("field", "firstName"), ("catalog", "city")]
    found = scan(f"{text}{{{{{{snippet 'footer' year=joined}}}}}}{{{{> header}}}}", "html").expressions
    assert [(one.kind, one.target) for one in found if one.target] == [
        ("catalog", "products"),
        ("catalog", "shops"),
        ("snippet", "footer"),
        ("partial", "header"),
    ]
    assert {reference.of for one in found for reference in one.references if reference.root == "catalog"} == {"products", "shops"}


def test_what_is_no_field_is_told_by_its_kind():
    text = "{{#assign 'who'}}{{firstName}}{{/assign}}{{who}}{{unsubscribeUrl}}{{liveData.product.name}}{{now format='yyyy'}}{{now}}"
    assert roots(text) == [("field", "firstName"), ("variable", "who"), ("platform", "unsubscribeUrl"), ("live", "product.name")]
    assert roots("{{year}}") == [("field", "year")]
    assert scan("{{year}}", "content", ["year"]).expressions[0].references[0].root == "variable"


def test_functions_are_known_or_flagged_wherever_they_are_called():
    assert only("{{upper firstName}}").unknown == ()
    assert only("{{noSuchHelper firstName 3}}").unknown == ("noSuchHelper",)
    assert only("{{upper (reverse firstName)}}").unknown == ("reverse",)
    assert scan("{{#fancy a}}{{b}}{{/fancy}}", "html").expressions[0].unknown == ("fancy",)
    assert only("{{upper}}").helper == ""  # a field may have any name


@pytest.mark.parametrize(
    ("text", "expected", "read"),
    [
        ("<p>{{firstName</p> {{#if x}} {{y}} {{/each}}", [("tag.unexpected", 14), ("block.not_closed", 19), ("block.not_open", 35)],
         ["x", "y"]),
        ("{{#each a}}{{#if b}}{{c}}{{/each}}{{d}}", [("block.not_closed", 11)], ["a", "a[].b", "a[].c", "d"]),
        ("{{else}}{{a}}", [("block.else_outside", 0)], ["a"]),
        ("{{}}{{a}}", [("tag.empty", 4)], ["a"]),
        ("{{#if (}}{{a}}{{/if}}{{b}}", [("tag.unreadable", 9)], ["a", "b"]),
        ("{{a 'not closed}}{{b}}", [("text.not_closed", 5)], ["b"]),
        ("{{!-- never closed {{a}}", [], []),
        ("{{!-- {{b", [("comment.not_closed", 3), ("tag.not_closed", 9)], []),
        ("{{a", [("tag.not_closed", 3)], []),
        ("{{[a}} {{b}}", [("name.not_closed", 3)], ["b"]),
        ("var x = [[1,2],[3]]; {{a}}", [("tag.unexpected", 11)], ["a"]),
        ("{{f " + "(f " * 60 + "a" + ")" * 60 + "}}{{b}}", [("tag.too_deep", 154)], ["b"]),
        ("{{a b=}}{{.. }}{{../}}", [("tag.unreadable", 8), ("tag.unreadable", 19)], [""]),
    ],
)  # fmt: skip
def test_a_mistake_has_its_place_and_the_rest_is_read(text, expected, read):
    assert (mistakes(text), paths(text)) == (expected, read)


HOSTILE = {
    "blocks": lambda n: "{{#if a}}" * n + "{{b}}" + "{{/if}}" * n,
    "loops": lambda n: "{{#each a}}" * n + "{{b}}",
    "openings": lambda n: "{{" * n,
    "feed openings": lambda n: "[[" * n,
    "quotes": lambda n: '{{"' * n,
    "far quotes": lambda n: ("{{'" + "x" * 50) * n,
    "brackets": lambda n: ("{{[" + "x" * 1_000) * n + "]",
    "raw blocks": lambda n: "".join(f"{{{{{{{{a{one}}}}}}}}}" for one in range(n)),
    "comments": lambda n: ("{{!--" + "x" * 1_000) * n,
    "parentheses": lambda n: "{{" + "(" * n + ")" * n + "}}",
    "parents": lambda n: "{{" + "../" * n + "a}}",
    "wrong ends": lambda n: "{{#if a}}" * n + "{{/each}}" * n,
    "arguments": lambda n: "{{f" + " a=b" * n + "}}",
    "steps": lambda n: "{{a" + ".b" * n + "}}",
    "names": lambda n: "{{#each a as |" + " x" * n + "|}}{{/each}}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_sixteen_times_the_text_takes_nowhere_near_its_square(name):
    def steps(text):
        """Calls that reading takes: no clock, so that a busy machine says the same."""
        profile = cProfile.Profile()
        profile.runcall(scan, text, "html")
        return sum(entry.callcount for entry in profile.getstats())

    assert steps(HOSTILE[name](4_800)) < 32 * steps(HOSTILE[name](300)) + 1_000


def test_ten_thousand_blocks_within_each_other_are_read():
    found = scan(HOSTILE["blocks"](10_000), "html")
    assert (len(found.expressions), found.mistakes, max(one.depth for one in found.expressions)) == (10_001, (), 10_000)
    assert max(len(name) for name in paths(HOSTILE["loops"](10_000))) < 1_000


@pytest.mark.parametrize(
    ("medium", "fields"),
    [
        ("Email", ["subject", "preheaderText", "fromName", "replyToEmail", "html", "plainText", "linkParams[0].value"]),
        ("Push", ["title", "message", "payload.deep.link", "deeplink.ios"]),
        ("SMS", ["message"]),
    ],
)
def test_each_medium_has_its_fields(medium, fields):
    record = {
        "templateId": 81, "messageMedium": medium, "name": "{{n}}", "subject": "{{a}}", "preheaderText": "{{b}}", "fromName": "{{c}}",
        "replyToEmail": "{{d}}", "html": "{{e}}", "plainText": "{{f}}", "title": "{{g}}", "message": "{{h}}",
        "linkParams": [{"value": "{{i}}"}] if medium == "Email" else None, "payload": {"deep": {"link": "{{j}}"}},
        "deeplink": {"ios": "{{k}}", "android": None}, "dataFeedIds": [3, 3], "creatorUserId": "ada@north.example",
    }  # fmt: skip
    found = message(record)
    assert ([field for field, _ in found.texts], found.feeds) == (fields, ("3",))


@pytest.mark.parametrize("value", [None, 7, ["x"], {"a": {"b": [1]}}, True])
def test_a_template_of_any_shape_is_read(value):
    names = ("templateId", "name", "subject", "html", "dataFeedIds", "createdAt", "messageMedium", "payload", "fromEmail", "campaignId")
    assert message(dict.fromkeys(names, value)).merged is False
