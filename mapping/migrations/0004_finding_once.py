from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('mapping', '0003_fill_finding_keys'),
    ]

    operations = [
        migrations.AddConstraint(
            model_name='discoveryfinding',
            constraint=models.UniqueConstraint(condition=models.Q(('environment', None), _negated=True), fields=('environment', 'key'), name='finding_once'),
        ),
        migrations.AddConstraint(
            model_name='discoveryfinding',
            constraint=models.UniqueConstraint(condition=models.Q(('environment', None)), fields=('engagement', 'key'), name='source_finding_once'),
        ),
        migrations.AddConstraint(
            model_name='discoveryfinding',
            constraint=models.CheckConstraint(condition=models.Q(('decision', ''), ('decided_at__isnull', False), _connector='OR'), name='finding_decided_at'),
        ),
    ]
