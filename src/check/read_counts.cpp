// Reads the figures of subscriptions for the checks.
#include "check/read_counts.hpp"
#include "server/settings.hpp"
#include "server/spi.hpp"

namespace sc {

namespace {

// Says which table to name instead of a partition of it.
void refuse_partition(Oid sessions)
{
    if (!get_rel_relispartition(sessions) || !find_attachments(sessions).empty())
        return;
    ListCell *cell;
    foreach (cell, get_partition_ancestors(sessions))
        if (!find_attachments(lfirst_oid(cell)).empty())
            ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("table \"%s\" is a partition of attached table \"%s\"", get_rel_name(sessions),
                           get_rel_name(lfirst_oid(cell))),
                    errhint("Name %s instead.", qualified_name(lfirst_oid(cell))));
}

std::span<const Attachment> list_attachments(std::optional<Oid> sessions)
{
    if (!sessions)
        return find_attachments(InvalidOid);
    if (get_rel_name(*sessions) == nullptr)
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", *sessions));
    refuse_partition(*sessions);
    return std::span(&require_attachment(*sessions), 1);
}

bool contains(std::span<const Attachment> attachments, Oid sessions)
{
    for (const Attachment &attachment : attachments)
        if (attachment.sessions == sessions)
            return true;
    return false;
}

// The executor hands its rows to this; base is the part that it knows.
struct FiguresReceiver {
    DestReceiver base;
    MemoryContext row_context;
    FiguresSink sink;
    void *state;
};
static_assert(Pod<FiguresReceiver>);

std::optional<int64> integer_of(TupleTableSlot *slot, int column)
{
    if (slot->tts_isnull[column])
        return std::nullopt;
    return DatumGetInt64(slot->tts_values[column]);
}

const char *text_of(TupleTableSlot *slot, int column)
{
    return slot->tts_isnull[column] ? nullptr : TextDatumGetCString(slot->tts_values[column]);
}

bool receive_row(TupleTableSlot *slot, DestReceiver *self)
{
    auto *receiver = reinterpret_cast<FiguresReceiver *>(self);
    slot_getallattrs(slot);
    MemoryContext before = MemoryContextSwitchTo(receiver->row_context);
    const Figures figures{.subscription_id = text_of(slot, 0),
                          .member_id = text_of(slot, 1),
                          .total = integer_of(slot, 2),
                          .used = integer_of(slot, 3),
                          .stored_remaining = integer_of(slot, 4),
                          .completed = *integer_of(slot, 5),
                          .scheduled = *integer_of(slot, 6)};
    receiver->sink(figures, receiver->state);
    MemoryContextSwitchTo(before);
    MemoryContextReset(receiver->row_context);
    return true;
}

void start_rows(DestReceiver *, int, TupleDesc) {}
void end_rows(DestReceiver *) {}

const char *number(std::optional<int64> value)
{
    return value ? psprintf(INT64_FORMAT, *value) : "NULL";
}

// A recount holds one entry for each subscription in memory; with the server's default it would sort or spill instead.
constexpr int reading_work_mem = 64 * 1024;

}  // namespace

void require_every_row(Oid table)
{
    // A count over the rows that happen to be visible would accuse the innocent: no answer is better.
    if (check_enable_rls(table, InvalidOid, true) != RLS_ENABLED)
        return;
    ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
            errmsg("row-level security may hide rows of table \"%s\" from role \"%s\"", get_rel_name(table),
                   GetUserNameFromId(GetUserId(), false)),
            errdetail("Counts over a part of the rows would be wrong."),
            errhint("Ask as the owner of the table, or as a role with BYPASSRLS."));
}

std::span<const Counting> open_countings(std::optional<Oid> sessions)
{
    const std::span<const Attachment> found = list_attachments(sessions);
    for (const Attachment &attachment : found) {
        if (attachment.fault != nullptr)
            continue;
        LockRelationOid(attachment.sessions, AccessShareLock);
        if (OidIsValid(attachment.subscriptions))
            LockRelationOid(attachment.subscriptions, AccessShareLock);
    }
    // Now nothing changes them any more; while the locks were waited for it may have.
    const std::span<const Attachment> locked = list_attachments(sessions);
    auto *countings = static_cast<Counting *>(palloc(sizeof(Counting) * Max(locked.size(), size_t{1})));
    size_t count = 0;
    for (const Attachment &attachment : locked)
        if (attachment.fault == nullptr && contains(found, attachment.sessions))
            countings[count++] = counting_of(attachment);
    const std::span<const Counting> opened(countings, count);
    for (const Counting &counting : opened) {
        require_every_row(counting.sessions);
        require_every_row(counting.subscriptions);
    }
    return opened;
}

std::optional<int64> difference(std::optional<int64> left, std::optional<int64> right)
{
    int64 result;
    if (!left || !right || pg_sub_s64_overflow(*left, *right, &result))
        return std::nullopt;
    return result;
}

std::optional<int64> remaining(const Figures &figures)
{
    return difference(figures.total, figures.used);
}

const char *figures_list(const Counting &counting, const char *completed, const char *scheduled)
{
    const Mapping &mapping = counting.mapping;
    return psprintf("%s::text, %s::text, %s::int8, %s::int8, %s::int8, %s, %s",
                    quoted_column("s", counting.subscription_id),
                    quoted_column("s", mapping.subscription_member_column), quoted_column("s", mapping.total_column),
                    quoted_column("s", mapping.used_column),
                    mapping.remaining_column == nullptr ? "NULL" : quoted_column("s", mapping.remaining_column),
                    completed, scheduled);
}

// A READ COMMITTED caller's snapshot may be older than the locks: a TRUNCATE that they waited for would show its
// table empty beside counters from before it. So it is taken anew, but of this transaction's own commands it shows
// what the calling query sees.
Reading begin_reading()
{
    const CommandId command = GetActiveSnapshot()->curcid;
    PushCopiedSnapshot(IsolationUsesXactSnapshot() ? GetActiveSnapshot() : GetLatestSnapshot());
    GetActiveSnapshot()->curcid = command;
    const Reading reading{.guc_level = NewGUCNestLevel()};
    set_locally("search_path", "pg_catalog, pg_temp");
    if (work_mem < reading_work_mem)
        set_locally("work_mem", psprintf("%d", reading_work_mem));
    return reading;
}

void end_reading(const Reading &reading)
{
    AtEOXact_GUC(true, reading.guc_level);
    PopActiveSnapshot();
}

void read_figures(const char *query, FiguresSink sink, void *state)
{
    FiguresReceiver receiver{};
    receiver.base.receiveSlot = receive_row;
    receiver.base.rStartup = start_rows;
    receiver.base.rShutdown = end_rows;
    receiver.base.rDestroy = end_rows;
    receiver.base.mydest = DestTuplestore;
    receiver.row_context = AllocSetContextCreate(CurrentMemoryContext, "session_consistency row",
                                                 ALLOCSET_SMALL_SIZES);
    receiver.sink = sink;
    receiver.state = state;
    SPIExecuteOptions options{};
    options.read_only = true;
    options.dest = &receiver.base;
    connect_spi();
    const int result = SPI_execute_extended(query, &options);
    if (result != SPI_OK_SELECT)
        elog(ERROR, "counting sessions failed: %s", SPI_result_code_string(result));
    SPI_finish();
    MemoryContextDelete(receiver.row_context);
}

bool is_consistent(const Mapping &mapping, const Figures &figures)
{
    return figures.used == figures.completed + figures.scheduled &&
           (!figures.total || *figures.used <= *figures.total) &&
           (mapping.remaining_column == nullptr || figures.stored_remaining == remaining(figures));
}

Faults find_faults(const Mapping &mapping, const Figures &figures)
{
    const int64 recount = figures.completed + figures.scheduled;
    const bool overflows = figures.total && figures.used && !remaining(figures);
    Faults faults{};
    if (figures.used != recount)
        faults.clauses[faults.count++] =
            psprintf("used is %s, but the recount of linked sessions is " INT64_FORMAT " (" INT64_FORMAT
                     " completed, " INT64_FORMAT " scheduled)",
                     number(figures.used), recount, figures.completed, figures.scheduled);
    if (figures.used && *figures.used < 0)
        faults.clauses[faults.count++] = psprintf("used is %s, below 0", number(figures.used));
    if (figures.used && figures.total && *figures.used > *figures.total)
        faults.clauses[faults.count++] =
            psprintf("used is %s, above the total of %s", number(figures.used), number(figures.total));
    if (mapping.remaining_column != nullptr && figures.stored_remaining != remaining(figures))
        faults.clauses[faults.count++] =
            psprintf("%s is %s, but total minus used is %s", quote_identifier(mapping.remaining_column),
                     number(figures.stored_remaining), overflows ? "out of range" : number(remaining(figures)));
    return faults;
}

}  // namespace sc
