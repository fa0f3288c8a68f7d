"""Django: the studio as an application of Django, whose own migrations make the tables, attach and change them."""
import io
import json
import os
import tempfile
from datetime import datetime, timezone
from importlib import import_module

import django
from django.conf import settings
from django.core.management import call_command
from django.db import IntegrityError, connection, models, transaction

from tools import equal, finish, passes, psql, test, whole

settings.configure(
    INSTALLED_APPS=['studio'],
    DATABASES={'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': os.environ['PGDATABASE'],
                           'HOST': os.environ['PGHOST'], 'USER': 'studio'}},
    DEFAULT_AUTO_FIELD='django.db.models.BigAutoField', USE_TZ=True)
django.setup()
from studio.models import Appointment, Customer, Pass  # noqa: E402  (needs the setup)

attach = import_module('studio.migrations.0002_attach').ATTACH
noon = datetime(2030, 1, 7, 12, tzinfo=timezone.utc)


def run(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)


def applied():
    return psql("SELECT string_agg(name, ' ' ORDER BY name) FROM django_migrations WHERE app = 'studio'")


@test('django: a migration attaches, later ones add a column, change types and make the key anew')
def _():
    call_command('migrate', verbosity=0)
    equal(applied(), '0001_initial 0002_attach 0003_after_attach 0004_key_made_anew')
    whole()


@test('django: makemigrations sees none of the made objects')
def _():
    told = io.StringIO()
    call_command('makemigrations', check=True, dry_run=True, stdout=told)
    equal(told.getvalue().strip(), 'No changes detected')


ada, ben = Customer.objects.create(name='Ada'), Customer.objects.create(name='Ben')
for customer, credits, until in (ada, 2, '2030-02-01'), (ada, 10, '2030-12-31'), (ben, 1, '2030-12-31'):
    Pass.objects.create(customer=customer, credits=credits, valid_until=until)


@test('django: a booking is created, and its link read back')
def _():
    booking = Appointment.objects.create(customer=ada, reference='A1', starts_at=noon)
    booking.refresh_from_db(fields=['paid_by'])
    equal(booking.paid_by_id, 1)
    equal(passes(), '1:1 2:0 3:0')


@test('django: bulk_create draws from both passes')
def _():
    Appointment.objects.bulk_create(Appointment(customer=ada, reference=f'B{n}', starts_at=noon) for n in range(3))
    equal(passes(), '1:2 2:2 3:0')
    whole()


@test('django: what a conflict ignores or updates takes nothing')
def _():
    Appointment.objects.bulk_create([Appointment(customer=ada, reference='A1', starts_at=noon)], ignore_conflicts=True)
    Appointment.objects.update_or_create(reference='A1', defaults={'customer': ada, 'note': 'brings a friend'})
    if django.VERSION >= (4, 1):
        Appointment.objects.bulk_create([Appointment(customer=ada, reference='A1', starts_at=noon)],
                                        update_conflicts=True, unique_fields=['reference'],
                                        update_fields=['starts_at', 'paid_by'])
    equal(passes(), '1:2 2:2 3:0')
    whole()


@test('django: a refusal in an inner block leaves the outer one going')
def _():
    with transaction.atomic():
        Appointment.objects.create(customer=ben, reference='C1', starts_at=noon)
        try:
            with transaction.atomic():
                Appointment.objects.create(customer=ada, reference='C2', starts_at=noon)
                Appointment.objects.create(customer=ben, reference='C3', starts_at=noon)
        except IntegrityError as error:
            refused = error.__cause__
        Appointment.objects.create(customer=ada, reference='C4', starts_at=noon)
    equal(refused.pgcode, '23SC2')
    equal(passes(), '1:2 2:3 3:1')
    whole()


@test('django: the error has its code, the name of the rule, the figures and the next step')
def _():
    try:
        with transaction.atomic():
            Appointment.objects.create(customer=ben, reference='D1', starts_at=noon)
    except IntegrityError as error:
        refused = error.__cause__           # of psycopg2; psycopg calls its code sqlstate
    equal((refused.pgcode, refused.diag.constraint_name), ('23SC2', 'no_credit_left'))
    assert refused.diag.message_detail and refused.diag.message_hint


@test('django: a stale pass is refused, unless it saves what it has changed alone')
def _():
    stale = Pass.objects.get(pk=2)
    Appointment.objects.create(customer=ada, reference='E1', starts_at=noon)
    stale.note = 'birthday'
    try:
        with transaction.atomic():
            stale.save()
        raise AssertionError('was saved')
    except IntegrityError as error:
        equal(error.__cause__.pgcode, '23SC5')
    stale.save(update_fields=['note'])
    fresh = Pass.objects.get(pk=2)
    fresh.credits += 5
    fresh.save()
    equal(passes(), '1:2 2:4 3:1')


@test("django: guard => 'ignore' keeps the count under a stale pass")
def _():
    run(attach.replace('remaining_column', "guard => 'ignore', remaining_column"))
    stale = Pass.objects.get(pk=2)
    Appointment.objects.create(customer=ada, reference='F1', starts_at=noon)
    stale.note = 'birthday again'
    stale.save()
    equal(passes(), '1:2 2:5 3:1')
    run(attach)
    whole()


@test('django: a booking that never read its link back keeps it')
def _():
    booking = Appointment.objects.create(customer=ada, reference='G1', starts_at=noon)
    booking.state = 'attended'
    booking.save()
    equal(booking.paid_by_id, None)
    booking.refresh_from_db()
    equal(booking.paid_by_id, 2)
    booking.state = 'cancelled'
    booking.save()
    equal(passes(), '1:2 2:5 3:1')
    whole()


@test('django: named_links => false leaves the link alone that an old object saves')
def _():
    old = Appointment.objects.get(reference='A1')
    Pass.objects.filter(pk=1).update(state='ended')
    Appointment.objects.filter(pk=old.pk).update(state='cancelled')
    Appointment.objects.filter(pk=old.pk).update(state='booked')    # pass 1 has ended: drawn anew
    run(attach.replace('remaining_column', 'named_links => false, remaining_column'))
    old.note = 'comes later'
    old.save()
    old.refresh_from_db()
    equal(old.paid_by_id, 2)
    equal(passes(), '1:1 2:6 3:1')
    whole()


@test('django: on_delete=SET_NULL needs a key that says so, too')
def _():
    Appointment._meta.get_field('paid_by').remote_field.on_delete = models.SET_NULL
    cleo = Customer.objects.create(name='Cleo')
    bought = Pass.objects.create(customer=cleo, credits=1)
    Appointment.objects.create(customer=cleo, reference='S1', starts_at=noon)
    Appointment.objects.filter(reference='S1').update(state='cancelled')
    try:
        bought.delete()         # Django writes NULL first, which keeps the link
        raise AssertionError('was deleted')
    except IntegrityError as error:
        equal(error.__cause__.pgcode, '23503')
    key = psql("SELECT conname FROM pg_constraint WHERE conrelid = 'appointments'::regclass AND confrelid = 'passes'::regclass")
    run(f'''ALTER TABLE appointments DROP CONSTRAINT "{key}",
            ADD FOREIGN KEY (pass_id) REFERENCES passes ON DELETE SET NULL''')
    Pass.objects.get(customer=cleo).delete()
    equal(Appointment.objects.get(reference='S1').paid_by_id, None)
    whole()


@test('django: a fixture lists passes before appointments; what dumpdata wrote is loaded with triggers off')
def _():
    owner = {'model': 'studio.customer', 'pk': 9, 'fields': {'name': 'Cleo'}}
    bought = {'model': 'studio.pass', 'pk': 9, 'fields': {'customer': 9, 'credits': 1}}
    booked = {'model': 'studio.appointment', 'pk': 90,
              'fields': {'customer': 9, 'reference': 'H1', 'starts_at': noon.isoformat()}}
    with tempfile.NamedTemporaryFile('w', suffix='.json') as file:
        json.dump([owner, booked, bought], file)
        file.flush()
        try:
            call_command('loaddata', file.name, verbosity=0)
            raise AssertionError('was loaded')
        except IntegrityError as error:
            equal(error.__cause__.pgcode, '23SC1')
        file.seek(0)
        json.dump([owner, bought, booked], file)
        file.flush()
        call_command('loaddata', file.name, verbosity=0)
    whole()
    with tempfile.NamedTemporaryFile('w', suffix='.json') as file:
        call_command('dumpdata', 'studio', stdout=file)
        file.flush()
        call_command('flush', interactive=False, verbosity=0)
        run('ALTER TABLE appointments DISABLE TRIGGER USER; ALTER TABLE passes DISABLE TRIGGER USER')
        call_command('loaddata', file.name, verbosity=0)
        run('ALTER TABLE appointments ENABLE TRIGGER USER; ALTER TABLE passes ENABLE TRIGGER USER')
    equal(passes(), '1:1 2:6 3:1 9:1')
    whole()


@test('django: migrations go back, and the tables are as they were')
def _():
    call_command('migrate', 'studio', '0001', verbosity=0)
    equal(psql("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'sc\\_%'"), '0')
    equal(psql('SELECT count(*) FROM session_consistency.attachments'), '0')
    equal(passes(), '1:1 2:6 3:1 9:1')


finish()
