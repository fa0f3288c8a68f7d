// Begins, ends and guards the transactions of a call.
#include "migrate/transactions.hpp"

#include "server/relations.hpp"
#include "server/spi.hpp"

namespace sc {

void require_own_transactions(FunctionCallInfo fcinfo, const char *procedure)
{
    const auto *context = reinterpret_cast<CallContext *>(fcinfo->context);
    if (context != nullptr && IsA(context, CallContext) && !context->atomic)
        return;
    ereport(ERROR, errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
            errmsg("%s() cannot run inside a transaction block or a function", procedure),
            errdetail("It commits after each batch."),
            errhint("CALL session_consistency.%s(...) by itself, with autocommit on.", procedure));
}

namespace {

LOCKTAG lock_of(Oid sessions)
{
    LOCKTAG tag;
    SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, sessions, 0);
    return tag;
}

// Whose call treats the table; no process where the call has just ended.
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

}  // namespace

// A lock of the regular kind, not an advisory one: an error gives it up.
void lock_sessions(Oid sessions)
{
    const LOCKTAG tag = lock_of(sessions);
    Rival rival{};
    while (rival.process == 0) {
        CHECK_FOR_INTERRUPTS();
        if (LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL)
            return;
        rival = find_rival(sessions);
    }
    ereport(ERROR, errcode(ERRCODE_OBJECT_IN_USE),
            errmsg("table \"%s\" is being migrated or purged by process %d", get_rel_name(sessions), rival.process),
            rival.role == nullptr ? 0 : errdetail("Role \"%s\" has called it.", rival.role),
            errhint("Call again when it has ended; session_consistency.migration_progress shows how far a migration "
                    "is."));
}

void unlock_sessions(Oid sessions)
{
    const LOCKTAG tag = lock_of(sessions);
    LockRelease(&tag, ExclusiveLock, true);
}

void commit()
{
    SPI_commit();
    if (IsolationUsesXactSnapshot())
        SPI_execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", false, 0);
    EnsurePortalSnapshotExists();
}

void become_owner(Transactions &transactions)
{
    if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(transactions.sessions)))
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("the table has been dropped meanwhile"));
    make_constraints_immediate({});
    transactions.caller = enter_restricted(owner_of(transactions.sessions));
}

// Not across a commit: what is deferred would run with the owner's restrictions or without them, whoever has put it
// there, the search path would be lost, and an error in the next transaction would not lead back to the caller.
void next_transaction(Transactions &transactions)
{
    leave_owner(transactions.caller);
    commit();
    become_owner(transactions);
}

}  // namespace sc
