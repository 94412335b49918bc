from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('loads', '0018_staging_ranges'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='ledgerentry',
            name='ledger_once',
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.UniqueConstraint(condition=models.Q(('row_id', None)), fields=('phase', 'object_name', 'position', 'source_id', 'role'), name='ledger_record_once'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.UniqueConstraint(condition=models.Q(('row_id__isnull', False)), fields=('phase', 'row_id', 'source_id', 'position'), name='ledger_row_once'),
        ),
    ]
