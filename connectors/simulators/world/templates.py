"""Templates per medium, with the Handlebars that people write, and the snippets that they share."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from connectors.simulators.world.campaigns import FIRST_TEMPLATE
from connectors.simulators.world.companies import HOME

FOLDERS = {"Email": "email", "Push": "push", "SMS": "sms", "InApp": "inapp"}
_GREETING = "Hi {{defaultIfEmpty firstName 'there'}}"
# Bodies in turn: fields, helpers, blocks, feeds, and what no parser should trust.
_BODIES = (
    "<p>{{firstName}} {{lastName}}, your plan is {{plan}}.</p>",
    "<p>{{#if companyName}}For {{companyName}}{{else}}For you{{/if}} — {{capitalizeFirst jobTitle}}</p>",
    "<ul>{{#each shoppingCartItems}}<li>{{name}}: {{numberFormat price}} ({{@index}}) {{../firstName}}</li>{{/each}}</ul>",
    "<p>{{dateFormat lastDemoAt format='dd.MM.yyyy' tz='Europe/Berlin'}} · {{preferences.contact.time}}</p>",
    "<p>{{{rawHtml}}} {{[Lead Source]}} {{obj.[odd key]}} {{items.[0].name}}</p>",
    "<p>[[#if feed.offer]][[feed.offer.title]][[/if]] {{#ifEq plan 'free'}}{{upper plan}}{{/ifEq}}</p>",
    "{{#each orders}}{{#each lines}}{{sku}}{{/each}}{{/each}} {{noSuchHelper firstName 3}} {{unknownField}}",
    "<p>{{firstName</p> {{#if x}} never closed {{/each}}",
    "<p>{{#catalog 'products' productId as |p|}}{{p.name}} {{p.price}}{{/catalog}} {{snippet 'footer'}}</p>",
    "<p>No field at all.</p>",
)
_FOOTER = "<a href='{{unsubscribeUrl}}'>Abmelden</a> · {{viewInBrowserUrl}}"


def make_templates(campaigns: Sequence[dict[str, Any]], end: datetime, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """(folder of the medium, template) for each campaign, and a few that no campaign uses."""
    dice = random.Random(f"{seed}/templates")
    for number, campaign in enumerate(campaigns):
        kind = "Workflow" if "workflowId" in campaign else campaign["type"]
        head = {"templateId": FIRST_TEMPLATE + number, "name": campaign["name"], "templateType": kind, "campaignId": campaign["id"]}
        yield _template(campaign["messageMedium"], head, number, dice, end)
    for number, name in enumerate(("Base layout", "Base layout (old)", "Copy of Copy of Newsletter")):
        head = {"templateId": 8901 + number, "name": name, "templateType": "Base", "clientTemplateId": f"base-{number}"}
        yield _template("Email", head, number, dice, end)


def _template(medium: str, head: dict[str, Any], number: int, dice: random.Random, end: datetime) -> tuple[str, dict[str, Any]]:
    created = int(end.timestamp() * 1000) - dice.randrange(10**9, 10**11)
    head |= {
        "createdAt": created,
        "updatedAt": created + 3_600_000,
        "creatorUserId": f"marketing@{HOME}",
        "messageTypeId": 901 + number % 8,
    }
    return FOLDERS[medium], head | _CONTENT[medium](_BODIES[number % len(_BODIES)], number)


def _email(body: str, number: int) -> dict[str, Any]:
    html = f"<html><body><h1>{_GREETING}</h1>{body}{_FOOTER}</body></html>" + ("<!-- padding -->" * 4000 if number % 17 == 16 else "")
    return {
        "subject": f"{_GREETING}, news no. {number}" if number % 6 else "", "preheaderText": "For {{companyName}}",
        "fromName": "Halden & Voss",
        "fromEmail": f"hello@{HOME}", "replyToEmail": "{{ownerEmail}}", "ccEmails": [], "bccEmails": [], "html": html,
        "plainText": "" if number % 4 else "Hi {{firstName}}", "isDefaultLocale": True,
        "dataFeedIds": [3] if "[[" in body else [],
        "cacheDataFeed": False, "mergeDataFeedContext": False, "googleAnalyticsCampaignName": f"c{number}",
        "linkParams": [{"key": "utm_campaign", "value": "{{plan}}"}], "campaignDataFields": {}, "metadata": {},
    }  # fmt: skip


def _push(body: str, number: int) -> dict[str, Any]:
    return {"title": _GREETING, "message": "Your plan: {{plan}} 🚀", "badge": "", "payload": {"deep": {"link": "{{userId}}"}}, "sound": "",
            "deeplink": {"ios": "app://offer/{{userId}}", "android": None}, "isSilentPush": number % 5 == 4}  # fmt: skip


def _sms(body: str, number: int) -> dict[str, Any]:
    return {
        "message": "{{firstName}}: https://sms.example/x?u={{userId}} STOP",
        "trackingDomain": "sms.example",
        "linkParams": [],
    }


def _inapp(body: str, number: int) -> dict[str, Any]:
    return {"html": body, "expirationDuration": "now+30d", "inAppDisplaySettings": {"top": {"percentage": 0}}, "payload": {}}


_CONTENT = {"Email": _email, "Push": _push, "SMS": _sms, "InApp": _inapp}


def snippets_json(end: datetime) -> dict[str, Any]:
    """The body of snippets.json; one snippet holds another, one nothing."""
    texts: tuple[tuple[str, str, list[str]], ...] = (
        ("footer", _FOOTER, []), ("greeting", f"{_GREETING} {{{{year}}}}", ["year"]), ("Rechtstext", "{{snippet 'footer'}} HRB 4711", []),
        ("empty", "", []), ("broken", "{{#if year}}", ["year"]),
    )  # fmt: skip
    at = f"{end:%Y-%m-%dT%H:%M:%SZ}"
    return {"snippets": [
        {"id": number, "name": name, "content": text, "variables": variables, "projectId": 1, "createdAt": at, "updatedAt": at,
         "createdBy": f"marketing@{HOME}", "updatedBy": f"marketing@{HOME}"}
        for number, (name, text, variables) in enumerate(texts, 1)
    ]}  # fmt: skip
