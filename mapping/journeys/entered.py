"""Journeys that engineers entered, as descriptions; and what of them doesn't fit together."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from mapping.journeys.definition import misfits
from mapping.journeys.models import EnteredJourney, EnteredStep
from mapping.journeys.words import END, MANY_PATHS, Described, Path, Reference, Step
from workbench.engagements.models import Engagement


def described(engagement: Engagement) -> Mapping[str, Described]:
    """The entered journeys of an engagement by id. Two queries."""
    rows = EnteredJourney.objects.filter(engagement=engagement).prefetch_related("steps")
    return {row.journey_id: _described(row) for row in rows}


def _described(row: EnteredJourney) -> Described:
    return Described(
        id=row.journey_id,
        name=row.name,
        trigger=row.trigger,
        names=tuple(filter(None, map(str.strip, row.names.splitlines()))),
        reentry=row.reentry,
        lifetime=row.lifetime,
        at_once=row.at_once,
        complete=row.complete,
        note=row.note,
        steps=tuple(steps(row.steps.all())),
    )


def steps(rows: Iterable[EnteredStep]) -> Iterator[Step]:
    """Rows as steps, in the order of their numbers; rows with one number are one step, and their first one says what it does."""
    for number, group in groupby(sorted(rows, key=lambda row: row.number), key=lambda row: row.number):
        paths = list(group)
        first = paths[0]
        yield Step(
            id=str(number),
            kind=first.kind,
            channel=first.channel,
            campaign=first.campaign.strip(),
            template=first.template.strip(),
            wait=first.wait.strip(),
            catalogs=tuple(Reference(row.catalog.strip(), row.item.strip()) for row in paths if row.catalog.strip()),
            paths=tuple(Path(row.condition.strip(), row.target.strip().lower()) for row in paths if row.condition or row.target),
            note=" ".join(filter(None, (row.note.strip() for row in paths))),
        )


def problems(rows: Iterable[EnteredStep]) -> list[str]:
    """What of the rows of one journey doesn't fit together, in words, each with the step's number."""
    given = list(rows)
    known, found = {str(row.number) for row in given} | {END}, []
    for step in steps(given):
        mine = [row for row in given if str(row.number) == step.id]
        if len(mine) > 1 and step.kind not in MANY_PATHS:
            found.append(f"Step {step.id} is there {len(mine)} times; only the paths of a branch, a split or a decision share a number.")
        if len({row.kind for row in mine}) > 1:
            found.append(f"Step {step.id} has rows of several kinds.")
        found += [f"Step {step.id} leads to no step: '{path.to}'." for path in step.paths if path.to and path.to not in known]
        found += [f"Step {step.id} {words}." for words in misfits(step)]
        found += [f"Step {step.id} names an item and no catalog." for row in mine if row.item.strip() and not row.catalog.strip()]
    return found
