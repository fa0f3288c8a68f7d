// Keeps the log of repairs.
#include "watch/repair_log.hpp"

#include "server/own_table.hpp"

namespace sc {

namespace {

constexpr const char *log_table = "_repairs";

// One column of the entries.
Datum gather(std::span<const Repair> repairs, const char *Repair::*field)
{
    auto *items = static_cast<Datum *>(palloc(sizeof(Datum) * repairs.size()));
    auto *nulls = static_cast<bool *>(palloc(sizeof(bool) * repairs.size()));
    for (size_t i = 0; i < repairs.size(); i++) {
        nulls[i] = repairs[i].*field == nullptr;
        items[i] = nulls[i] ? Datum{0} : CStringGetTextDatum(repairs[i].*field);
    }
    int dimensions[] = {static_cast<int>(repairs.size())};
    int bounds[] = {1};
    return PointerGetDatum(construct_md_array(items, nulls, 1, dimensions, bounds, TEXTOID, -1, false, TYPALIGN_INT));
}

Datum gather(std::span<const Repair> repairs, Datum Repair::*field)
{
    auto *items = static_cast<Datum *>(palloc(sizeof(Datum) * repairs.size()));
    for (size_t i = 0; i < repairs.size(); i++)
        items[i] = repairs[i].*field;
    return PointerGetDatum(
        construct_array(items, static_cast<int>(repairs.size()), JSONBOID, -1, false, TYPALIGN_INT));
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

int64 log_repairs(int32 pair, std::span<const Repair> repairs, Oid role)
{
    const int64 first = next_number(log_table);
    Oid types[] = {INT8OID,      INT4OID,      TEXTOID,      TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
                   TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID, JSONBARRAYOID};
    Datum values[] = {Int64GetDatum(first),
                      Int32GetDatum(pair),
                      CStringGetTextDatum(GetUserNameFromId(role, false)),
                      gather(repairs, &Repair::code),
                      gather(repairs, &Repair::member_id),
                      gather(repairs, &Repair::subscription_id),
                      gather(repairs, &Repair::session_id),
                      gather(repairs, &Repair::key),
                      gather(repairs, &Repair::action),
                      gather(repairs, &Repair::before),
                      gather(repairs, &Repair::after)};
    run_on_own_table(log_table,
                     "INSERT INTO session_consistency._repairs (repair_id, pair, repaired_by, code, member_id,"
                     " subscription_id, session_id, key, action, before, after)"
                     " SELECT $1 + place - 1, $2, $3, code, member_id, subscription_id, session_id, key::jsonb, action,"
                     " before, after FROM unnest($4, $5, $6, $7, $8, $9, $10, $11) WITH ORDINALITY"
                     " AS r (code, member_id, subscription_id, session_id, key, action, before, after, place)",
                     types, values);
    return first;
}

LoggedRepair find_repair(int64 id)
{
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(id)};
    run_on_own_table(log_table,
                     "SELECT p.sessions::regclass::oid, p.subscriptions::regclass::oid, member_id, subscription_id,"
                     " session_id, key::text, before::text, after::text,"
                     " to_char(undone_at, 'YYYY-MM-DD HH24:MI:SSOF'), undone_by"
                     " FROM session_consistency._repairs AS r JOIN session_consistency._pairs AS p ON p.pair = r.pair"
                     " WHERE repair_id = $1 FOR UPDATE OF r",
                     types, values);
    if (SPI_processed == 0)
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("repair " INT64_FORMAT " does not exist", id),
                errhint("session_consistency.repairs lists the repairs that were made."));
    if (column_text(9) != nullptr)
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("repair " INT64_FORMAT " has been undone already", id),
                errdetail("Role \"%s\" undid it at %s.", column_text(10), column_text(9)));
    return {.sessions = column_oid(1),
            .subscriptions = column_oid(2),
            .member_id = column_text(3),
            .subscription_id = column_text(4),
            .session_id = column_text(5),
            .key = column_text(6),
            .before = column_text(7),
            .after = column_text(8)};
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
