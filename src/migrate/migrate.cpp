// CALL migrate(): links the history of an attached table and sets its counters to the recount, while the application
// runs. Member by member in batches, each in a transaction of its own; whom it cannot lock at once it treats later,
// alone. See migrate/batch.cpp for why that is right.
#include "catalog/gaps.hpp"
#include "migrate/batch.hpp"
#include "migrate/constraints.hpp"
#include "server/own_table.hpp"
#include "server/pg_compat.hpp"
#include "check/read_counts.hpp"
#include "server/settings.hpp"
#include "server/spi.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_migrate);
}

namespace sc {

namespace {

// A member that could not be treated yet.
struct LeftMember {
    Datum value;
    bool is_null;
    int64 entries;                 // of the list, to be counted as done with it
};

struct Migration {
    const MigrateRequest *request;
    Caller caller;                 // while it is the owner of the sessions
    const Attachment *attachment;  // as the call has found it
    MemoryContext context;         // lives as long as the call
    MemberType member;
    MigrateRun *run;
    Growing<LeftMember> left;
};
static_assert(Pod<Migration>);

constexpr int retries_in_a_row = 10;
constexpr int retries_of_wrong = 5;
constexpr long pause_between_passes = 50;      // milliseconds

// Preparing ----------------------------------------------------------------------------------------------------------

void require_own_transactions(FunctionCallInfo fcinfo)
{
    const auto *context = reinterpret_cast<CallContext *>(fcinfo->context);
    if (context != nullptr && IsA(context, CallContext) && !context->atomic)
        return;
    ereport(ERROR, errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
            errmsg("migrate() cannot run inside a transaction block or a function"),
            errdetail("It commits after each batch."),
            errhint("CALL session_consistency.migrate(...) by itself, with autocommit on."));
}

LOCKTAG migration_lock(Oid sessions)
{
    LOCKTAG tag;
    SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, sessions, 0);
    return tag;
}

// Who migrates the table; no process where the call has just ended.
struct Rival {
    int process;
    const char *role;
};

Rival find_rival(Oid sessions)
{
    Oid types[] = {OIDOID, OIDOID, OIDOID};
    Datum values[] = {ObjectIdGetDatum(MyDatabaseId), ObjectIdGetDatum(RelationRelationId),
                      ObjectIdGetDatum(sessions)};
    SPI_execute_with_args("SELECT l.pid, a.usename FROM pg_catalog.pg_locks AS l"
                          " LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid OPERATOR(pg_catalog.=) l.pid"
                          " WHERE l.granted AND l.locktype OPERATOR(pg_catalog.=) 'object'"
                          " AND l.database OPERATOR(pg_catalog.=) $1 AND l.classid OPERATOR(pg_catalog.=) $2"
                          " AND l.objid OPERATOR(pg_catalog.=) $3",
                          3, types, values, nullptr, false, 1);
    if (SPI_processed == 0)
        return Rival{};
    bool is_null;
    const Datum process = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
    return Rival{DatumGetInt32(process), SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2)};
}

// For the whole call, across its transactions. A lock of the regular kind, not an advisory one: an error gives it up.
void lock_migration(Oid sessions)
{
    const LOCKTAG tag = migration_lock(sessions);
    Rival rival{};
    while (rival.process == 0) {
        CHECK_FOR_INTERRUPTS();
        if (LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL)
            return;
        rival = find_rival(sessions);
    }
    ereport(ERROR, errcode(ERRCODE_OBJECT_IN_USE),
            errmsg("table \"%s\" is being migrated by process %d", get_rel_name(sessions), rival.process),
            rival.role == nullptr ? 0 : errdetail("Role \"%s\" has called it.", rival.role),
            errhint("session_consistency.migration_progress shows how far it is."));
}

void unlock_migration(Oid sessions)
{
    const LOCKTAG tag = migration_lock(sessions);
    LockRelease(&tag, ExclusiveLock, true);
}

// Ends the transaction and begins the next, which sees the newest rows in each of its statements whatever isolation
// level the caller has for a default.
void commit()
{
    SPI_commit();
    if (IsolationUsesXactSnapshot())
        SPI_execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", false, 0);
    EnsurePortalSnapshotExists();
}

// From here on it is the owner of the sessions who looks and writes, restricted.
void become_owner(Migration &migration)
{
    const Oid sessions = migration.request->sessions;
    if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(sessions)))
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("the table that is migrated has been dropped"));
    make_constraints_immediate({});
    migration.caller = enter_restricted(owner_of(sessions));
}

// Not across a commit: what is deferred would run with the owner's restrictions or without them, whoever has put it
// there, the search path would be lost, and an error in the next transaction would not lead back to the caller.
void next_transaction(Migration &migration)
{
    leave_owner(migration.caller);
    commit();
    become_owner(migration);
}

// Passes -------------------------------------------------------------------------------------------------------------

MigrateList *list_members(Migration &migration, const MemberFilter &filter)
{
    MemoryContext caller = MemoryContextSwitchTo(migration.context);
    const Readable &readable = open_attachments(migration.request->sessions).front();
    MigrateList *list = open_list(open_counting(readable.attachment), filter);
    MemoryContextSwitchTo(caller);
    next_transaction(migration);
    return list;
}

void leave_for_later(Migration &migration, const ListedMember &member)
{
    const MemberType &type = migration.member;
    LeftMember left{};
    left.is_null = member.is_null;
    left.entries = static_cast<int64>(member.subscriptions + member.sessions);
    MemoryContext caller = MemoryContextSwitchTo(migration.context);
    if (!member.is_null)
        left.value = datumCopy(member.value, type.by_value, type.length);
    migration.left.add(migration.context, left);
    MemoryContextSwitchTo(caller);
}

// The batch and its progress in one transaction.
void commit_batch(Migration &migration)
{
    save_run(*migration.run);
    next_transaction(migration);
    tell_progress(migration.run);
    CHECK_FOR_INTERRUPTS();
}

// Every member once, without waiting for anybody.
void migrate_all(Migration &migration)
{
    MigrateList *list = list_members(migration, {true, {}, true});
    migration.member = member_type(list);
    MigrateRun *run = migration.run;
    run->rows_total = static_cast<int64>(count_entries(list));
    run->linking = GetCurrentTimestamp();
    run->phase = "linking";
    Batch batch{};
    batch.context = AllocSetContextCreate(migration.context, "session_consistency batch", ALLOCSET_DEFAULT_SIZES);
    while (read_batch(list, static_cast<size_t>(migration.request->batch_size), &batch)) {
        MemoryContext caller = MemoryContextSwitchTo(batch.context);
        const std::span<Grip> grips(static_cast<Grip *>(palloc(batch.members.count + 1)), batch.members.count);
        Obstacle obstacle;
        treat_batch(*migration.attachment, *migration.request, member_type(list), batch, {false, nullptr}, run,
                    grips, &obstacle);
        run->rows_done += static_cast<int64>(batch.entries);
        for (size_t i = 0; i < grips.size(); i++) {
            const ListedMember &member = batch.members.items[i];
            if (grips[i] == Grip::held)
                continue;
            leave_for_later(migration, member);
            run->rows_done -= static_cast<int64>(member.subscriptions + member.sessions);
        }
        commit_batch(migration);
        MemoryContextSwitchTo(caller);
    }
    MemoryContextDelete(batch.context);
    close_list(list);
}

// One member by itself. With patience it waits for what is in its way, one lock at a time.
bool treat_alone(Migration &migration, const MigrateList *list, const Batch &batch, bool patient)
{
    Grip grip;
    Obstacle obstacle{};
    bool waits = false;
    for (int i = 0; i < retries_in_a_row; i++) {
        const Obstacle met = obstacle;
        treat_batch(*migration.attachment, *migration.request, member_type(list), batch,
                    {true, waits ? &met : nullptr}, migration.run, std::span(&grip, 1), &obstacle);
        if (grip == Grip::held)
            return true;
        // What is gone has to be looked for again.
        if (!patient || grip == Grip::gone || obstacle.grip != Grip::busy)
            return false;
        next_transaction(migration);
        waits = true;
    }
    return false;
}

// Those who were left, each in a transaction of its own.
void migrate_left(Migration &migration, bool patient)
{
    const std::span<const LeftMember> left = migration.left.all();
    migration.left = {};
    MigrateRun *run = migration.run;
    auto *values = static_cast<Datum *>(MemoryContextAllocHuge(migration.context, sizeof(Datum) * left.size()));
    MemberFilter filter{};
    size_t count = 0;
    for (const LeftMember &member : left) {
        if (member.is_null)
            filter.orphans = true;
        else
            values[count++] = member.value;
    }
    filter.members = std::span<const Datum>(values, count);
    MigrateList *list = list_members(migration, filter);
    Batch batch{};
    batch.context = AllocSetContextCreate(migration.context, "session_consistency batch", ALLOCSET_DEFAULT_SIZES);
    while (read_batch(list, 1, &batch)) {
        MemoryContext caller = MemoryContextSwitchTo(batch.context);
        if (treat_alone(migration, list, batch, patient))
            run->rows_done = Min(run->rows_done + static_cast<int64>(batch.entries), run->rows_total);
        else
            leave_for_later(migration, batch.members.items[0]);
        commit_batch(migration);
        MemoryContextSwitchTo(caller);
    }
    MemoryContextDelete(batch.context);
    close_list(list);
    // Who is not listed any more has nothing left to treat.
    run->rows_done = run->rows_total;
    for (const LeftMember &member : migration.left.all())
        run->rows_done -= member.entries;
}

void pause()
{
    WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, pause_between_passes, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
}

// Two passes without waiting, then as many as it takes to find everybody once.
void retry_left(Migration &migration)
{
    migration.run->phase = "retrying";
    for (int pass = 2; migration.left.count > 0; pass++) {
        if (pass > 3)
            pause();
        migrate_left(migration, pass > 2);
    }
}

// Finds members whose counters are wrong though the totals leave room for what is right. False where there are none.
bool leave_wrong(Migration &migration)
{
    set_locally("jit", "off");
    Oid types[] = {REGCLASSOID};
    Datum values[] = {ObjectIdGetDatum(migration.request->sessions)};
    SPI_execute_with_args(psprintf("SELECT DISTINCT c.member_id::%s FROM session_consistency.check_counts($1) AS c"
                                   " WHERE c.total IS NULL OR c.expected_used <= c.total",
                                   format_type_be_qualified(migration.member.type)),
                          1, types, values, nullptr, false, 0);
    for (uint64 i = 0; i < SPI_processed; i++) {
        ListedMember member{};
        member.value = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &member.is_null);
        leave_for_later(migration, member);
    }
    SPI_freetuptable(SPI_tuptable);
    next_transaction(migration);
    return migration.left.count > 0;
}

// A subscription that went to another member after the list was made has been treated with neither. That is so rare
// that the counters themselves tell it; the summary does not count its member again. Not for ever: where triggers are
// disabled, live writes make wrong counters all the time.
void mend_the_rest(Migration &migration)
{
    MigrateTotals totals = migration.run->totals;
    for (int i = 0; i < retries_of_wrong && leave_wrong(migration); i++)
        retry_left(migration);
    totals.linked = migration.run->totals.linked;
    totals.counters = migration.run->totals.counters;
    migration.run->totals = totals;
}

void note_what_stays(MigrateRun *run)
{
    const MigrateTotals &totals = run->totals;
    if (totals.overdrawn > 0)
        add_remark(run, psprintf(INT64_FORMAT " subscriptions have more counted sessions than their total.",
                                 totals.overdrawn));
    if (totals.refused > 0)
        add_remark(run, psprintf(INT64_FORMAT " counters stay as they are: a CHECK forbids the recount.",
                                 totals.refused));
    for (const char *gap : find_gaps(require_attachment(run->sessions)))
        add_remark(run, psprintf("Not enforced yet: %s.", gap));
}

// As the caller, who must own both tables.
void prepare(const MigrateRequest &request)
{
    require_owner(request.sessions);
    const Attachment &attachment = open_attachments(request.sessions).front().attachment;
    if (OidIsValid(attachment.subscriptions))
        require_owner(attachment.subscriptions);
    run_restricted(owner_of(request.sessions),
                   [&] { check_moment_columns(request, open_counting(attachment).subscriptions); });
    lock_migration(request.sessions);
    commit();
}

void migrate(const MigrateRequest &request)
{
    prepare(request);
    Migration migration{};
    migration.request = &request;
    migration.attachment = &require_attachment(request.sessions);
    migration.context = CurrentMemoryContext;
    become_owner(migration);
    migration.run = start_run(request.sessions, migration.attachment->subscriptions);
    next_transaction(migration);
    migrate_all(migration);
    retry_left(migration);
    mend_the_rest(migration);
    migration.run->phase = "validating";
    save_run(*migration.run);
    leave_owner(migration.caller);
    commit();
    finish_constraints(request.sessions, commit);
    become_owner(migration);
    note_what_stays(migration.run);
    finish_run(migration.run);
    leave_owner(migration.caller);
    unlock_migration(request.sessions);
}

}  // namespace

}  // namespace sc

extern "C" Datum sc_migrate(PG_FUNCTION_ARGS)
{
    using namespace sc;
    require_own_transactions(fcinfo);
    require_writable("migrate");
    const MigrateRequest request = read_migrate_request(fcinfo);
    connect_spi(SPI_OPT_NONATOMIC);
    migrate(request);
    SPI_finish();
    PG_RETURN_VOID();
}
