// Keeps the history of checks.
#include "watch/history.hpp"

#include "server/own_table.hpp"
#include "server/settings.hpp"

namespace sc {

namespace {

constexpr const char *history_table = "_check_runs";

// In minutes; -1: for ever. Superusers set it: whoever may check must not be able to wipe the history.
int keep_history = 400 * 24 * 60;

// A finding is known again by what it is about, not by its figures: a drift that grows is the same finding.
constexpr const char *known_again =
    "SELECT DISTINCT ON (sessions, identity) * FROM (SELECT f.*, pg_catalog.sha256(pg_catalog.convert_to("
    "pg_catalog.jsonb_build_array(code, member_id, subscription_id, session_id, place)::text, 'UTF8'))"
    " AS identity FROM found AS f) AS f";

Datum oid_array(List *oids)
{
    auto *items = static_cast<Datum *>(palloc(sizeof(Datum) * Max(list_length(oids), 1)));
    int count = 0;
    ListCell *cell;
    foreach (cell, oids)
        items[count++] = ObjectIdGetDatum(lfirst_oid(cell));
    return PointerGetDatum(construct_array(items, count, OIDOID, sizeof(Oid), true, TYPALIGN_INT));
}

// What the statements share: $1 the run, $2 the attachment or NULL, $3 checked, $4 unread, $5 started, $6 the role,
// $7 and $8 rows looked at, $9 new findings, $10 ended ones.
struct Parameters {
    std::array<Oid, 10> types;
    std::array<Datum, 10> values;
    std::array<char, 11> nulls;
};
static_assert(Pod<Parameters>);

Parameters make_parameters(const CheckRun &run)
{
    const char *role = GetUserNameFromId(GetUserId(), false);
    Parameters parameters{
        {INT8OID, OIDOID, OIDARRAYOID, OIDARRAYOID, TIMESTAMPTZOID, TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID},
        {Int64GetDatum(0), ObjectIdGetDatum(run.sessions.value_or(InvalidOid)), oid_array(run.checked),
         oid_array(run.unread), TimestampTzGetDatum(run.started), CStringGetTextDatum(role),
         Int64GetDatum(run.subscriptions), Int64GetDatum(run.session_rows), Int64GetDatum(0), Int64GetDatum(0)},
        {"          "}};
    if (!run.sessions)
        parameters.nulls[1] = 'n';
    return parameters;
}

uint64 run_command(Parameters &parameters, const char *command)
{
    const int result =
        SPI_execute_with_args(command, static_cast<int>(parameters.types.size()), parameters.types.data(),
                              parameters.values.data(), parameters.nulls.data(), false, 0);
    if (result < 0)
        elog(ERROR, "\"%s\" failed: %s", command, SPI_result_code_string(result));
    return SPI_processed;
}

// The ledger ---------------------------------------------------------------------------------------------------------

// A ledger's last lines are missed by no later one: what a check has seen of each subscription, the next looks for. Not
// where the books were opened since. What is compared is hashed: there may be as many lines as subscriptions.
constexpr const char *lost_lines =
    "WITH opened AS MATERIALIZED (SELECT DISTINCT ON (attachment) attachment, id, transaction_id"
    " FROM session_consistency.ledger WHERE reason = 'opened' ORDER BY attachment, id DESC)"
    " SELECT a.sessions::oid, a.subscriptions::oid, 'ledger_gap', 'high', s.member_id, s.subscription_id, NULL::text,"
    " 'no gap', pg_catalog.format('Subscription %s: line %s, which a check has seen, is missing.', s.subscription_id,"
    " s.line), s.id::text"
    " FROM session_consistency.list_attachments() AS a JOIN session_consistency._ledger_seen AS s"
    " ON s.attachment = a.sessions LEFT JOIN opened AS o ON o.attachment = a.sessions"
    " WHERE a.ledger AND a.sessions = ANY ($3) AND a.sessions <> ALL ($4)"
    " AND (o.id IS NULL OR o.id <= s.id OR o.transaction_id = s.transaction_id) AND NOT EXISTS (SELECT"
    " FROM session_consistency.ledger AS l WHERE l.attachment = s.attachment AND l.subscription_id = s.subscription_id"
    " AND l.id = s.id)";

void find_lost_lines(Parameters &parameters, Tuplestorestate *found)
{
    const int count = static_cast<int>(parameters.types.size());
    ParamListInfo list = makeParamList(count);
    for (int i = 0; i < count; i++)
        list->params[i] = {parameters.values[i], parameters.nulls[i] == 'n', PARAM_FLAG_CONST, parameters.types[i]};
    SPIExecuteOptions options{};
    options.params = list;
    options.dest = CreateTuplestoreDestReceiver();
    SetTuplestoreDestReceiverParams(options.dest, found, CurrentMemoryContext, false, nullptr, nullptr);
    const int result = SPI_execute_extended(lost_lines, &options);
    if (result != SPI_OK_SELECT)
        elog(ERROR, "\"%s\" failed: %s", lost_lines, SPI_result_code_string(result));
}

void remember_lines(Parameters &parameters)
{
    run_command(parameters, "DELETE FROM session_consistency._ledger_seen AS s WHERE NOT EXISTS ("
                            "SELECT FROM session_consistency.list_attachments() AS a"
                            " WHERE a.ledger AND a.sessions = s.attachment)");
    run_command(parameters,
                "INSERT INTO session_consistency._ledger_seen AS s (attachment, subscription_id, member_id, line, id,"
                " transaction_id) SELECT l.* FROM (SELECT DISTINCT ON (attachment, subscription_id, member_id)"
                " attachment, subscription_id, member_id, line, id, transaction_id FROM session_consistency.ledger"
                " WHERE attachment IN (SELECT a.sessions FROM session_consistency.list_attachments() AS a"
                " WHERE a.ledger) AND attachment = ANY ($3) AND attachment <> ALL ($4)"
                " ORDER BY attachment DESC, subscription_id DESC, member_id DESC, id DESC) AS l"
                " WHERE NOT EXISTS (SELECT FROM session_consistency._check_findings AS f WHERE f.ended IS NULL"
                " AND f.code = 'ledger_gap' AND f.sessions = l.attachment AND f.subscription_id = l.subscription_id"
                " AND coalesce(f.member_id, '') = coalesce(l.member_id, ''))"
                " ON CONFLICT (attachment, subscription_id, member_id) DO UPDATE"
                " SET line = excluded.line, id = excluded.id, transaction_id = excluded.transaction_id"
                " WHERE s.id < excluded.id");
}

// Findings -----------------------------------------------------------------------------------------------------------

int64 next_run()
{
    SPI_execute("SELECT pg_catalog.nextval('session_consistency._check_runs_run_id')", false, 1);
    bool is_null;
    return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
}

// Makes what was found a table of the statements that follow.
void register_found(const CheckRun &run)
{
    auto *relation = static_cast<EphemeralNamedRelation>(palloc0(sizeof(EphemeralNamedRelationData)));
    relation->md.name = pstrdup("found");
    relation->md.reliddesc = InvalidOid;
    relation->md.tupdesc = found_shape();
    relation->md.enrtype = ENR_NAMED_TUPLESTORE;
    relation->md.enrtuples = static_cast<double>(tuplestore_tuple_count(run.found));
    relation->reldata = run.found;
    if (SPI_register_relation(relation) != SPI_OK_REL_REGISTER)
        elog(ERROR, "registering the findings failed");
}

// Compares what was found with what is open.
void merge_findings(Parameters &parameters)
{
    run_command(parameters,
                psprintf("UPDATE session_consistency._check_findings AS o SET last_run = $1, last_seen = $5,"
                         " severity = n.severity, expected = n.expected, actual = n.actual FROM (%s) AS n"
                         " WHERE o.ended IS NULL AND o.sessions = n.sessions AND o.identity = n.identity",
                         known_again));
    const uint64 added = run_command(
        parameters,
        psprintf("INSERT INTO session_consistency._check_findings (sessions, subscriptions, code, severity, member_id,"
                 " subscription_id, session_id, expected, actual, identity, first_run, last_run, first_seen, last_seen)"
                 " SELECT sessions, subscriptions, code, severity, member_id, subscription_id, session_id, expected,"
                 " actual, identity, $1, $1, $5, $5 FROM (%s) AS n WHERE NOT EXISTS (SELECT"
                 " FROM session_consistency._check_findings AS o WHERE o.ended IS NULL AND o.sessions = n.sessions"
                 " AND o.identity = n.identity)",
                 known_again));
    const uint64 ended =
        run_command(parameters, "UPDATE session_consistency._check_findings SET ended = $5"
                                " WHERE ended IS NULL AND last_run <> $1 AND ($2 IS NULL OR sessions = $2)"
                                " AND NOT (sessions = ANY ($4) AND code <> 'enforcement_gap')");
    parameters.values[8] = Int64GetDatum(static_cast<int64>(added));
    parameters.values[9] = Int64GetDatum(static_cast<int64>(ended));
}

void insert_run(Parameters &parameters)
{
    run_command(parameters,
                "INSERT INTO session_consistency._check_runs (run_id, started, finished, run_by, sessions, checked,"
                " subscription_rows, session_rows, new_findings, ended_findings, open_findings)"
                " SELECT $1, $5, pg_catalog.clock_timestamp(), $6, $2, $3, $7, $8, $9, $10,"
                " (SELECT pg_catalog.count(*) FROM session_consistency._check_findings"
                " WHERE ended IS NULL AND ($2 IS NULL OR sessions = $2))");
}

// Findings that are open are kept whatever their age.
void forget_the_old(Parameters &parameters)
{
    if (keep_history < 0)
        return;
    const char *until = psprintf("$5 - pg_catalog.make_interval(mins => %d)", keep_history);
    run_command(parameters, psprintf("DELETE FROM session_consistency._check_findings WHERE ended < %s", until));
    run_command(parameters,
                psprintf("DELETE FROM session_consistency._check_runs WHERE finished < %s AND run_id <> $1", until));
}

// Whoever listens may not be allowed to read the tables: the payload counts and names no row. It has to be shorter
// than 8,000 bytes: what of its list goes beyond 6,000 is only counted.
const char *payload_query = R"(
    WITH new AS (
        SELECT sessions::text AS attachment, code, severity, count(*) AS findings,
               array_position('{critical,high,medium,low}', severity) AS rank
        FROM session_consistency._check_findings WHERE first_run = $1 GROUP BY sessions, code, severity),
    listed AS (
        SELECT new.*, jsonb_build_object('attachment', attachment, 'code', code, 'severity', severity,
                                         'findings', findings) AS item
        FROM new),
    measured AS (
        SELECT listed.*, sum(octet_length(item::text) + 2) OVER (ORDER BY rank, attachment, code) AS size FROM listed)
    SELECT jsonb_build_object(
        'run_id', $1, 'new_findings', $9,
        'open_findings', (SELECT open_findings FROM session_consistency._check_runs WHERE run_id = $1),
        'by_severity', (SELECT jsonb_object_agg(severity, findings)
                        FROM (SELECT severity, sum(findings) AS findings FROM new GROUP BY severity) AS s),
        'findings', coalesce(jsonb_agg(item ORDER BY rank, attachment, code) FILTER (WHERE size < 6000), '[]'),
        'omitted', coalesce(sum(findings) FILTER (WHERE size >= 6000), 0))::text
    FROM measured)";

void notify(Parameters &parameters)
{
    if (DatumGetInt64(parameters.values[8]) == 0)
        return;
    run_command(parameters, payload_query);
    Async_Notify("session_consistency", SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
}

}  // namespace

TupleDesc found_shape()
{
    constexpr std::array names{"sessions",        "subscriptions", "code",     "severity", "member_id",
                               "subscription_id", "session_id",    "expected", "actual",   "place"};
    List *columns = NIL;
    List *types = NIL;
    List *modifiers = NIL;
    List *collations = NIL;
    for (size_t i = 0; i < names.size(); i++) {
        columns = lappend(columns, makeString(pstrdup(names[i])));
        types = lappend_oid(types, i < 2 ? OIDOID : TEXTOID);
        modifiers = lappend_int(modifiers, -1);
        collations = lappend_oid(collations, i < 2 ? InvalidOid : get_typcollation(TEXTOID));
    }
    return BuildDescFromLists(columns, types, modifiers, collations);
}

void lock_history()
{
    LockRelationOid(find_own_relation(history_table), ShareUpdateExclusiveLock);
}

int64 store_run(const CheckRun &run)
{
    Parameters parameters = make_parameters(run);    // says who the caller is
    const OwnTable history = enter_own_table(history_table);
    join_by_hash();          // what this very run has written is in no statistics
    const int64 id = next_run();
    parameters.values[0] = Int64GetDatum(id);
    find_lost_lines(parameters, run.found);
    register_found(run);
    merge_findings(parameters);
    SPI_unregister_relation("found");
    remember_lines(parameters);
    insert_run(parameters);
    notify(parameters);
    forget_the_old(parameters);
    leave_own_table(history);
    return id;
}

void init_check_history()
{
    DefineCustomIntVariable("session_consistency.keep_history",
                            "How long runs of checks and findings that have ended are kept.",
                            "-1 keeps them for ever. Findings that are open are always kept.", &keep_history,
                            keep_history, -1, INT_MAX, PGC_SUSET, GUC_UNIT_MIN, nullptr, nullptr, nullptr);
}

}  // namespace sc
