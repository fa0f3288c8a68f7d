// The books of an attachment: open_ledger() opens them with what is used by now, and the ledger's own trigger keeps
// everybody else from writing it.
#include "catalog/arguments.hpp"
#include "catalog/binding.hpp"
#include "server/own_table.hpp"
#include "server/pg_compat.hpp"
#include "store/ledger.hpp"
#include "store/subscription_row.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_open_ledger);
PG_FUNCTION_INFO_V1(sc_keep_ledger);
}

namespace sc {

namespace {

// A line for each subscription, whose counters nobody else is writing: the lock keeps them out.
int64 open_books(Relation subscriptions, const SubscriptionShape &shape)
{
    LedgerWriter *ledger = open_ledger_writer(shape);
    TupleTableSlot *row = table_slot_create(subscriptions, nullptr);
    PushCopiedSnapshot(GetLatestSnapshot());
    UpdateActiveSnapshotCommandId();
    MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "session_consistency subscription",
                                                  ALLOCSET_SMALL_SIZES);
    const Search search = begin_search(subscriptions, InvalidOid, {}, row);
    int64 count = 0;
    while (next_row(search)) {
        MemoryContext caller = MemoryContextSwitchTo(scratch);
        restate(ledger, account_of(shape, row), read_subscription(shape, row).used.value_or(0), Cause::opened);
        count++;
        MemoryContextSwitchTo(caller);
        MemoryContextReset(scratch);
        CHECK_FOR_INTERRUPTS();
    }
    end_search(search);
    PopActiveSnapshot();
    ExecDropSingleTupleTableSlot(row);
    // Those that went while nothing was attached.
    restate_rest_unused(ledger, Cause::opened);
    close_ledger_writer(ledger);
    CommandCounterIncrement();
    return count;
}

}  // namespace

}  // namespace sc

extern "C" Datum sc_open_ledger(PG_FUNCTION_ARGS)
{
    using namespace sc;
    const Arguments arguments = arguments_of(fcinfo);
    require_argument(arguments, "sessions");
    require_writable("open_ledger");
    const Attachment &attachment = require_attachment(pair_arguments(arguments));
    const Oid sessions = attachment.sessions;
    if (!attachment.mapping.ledger)
        raise_no_ledger(sessions);
    Relation relation = table_open(sessions, AccessShareLock);
    const Trigger *charge = charge_trigger_of(relation, attachment);
    if (charge == nullptr)
        raise_no_ledger(sessions);
    require_owner(sessions);
    if (OidIsValid(attachment.subscriptions))
        require_owner(attachment.subscriptions);
    int64 lines = 0;
    run_restricted(relation->rd_rel->relowner, [&] {
        const SubscriptionShape &shape = bind_sessions(relation, charge).subscriptions;
        Relation subscriptions = table_open(shape.relation, ShareRowExclusiveLock);
        lines = open_books(subscriptions, shape);
        table_close(subscriptions, NoLock);
    });
    table_close(relation, NoLock);
    PG_RETURN_INT64(lines);
}

extern "C" Datum sc_keep_ledger(PG_FUNCTION_ARGS)
{
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR, errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                errmsg("function \"keep_ledger\" must be called as a trigger"));
    auto *data = reinterpret_cast<TriggerData *>(fcinfo->context);
    if (!sc::owns_relation(RelationGetRelid(data->tg_relation), GetUserId()))
        ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                errmsg("the ledger is written by session_consistency alone"),
                errhint("It is append-only: nobody but its owner may change it."), errtable(data->tg_relation));
    return Datum{0};
}
