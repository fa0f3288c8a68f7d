// AFTER TRUNCATE trigger of the sessions: sets every counter to what is carried, most often 0 (R13).
#include "catalog/binding.hpp"
#include "catalog/citus.hpp"
#include "store/counter_writer.hpp"
#include "store/ledger.hpp"
#include "server/triggers.hpp"
#include "write/notify_counts.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_reset_counters);
}

namespace sc {

namespace {

// A subscription that carries credits of sessions that were not there.
struct Carrying {
    Account account;
    int64_t carried;
};
static_assert(Pod<Carrying>);

// The counters of a distributed table are on its shards, where no trigger of this statement fires.
void require_whole(Oid sessions)
{
    if (distribution_of(sessions).placement == Placement::distributed)
        ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                errmsg("distributed table \"%s\" cannot be truncated while it is attached", get_rel_name(sessions)),
                errdetail("The counters on its shards would not be set to 0."), errhint("DELETE the rows."));
}

Carrying *make_carrying(const SubscriptionShape &shape, TupleTableSlot *row, int64_t carried)
{
    auto *carrying = static_cast<Carrying *>(palloc(sizeof(Carrying)));
    carrying->account = account_of(shape, row);
    carrying->carried = carried;
    return carrying;
}

}  // namespace

}  // namespace sc

extern "C" PGDLLEXPORT Datum sc_reset_counters(PG_FUNCTION_ARGS)
{
    using namespace sc;
    TriggerData *data = truncate_trigger_call(fcinfo, "reset_counters");
    const Binding &binding = bind_sessions(data->tg_relation, data->tg_trigger);
    require_whole(RelationGetRelid(data->tg_relation));
    const SubscriptionShape &shape = binding.subscriptions;
    note_all_counts(binding);
    Relation subscriptions = table_open(shape.relation, RowExclusiveLock);
    CounterWriter *writer = open_counter_writer(subscriptions, shape, true);
    set_cause(writer, std::nullopt);
    List *carrying = NIL;
    while (TupleTableSlot *row = lock_next_used(writer)) {
        const int64_t carried = read_subscription(shape, row).carried;
        if (carried != 0 && OidIsValid(shape.ledger))
            carrying = lappend(carrying, make_carrying(shape, row, carried));
        write_counter(writer, carried, true);
    }
    // Subscriptions that have been deleted have lines, too. They are closed before close_counter_writer() fires the
    // user's own triggers on the subscriptions, which may book again.
    if (OidIsValid(shape.ledger)) {
        LedgerWriter *ledger = open_ledger_writer(shape);
        ListCell *cell;
        foreach (cell, carrying) {
            const auto *one = static_cast<const Carrying *>(lfirst(cell));
            restate(ledger, one->account, one->carried, Cause::truncated);
        }
        restate_rest_unused(ledger, Cause::truncated);
        close_ledger_writer(ledger);
    }
    close_counter_writer(writer);
    table_close(subscriptions, NoLock);
    return Datum{0};
}
