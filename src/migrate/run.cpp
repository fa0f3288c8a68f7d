// Keeps and tells the progress of a migration.
#include "migrate/run.hpp"

#include <numeric>

#include "catalog/counting.hpp"
#include "server/own_table.hpp"
#include "store/pairs.hpp"

namespace sc {

namespace {

constexpr const char *runs_table = "migration_runs";

template <size_t size>
int64 sum(const std::array<int64, size> &counts)
{
    return std::accumulate(counts.begin(), counts.end(), int64{0});
}

// A JSON object of the counts by their words.
template <size_t size>
Datum as_json(const std::array<int64, size> &counts, const std::array<const char *, size> &words)
{
    StringInfoData text;
    initStringInfo(&text);
    for (size_t i = 0; i < size; i++)
        appendStringInfo(&text, "%s\"%s\": " INT64_FORMAT, i == 0 ? "{" : ", ", words[i], counts[i]);
    appendStringInfoChar(&text, '}');
    return DirectFunctionCall1(jsonb_in, CStringGetDatum(text.data));
}

// "word 1, word 2" of the counts that are not 0.
template <size_t size>
const char *as_text(const std::array<int64, size> &counts, const std::array<const char *, size> &words)
{
    StringInfoData text;
    initStringInfo(&text);
    for (size_t i = 0; i < size; i++)
        if (counts[i] != 0)
            appendStringInfo(&text, "%s%s " INT64_FORMAT, text.len == 0 ? "" : ", ", words[i], counts[i]);
    return text.len == 0 ? "none" : text.data;
}

double seconds_since(TimestampTz moment)
{
    return static_cast<double>(GetCurrentTimestamp() - moment) / USECS_PER_SEC;
}

// Rows per second since the list was ready; 0 where nobody can say yet.
double rate(const MigrateRun &run)
{
    const double seconds = run.linking == 0 ? 0 : seconds_since(run.linking);
    return seconds <= 0 ? 0 : static_cast<double>(run.rows_done) / seconds;
}

Datum remarks_array(const MigrateRun &run)
{
    auto *items = static_cast<Datum *>(palloc(sizeof(Datum) * Max(list_length(run.remarks), 1)));
    int count = 0;
    ListCell *cell;
    foreach (cell, run.remarks)
        items[count++] = CStringGetTextDatum(static_cast<const char *>(lfirst(cell)));
    return PointerGetDatum(construct_array(items, count, TEXTOID, -1, false, TYPALIGN_INT));
}

void save(const MigrateRun &run, bool finished)
{
    const MigrateTotals &totals = run.totals;
    Oid types[] = {INT4OID, TIMESTAMPTZOID, TEXTOID, INT8OID,  INT8OID,      INT8OID, INT8OID,
                   INT8OID, FLOAT8OID,      JSONBOID, JSONBOID, TEXTARRAYOID, BOOLOID};
    Datum values[] = {Int32GetDatum(run.pair),
                      TimestampTzGetDatum(run.started),
                      CStringGetTextDatum(run.phase),
                      Int64GetDatum(run.rows_done),
                      Int64GetDatum(run.rows_total),
                      Int64GetDatum(totals.members),
                      Int64GetDatum(totals.subscriptions),
                      Int64GetDatum(totals.counters),
                      Float8GetDatum(rate(run)),
                      as_json(totals.linked, rule_words),
                      as_json(totals.left, reason_words),
                      remarks_array(run),
                      BoolGetDatum(finished)};
    run_on_own_table(runs_table,
                     "UPDATE session_consistency.migration_runs SET phase = $3, rows_done = $4, rows_total = $5,"
                     " members = $6, subscriptions = $7, counters = $8, rate = $9, linked = $10, unlinked = $11,"
                     " remarks = $12, updated = clock_timestamp(),"
                     " finished = CASE WHEN $13 THEN clock_timestamp() END"
                     " WHERE pair = $1 AND started = $2",
                     types, values);
}

const char *time_left(const MigrateRun &run)
{
    const double per_second = rate(run);
    if (per_second <= 0)
        return "unknown";
    const auto seconds = static_cast<int64>(static_cast<double>(run.rows_total - run.rows_done) / per_second);
    return psprintf("%d:%02d:%02d", static_cast<int>(seconds / 3600), static_cast<int>(seconds / 60 % 60),
                    static_cast<int>(seconds % 60));
}

}  // namespace

MigrateRun *start_run(Oid sessions, Oid subscriptions)
{
    auto *run = static_cast<MigrateRun *>(palloc0(sizeof(MigrateRun)));
    run->sessions = sessions;
    run->pair = require_pair(sessions, subscriptions);
    run->context = CurrentMemoryContext;
    run->started = run->told = GetCurrentTimestamp();
    run->phase = "listing";
    Oid types[] = {INT4OID, TIMESTAMPTZOID, INT4OID};
    Datum values[] = {Int32GetDatum(run->pair), TimestampTzGetDatum(run->started), Int32GetDatum(MyProcPid)};
    run_on_own_table(runs_table,
                     "INSERT INTO session_consistency.migration_runs (pair, started, pid, updated, phase)"
                     " VALUES ($1, $2, $3, $2, 'listing')",
                     types, values);
    return run;
}

void save_run(const MigrateRun &run)
{
    save(run, false);
}

void add_remark(MigrateRun *run, const char *remark)
{
    MemoryContext caller = MemoryContextSwitchTo(run->context);
    run->remarks = lappend(run->remarks, pstrdup(remark));
    MemoryContextSwitchTo(caller);
}

void tell_progress(MigrateRun *run)
{
    const TimestampTz now = GetCurrentTimestamp();
    if (now - run->told < USECS_PER_SEC)
        return;
    run->told = now;
    const double share = run->rows_total == 0 ? 1 : static_cast<double>(run->rows_done) / run->rows_total;
    ereport(NOTICE,
            errmsg("migrating table \"%s\": " INT64_FORMAT " of " INT64_FORMAT " rows (%d %%), %.0f rows/s, %s left",
                   get_rel_name(run->sessions), run->rows_done, run->rows_total, static_cast<int>(100 * share),
                   rate(*run), time_left(*run)));
}

void finish_run(MigrateRun *run)
{
    run->phase = "finished";
    save(*run, true);
    const MigrateTotals &totals = run->totals;
    const int64 left = sum(totals.left);
    StringInfoData detail;
    initStringInfo(&detail);
    appendStringInfo(&detail, "Linked by rule: %s.\nLeft by reason: %s.", as_text(totals.linked, rule_words),
                     as_text(totals.left, reason_words));
    ListCell *cell;
    foreach (cell, run->remarks)
        appendStringInfo(&detail, "\n%s", static_cast<const char *>(lfirst(cell)));
    ereport(NOTICE,
            errmsg("table \"%s\" is migrated; sessions linked: " INT64_FORMAT ", left without a link: " INT64_FORMAT
                   "; counters changed: " INT64_FORMAT " of " INT64_FORMAT,
                   get_rel_name(run->sessions), sum(totals.linked), left, totals.counters, totals.subscriptions),
            errdetail_internal("%s", detail.data),
            left > 0 ? errhint("session_consistency.audit_findings() names what is left; when_ambiguous => 'fill' or "
                               "'active' links it as far as there is room.")
                     : 0);
}

}  // namespace sc
