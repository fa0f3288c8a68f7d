from django.db import migrations, models
from django.db.models import PROTECT, ForeignKey


def key():
    return 'id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel('Customer', [key(), ('name', models.TextField())], {'db_table': 'customers'}),
        migrations.CreateModel('Pass', [
            key(),
            ('customer', ForeignKey('studio.Customer', PROTECT)),
            ('state', models.TextField(default='valid')),
            ('credits', models.IntegerField(null=True)),
            ('credits_used', models.IntegerField(default=0, editable=False)),
            ('valid_until', models.DateField(null=True)),
            ('note', models.TextField(default='')),
        ], {'db_table': 'passes'}),
        migrations.CreateModel('Appointment', [
            key(),
            ('customer', ForeignKey('studio.Customer', PROTECT)),
            ('paid_by', ForeignKey('studio.Pass', PROTECT, null=True, editable=False, db_column='pass_id')),
            ('reference', models.TextField(unique=True)),
            ('starts_at', models.DateTimeField()),
            ('state', models.TextField(default='booked')),
            ('note', models.TextField(default='')),
        ], {'db_table': 'appointments'}),
    ]
