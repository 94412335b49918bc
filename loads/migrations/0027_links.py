from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('loads', '0026_lookups_set_late'),
    ]

    operations = [
        migrations.AlterField(
            model_name='phase',
            name='kind',
            field=models.CharField(choices=[('rows', 'Rows'), ('links', 'Rows linked'), ('ties', 'Lists tied to campaigns'), ('members', 'Members of lists'), ('left', 'Members who left lists'), ('publish', 'Products published'), ('lookups', 'Lookups set'), ('close', 'Deals closed'), ('states', 'States set'), ('gone', 'Gone at the source'), ('document', 'Documented only')], default='rows', max_length=8),
        ),
    ]
