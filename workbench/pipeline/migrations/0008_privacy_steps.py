
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('pipeline', '0007_schema_removal'),
    ]

    operations = [
        migrations.AlterField(
            model_name='step',
            name='name',
            field=models.CharField(choices=[('discover', 'Discovery'), ('check', 'Checks of the environments'), ('extract', 'Extraction'), ('delta', 'Delta extraction'), ('provision', 'Provisioning'), ('remove', 'Removal of the schema'), ('refresh', 'Look at a refreshed environment'), ('sample', 'Sample'), ('load', 'Load'), ('documents', 'Documents'), ('handoff', 'Handoff'), ('erase', 'Erasure of a person'), ('purge', 'Purge')], max_length=12),
        ),
    ]
