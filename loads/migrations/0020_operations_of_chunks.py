from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('loads', '0019_ledger_by_row'),
    ]

    operations = [
        migrations.AddField(
            model_name='chunk',
            name='operations',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='chunk',
            name='reserved',
            field=models.PositiveIntegerField(default=0),
        ),
    ]
