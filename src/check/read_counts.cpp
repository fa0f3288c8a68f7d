// Reads the figures of subscriptions for the checks.
#include "check/read_counts.hpp"

#include "catalog/expressions.hpp"

#include "server/pg_compat.hpp"
#include "server/settings.hpp"

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

std::span<const Attachment> list_attachments(const Pair &pair)
{
    if (names_none(pair))
        return find_attachments(InvalidOid);
    if (OidIsValid(pair.sessions))
        refuse_partition(pair.sessions);
    return std::span(&require_attachment(pair), 1);
}

// Locks the tables as a reader does. Why it could not, where that is no reason to give up.
const char *lock_attachment(const Attachment &attachment, bool required)
{
    const auto lock = [&] {
        LockRelationOid(attachment.sessions, AccessShareLock);
        if (OidIsValid(attachment.subscriptions))
            LockRelationOid(attachment.subscriptions, AccessShareLock);
    };
    const auto timed_out = [](const ErrorData &error) { return error.sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE; };
    if (!required)
        return try_and_undo(lock, timed_out);
    lock();
    return nullptr;
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
                          .carried = *integer_of(slot, 5),
                          .completed = *integer_of(slot, 6),
                          .scheduled = *integer_of(slot, 7)};
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

void require_every_row(Oid table, Names columns)
{
    const Oid role = GetUserId();
    const Oid schema = get_rel_namespace(table);
    if (!may_use(schema, role))
        aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_SCHEMA, get_namespace_name(schema));
    if (pg_class_aclcheck(table, role, ACL_SELECT) != ACLCHECK_OK)
        for (const char *name : columns) {
            const std::optional<Column> column = name == nullptr ? std::nullopt : find_column(table, name);
            if (column && pg_attribute_aclcheck(table, column->number, role, ACL_SELECT) != ACLCHECK_OK)
                aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(table));
        }
    // A count over the rows that happen to be visible would accuse the innocent: no answer is better.
    if (check_enable_rls(table, InvalidOid, true) != RLS_ENABLED)
        return;
    ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
            errmsg("row-level security may hide rows of table \"%s\" from role \"%s\"", get_rel_name(table),
                   GetUserNameFromId(role, false)),
            errdetail("Counts over a part of the rows would be wrong."),
            errhint("Call it as the owner of the table, or as a role with BYPASSRLS."));
}

void require_rights(const Attachment &attachment)
{
    if (attachment.fault != nullptr)
        return;
    const Mapping &mapping = attachment.mapping;
    require_every_row(attachment.sessions, std::array{mapping.member_column, mapping.subscription_column,
                                                      mapping.type_column, mapping.status_column});
    require_every_row(attachment.sessions, counting_columns(mapping));
    if (!OidIsValid(attachment.subscriptions))
        return;
    require_every_row(attachment.subscriptions,
                      std::array{mapping.subscription_member_column, mapping.total_column, mapping.used_column,
                                 mapping.remaining_column, mapping.carried_column});
    const AttrNumber link = get_attnum(attachment.sessions, mapping.subscription_column);
    for (const ForeignKey &key : foreign_keys_on(attachment.sessions, link))
        for (const AttrNumber column : key.referenced)
            if (key.references == attachment.subscriptions)
                require_every_row(key.references, std::array<const char *, 1>{
                                                      get_attname(key.references, column, true)});
}

std::span<const Readable> open_attachments(Pair pair)
{
    const std::span<const Attachment> found = list_attachments(pair);
    auto **failures = static_cast<const char **>(palloc0(sizeof(char *) * Max(found.size(), size_t{1})));
    for (size_t i = 0; i < found.size(); i++)
        failures[i] =
            found[i].fault != nullptr ? found[i].fault : lock_attachment(found[i], !names_none(pair));
    // Now nothing changes them any more; while the locks were waited for it may have.
    const std::span<const Attachment> locked = list_attachments(pair);
    auto *readable = static_cast<Readable *>(palloc(sizeof(Readable) * Max(locked.size(), size_t{1})));
    size_t count = 0;
    for (const Attachment &attachment : locked)
        for (size_t i = 0; i < found.size(); i++)
            if (found[i].charge_trigger == attachment.charge_trigger)
                readable[count++] = {attachment, failures[i]};
    const std::span<const Readable> opened(readable, count);
    for (const Readable &one : opened)
        require_rights(one.attachment);
    return opened;
}

// A READ COMMITTED caller's snapshot may be older than the locks: a TRUNCATE that they waited for would show its
// table empty beside counters from before it. So it is taken anew, but of this transaction's own commands it shows
// what the calling query sees.
void push_reading_snapshot()
{
    const CommandId command = GetActiveSnapshot()->curcid;
    PushCopiedSnapshot(IsolationUsesXactSnapshot() ? GetActiveSnapshot() : GetLatestSnapshot());
    GetActiveSnapshot()->curcid = command;
}

Caller begin_reading(Oid sessions)
{
    const Caller caller = enter_restricted(owner_of(sessions));
    if (work_mem < reading_work_mem)
        set_locally("work_mem", psprintf("%d", reading_work_mem));
    return caller;
}

void require_unchanged(Oid table)
{
    if (!IsolationUsesXactSnapshot() || !OidIsValid(table))
        return;
    for (const Oid relation : partition_tree(table, NoLock))
        if (is_rewritten_since(relation, GetActiveSnapshot()))
            ereport(ERROR, errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                    errmsg("table \"%s\" was truncated or rewritten after the transaction began",
                           get_rel_name(relation)),
                    errdetail("To this transaction its rows are gone, while the counters are those from before."),
                    errhint("Check again in a new transaction."));
}

Counting open_counting(const Attachment &attachment)
{
    if (const char *distrust = find_distrust(attachment.sessions, attachment.subscriptions))
        ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                errmsg("the rows of table \"%s\" are not read: %s", get_rel_name(attachment.sessions), distrust),
                errdetail("Code that belongs to the one would run as the other."),
                errhint("Give both the same owner."));
    require_unchanged(attachment.sessions);
    require_unchanged(attachment.subscriptions);
    return counting_of(attachment);
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

int64 expected(const Figures &figures)
{
    return figures.carried + figures.completed + figures.scheduled;
}

const char *figures_list(const Counting &counting, const char *completed, const char *scheduled)
{
    const Mapping &mapping = counting.mapping;
    return psprintf("%s::text, %s::text, %s::int8, %s::int8, %s::int8, %s::int8, %s, %s",
                    quoted_column("s", counting.subscription_id),
                    member_of_subscription(mapping, "s"), total_expression(mapping, "s"),
                    quoted_column("s", mapping.used_column),
                    mapping.remaining_column == nullptr ? "NULL" : quoted_column("s", mapping.remaining_column),
                    carried_expression(mapping, "s"), completed, scheduled);
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
    connect_spi();
    ask(query, {.receiver = &receiver.base});
    SPI_finish();
    MemoryContextDelete(receiver.row_context);
}

bool is_consistent(const Mapping &mapping, const Figures &figures)
{
    return figures.used == expected(figures) &&
           (!figures.total || *figures.used <= *figures.total) &&
           (mapping.remaining_column == nullptr || figures.stored_remaining == remaining(figures));
}

Faults find_faults(const Mapping &mapping, const Figures &figures)
{
    const int64 recount = expected(figures);
    const char *carried =
        mapping.carried_column == nullptr ? "" : psprintf(", " INT64_FORMAT " carried", figures.carried);
    const bool overflows = figures.total && figures.used && !remaining(figures);
    Faults faults{};
    if (figures.used != recount)
        faults.clauses[faults.count++] =
            psprintf("used is %s, but the recount of linked sessions is " INT64_FORMAT " (" INT64_FORMAT
                     " completed, " INT64_FORMAT " scheduled%s)",
                     number(figures.used), recount, figures.completed, figures.scheduled, carried);
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
