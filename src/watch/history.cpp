// Keeps the history of checks.
#include "watch/history.hpp"

#include "server/own_table.hpp"
#include "server/settings.hpp"
#include "watch/partitions.hpp"

namespace sc {

namespace {

constexpr const char *history_table = "_check_runs";

// In minutes; -1: for ever. Superusers set it: whoever may check must not be able to wipe the history.
int keep_history = 400 * 24 * 60;

// The pairs that have a ledger now.
constexpr const char *kept_pairs =
    "SELECT p.pair FROM session_consistency._pairs AS p JOIN session_consistency.list_attachments() AS a"
    " ON a.sessions = p.sessions_oid AND a.subscriptions = p.subscriptions_oid WHERE a.ledger";

// True of what the run was asked to look at.
constexpr const char *asked_for =
    "pair IN (SELECT p.pair FROM session_consistency._pairs AS p WHERE ($2 IS NULL OR p.sessions_oid = $2)"
    " AND ($12 IS NULL OR p.subscriptions IS NULL OR p.subscriptions_oid = $12))";

// A finding is known again by what it is about, not by its figures: a drift that grows is the same finding.
constexpr const char *known_again =
    "SELECT DISTINCT ON (pair, identity) * FROM (SELECT f.*, pg_catalog.sha256(pg_catalog.convert_to("
    "pg_catalog.jsonb_build_array(code, member_id, subscription_id, session_id, place)::text, 'UTF8'))"
    " AS identity FROM found AS f) AS f";

Datum int_array(List *numbers)
{
    auto *items = static_cast<Datum *>(palloc(sizeof(Datum) * Max(list_length(numbers), 1)));
    int count = 0;
    ListCell *cell;
    foreach (cell, numbers)
        items[count++] = Int32GetDatum(lfirst_int(cell));
    return PointerGetDatum(construct_array(items, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

// What the statements share: $1 the run, $2 the sessions that were asked for or NULL, $3 checked, $4 unread,
// $5 started, $6 the role, $7 and $8 rows looked at, $9 new findings, $10 ended ones, $11 the next number of a finding,
// $12 the subscriptions that were asked for or NULL.
struct Parameters {
    std::array<Oid, 12> types;
    std::array<Datum, 12> values;
    std::array<char, 13> nulls;
};
static_assert(Pod<Parameters>);

Parameters make_parameters(const CheckRun &run)
{
    const char *role = GetUserNameFromId(GetUserId(), false);
    Parameters parameters{
        {INT8OID, OIDOID, INT4ARRAYOID, INT4ARRAYOID, TIMESTAMPTZOID, TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID,
         INT8OID, OIDOID},
        {Int64GetDatum(next_number(history_table)), ObjectIdGetDatum(run.asked.sessions),
         int_array(run.checked), int_array(run.unread), TimestampTzGetDatum(run.started), CStringGetTextDatum(role),
         Int64GetDatum(run.subscriptions), Int64GetDatum(run.session_rows), Int64GetDatum(0), Int64GetDatum(0),
         Int64GetDatum(next_number("_check_findings")), ObjectIdGetDatum(run.asked.subscriptions)},
        {"            "}};
    if (!OidIsValid(run.asked.sessions))
        parameters.nulls[1] = 'n';
    if (!OidIsValid(run.asked.subscriptions))
        parameters.nulls[11] = 'n';
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
const char *lost_lines()
{
    return psprintf(
        "WITH opened AS MATERIALIZED (SELECT DISTINCT ON (pair) pair, id, transaction_id"
        " FROM session_consistency.ledger WHERE reason = 'opened' ORDER BY pair, id DESC)"
        " SELECT s.pair, 'ledger_gap', 'high', nullif(s.member_id, ''), s.subscription_id, NULL::text, 'no gap',"
        " pg_catalog.format('Subscription %%s: line %%s, which a check has seen, is missing.', s.subscription_id,"
        " s.line), s.id::text"
        " FROM session_consistency._ledger_seen AS s LEFT JOIN opened AS o ON o.pair = s.pair"
        " WHERE s.pair IN (%s) AND s.pair = ANY ($3) AND s.pair <> ALL ($4)"
        " AND (o.id IS NULL OR o.id <= s.id OR o.transaction_id = s.transaction_id) AND NOT EXISTS (SELECT"
        " FROM session_consistency.ledger AS l WHERE l.pair = s.pair AND l.subscription_id = s.subscription_id"
        " AND coalesce(l.member_id, '') = s.member_id AND l.line = s.line AND l.id = s.id)",
        kept_pairs);
}

void find_lost_lines(Parameters &parameters, Tuplestorestate *found)
{
    const int count = static_cast<int>(parameters.types.size());
    ParamListInfo list = makeParamList(count);
    for (int i = 0; i < count; i++)
        list->params[i] = {parameters.values[i], parameters.nulls[i] == 'n', PARAM_FLAG_CONST, parameters.types[i]};
    SPIExecuteOptions options{};
    const char *query = lost_lines();
    options.params = list;
    options.dest = CreateTuplestoreDestReceiver();
    SetTuplestoreDestReceiverParams(options.dest, found, CurrentMemoryContext, false, nullptr, nullptr);
    const int result = SPI_execute_extended(query, &options);
    if (result != SPI_OK_SELECT)
        elog(ERROR, "\"%s\" failed: %s", query, SPI_result_code_string(result));
}

void remember_lines(Parameters &parameters)
{
    run_command(parameters,
                psprintf("DELETE FROM session_consistency._ledger_seen WHERE pair NOT IN (%s)", kept_pairs));
    run_command(parameters,
                psprintf("INSERT INTO session_consistency._ledger_seen AS s (pair, subscription_id, member_id, line,"
                         " id, transaction_id) SELECT l.pair, l.subscription_id, coalesce(l.member_id, ''), l.line,"
                         " l.id, l.transaction_id FROM (SELECT DISTINCT ON (pair, subscription_id, member_id)"
                         " pair, subscription_id, member_id, line, id, transaction_id FROM session_consistency.ledger"
                         " WHERE pair IN (%s) AND pair = ANY ($3) AND pair <> ALL ($4)"
                         " ORDER BY pair DESC, subscription_id DESC, member_id DESC, line DESC) AS l"
                         " WHERE NOT EXISTS (SELECT FROM session_consistency._check_findings AS f"
                         " WHERE f.ended IS NULL AND f.code = 'ledger_gap' AND f.pair = l.pair"
                         " AND f.subscription_id = l.subscription_id"
                         " AND coalesce(f.member_id, '') = coalesce(l.member_id, ''))"
                         " ON CONFLICT (pair, subscription_id, member_id) DO UPDATE"
                         " SET line = excluded.line, id = excluded.id, transaction_id = excluded.transaction_id"
                         " WHERE (s.line, s.id) <> (excluded.line, excluded.id)",
                         kept_pairs));
}

// Findings -----------------------------------------------------------------------------------------------------------

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
                         " WHERE o.ended IS NULL AND o.pair = n.pair AND o.identity = n.identity",
                         known_again));
    const uint64 added = run_command(
        parameters,
        psprintf("INSERT INTO session_consistency._check_findings (finding_id, pair, code, severity, member_id,"
                 " subscription_id, session_id, expected, actual, identity, first_run, last_run, first_seen, last_seen)"
                 " SELECT $11 + row_number() OVER () - 1, pair, code, severity, member_id, subscription_id, session_id,"
                 " expected, actual, identity, $1, $1, $5, $5 FROM (%s) AS n WHERE NOT EXISTS (SELECT"
                 " FROM session_consistency._check_findings AS o WHERE o.ended IS NULL AND o.pair = n.pair"
                 " AND o.identity = n.identity)",
                 known_again));
    const uint64 ended =
        run_command(parameters, psprintf("UPDATE session_consistency._check_findings SET ended = $5"
                                         " WHERE ended IS NULL AND last_run <> $1 AND %s"
                                         " AND NOT (pair = ANY ($4) AND code <> 'enforcement_gap')",
                                         asked_for));
    parameters.values[8] = Int64GetDatum(static_cast<int64>(added));
    parameters.values[9] = Int64GetDatum(static_cast<int64>(ended));
}

void insert_run(Parameters &parameters)
{
    run_command(parameters,
                psprintf("INSERT INTO session_consistency._check_runs (run_id, started, finished, run_by, sessions,"
                         " subscriptions, checked, subscription_rows, session_rows, new_findings, ended_findings,"
                         " open_findings)"
                         " SELECT $1, $5, pg_catalog.clock_timestamp(), $6,"
                         " $2::regclass::session_consistency.table_ref,"
                         " $12::regclass::session_consistency.table_ref, $3, $7, $8, $9, $10,"
                         " (SELECT pg_catalog.count(*) FROM session_consistency._check_findings"
                         " WHERE ended IS NULL AND %s)",
                         asked_for));
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
        SELECT p.sessions::text AS attachment, p.subscriptions::text AS subscriptions, f.code, f.severity,
               count(*) AS findings, array_position('{critical,high,medium,low}', f.severity) AS rank
        FROM session_consistency._check_findings AS f JOIN session_consistency._pairs AS p ON p.pair = f.pair
        WHERE f.first_run = $1 GROUP BY p.pair, f.code, f.severity),
    listed AS (
        SELECT new.*, jsonb_build_object('attachment', attachment, 'subscriptions', subscriptions, 'code', code,
                                         'severity', severity, 'findings', findings) AS item
        FROM new),
    measured AS (
        SELECT listed.*, sum(octet_length(item::text) + 2)
                         OVER (ORDER BY rank, attachment, subscriptions, code) AS size
        FROM listed)
    SELECT jsonb_build_object(
        'run_id', $1, 'new_findings', $9,
        'open_findings', (SELECT open_findings FROM session_consistency._check_runs WHERE run_id = $1),
        'by_severity', (SELECT jsonb_object_agg(severity, findings)
                        FROM (SELECT severity, sum(findings) AS findings FROM new GROUP BY severity) AS s),
        'findings', coalesce(jsonb_agg(item ORDER BY rank, attachment, subscriptions, code)
                             FILTER (WHERE size < 6000), '[]'),
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
    constexpr std::array names{"pair",       "code",     "severity", "member_id", "subscription_id",
                               "session_id", "expected", "actual",   "place"};
    List *columns = NIL;
    List *types = NIL;
    List *modifiers = NIL;
    List *collations = NIL;
    for (size_t i = 0; i < names.size(); i++) {
        columns = lappend(columns, makeString(pstrdup(names[i])));
        types = lappend_oid(types, i == 0 ? INT4OID : TEXTOID);
        modifiers = lappend_int(modifiers, -1);
        collations = lappend_oid(collations, i == 0 ? InvalidOid : get_typcollation(TEXTOID));
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
    find_lost_lines(parameters, run.found);
    register_found(run);
    merge_findings(parameters);
    SPI_unregister_relation("found");
    remember_lines(parameters);
    ListCell *cell;
    foreach (cell, run.partitions) {
        const auto &seen = *static_cast<const SeenPartitions *>(lfirst(cell));
        remember_partitions(seen.pair, seen.sessions, DatumGetInt64(parameters.values[0]), seen.keep_left);
    }
    insert_run(parameters);
    notify(parameters);
    forget_the_old(parameters);
    leave_own_table(history);
    return DatumGetInt64(parameters.values[0]);
}

void init_check_history()
{
    DefineCustomIntVariable("session_consistency.keep_history",
                            "How long runs of checks and findings that have ended are kept.",
                            "-1 keeps them for ever. Findings that are open are always kept.", &keep_history,
                            keep_history, -1, INT_MAX, PGC_SUSET, GUC_UNIT_MIN, nullptr, nullptr, nullptr);
}

}  // namespace sc
