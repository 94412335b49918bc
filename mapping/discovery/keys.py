"""The narrow files that clusters, splits, companies and purchases are decided on, made from landed datasets and kept beside them."""

from dataclasses import dataclass
from pathlib import Path

from connectors import landing
from connectors.models import Dataset
from mapping import plan
from mapping.consent import ConsentRules
from mapping.forgetting import REGISTER, forgotten_by
from mapping.people import PersonRules, keys_of, keys_path, person_rules
from mapping.playbooks import load_playbook
from mapping.side_keys import members_of, members_path, purchases_of, purchases_path
from mapping.transforms import TimeRules
from workbench.engagements.models import Engagement

PERSON = "user"


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """The keys of people, and of what hangs on them where it was landed."""

    people: Path
    purchases: tuple[Path, ...] = ()
    members: tuple[Path, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether all of them are made."""
        return all(path.exists() for path in (self.people, *self.purchases, *self.members))


def people_keys(engagement: Engagement, dataset: Dataset) -> Path:
    """The keys of a people dataset, read as the working plan says now; made where they aren't yet."""
    return keys_of(dataset, _rules(engagement, dataset))


def make_files(engagement: Engagement, purpose: str) -> KeyFiles | None:
    """Make the files of the newest datasets where they aren't yet; None where no people were landed."""
    files = _files(engagement, purpose)
    if files is None or files.ready:
        return files
    people = landing.latest(engagement, PERSON, purpose)
    if people:
        people_keys(engagement, people)
    playbook, names = load_playbook(engagement.platform), plan.names_of(engagement)
    for buyers in playbook.buyers:
        if dataset := landing.latest(engagement, buyers.object, purpose):
            purchases_of(dataset, buyers, names)
    for members in playbook.members:
        if dataset := landing.latest(engagement, members.object, purpose):
            members_of(dataset, members)
    return files


def ready_files(engagement: Engagement, purpose: str) -> KeyFiles | None:
    """The files where they are made already: for pages, which have no time to make them."""
    files = _files(engagement, purpose)
    return files if files and files.ready else None


def _files(engagement: Engagement, purpose: str) -> KeyFiles | None:
    playbook, names = load_playbook(engagement.platform), plan.names_of(engagement)
    people = landing.latest(engagement, PERSON, purpose)
    if people is None:
        return None
    bought = [(landing.latest(engagement, rule.object, purpose), rule) for rule in playbook.buyers]
    listed = [(landing.latest(engagement, rule.object, purpose), rule) for rule in playbook.members]
    return KeyFiles(
        keys_path(people, _rules(engagement, people)),
        tuple(purchases_path(dataset, rule, names) for dataset, rule in bought if dataset),
        tuple(members_path(dataset, rule) for dataset, rule in listed if dataset),
    )


def _rules(engagement: Engagement, dataset: Dataset) -> PersonRules:
    names = plan.names_of(engagement)
    consent = ConsentRules.from_content(plan.BUILDERS["consent"](engagement))
    forgotten = forgotten_by(engagement, landing.latest(engagement, REGISTER, dataset.purpose))
    return person_rules(load_playbook(engagement.platform), names, consent, TimeRules(names["source_zone"], names["day_zone"]), forgotten)
