// Runs what must run as the owner of one of the user's tables. Decides nothing: what is judged stands in
// charge_sessions and guard_counter.
#include "server/owner.hpp"

namespace sc {

Caller enter_owner(Relation relation)
{
    Caller caller;
    GetUserIdAndSecContext(&caller.role, &caller.security_context);
    SetUserIdAndSecContext(relation->rd_rel->relowner, caller.security_context | SECURITY_LOCAL_USERID_CHANGE |
                                                           SECURITY_NOFORCE_RLS);
    caller.guc_level = NewGUCNestLevel();
    // Functions of the user's own triggers and constraints run as the owner: not with a path that the caller chose.
    const char *schema = quote_identifier(get_namespace_name(RelationGetNamespace(relation)));
    set_config_option("search_path", psprintf("pg_catalog, %s, pg_temp", schema), PGC_USERSET, PGC_S_SESSION,
                      GUC_ACTION_SAVE, true, 0, false);
    return caller;
}

void leave_owner(const Caller &caller)
{
    AtEOXact_GUC(true, caller.guc_level);
    SetUserIdAndSecContext(caller.role, caller.security_context);
}

namespace {

const char *qualified(Relation relation)
{
    return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
                                      RelationGetRelationName(relation));
}

void connect_spi()
{
    if (SPI_connect() != SPI_OK_CONNECT)
        elog(ERROR, "SPI_connect failed");
}

// "column = $n" with the default equality of the column's type, whatever the search path.
const char *equality(const char *column, Oid type, const char *parameter)
{
    StringInfoData clause;
    initStringInfo(&clause);
    generate_operator_clause(&clause, column, type, lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr, parameter,
                             type);
    return clause.data;
}

}  // namespace

bool set_link(Relation sessions, const SessionShape &shape, ItemPointer row, std::optional<Datum> link)
{
    const Caller caller = enter_owner(sessions);
    connect_spi();
    const char *table = qualified(sessions);
    const char *column = quote_identifier(get_attname(shape.relation, shape.link, false));
    Oid types[] = {shape.link_type, TIDOID};
    Datum values[] = {link.value_or(Datum{0}), PointerGetDatum(row)};
    const char nulls[] = {link ? ' ' : 'n', ' '};
    const char *is_set = link ? equality(column, shape.link_type, "$1") : psprintf("%s IS NULL", column);
    const char *command = psprintf("UPDATE ONLY %s SET %s = $1 WHERE ctid OPERATOR(pg_catalog.=) $2 RETURNING (%s)",
                                   table, column, is_set);
    const int result = SPI_execute_with_args(command, 2, types, values, nulls, false, 0);
    if (result != SPI_OK_UPDATE_RETURNING)
        ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR),
                errmsg("updating the link of relation \"%s\" gave an unexpected result",
                       RelationGetRelationName(sessions)),
                errhint("This is most likely due to a rule having rewritten the query."));
    bool is_null = true;
    Datum stored{0};
    if (SPI_processed == 1)
        stored = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
    const bool done = !is_null && DatumGetBool(stored);
    SPI_finish();
    leave_owner(caller);
    return done;
}

bool has_sessions_of_others(Oid sessions, const char *link, const char *session_member, Oid link_type,
                            Oid member_type, Datum id, Datum member, bool member_is_null)
{
    Relation relation = table_open(sessions, AccessShareLock);
    const Caller caller = enter_owner(relation);
    connect_spi();
    const char *link_clause = equality(psprintf("s.%s", quote_identifier(link)), link_type, "$1");
    const char *member_clause = equality(psprintf("s.%s", quote_identifier(session_member)), member_type, "$2");
    const char *command = psprintf("SELECT FROM %s s WHERE %s AND (%s) IS NOT TRUE LIMIT 1", qualified(relation),
                                   link_clause, member_clause);
    Oid types[] = {link_type, member_type};
    SPIPlanPtr plan = SPI_prepare(command, 2, types);
    if (plan == nullptr)
        elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
    Datum values[] = {id, member};
    const char nulls[] = {' ', member_is_null ? 'n' : ' '};
    // The newest snapshot also in REPEATABLE READ: a session that was linked since would be missed otherwise.
    SPI_execute_snapshot(plan, values, nulls, GetLatestSnapshot(), InvalidSnapshot, false, true, 1);
    const bool found = SPI_processed > 0;
    SPI_finish();
    leave_owner(caller);
    table_close(relation, AccessShareLock);
    return found;
}

}  // namespace sc
