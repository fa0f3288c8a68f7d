"""SQLAlchemy with Alembic: the tables are made by SQLAlchemy, changed by Alembic, and compared with the models."""
import os
from datetime import datetime, timezone

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import (BigInteger, Column, Date, DateTime, FetchedValue, ForeignKey, Integer, Text, create_engine,
                        select, text)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, declarative_base

from tools import equal, finish, passes, psql, test, whole

engine = create_engine(f"postgresql+psycopg2://studio@/{os.environ['PGDATABASE']}?host={os.environ['PGHOST']}",
                       future=True)
Base = declarative_base()
noon = datetime(2030, 1, 7, 12, tzinfo=timezone.utc)


class Customer(Base):
    __tablename__ = 'customers'
    id = Column(BigInteger, primary_key=True)
    name = Column(Text, nullable=False)


class Pass(Base):
    __tablename__ = 'passes'
    id = Column(BigInteger, primary_key=True)
    customer_id = Column(ForeignKey('customers.id'), nullable=False)
    state = Column(Text, nullable=False, server_default='valid')
    credits = Column(Integer)
    credits_used = Column(Integer, nullable=False, server_default='0', server_onupdate=FetchedValue())
    valid_until = Column(Date)
    note = Column(Text)


class Appointment(Base):
    __tablename__ = 'appointments'
    id = Column(BigInteger, primary_key=True)
    customer_id = Column(ForeignKey('customers.id'), nullable=False)
    pass_id = Column(ForeignKey('passes.id', ondelete='SET NULL'),
                     server_default=FetchedValue(), server_onupdate=FetchedValue())
    reference = Column(Text, nullable=False, unique=True)
    starts_at = Column(DateTime(timezone=True), nullable=False)
    state = Column(Text, nullable=False, server_default='booked')
    note = Column(Text)


ATTACH = """
SELECT count(*) FROM session_consistency.attach('appointments', 'passes',
    member_column => 'customer_id', subscription_column => 'pass_id', type_column => NULL, status_column => 'state',
    scheduled_statuses => '{booked}', completed_statuses => '{attended}',
    subscription_member_column => 'customer_id', subscription_status_column => 'state',
    active_statuses => '{valid}', total_column => 'credits', used_column => 'credits_used',
    remaining_column => NULL, draw_order => 'valid_until')
"""


def include_object(object, name, type_, reflected, compare_to):
    return not (reflected and compare_to is None and name.startswith('sc_'))


def differences(include=include_object):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={'include_object': include, 'compare_type': True})
        return compare_metadata(context, Base.metadata)


@test('sqlalchemy: the tables are made and attached, twice')
def _():
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text(ATTACH))
        equal(connection.execute(text(ATTACH)).scalar(), 0)
        ada, ben = 1, 2
        connection.execute(insert(Customer), [{'name': 'Ada'}, {'name': 'Ben'}])
        connection.execute(insert(Pass), [
            {'customer_id': ada, 'credits': 2, 'valid_until': '2030-02-01'},
            {'customer_id': ada, 'credits': 10, 'valid_until': '2030-12-31'},
            {'customer_id': ben, 'credits': 1, 'valid_until': '2030-12-31'}])
    whole()


@test('alembic: the diff is empty, for names that begin with sc_ are left alone')
def _():
    equal(differences(), [])
    assert all('sc_' in str(difference) for difference in differences(None))
    assert differences(None)


@test('sqlalchemy: a booking is created, and its link read back')
def _():
    with Session(engine, future=True) as session:
        booking = Appointment(customer_id=1, reference='A1', starts_at=noon)
        session.add(booking)
        session.commit()
        equal(booking.pass_id, 1)       # read after the commit, so the final one
    equal(passes(), '1:1 2:0 3:0')


@test('sqlalchemy: add_all and one INSERT of many draw from both passes')
def _():
    with Session(engine, future=True) as session:
        session.add_all(Appointment(customer_id=1, reference=f'B{n}', starts_at=noon) for n in range(3))
        session.flush()
        session.execute(insert(Appointment), [{'customer_id': 1, 'reference': f'C{n}', 'starts_at': noon}
                                              for n in range(2)])
        session.commit()
    equal(passes(), '1:2 2:4 3:0')
    whole()


@test('sqlalchemy: what a conflict ignores or updates takes nothing')
def _():
    again = insert(Appointment).values(customer_id=1, reference='A1', starts_at=noon)
    with Session(engine, future=True) as session:
        session.execute(again.on_conflict_do_nothing(index_elements=['reference']))
        session.execute(again.on_conflict_do_update(
            index_elements=['reference'], set_={'note': 'again', 'pass_id': again.excluded.pass_id}))
        session.commit()
    equal(passes(), '1:2 2:4 3:0')
    whole()


@test('sqlalchemy: a refusal in a nested transaction leaves the outer one going')
def _():
    with Session(engine, future=True) as session, session.begin():
        session.add(Appointment(customer_id=2, reference='D1', starts_at=noon))
        session.flush()
        try:
            with session.begin_nested():
                session.add(Appointment(customer_id=1, reference='D2', starts_at=noon))
                session.add(Appointment(customer_id=2, reference='D3', starts_at=noon))
        except IntegrityError as error:
            refused = error.orig
        session.add(Appointment(customer_id=1, reference='D4', starts_at=noon))
    equal(refused.pgcode, '23SC2')
    equal(passes(), '1:2 2:5 3:1')
    whole()


@test('sqlalchemy: the error has its code, the name of the rule, the figures and the next step')
def _():
    try:
        with Session(engine, future=True) as session, session.begin():
            session.add(Appointment(customer_id=2, reference='E1', starts_at=noon))
    except IntegrityError as error:
        refused = error.orig
    equal((refused.pgcode, refused.diag.constraint_name), ('23SC2', 'no_credit_left'))
    assert refused.diag.message_detail and refused.diag.message_hint


@test('sqlalchemy: a stale pass saves what has changed alone; a counter that is written is refused, or ignored')
def _():
    with Session(engine, future=True) as session, session.begin():
        stale = session.get(Pass, 2)
        with Session(engine, future=True) as other, other.begin():
            other.add(Appointment(customer_id=1, reference='F1', starts_at=noon))
        stale.note = 'birthday'
        stale.credits = Pass.credits + 5
    equal(passes(), '1:2 2:6 3:1')

    def save_old_counter():
        with Session(engine, future=True) as session, session.begin():
            session.get(Pass, 2).credits_used = 1
    try:
        save_old_counter()
        raise AssertionError('was saved')
    except IntegrityError as error:
        equal(error.orig.pgcode, '23SC5')
    with engine.begin() as connection:
        connection.execute(text(ATTACH.replace('remaining_column', "guard => 'ignore', remaining_column")))
    save_old_counter()
    with engine.begin() as connection:
        connection.execute(text(ATTACH))
    equal(passes(), '1:2 2:6 3:1')
    whole()


@test('sqlalchemy: NULL that a merged object writes over the link keeps it')
def _():
    with Session(engine, future=True) as session, session.begin():
        booked = session.execute(select(Appointment).filter_by(reference='F1')).scalar_one()
        session.merge(Appointment(id=booked.id, customer_id=1, reference='F1', starts_at=noon, pass_id=None,
                                  state='attended'))
    equal(psql("SELECT pass_id, state FROM appointments WHERE reference = 'F1'"), '2|attended')
    whole()


@test('alembic: a column is added, types are changed and the key is made anew, and the diff is empty')
def _():
    Appointment.__table__.append_column(Column('room', Text))
    Pass.__table__.c.credits_used.type = BigInteger()
    with engine.begin() as connection:
        op = Operations(MigrationContext.configure(connection))
        op.add_column('appointments', Column('room', Text))
        op.alter_column('passes', 'note', type_=Text, existing_type=Text)
        op.execute(ATTACH.replace('remaining_column', 'make_view => false, remaining_column'))
        op.alter_column('passes', 'credits_used', type_=BigInteger)
        op.drop_constraint('appointments_pass_id_fkey', 'appointments')
        op.create_foreign_key('appointments_pass_id_fkey', 'appointments', 'passes', ['pass_id'], ['id'],
                              ondelete='SET NULL')
        op.execute(ATTACH)
    equal(differences(), [])
    whole()
    with Session(engine, future=True) as session, session.begin():
        session.add(Appointment(customer_id=1, reference='G1', starts_at=noon))
    equal(passes(), '1:2 2:7 3:1')
    whole()


finish()
