from django.db import migrations


def fill(apps, schema_editor):
    """Findings from before keys: the next discovery replaces them, so any key of their own does."""
    findings = apps.get_model('mapping', 'DiscoveryFinding').objects.filter(key='')
    for finding in findings.only('pk', 'check_name').iterator():
        findings.filter(pk=finding.pk).update(key=f'{finding.check_name}:#{finding.pk}')


class Migration(migrations.Migration):

    dependencies = [
        ('mapping', '0002_finding_decisions'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
