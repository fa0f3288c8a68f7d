from django.db import models


class Customer(models.Model):
    name = models.TextField()

    class Meta:
        db_table = 'customers'


class Pass(models.Model):
    customer = models.ForeignKey(Customer, models.PROTECT)
    state = models.TextField(default='valid')
    credits = models.IntegerField(null=True)
    credits_used = models.BigIntegerField(default=0, editable=False)
    valid_until = models.DateField(null=True)
    note = models.CharField(max_length=200, default='')

    class Meta:
        db_table = 'passes'


class Appointment(models.Model):
    customer = models.ForeignKey(Customer, models.PROTECT)
    paid_by = models.ForeignKey(Pass, models.PROTECT, null=True, editable=False, db_column='pass_id')
    reference = models.TextField(unique=True)
    starts_at = models.DateTimeField()
    state = models.TextField(default='booked')
    note = models.TextField(default='')
    room = models.TextField(null=True)

    class Meta:
        db_table = 'appointments'
