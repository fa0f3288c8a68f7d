// CALL purge_sessions(): deletes old sessions and lets their subscriptions carry what they held, in batches, each a
// transaction of its own.
//
// The sessions are listed once, by where they are, and then deleted by an ordinary DELETE: the user's triggers fire,
// and keys that refer to the sessions cascade or refuse. The extension's own trigger, which is told that this is a
// purge, adds to the carried column what it would have given back. A session that somebody else has locked is left for
// a second pass, which waits for one at a time and holds no other meanwhile.
#include "catalog/arguments.hpp"
#include "catalog/citus.hpp"
#include "check/read_counts.hpp"
#include "migrate/calendar.hpp"
#include "migrate/on_shards.hpp"
#include "migrate/transactions.hpp"
#include "server/own_table.hpp"
#include "server/settings.hpp"
#include "server/values.hpp"
#include "write/statements.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_purge_sessions);
}

namespace sc {

namespace {

struct Purge {
    Pair pair;
    Transactions transactions;
    const char *start_column;
    Oid start_type;                // the base type
    Datum before;                  // as the start is compared with it
    Oid before_type;
    int batch_size;
    MemoryContext context;         // of one batch
    int64 deleted;
    int64 kept;                    // old sessions that are there still
    TimestampTz told;              // the last NOTICE
};
static_assert(Pod<Purge>);

// The sessions of one relation that go together.
struct Listed {
    Oid relation;
    std::span<Datum> places;
    Datum first;                   // the first start among them, and the last
    Datum last;
};
static_assert(Pod<Listed>);

// Preparing ----------------------------------------------------------------------------------------------------------

// Everything that the sessions are attached to must be able to carry what they hold: they go for all of it.
void require_carrying(const Attachment &attachment)
{
    require_readable(attachment);
    if (attachment.mapping.carried_column != nullptr)
        return;
    ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
            errmsg("table \"%s\" is attached to table \"%s\" without a column for carried credits",
                   get_rel_name(attachment.sessions), get_rel_name(attachment.subscriptions)),
            errdetail("What purged sessions held would be given back."),
            errhint("Detach, and attach with a carried_column."));
}

// Without the trigger the sessions would go, and what they held would be nobody's.
void require_charged(Oid sessions)
{
    const char needed = SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA ? TRIGGER_FIRES_ON_REPLICA
                                                                                   : TRIGGER_FIRES_ON_ORIGIN;
    for (const Oid relation : partition_tree(sessions, AccessShareLock)) {
        bool fires = false;
        for (const OwnTrigger &trigger : find_own_triggers(relation))
            fires |= trigger.rule == &charge_rule() &&
                     (trigger.enabled == needed || trigger.enabled == TRIGGER_FIRES_ALWAYS);
        if (!fires)
            ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("the trigger of table \"%s\" that keeps counters does not fire", get_rel_name(relation)),
                    errdetail("What purged sessions held would be lost."),
                    errhint("Enable it, and set session_replication_role to origin; the view attachments names what "
                            "is missing."));
    }
}

// The subscriptions that are to carry. Looked for in each transaction, under a lock that keeps attach and detach out.
Oids find_carrying(const Purge &purge)
{
    LockRelationOid(purge.pair.sessions, RowExclusiveLock);
    const Attachment &attachment = require_attachment(purge.pair);
    require_together({attachment.sessions, attachment.subscriptions}, "purge_sessions");
    if (attachment.mapping.start_column == nullptr ||
        strcmp(attachment.mapping.start_column, purge.start_column) != 0)
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("the attachment of table \"%s\" changed while it was purged", get_rel_name(purge.pair.sessions)),
                errdetail("Sessions are told by another column than before."),
                errhint("What has been purged stays so; call purge_sessions() again."));
    require_charged(purge.pair.sessions);
    const std::span<const Attachment> attachments = find_attachments(purge.pair.sessions);
    auto *carrying = static_cast<Oid *>(palloc(sizeof(Oid) * attachments.size()));
    size_t count = 0;
    for (const Attachment &one : attachments) {
        require_carrying(one);
        carrying[count++] = one.subscriptions;
    }
    return Oids(carrying, count);
}

// What has no zone is compared in the caller's own, as migrate() does.
void set_moments(Purge &purge, Datum before)
{
    purge.start_type = find_moment_column(purge.pair.sessions, purge.start_column).type;
    const bool zoned = purge.start_type == TIMESTAMPTZOID;
    purge.before_type = zoned ? TIMESTAMPTZOID : TIMESTAMPOID;
    purge.before = zoned ? before : DirectFunctionCall1(timestamptz_timestamp, before);
}

// As the caller, who must own both tables.
void prepare(Purge &purge, Datum before)
{
    require_owner(purge.pair.sessions);
    const Attachment &attachment = open_attachments(purge.pair).front().attachment;
    require_carrying(attachment);
    purge.start_column = attachment.mapping.start_column;
    if (purge.start_column == nullptr)
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("table \"%s\" is attached without a start_column", get_rel_name(purge.pair.sessions)),
                errdetail("Nobody can tell which sessions are old."),
                errhint("Attach again with all its arguments and a start_column: it is added in place."));
    purge.pair.subscriptions = attachment.subscriptions;
    if (OidIsValid(attachment.subscriptions))
        require_owner(attachment.subscriptions);
    run_restricted(owner_of(purge.pair.sessions), [&] { open_counting(attachment); });
    find_carrying(purge);
    set_moments(purge, before);
    lock_sessions(purge.pair.sessions);
    commit();
}

// Deleting -----------------------------------------------------------------------------------------------------------

// Partitions of a table that is parted by the start need not be looked at where no listed session began.
const char *delete_command(const Purge &purge, bool waits)
{
    const char *places = psprintf("t.tableoid OPERATOR(pg_catalog.=) $1 AND t.ctid OPERATOR(pg_catalog.=) ANY (%%s)"
                                  " AND %s OPERATOR(pg_catalog.>=) $3 AND %s OPERATOR(pg_catalog.<=) $4",
                                  quoted_column("t", purge.start_column), quoted_column("t", purge.start_column));
    const char *table = qualified_name(purge.pair.sessions);
    StringInfoData held;
    initStringInfo(&held);
    appendStringInfo(&held, "ARRAY(SELECT t.ctid FROM %s AS t WHERE ", table);
    appendStringInfo(&held, places, "$2");
    appendStringInfo(&held, " FOR UPDATE%s)", waits ? "" : " SKIP LOCKED");
    StringInfoData command;
    initStringInfo(&command);
    appendStringInfo(&command, "DELETE FROM %s AS t WHERE ", table);
    appendStringInfo(&command, places, held.data);
    return command.data;
}

uint64 delete_listed(const Purge &purge, const Listed &listed, bool waits)
{
    ArrayType *places = construct_array(listed.places.data(), static_cast<int>(listed.places.size()), TIDOID,
                                        sizeof(ItemPointerData), false, TYPALIGN_SHORT);
    const Oid types[] = {OIDOID, TIDARRAYOID, purge.start_type, purge.start_type};
    const Datum values[] = {ObjectIdGetDatum(listed.relation), PointerGetDatum(places), listed.first, listed.last};
    set_purged(find_carrying(purge));
    const uint64 deleted = ask(delete_command(purge, waits), {.types = types, .values = values, .writes = true});
    set_purged({});
    return deleted;
}

bool is_earlier(const Purge &purge, Datum left, Datum right)
{
    return purge.start_type == DATEOID ? DatumGetDateADT(left) < DatumGetDateADT(right)
                                       : DatumGetTimestamp(left) < DatumGetTimestamp(right);
}

// Deletes what was fetched, relation by relation.
uint64 delete_fetched(const Purge &purge, const SPITupleTable *fetched, uint64 count, bool waits)
{
    uint64 deleted = 0;
    auto *places = static_cast<Datum *>(MemoryContextAllocHuge(purge.context, sizeof(Datum) * count));
    const auto value = [fetched](uint64 row, int column) {
        bool is_null;
        return SPI_getbinval(fetched->vals[row], fetched->tupdesc, column, &is_null);
    };
    for (uint64 first = 0, end = 0; first < count; first = end) {
        Listed listed{DatumGetObjectId(value(first, 1)), {}, value(first, 3), value(first, 3)};
        for (; end < count && DatumGetObjectId(value(end, 1)) == listed.relation; end++) {
            places[end] = value(end, 2);
            const Datum start = value(end, 3);
            if (is_earlier(purge, start, listed.first))
                listed.first = start;
            if (is_earlier(purge, listed.last, start))
                listed.last = start;
        }
        listed.places = std::span<Datum>(places + first, end - first);
        deleted += delete_listed(purge, listed, waits);
    }
    return deleted;
}

// Passes -------------------------------------------------------------------------------------------------------------

void tell_progress(Purge &purge)
{
    const TimestampTz now = GetCurrentTimestamp();
    if (now - purge.told < USECS_PER_SEC)
        return;
    purge.told = now;
    ereport(NOTICE, errmsg("purging table \"%s\": " INT64_FORMAT " sessions deleted",
                           get_rel_name(purge.pair.sessions), purge.deleted));
}

// The old sessions, by where they are. The list is kept on disk across transactions.
Portal list_old(Purge &purge)
{
    set_locally("work_mem", "16MB");
    set_locally("cursor_tuple_fraction", "1");
    set_locally("jit", "off");
    const char *start = quoted_column("t", purge.start_column);
    const char *query = psprintf("SELECT t.tableoid, t.ctid, %s::%s FROM %s AS t WHERE %s OPERATOR(pg_catalog.<) $1"
                                 " ORDER BY t.tableoid, t.ctid",
                                 start, format_type_be_qualified(purge.start_type),
                                 qualified_name(purge.pair.sessions), start);
    Portal list = SPI_cursor_open_with_args(nullptr, query, 1, &purge.before_type, &purge.before, nullptr, false,
                                            CURSOR_OPT_NO_SCROLL);
    // A pinned portal outlives the transaction, and goes when the call fails.
    PinPortal(list);
    HoldPinnedPortals();
    next_transaction(purge.transactions);
    return list;
}

// Everything that is old, once. Returns how many sessions stay.
int64 purge_once(Purge &purge, int batch_size, bool waits)
{
    int64 kept = 0;
    Portal list = list_old(purge);
    for (;;) {
        SPI_cursor_fetch(list, true, batch_size);
        SPITupleTable *fetched = SPI_tuptable;
        const uint64 count = SPI_processed;
        if (count == 0)
            break;
        MemoryContext caller = MemoryContextSwitchTo(purge.context);
        const uint64 deleted = delete_fetched(purge, fetched, count, waits);
        MemoryContextSwitchTo(caller);
        purge.deleted += static_cast<int64>(deleted);
        kept += static_cast<int64>(count - deleted);
        SPI_freetuptable(fetched);
        next_transaction(purge.transactions);
        MemoryContextReset(purge.context);
        tell_progress(purge);
        CHECK_FOR_INTERRUPTS();
    }
    UnpinPortal(list);
    SPI_cursor_close(list);
    return kept;
}

void finish(const Purge &purge)
{
    ereport(NOTICE,
            errmsg("table \"%s\" is purged; sessions deleted: " INT64_FORMAT, get_rel_name(purge.pair.sessions),
                   purge.deleted),
            purge.kept == 0 ? 0
                            : errdetail("Old sessions that stay, since a trigger kept them or they changed meanwhile: "
                                        INT64_FORMAT ".", purge.kept),
            purge.kept == 0 ? 0 : errhint("Call purge_sessions() again."));
}

void purge_sessions(Purge &purge, const Arguments &arguments, Datum before)
{
    prepare(purge, before);
    if (is_sharded(purge.pair.sessions)) {
        call_on_shards(purge.pair, arguments);
        ereport(NOTICE, errmsg("table \"%s\" is purged", get_rel_name(purge.pair.sessions)));
        unlock_sessions(purge.pair.sessions);
        return;
    }
    purge.transactions.sessions = purge.pair.sessions;
    purge.told = GetCurrentTimestamp();
    purge.context = AllocSetContextCreate(CurrentMemoryContext, "session_consistency purge", ALLOCSET_DEFAULT_SIZES);
    become_owner(purge.transactions);
    purge.kept = purge_once(purge, purge.batch_size, false);
    if (purge.kept > 0)
        purge.kept = purge_once(purge, 1, true);
    leave_owner(purge.transactions.caller);
    finish(purge);
    unlock_sessions(purge.pair.sessions);
}

}  // namespace

}  // namespace sc

extern "C" Datum sc_purge_sessions(PG_FUNCTION_ARGS)
{
    using namespace sc;
    require_own_transactions(fcinfo, "purge_sessions");
    require_writable("purge_sessions");
    const Arguments arguments = arguments_of(fcinfo);
    require_argument(arguments, "sessions");
    Purge purge{};
    purge.pair = pair_arguments(arguments);
    const Datum before = require_argument(arguments, "before");
    purge.batch_size = DatumGetInt32(require_argument(arguments, "batch_size"));
    if (purge.batch_size < 1)
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("batch_size is %d, and must be at least 1", purge.batch_size),
                errdetail("A batch is one transaction, and deletes so many sessions."),
                errhint("Leave it out to get its default, 5000."));
    connect_spi(SPI_OPT_NONATOMIC);
    purge_sessions(purge, arguments, before);
    SPI_finish();
    PG_RETURN_VOID();
}
