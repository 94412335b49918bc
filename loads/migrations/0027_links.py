from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('loads', '0017_members_who_left'),
    ]

    operations = [
        migrations.AlterField(
            model_name='phase',
            name='kind',
            field=models.CharField(choices=[('rows', 'Rows'), ('links', 'Rows linked'), ('ties', 'Lists tied to campaigns'), ('members', 'Members of lists'), ('left', 'Members who left lists'), ('publish', 'Products published'), ('close', 'Deals closed'), ('states', 'States set'), ('gone', 'Gone at the source')], default='rows', max_length=8),
        ),
    ]
