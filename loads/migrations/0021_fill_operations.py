from django.db import migrations
from django.db.models import F


def fill(apps, schema_editor):
    """Chunks that were sent before operations were counted count as they did: one for each row that was sent."""
    sent = F('created') + F('updated') + F('refused') + F('removed') + F('restored')
    apps.get_model('loads', 'Chunk').objects.exclude(settled_at=None).filter(operations=0).update(operations=sent)


class Migration(migrations.Migration):

    dependencies = [
        ('loads', '0020_operations_of_chunks'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
