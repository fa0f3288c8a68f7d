// run_check: an audit of every attachment, and of what could switch its rules off, kept as history. For whoever may
// read them all, with a reader's locks; what it writes is its own history.
#include "watch/history.hpp"
#include "check/read_counts.hpp"
#include "catalog/expressions.hpp"
#include "catalog/arguments.hpp"
#include "catalog/citus.hpp"
#include "catalog/gaps.hpp"

#include "server/own_table.hpp"
#include "server/subtransaction.hpp"
#include "catalog/counting.hpp"
#include "server/settings.hpp"
#include "server/spi.hpp"
#include "store/pairs.hpp"
#include "watch/partitions.hpp"

namespace sc {

namespace {

struct Checking {
    CheckRun run;
    TupleDesc shape;
};
static_assert(Pod<Checking>);

Oid subscriptions_of(const Attachment &attachment)
{
    const Oids candidates = find_subscriptions(attachment);
    return candidates.size() == 1 ? candidates.front() : InvalidOid;
}

// place: by what the gap is known again, where that is not all that it says.
void add_gap(Checking &checking, int32 pair, const char *gap, const char *place = nullptr)
{
    std::array<Datum, 9> values{Int32GetDatum(pair), CStringGetTextDatum("enforcement_gap"),
                                CStringGetTextDatum("critical")};
    std::array<bool, 9> nulls{false, false, false, true, true, true};
    values[6] = CStringGetTextDatum("enforced");
    values[7] = CStringGetTextDatum(gap);
    values[8] = CStringGetTextDatum(place == nullptr ? gap : place);
    tuplestore_putvalues(checking.run.found, checking.shape, values.data(), nulls.data());
}

// Rows -----------------------------------------------------------------------------------------------------------

int64 count_rows(Oid table)
{
    ask(psprintf("SELECT count(*) FROM %s", qualified_name(table)), {.writes = true});
    bool is_null;
    return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
}

// Keeps what a query finds, of which $1 is the pair, and $2 and $3 are its tables.
void find_rows(Checking &checking, int32 pair, Oid sessions, Oid subscriptions, const char *query)
{
    DestReceiver *receiver = CreateTuplestoreDestReceiver();
    SetTuplestoreDestReceiverParams(receiver, checking.run.found, CurrentMemoryContext, false, nullptr, nullptr);
    Oid types[] = {INT4OID, OIDOID, OIDOID};
    Datum values[] = {Int32GetDatum(pair), ObjectIdGetDatum(sessions), ObjectIdGetDatum(subscriptions)};
    auto *parameters = makeParamList(3);
    for (int i = 0; i < 3; i++) {
        parameters->params[i].value = values[i];
        parameters->params[i].ptype = types[i];
        parameters->params[i].pflags = PARAM_FLAG_CONST;
        parameters->params[i].isnull = i == 2 && !OidIsValid(subscriptions);
    }
    SPIExecuteOptions options{};
    options.params = parameters;
    options.dest = receiver;
    const int result = SPI_execute_extended(query, &options);
    if (result != SPI_OK_SELECT)
        elog(ERROR, "a check failed: %s", SPI_result_code_string(result));
}

// The audit finds the gaps that its own look at the attachment shows, too.
void audit_rows(Checking &checking, int32 pair, Oid sessions, Oid subscriptions)
{
    find_rows(checking, pair, sessions, subscriptions,
              "SELECT $1, code, severity, member_id, subscription_id, session_id, expected, actual,"
              " CASE WHEN code IN ('enforcement_gap', 'unpinned_trigger') THEN actual END"
              " FROM session_consistency.audit_findings($2, $3)");
}

void replay_ledger(Checking &checking, int32 pair, Oid sessions, Oid subscriptions)
{
    find_rows(checking, pair, sessions, subscriptions,
              "SELECT $1, 'ledger_gap', 'high', member_id, subscription_id, NULL::text, 'no gap', message,"
              " ledger_id::text FROM session_consistency.ledger_gaps($2, $3)");
}

// Counters that are above their recount.
struct Excess {
    int64 subscriptions;
    int64 credits;
};

Excess measure_excess(Oid sessions, Oid subscriptions)
{
    Oid types[] = {OIDOID, OIDOID};
    Datum values[] = {ObjectIdGetDatum(sessions), ObjectIdGetDatum(subscriptions)};
    const int result = SPI_execute_with_args("SELECT count(*), coalesce(sum(drift), 0)::int8"
                                             " FROM session_consistency.check_counts($1, $2)"
                                             " WHERE drift > 0 AND subscriptions = $2",
                                             2, types, values, nullptr, false, 1);
    if (result != SPI_OK_SELECT)
        elog(ERROR, "a check failed: %s", SPI_result_code_string(result));
    bool is_null;
    HeapTuple row = SPI_tuptable->vals[0];
    return {DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &is_null)),
            DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &is_null))};
}

void add_left_partition(Checking &checking, int32 pair, const LeftPartitions &left, size_t number,
                        const Excess &excess)
{
    std::array<Datum, 9> values{Int32GetDatum(pair), CStringGetTextDatum("partition_left"),
                                CStringGetTextDatum("high")};
    std::array<bool, 9> nulls{false, false, false, true, true, true};
    values[6] = CStringGetTextDatum("attached");
    values[7] = CStringGetTextDatum(
        psprintf("partition %s %s after check " INT64_FORMAT " saw it; " INT64_FORMAT " counters are above their "
                 "recount, by " INT64_FORMAT " credits, which repair() would give back",
                 left.names[number], left.fates[number], left.seen, excess.subscriptions, excess.credits));
    values[8] = CStringGetTextDatum(left.names[number]);
    tuplestore_putvalues(checking.run.found, checking.shape, values.data(), nulls.data());
}

// Partitions that left are told as long as counters are wrong: one whose sessions gave their credits back before is no
// matter.
void look_at_partitions(Checking &checking, int32 pair, Oid sessions, Oid subscriptions)
{
    if (get_rel_relkind(sessions) != RELKIND_PARTITIONED_TABLE)
        return;
    const LeftPartitions left = find_left_partitions(pair, sessions);
    const Excess excess = left.names.empty() ? Excess{} : measure_excess(sessions, subscriptions);
    for (size_t i = 0; i < left.names.size() && excess.credits > 0; i++)
        add_left_partition(checking, pair, left, i, excess);
    auto *seen = static_cast<SeenPartitions *>(palloc(sizeof(SeenPartitions)));
    *seen = {pair, sessions, excess.credits > 0};
    checking.run.partitions = lappend(checking.run.partitions, seen);
}

// An attachment that is broken cannot be audited, and must not keep the others from it: a column is gone or has
// another type, a listed value is no value of its type any more, nothing tells where the subscriptions are, somebody's
// code raises an error. Not so where the caller may not read it.
bool is_broken_attachment(const ErrorData &error)
{
    if (is_users_error(error) || error.sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
        return true;
    if (error.sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE)
        return false;
    const int category = ERRCODE_TO_CATEGORY(error.sqlerrcode);
    return category == ERRCODE_TO_CATEGORY(ERRCODE_UNDEFINED_COLUMN) ||
           category == ERRCODE_TO_CATEGORY(ERRCODE_INVALID_TEXT_REPRESENTATION) ||
           error.sqlerrcode == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE ||
           error.sqlerrcode == ERRCODE_FEATURE_NOT_SUPPORTED;   // distributed tables
}

// Its rows, where they may be looked at; why not, where that fails.
const char *try_to_check(Checking &checking, const Attachment &attachment, Oid subscriptions, int32 pair)
{
    if (const char *distrust = find_distrust(attachment.sessions, subscriptions))
        return distrust;
    int64 session_rows = 0;
    int64 subscription_rows = 0;
    const auto check = [&] {
        require_readable(attachment);
        require_expressions(attachment.sessions, attachment.mapping);
        run_restricted(owner_of(attachment.sessions), [&] {
            session_rows = count_rows(attachment.sessions);
            subscription_rows = OidIsValid(subscriptions) ? count_rows(subscriptions) : 0;
        });
        audit_rows(checking, pair, attachment.sessions, subscriptions);
        if (attachment.mapping.ledger)
            replay_ledger(checking, pair, attachment.sessions, subscriptions);
        look_at_partitions(checking, pair, attachment.sessions, subscriptions);
    };
    const char *obstacle = try_and_undo(check, is_broken_attachment);
    checking.run.session_rows += session_rows;
    checking.run.subscriptions += subscription_rows;
    return obstacle;
}

void check_attachment(Checking &checking, const Attachment &attachment)
{
    CheckRun &run = checking.run;
    const Oid sessions = attachment.sessions;
    const Oid subscriptions = subscriptions_of(attachment);
    const int32 pair = require_pair(sessions, subscriptions);
    run.checked = lappend_int(run.checked, pair);
    const char *obstacle = try_to_check(checking, attachment, subscriptions, pair);
    if (obstacle == nullptr)
        return;
    run.unread = lappend_int(run.unread, pair);
    for (const char *gap : find_gaps(attachment))
        add_gap(checking, pair, gap);
    const char *unread = psprintf("the rows of table %s cannot be checked", qualified_name(sessions));
    add_gap(checking, pair, psprintf("%s: %s", unread, obstacle), unread);
}

// What switches the rules off ----------------------------------------------------------------------------------------

// One sentence for each role or database that is set to fire no trigger, and one where the whole server is.
Names find_switched_off()
{
    Oid types[] = {OIDOID};
    Datum values[] = {ObjectIdGetDatum(MyDatabaseId)};
    SPI_execute_with_args(
        "SELECT pg_catalog.concat('session_replication_role is set to replica for ', w.whom) FROM ("
        "SELECT CASE WHEN s.setrole <> 0 THEN pg_catalog.format('role \"%s\"%s',"
        " pg_catalog.pg_get_userbyid(s.setrole), CASE WHEN s.setdatabase <> 0 THEN ' in this database' ELSE '' END)"
        " WHEN s.setdatabase <> 0 THEN 'this database' ELSE 'every role' END"
        " FROM pg_catalog.pg_db_role_setting AS s, pg_catalog.unnest(s.setconfig) AS c (setting)"
        " WHERE s.setdatabase IN (0, $1) AND pg_catalog.lower(c.setting) = 'session_replication_role=replica'"
        " UNION ALL SELECT 'the whole server' FROM pg_catalog.pg_settings AS s"
        " WHERE s.name = 'session_replication_role' AND s.setting = 'replica'"
        " AND s.source IN ('configuration file', 'command line', 'environment variable')) AS w (whom) ORDER BY 1",
        1, types, values, nullptr, false, 0);
    auto **sentences = static_cast<const char **>(palloc(sizeof(char *) * Max(SPI_processed, uint64{1})));
    for (uint64 i = 0; i < SPI_processed; i++)
        sentences[i] = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
    return Names(sentences, SPI_processed);
}

// Tables that carry some of the triggers of the sessions, or of the subscriptions. Those of the subscriptions only
// where the table has no trigger that makes an attachment.
Oids find_guarded(bool sessions)
{
    StringInfoData functions;
    initStringInfo(&functions);
    for (const TriggerRule &rule : trigger_rules)
        if (rule.on_sessions == sessions && strcmp(rule.function, function::charge) != 0)
            appendStringInfo(&functions, "%s%u", functions.len == 0 ? "" : ", ", trigger_function(rule.function));
    SPI_execute(psprintf("SELECT DISTINCT t.tgrelid FROM pg_catalog.pg_trigger AS t WHERE t.tgfoid IN (%s)"
                         " AND t.tgparentid = 0 AND (%s OR NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS c"
                         " WHERE c.tgrelid = t.tgrelid AND c.tgfoid = %u)) ORDER BY 1",
                         functions.data, sessions ? "true" : "false", trigger_function(function::charge)),
                false, 0);
    auto *oids = static_cast<Oid *>(palloc(sizeof(Oid) * Max(SPI_processed, uint64{1})));
    for (uint64 i = 0; i < SPI_processed; i++) {
        bool is_null;
        oids[i] = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &is_null));
    }
    return Oids(oids, SPI_processed);
}

// An attachment is found by its charge trigger: where that one is dropped, the others tell. True where sessions are
// left so.
bool check_remnants(Checking &checking)
{
    bool any = false;
    const Pair &asked = checking.run.asked;
    for (const Oid table : find_guarded(true)) {
        if (OidIsValid(asked.sessions) && table != asked.sessions)
            continue;
        const std::optional<Attachment> remnant = find_remnant(table);
        if (!remnant || (OidIsValid(asked.subscriptions) && OidIsValid(remnant->subscriptions) &&
                         remnant->subscriptions != asked.subscriptions))
            continue;
        any = true;
        const int32 pair = require_pair(table, remnant->subscriptions);
        checking.run.unread = lappend_int(checking.run.unread, pair);
        checking.run.checked = lappend_int(checking.run.checked, pair);
        add_gap(checking, pair,
                psprintf("table %s has no trigger that calls %s()", qualified_name(table), function::charge));
    }
    return any;
}

// Subscriptions that are still guarded, and that no sessions are attached to any more.
void check_orphaned_guards(Checking &checking, std::span<const Attachment> attachments)
{
    for (const Attachment &attachment : attachments)
        if (!OidIsValid(attachment.subscriptions))
            return;   // they may be these
    for (const Oid table : find_guarded(false)) {
        if (is_shard(table))
            continue;
        bool attached = false;
        for (const Attachment &attachment : attachments)
            attached |= attachment.subscriptions == table;
        if (!attached)
            add_gap(checking, require_pair(table, table),
                    psprintf("table %s is guarded, and no sessions are attached to it", qualified_name(table)));
    }
}

void check_everything(Checking &checking)
{
    const bool all = names_none(checking.run.asked);
    const std::span<const Attachment> attachments =
        find_attachments(checking.run.asked.sessions, checking.run.asked.subscriptions);
    for (const Attachment &attachment : attachments) {
        require_rights(attachment);
        if (!all)
            require_together({attachment.sessions, attachment.subscriptions}, "run_check");
    }
    for (const Attachment &attachment : attachments)
        check_attachment(checking, attachment);
    const bool remnants = check_remnants(checking);
    if (!all && attachments.empty() && !remnants)
        require_attachment(checking.run.asked);
    if (all && !remnants)
        check_orphaned_guards(checking, attachments);
    const Names switched_off = find_switched_off();
    for (const char *sentence : switched_off)
        for (const Attachment &attachment : attachments)
            add_gap(checking, require_pair(attachment.sessions, subscriptions_of(attachment)), sentence);
}

}  // namespace

}  // namespace sc

extern "C" {
PG_FUNCTION_INFO_V1(sc_run_check);
}

extern "C" PGDLLEXPORT Datum sc_run_check(PG_FUNCTION_ARGS)
{
    using namespace sc;
    Checking checking{};
    checking.run.started = GetCurrentTimestamp();
    checking.run.asked = pair_arguments(arguments_of(fcinfo));
    require_writable("run_check");
    lock_history();
    checking.shape = found_shape();
    checking.run.found = tuplestore_begin_heap(false, false, work_mem);
    connect_spi();
    const int level = enter_pinned_path();
    check_everything(checking);
    leave_pinned_path(level);
    const int64 id = store_run(checking.run);
    SPI_finish();
    tuplestore_end(checking.run.found);
    PG_RETURN_INT64(id);
}
