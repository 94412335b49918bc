"""Every model has a rule; the page of the documentation says what the rules say."""

from django.apps import apps
from django.conf import settings

from reports.downloads import TITLES
from workbench.privacy.rules import WORDS, rules

PAGE = settings.BASE_DIR / "docs" / "privacy.md"


def table() -> str:
    """The rules as a table of Markdown."""
    lines = ["| what | what becomes of it | what it holds | why |", "|---|---|---|---|"]
    known = rules()
    lines += [
        _line(f"`{rule.name}`", WORDS[rule.fate] if rule.engagement else "Not of an engagement", rule.holds, rule.why)
        for rule in known.models
    ]
    lines += [_line(f"files in `{rule.folder}/`", WORDS[rule.fate], rule.holds, rule.why) for rule in known.folders]
    lines += [_line(f"document `{rule.kind}`", WORDS[rule.fate], _holds(rule.kind), rule.why) for rule in known.documents]
    return "\n".join(lines)


def _holds(kind: str) -> str:
    return TITLES[kind].holds if kind in TITLES else ""


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', ' ') for cell in cells)} |"


def test_every_model_has_a_rule_for_purges():
    assert {rule.model for rule in rules().models} == {model for model in apps.get_models() if not model._meta.proxy}


def test_every_document_of_the_workbench_has_a_rule():
    assert set(TITLES) <= {rule.kind for rule in rules().documents}


def test_rows_that_a_purge_deals_with_are_dealt_with_before_those_they_need():
    order = [rule.name for rule in rules().of_engagements]
    removed = [rule for rule in rules().of_engagements if rule.removed]
    for rule in removed:
        for relation in rule.model._meta.related_objects:
            label = relation.related_model._meta.label
            assert label not in order or order.index(label) < order.index(rule.name), f"{label} needs {rule.name}"


def test_the_page_about_privacy_has_the_rules_as_they_are():
    assert table() in PAGE.read_text()
