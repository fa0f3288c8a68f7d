// AFTER TRUNCATE trigger of the sessions: sets every counter to 0 (R13).
#include "catalog/binding.hpp"
#include "store/counter_writer.hpp"
#include "store/ledger.hpp"
#include "server/triggers.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_reset_counters);
}

extern "C" PGDLLEXPORT Datum sc_reset_counters(PG_FUNCTION_ARGS)
{
    using namespace sc;
    TriggerData *data = truncate_trigger_call(fcinfo, "reset_counters");
    const SubscriptionShape &shape = bind_sessions(data->tg_relation, data->tg_trigger).subscriptions;
    Relation subscriptions = table_open(shape.relation, RowExclusiveLock);
    CounterWriter *writer = open_counter_writer(subscriptions, shape, true);
    explain_exact(writer, std::nullopt);
    while (lock_next_used(writer) != nullptr)
        write_counter(writer, 0, true);
    // Subscriptions that have been deleted have lines, too. They are closed before close_counter_writer() fires the
    // user's own triggers on the subscriptions, which may book again.
    if (OidIsValid(shape.ledger)) {
        Ledger *ledger = open_ledger(shape);
        restate_rest_unused(ledger, Cause::truncated);
        close_ledger(ledger);
    }
    close_counter_writer(writer);
    table_close(subscriptions, NoLock);
    return Datum{0};
}
