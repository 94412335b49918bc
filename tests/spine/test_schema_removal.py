"""Provisioned schema is removed by a signature of its own: what is ours and empty goes, everything else is kept and listed."""

from pathlib import Path

import pytest
from django.core.management import call_command

from connectors.dataverse.errors import KeyTaken
from connectors.dataverse.metadata import has_column, has_table
from loads import provisioning
from loads.destination import Destination
from loads.models import SchemaPlan, SchemaRemoval
from loads.removal import opening, survey
from tests import folders
from tests.folders import user
from tests.playing import OTHERS, dump, engagement_on
from tests.spine.taking_back import Loaded, differences, lacking
from tests.spine.test_load_engine import Prepared, northpine
from workbench.engagements import gates, signoffs
from workbench.engagements.models import AuditEntry, Environment
from workbench.pipeline import demonstration, steps
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
EXPANDED = "Attributes,Keys,ManyToOneRelationships,OneToManyRelationships,ManyToManyRelationships"
NS = "Microsoft.Dynamics.CRM"
LEAVE = tuple(name for name in OTHERS if name != "customEvent")
# What is made anew has ids of its own: that all else belongs to.
HOLDERS = {(table, None) for table in ("publisher", "solution", "solutioncomponent")}


def schema(environment: Environment) -> dict[str, list[dict]]:
    """All metadata of an environment, as its own Web API tells it."""
    client = Destination(environment).client
    paths = {"EntityDefinitions": {"$expand": EXPANDED}, "GlobalOptionSetDefinitions": {}, "RelationshipDefinitions": {}}
    return {path: client.get(path, params=params)["value"] for path, params in paths.items()}


def holders(servers) -> dict[str, list[dict]]:
    """What schema belongs to, and what the service keeps beside it."""
    names = ("publisher", "solution", "solutioncomponent", "sdkmessagefilter", "contact")
    return {name: dump(servers.dataverse_sandbox, name, canonical=True) for name in names}


def agree(prepared, removal: SchemaRemoval) -> None:
    opening.agree(removal, prepared.cast.engineer, shown_sha256=signoffs.content_hash(opening.content(removal)))


def carry_out(prepared) -> Step:
    step = steps.request(prepared.engagement, Step.Name.REMOVE, environment=prepared.sandbox, user=prepared.cast.engineer)
    step.refresh_from_db()
    return step


def kept(removal: SchemaRemoval) -> dict[str, str]:
    """Component -> why it wasn't removed, as planned or as it came."""
    removal.refresh_from_db()
    planned = {survey.name_of(one["kind"], one["table"], one["column"]): one["reason"] for one in removal.components if one["reason"]}
    return planned | {name: came["reason"] for name, came in removal.outcomes.items() if came["reason"]}


def folder(path: Path) -> Path:
    """People of both kinds, and an event of each."""
    users = [user("u-1", "ada@north.example"), user("u-2", "leo@south.example", "lead")]
    logins = [{"userId": one["userId"], "eventName": "login", "createdAt": "2024-03-05 09:10:11 +00:00"} for one in users]
    return folders.write(path, users, more={"export/customEvent.ndjson": logins})


def test_an_untouched_organisation_is_as_it_was_before_provisioning_and_is_provisioned_and_loaded_again(tmp_path):
    options = {"purchasing_leads": "contact", "events_become": "own_table", "source_id_key": "yes"}
    with engagement_on(folder(tmp_path / "source"), tmp_path, **options) as (engagement, cast, servers):
        sandbox = engagement.environments.get(kind=Environment.Kind.SANDBOX)
        metadata, bare = schema(sandbox), holders(servers)
        loaded = Loaded(engagement, cast, servers, LEAVE)
        after = loaded.everything()
        assert_source_ids_are_unique(sandbox, servers)
        standing = opening.propose(sandbox, actor=cast.engineer)
        with pytest.raises(gates.GateClosed, match="isn't taken back whole: roll it back first"):
            agree(loaded, standing)
        loaded.take_back()
        with pytest.raises(gates.GateClosed, match="Nobody has agreed"):
            carry_out(loaded)
        removal = opening.propose(sandbox, actor=cast.engineer)
        agree(loaded, removal)
        assert carry_out(loaded).state == Step.State.DONE
        assert kept(removal) == {}
        assert removal.count("removed") == len(removal.components) > 20
        assert schema(sandbox) == metadata
        assert holders(servers) == bare
        assert AuditEntry.objects.get(engagement=engagement, action="removed schema").detail == {
            "removed": len(removal.components),
            "kept": 0,
        }
        assert "The schema isn't provisioned in sandbox." in [one.says for one in gates.missing("load", engagement, sandbox)]
        assert survey.plan_of(sandbox) == []
        servers.control("dataverse_sandbox", "keys", {"fail": 1})
        demonstration._step(engagement, Step.Name.PROVISION, sandbox, cast, print)
        [failed] = [step for step in provisioning.propose(sandbox).steps if step["kind"] == "Key" and step["reason"]]
        assert (failed["action"], failed["reason"].partition(":")[0]) == ("create", "Its index couldn't be built")
        demonstration._step(engagement, Step.Name.PROVISION, sandbox, cast, print)
        assert_source_ids_are_unique(sandbox, servers)
        loaded.load()
        assert not differences(loaded.everything(), after, apart=HOLDERS)


def assert_source_ids_are_unique(environment: Environment, servers) -> None:
    """Each table that is written to has the key, its index is built, and no other tool can write one of our records once more."""
    keys = [step for step in provisioning.propose(environment).steps if step["kind"] == "Key"]
    assert {"account", "contact", "lead", "mwb_iterable_event"} <= {step["table"] for step in keys}
    assert {(step["action"], step["reason"]) for step in keys} == {("exists", "")}
    ours = next((row["mwb_sourceid"] for row in dump(servers.dataverse_sandbox, "contact") if row.get("mwb_sourceid")), "")
    if ours:
        with pytest.raises(KeyTaken):
            Destination(environment).client.post("contacts", {"lastname": "Twice", "mwb_sourceid": ours})


class Bare(Prepared):
    """An engagement whose sandbox had a column under our name before it was provisioned; nothing is extracted, since nothing is loaded."""

    def prepare(self) -> None:
        client = Destination(self.sandbox).client
        client.post("publishers", {"uniquename": "theirs", "friendlyname": "T", "customizationprefix": "mwb",
                                   "customizationoptionvalueprefix": 72700})  # fmt: skip
        shape = {"@odata.type": f"{NS}.StringAttributeMetadata", "SchemaName": "mwb_runid", "MaxLength": 50}
        client.post("EntityDefinitions(LogicalName='lead')/Attributes", shape)
        self.discover()
        self.sign()
        self.take(Step.Name.PROVISION, self.sandbox)


def test_what_is_filled_built_upon_or_was_there_before_is_kept_and_the_rest_goes(tmp_path, capsys):
    with engagement_on(northpine(tmp_path / "source", 2), tmp_path) as (engagement, cast, servers):
        bare = Bare(engagement, cast, servers, OTHERS)
        client, name = Destination(bare.sandbox).client, f"{engagement.slug}/sandbox"
        client.post("contacts", {"lastname": "Kept", "mwb_sourceid": "theirs"})
        process = {
            "name": "On change",
            "category": 0,
            "type": 1,
            "primaryentity": "account",
            "triggeronupdateattributelist": "mwb_sourceid",
        }
        made = client.post("workflows", process).headers["OData-EntityId"].rpartition("/")[2]
        client.send("PATCH", made, json={"statecode": 1, "statuscode": 2})
        client.post("EntityDefinitions(LogicalName='lead')/Keys", {"SchemaName": "mwb_Key", "KeyAttributes": ["mwb_sourceid"]})
        call_command("remove_schema", name, "--dry-run")
        said = capsys.readouterr().out
        assert "keep    contact.mwb_sourceid  1 rows  1 row holds a value in it." in said
        assert "Nothing was sent yet" in said
        removal = SchemaRemoval.objects.get()
        with lacking(bare, "prvDeleteAttribute"):
            agree(bare, removal)
            assert "lacks prvDeleteAttribute" in carry_out(bare).message
        assert [one.says for one in gates.missing("provision", engagement, bare.sandbox)] == [
            f"{removal} is agreed to and not finished: start it, or plan another one in its place."
        ]
        client.post("contacts", {"lastname": "Later", "mwb_original_values": "{}"})
        servers.fault("dataverse_sandbox", {"method": "DELETE", "path": "Attributes", "do": "lose", "times": 2})
        call_command("remove_schema", name)
        assert "kept    contact.mwb_original_values  1 row holds a value in it." in capsys.readouterr().out
        defaults = [one["column"] for one in removal.components if (one["table"], one["kind"]) == ("contact", "Boolean")]
        assert defaults
        assert kept(removal) == {
            **{
                f"contact.{column}": "1 row holds a value in it, which may be the default that rows made since then got."
                for column in defaults
            },
            "contact.mwb_sourceid": "1 row holds a value in it.",
            "contact.mwb_original_values": "1 row holds a value in it.",
            "account.mwb_sourceid": "Something else depends on it: 1 process.",
            "lead.mwb_sourceid": "Something else depends on it: 1 alternate key.",
            "lead.mwb_runid": "It was there before the migration.",
            "publisher theirs": "It was there before the migration.",
            "solution MigrationWorkbenchDemoIterable": f"{3 + len(defaults)} components are still in it.",
        }
        gone = [one for one in removal.components if survey.name_of(one["kind"], one["table"], one["column"]) not in kept(removal)]
        assert gone
        assert not any(has_column(client, one["table"], one["column"]) for one in gone)
        assert all(has_column(client, *one.split(".")) for one in kept(removal) if "." in one)
        assert has_table(client, "contact")
        assert not SchemaPlan.objects.exclude(provisioned_at=None).exists()
