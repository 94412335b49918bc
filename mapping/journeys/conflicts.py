"""Where the sources of a journey say different things, or name what isn't there: sentences that a person settles."""

from collections.abc import Iterator, Sequence

from connectors.journeys import Exposed, Send, Told
from mapping.journeys.words import CHANNELS, END, MANY_PATHS, Described, Step


def conflicts_of(
    told: Told, exposed: Exposed | None, file: Described | None, entered: Described | None, counts: Described | None
) -> Iterator[str]:
    """Everything that doesn't fit together. counts: the description whose steps count."""
    yield from exposed.problems if exposed else ()
    if exposed is None and told.journeys is not None:
        yield "The API has no journey of this id: it was deleted, is another project's, or the id is mistaken."
    if file and entered and file.steps and entered.steps:
        yield f"The file has {len(file.steps)} steps and {len(entered.steps)} were entered; those that were entered count."
    for title, described in (("The file", file), ("What was entered", entered)):
        if described and exposed:
            yield from _differences(title, described, exposed)
    if counts:
        yield from _misnamed(told, exposed.id if exposed else "", counts.steps)
        yield from _unnamed(exposed.sends if exposed else (), counts.steps)
        yield from _unreached(counts.steps)


def _differences(title: str, described: Described, exposed: Exposed) -> Iterator[str]:
    """What a description says otherwise than the API."""
    if described.name and exposed.name and described.name != exposed.name.strip():
        yield f"{title} calls it '{described.name}', the API '{exposed.name}'."
    if exposed.events is not None and described.trigger:
        by_event = described.trigger == "event"
        if bool(exposed.events) != by_event:
            said = f"by the event {_listed(exposed.events)}" if exposed.events else "by no event"
            yield f"{title} says that it is started {'by an event' if by_event else 'otherwise'}, the API {said}."
        elif by_event and described.names and set(described.names) != set(exposed.events):
            yield f"{title} says that it is started by {_listed(described.names)}, the API by {_listed(exposed.events)}."
    for what, own, theirs in (
        ("entries at all", described.lifetime, exposed.lifetime),
        ("entries at one time", described.at_once, exposed.at_once),
    ):
        if own is not None and own != theirs:
            yield f"{title} gives {own} {what}, the API {theirs or 'none'}."
    if described.reentry == "once" and exposed.lifetime != 1 or described.reentry and described.reentry != "once" and exposed.lifetime == 1:
        yield f"{title} says otherwise than the API how often a person may enter."


def _misnamed(told: Told, journey: str, steps: Sequence[Step]) -> Iterator[str]:
    """Campaigns, templates and catalogs that the API doesn't have, or has otherwise."""
    for step in steps:
        if step.campaign and told.sends is not None:
            yield from _campaign(step, told.sends.get(step.campaign), journey)
        if step.template and told.templates is not None and step.template not in told.templates:
            yield f"Step {step.id} names the template {step.template}, which the API doesn't have."
        for one in step.catalogs:
            items = None if told.items is None else told.items.get(one.catalog.lower(), frozenset())
            if told.items is not None and one.catalog.lower() not in told.items:
                yield f"Step {step.id} names the catalog {one.catalog}, of which the API has no item."
            elif items is not None and one.item and one.item not in items:
                yield f"Step {step.id} names the item {one.item} of the catalog {one.catalog}, which the API doesn't have."


def _campaign(step: Step, send: Send | None, journey: str) -> Iterator[str]:
    if send is None:
        yield f"Step {step.id} names the campaign {step.campaign}, which the API doesn't have."
        return
    if send.journey and journey and send.journey != journey:
        yield f"Step {step.id} names the campaign {step.campaign}, which the API ties to the journey {send.journey}."
    if send.channel and step.channel and send.channel != step.channel:
        said = f"{CHANNELS.get(step.channel, step.channel)}, the API {CHANNELS.get(send.channel, send.channel)}"
        yield f"Step {step.id} sends the campaign {step.campaign} by {said}."
    if step.template and send.template and send.template.id != step.template:
        yield f"Step {step.id} names the template {step.template}, the API's campaign {step.campaign} uses {send.template.id}."


def _unnamed(ties: Sequence[Send], steps: Sequence[Step]) -> Iterator[str]:
    """Campaigns that the API ties to the journey and no step names."""
    campaigns = {step.campaign for step in steps}
    templates = {step.template for step in steps if step.template and not step.campaign}
    left = [send.campaign for send in ties if send.campaign not in campaigns and not (send.template and send.template.id in templates)]
    if left:
        yield f"No step names what the API ties to the journey: {'campaigns' if len(left) > 1 else 'campaign'} {_listed(left)}."


def _unreached(steps: Sequence[Step]) -> Iterator[str]:
    """Steps that no path leads to."""
    place = {step.id: number for number, step in enumerate(steps)}
    reached, waiting = set(), [0] if steps else []
    while waiting:
        number = waiting.pop()
        if number in reached or number >= len(steps):
            continue
        reached.add(number)
        waiting += [place[to] for to in _leads_to(steps, number) if to in place]
    lost = [step.id for number, step in enumerate(steps) if number not in reached]
    if lost:
        yield f"No path leads to {'steps' if len(lost) > 1 else 'step'} {_listed(lost)}."


def _leads_to(steps: Sequence[Step], number: int) -> Iterator[str]:
    """Ids of the steps that follow one: those of its paths, and the next listed where it has none, one that is open, or a single branch."""
    step = steps[number]
    following = steps[number + 1].id if number + 1 < len(steps) else END
    yield from (path.to or following for path in step.paths)
    if not step.paths or step.kind in MANY_PATHS and len(step.paths) == 1:
        yield following


def _listed(names: Sequence[str]) -> str:
    """The first few names, the others counted."""
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
