"""What was said of the size of calls stands by the kind of call."""

from django.db import migrations


def by_kind(apps, schema_editor):
    """Rows were mostly created; of changed ones it says so itself."""
    for phase in _tuned(apps):
        if "said" in phase.tuning:
            phase.tuning = {"update" if "changed by itself" in phase.tuning["said"] else "create": phase.tuning}
            phase.save(update_fields=["tuning"])


def without_kind(apps, schema_editor):
    """The first kind's."""
    for phase in _tuned(apps):
        phase.tuning = next(iter(phase.tuning.values()))
        phase.save(update_fields=["tuning"])


def _tuned(apps):
    return apps.get_model("loads", "Phase").objects.exclude(tuning={}).iterator()


class Migration(migrations.Migration):

    dependencies = [
        ('loads', '0029_sizes_of_calls'),
    ]

    operations = [migrations.RunPython(by_kind, without_kind)]
