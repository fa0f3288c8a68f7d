// Keeps the log of repairs.
#include "watch/repair_log.hpp"

#include "server/own_table.hpp"
#include "store/pairs.hpp"

namespace sc {

namespace {

constexpr const char *log_table = "_repairs";

Datum text_or_null(const char *value, char *null)
{
    *null = value == nullptr ? 'n' : ' ';
    return value == nullptr ? Datum{0} : CStringGetTextDatum(value);
}

const char *column_text(int column)
{
    return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);
}

Oid column_oid(int column)
{
    bool is_null;
    return DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &is_null));
}

}  // namespace

void lock_repair_log()
{
    LockRelationOid(find_own_relation(log_table), ShareUpdateExclusiveLock);
}

int64 log_repair(const Repair &repair, Oid role)
{
    Oid types[] = {INT8OID, INT4OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
    char nulls[] = "           ";
    const int64 id = next_number(log_table);
    Datum values[] = {Int64GetDatum(id),
                      Int32GetDatum(require_pair(repair.sessions, repair.subscriptions)),
                      CStringGetTextDatum(GetUserNameFromId(role, false)),
                      text_or_null(repair.code, &nulls[3]),
                      text_or_null(repair.member_id, &nulls[4]),
                      text_or_null(repair.subscription_id, &nulls[5]),
                      text_or_null(repair.session_id, &nulls[6]),
                      text_or_null(repair.key, &nulls[7]),
                      text_or_null(repair.action, &nulls[8]),
                      text_or_null(repair.before, &nulls[9]),
                      text_or_null(repair.after, &nulls[10])};
    run_on_own_table(log_table,
                     "INSERT INTO session_consistency._repairs (repair_id, pair, repaired_by, code, member_id,"
                     " subscription_id, session_id, key, action, before, after)"
                     " VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10::jsonb, $11::jsonb)",
                     types, values, nulls);
    return id;
}

Repair find_repair(int64 id)
{
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(id)};
    run_on_own_table(log_table,
                     "SELECT p.sessions::regclass::oid, p.subscriptions::regclass::oid, code, member_id,"
                     " subscription_id, session_id, key::text, action, before::text, after::text,"
                     " to_char(undone_at, 'YYYY-MM-DD HH24:MI:SSOF'), undone_by"
                     " FROM session_consistency._repairs AS r JOIN session_consistency._pairs AS p ON p.pair = r.pair"
                     " WHERE repair_id = $1 FOR UPDATE OF r",
                     types, values);
    if (SPI_processed == 0)
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("repair " INT64_FORMAT " does not exist", id),
                errhint("session_consistency.repairs lists the repairs that were made."));
    if (column_text(11) != nullptr)
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("repair " INT64_FORMAT " has been undone already", id),
                errdetail("Role \"%s\" undid it at %s.", column_text(12), column_text(11)));
    return Repair{.sessions = column_oid(1),
                  .subscriptions = column_oid(2),
                  .code = column_text(3),
                  .member_id = column_text(4),
                  .subscription_id = column_text(5),
                  .session_id = column_text(6),
                  .key = column_text(7),
                  .action = column_text(8),
                  .before = column_text(9),
                  .after = column_text(10)};
}

void mark_undone(int64 id, Oid role)
{
    Oid types[] = {INT8OID, TEXTOID};
    Datum values[] = {Int64GetDatum(id), CStringGetTextDatum(GetUserNameFromId(role, false))};
    run_on_own_table(log_table,
                     "UPDATE session_consistency._repairs SET undone_at = pg_catalog.clock_timestamp(), undone_by = $2"
                     " WHERE repair_id = $1",
                     types, values);
}

}  // namespace sc
