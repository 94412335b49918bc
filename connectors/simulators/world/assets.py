"""Writes what marketing made: campaigns with metrics, journeys, templates, snippets, catalogs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from connectors.simulators.world import catalogs
from connectors.simulators.world.campaigns import make_campaigns, make_journeys, metrics_csv
from connectors.simulators.world.templates import make_templates, snippets_json


def write_assets(folder: Path, people: int, seed: int, end: datetime) -> None:
    """All files of them below the folder of the platform."""
    campaigns = make_campaigns(people, seed, end)
    _write(folder / "campaigns.json", {"campaigns": campaigns, "totalCampaignsCount": len(campaigns)})
    _write(folder / "journeys.json", make_journeys(seed, end))
    _write(folder / "snippets.json", snippets_json(end))
    _write(folder / "catalogs.json", catalogs.catalogs_json())
    (folder / "campaigns").mkdir(exist_ok=True)
    (folder / "campaigns" / "metrics.csv").write_text(metrics_csv(campaigns, seed), encoding="utf-8")
    for medium, template in make_templates(campaigns, end, seed):
        _write(folder / "templates" / medium / f"{template['templateId']}.json", template)
    sold = catalogs.sold_items(people, seed)
    for name in catalogs.CATALOGS:
        lines = [orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in catalogs.items(name, sold, end, seed)]
        _put(folder / "catalogs" / name / "items.ndjson", b"".join(lines))


def _write(path: Path, content: dict[str, Any]) -> None:
    _put(path, orjson.dumps(content))


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
