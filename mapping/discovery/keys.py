"""The narrow files that clusters, splits, companies and purchases are decided on, made from landed datasets and kept beside them."""

from collections.abc import Mapping
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
    return keys_of(dataset, _rules(engagement, landing.latest(engagement, REGISTER, dataset.purpose)))


def make_files(engagement: Engagement, purpose: str) -> KeyFiles | None:
    """Make the files of the newest datasets where they aren't yet; None where no people were landed."""
    newest = landing.newest(engagement, purpose=purpose)
    files = _files(engagement, newest)
    if files is None or files.ready:
        return files
    keys_of(newest[PERSON], _rules(engagement, newest.get(REGISTER)))
    playbook, names = load_playbook(engagement.platform), plan.names_of(engagement)
    for buyers in playbook.buyers:
        if dataset := newest.get(buyers.object):
            purchases_of(dataset, buyers, names)
    for members in playbook.members:
        if dataset := newest.get(members.object):
            members_of(dataset, members)
    return files


def ready_files(engagement: Engagement, purpose: str) -> KeyFiles | None:
    """The files where they are made already: for pages, which have no time to make them."""
    files = _files(engagement, landing.newest(engagement, purpose=purpose))
    return files if files and files.ready else None


def _files(engagement: Engagement, newest: Mapping[str, Dataset]) -> KeyFiles | None:
    """newest: the newest datasets of a purpose, by the object's name."""
    playbook, names = load_playbook(engagement.platform), plan.names_of(engagement)
    if PERSON not in newest:
        return None
    bought = [(newest[rule.object], rule) for rule in playbook.buyers if rule.object in newest]
    listed = [(newest[rule.object], rule) for rule in playbook.members if rule.object in newest]
    return KeyFiles(
        keys_path(newest[PERSON], _rules(engagement, newest.get(REGISTER))),
        tuple(purchases_path(dataset, rule, names) for dataset, rule in bought),
        tuple(members_path(dataset, rule) for dataset, rule in listed),
    )


def _rules(engagement: Engagement, register: Dataset | None) -> PersonRules:
    names = plan.names_of(engagement)
    consent = ConsentRules.from_content(plan.BUILDERS["consent"](engagement))
    forgotten = forgotten_by(engagement, register)
    return person_rules(load_playbook(engagement.platform), names, consent, TimeRules(names["source_zone"], names["day_zone"]), forgotten)
