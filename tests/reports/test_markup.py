"""The structure of templates' HTML, with expressions anywhere in it, and HTML that was made to hold a parser up."""

import pytest

from connectors.iterable.expressions import scan
from connectors.messages import Scan
from reports.messages.markup import structure

HTML = """<html><head><title>Not {{counted}}</title><style>h1 { color: red }</style></head><body>
<p>Before &amp; after</p>
<h1>Hi {{defaultIfEmpty firstName "there"}}</h1>
<a class="Btn-primary" href="{{defaultIfEmpty url "https://north.example/?a=1&amp;b=2"}}">Go, {{firstName}}</a>
{{#if vip}}<img src={{picture}} alt="A 'gift'">{{/if}}
<!-- {{hidden}} <a href="x">no link</a> -->
<h2>Second</h2><a href='https://north.example'>More <b>news</b></a><a name="anchor"></a>
<form><input type="submit" value="Send"><button>Save</button></form><table><tr><td {{#if a}}width="3"{{/if}}></td></tr></table>
</body></html>"""


def told(html):
    return structure(html, scan(html, "html"))


def test_sections_begin_with_their_headings_and_count_what_stands_in_them():
    found = told(HTML)
    assert [(one["heading"], one["level"], one["links"], one["images"], one["buttons"], one["blocks"]) for one in found["sections"]] == [
        ("", 0, 0, 0, 0, 0),
        ('Hi {{defaultIfEmpty firstName "there"}}', 1, 0, 1, 1, 1),
        ("Second", 2, 1, 0, 2, 1),
    ]
    assert found["counts"] == {"sections": 3, "links": 1, "images": 1, "buttons": 3}
    assert found["tags"] == {"forms": 1, "inputs": 1, "styles": 1, "tables": 1}
    assert (found["characters"], found["sections"][0]["characters"]) == (len(HTML), len("Before & after"))


def test_links_images_and_buttons_show_their_expressions_as_they_are_written():
    found = told(HTML)
    assert found["buttons"][0] == {
        "text": "Go, {{firstName}}",
        "target": '{{defaultIfEmpty url "https://north.example/?a=1&amp;b=2"}}',
    }
    assert [one["text"] for one in found["buttons"]] == ["Go, {{firstName}}", "Send", "Save"]
    assert found["links"] == [{"text": "More news", "target": "https://north.example"}]
    assert found["images"] == [{"text": "A 'gift'", "target": "{{picture}}"}]


def test_html_that_ends_anywhere_and_marks_of_our_own_stop_nothing():
    for end in range(0, len(HTML), 3):
        told(HTML[:end])
    assert told("<h1>\ue0007\ue001 {{a}}")["sections"][0]["heading"] == "\ufffd7\ufffd {{a}}"
    assert told("a < b <3 </ > <![x[ y ]]> <h1>c</h1><a href=d>e")["links"] == [{"text": "e", "target": "d"}]


@pytest.mark.parametrize("piece", ["<a ", "<a b='", '<a "', "<a b=c ", "<", "<!--", "<![", "</", "<?", "<script>", "<div>", "<h1>", "&a"])
def test_pieces_that_never_end_are_read_through_however_many_there_are(piece):
    assert structure(piece * 16_000, Scan())  # a reader that begins anew at each of them would take minutes
