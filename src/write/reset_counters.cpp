// AFTER TRUNCATE trigger of the sessions: sets every counter to what is carried, most often 0 (R13).
#include "catalog/binding.hpp"
#include "catalog/citus.hpp"
#include "store/counter_writer.hpp"
#include "store/ledger.hpp"
#include "server/names.hpp"
#include "server/settings.hpp"
#include "server/spi.hpp"
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

// Citus truncates the shards in a trigger of its own, whose name begins so: by then they must be empty.
void require_after_shards(const TriggerData *data)
{
    if (strcmp(data->tg_trigger->tgname, "truncate_trigger") <= 0)
        ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                errmsg("table \"%s\" was distributed after it was attached, and cannot be truncated",
                       RelationGetRelationName(data->tg_relation)),
                errdetail("Trigger \"%s\" fires before the shards are truncated.", data->tg_trigger->tgname),
                errhint("DELETE the rows; or detach, and attach again."));
}

// The counters are on the shards. There the guard lets this through, and no other change, since the sessions beside
// them are gone; as whoever truncates, since only his connections see that.
void reset_shards(const TriggerData *data, const SubscriptionShape &shape)
{
    require_after_shards(data);
    if (check_enable_rls(shape.relation, InvalidOid, true) == RLS_ENABLED)
        ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                errmsg("row-level security may hide rows of table \"%s\" from role \"%s\"",
                       get_rel_name(shape.relation), GetUserNameFromId(GetUserId(), false)),
                errdetail("Their counters would not be set to 0."),
                errhint("Let the owner of the subscriptions truncate it."));
    const char *used = quote_identifier(get_attname(shape.relation, shape.used, false));
    const char *carried =
        shape.carried == 0 ? "0" : quote_identifier(get_attname(shape.relation, shape.carried, false));
    const int level = enter_pinned_path();
    connect_spi();
    const int result = SPI_execute(psprintf("UPDATE %s SET %s = %s WHERE %s IS DISTINCT FROM %s",
                                            qualified_name(shape.relation), used, carried, used, carried), false, 0);
    if (result != SPI_OK_UPDATE)
        elog(ERROR, "resetting the counters failed: %s", SPI_result_code_string(result));
    SPI_finish();
    leave_pinned_path(level);
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
    const SubscriptionShape &shape = binding.subscriptions;
    if (is_sharded(RelationGetRelid(data->tg_relation))) {
        reset_shards(data, shape);
        return Datum{0};
    }
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
