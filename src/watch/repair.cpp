// repair: puts right what has one right answer, and logs it. What that is, audit says: here it is only looked at again
// under the row's lock.
//
// Why a repair during live bookings is exact: a statement that changes sessions charges their subscriptions at its end
// and holds their rows' locks until its transaction ends. The recount's snapshot is taken when the subscriptions are
// locked: what was charged has been committed, and is counted; what is not charged yet is not committed, is not
// counted, and will be charged as a difference to the recount.
#include "watch/repair_log.hpp"
#include "store/pairs.hpp"
#include "store/recount.hpp"
#include "watch/partitions.hpp"
#include "watch/repair_tables.hpp"

#include <algorithm>

#include "catalog/arguments.hpp"
#include "catalog/citus.hpp"
#include "server/own_table.hpp"
#include "server/growing.hpp"
#include "server/owner.hpp"
#include "server/settings.hpp"
#include "server/operators.hpp"
#include "server/shards.hpp"
#include "server/spi.hpp"

namespace sc {

namespace {

// What an audit found that has one right answer.
struct Candidate {
    const char *code;
    const char *member_id;
    const char *subscription_id;
    const char *session_id;        // nullptr: a counter
    SubscriptionKey key;           // of a counter, and from here on
    bool found;
    ItemPointerData place;         // where its row was found
    std::optional<int64_t> used;   // when its sessions were counted
    int64_t counted;
};
static_assert(Pod<Candidate>);

struct Job {
    RepairTables tables;
    bool dry_run;
    ReturnSetInfo *result;
    LeftPartitions left;           // where there are any, counters that become lower say so
    int64 given_back;              // credits, of so many subscriptions
    int64 lowered;
    Growing<Candidate> links;
    Growing<Candidate> counters;
    Growing<Repair> done;          // not logged and returned yet
};
static_assert(Pod<Job>);

constexpr const char *clear_link_action = "clear the link of a session that consumes nothing";
constexpr const char *set_counter_action = "set used to the recount of linked sessions";

// Finding them ------------------------------------------------------------------------------------------------------

// Both are found by what looks for them anyway, asked by the caller, who may be allowed to read more than the owner.
void find(Job &job, const char *query, Growing<Candidate> &found)
{
    const int level = enter_pinned_path();
    Oid types[] = {OIDOID, OIDOID};
    Datum values[] = {ObjectIdGetDatum(job.tables.counting.sessions),
                      ObjectIdGetDatum(job.tables.counting.subscriptions)};
    const int result = SPI_execute_with_args(query, 2, types, values, nullptr, false, 0);
    if (result != SPI_OK_SELECT)
        elog(ERROR, "the audit before a repair failed: %s", SPI_result_code_string(result));
    for (uint64 i = 0; i < SPI_processed; i++)
        found.add(CurrentMemoryContext, {cell_text(i, 1), cell_text(i, 2), cell_text(i, 3), cell_text(i, 4),
                                         {}, false, {}, std::nullopt, 0});
    SPI_freetuptable(SPI_tuptable);
    leave_pinned_path(level);
}

void find_counters(Job &job)
{
    const char *any = job.tables.counting.by_member ? " WHERE member_id IS NOT NULL" : "";
    find(job,
         psprintf("SELECT 'count_mismatch', member_id, subscription_id, NULL"
                  " FROM session_consistency.check_counts($1, $2)%s",
                  any),
         job.counters);
}

const char *still_linked(const Job &job)
{
    const Mapping &mapping = job.tables.counting.mapping;
    return psprintf("%s IS NOT NULL AND (%s) IS NOT TRUE", quoted_column("t", mapping.subscription_column),
                    consuming_condition(mapping, "t"));
}

// An audit looks at far more than links: only where there is one to clear.
void find_links(Job &job)
{
    const Mapping &mapping = job.tables.counting.mapping;
    bool any = false;
    run_restricted(owner_of(job.tables.counting.sessions), [&] {
        any = mapping.type_column != nullptr &&
              finds_row(psprintf("SELECT FROM %s AS t WHERE %s", qualified_name(job.tables.counting.sessions),
                                 still_linked(job)));
    });
    if (any)
        find(job,
             "SELECT code, member_id, subscription_id, session_id FROM session_consistency.audit_findings($1, $2)"
             " WHERE repair_sql IS NOT NULL AND session_id IS NOT NULL",
             job.links);
}

// A subscription by the texts of its key.
struct Named {
    const char *subscription_id;
    const char *member_id;
};

bool operator<(const Named &left, const Named &right)
{
    const int order = strcmp(left.subscription_id, right.subscription_id);
    return order != 0 ? order < 0 : left.member_id != nullptr && strcmp(left.member_id, right.member_id) < 0;
}

// As long as a member has a counted session without a link, nobody can say what the member's counters should be.
void leave_unlinked(Job &job)
{
    const Counting &counting = job.tables.counting;
    if (!is_searched(counting.mapping))
        return;
    const char *member = quoted_column("s", counting.mapping.subscription_member_column);
    ask(psprintf("SELECT %s::text, %s::text FROM %s AS s WHERE EXISTS (SELECT FROM %s AS t WHERE %s"
                 " AND %s IS NULL AND %s)",
                 quoted_column("s", counting.subscription_id), counting.by_member ? member : "NULL",
                 qualified_name(counting.subscriptions), qualified_name(counting.sessions),
                 same_member(counting, "t", "s"), quoted_column("t", counting.mapping.subscription_column),
                 counted_condition(counting.mapping, "t")));
    Growing<Named> left{};
    for (uint64 i = 0; i < SPI_processed; i++)
        left.add(CurrentMemoryContext, {cell_text(i, 1), cell_text(i, 2)});
    SPI_freetuptable(SPI_tuptable);
    std::sort(left.items, left.items + left.count);
    const bool by_member = counting.by_member;
    Candidate *end = std::remove_if(job.counters.items, job.counters.items + job.counters.count,
                                    [&left, by_member](const Candidate &candidate) {
                                        const Named name{candidate.subscription_id,
                                                         by_member ? candidate.member_id : nullptr};
                                        return std::binary_search(left.items, left.items + left.count, name);
                                    });
    job.counters.count = static_cast<size_t>(end - job.counters.items);
}

// Done --------------------------------------------------------------------------------------------------------------

Datum as_json(const char *text)
{
    return DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
}

void return_repair(const Job &job, std::optional<int64> id, const Repair &repair)
{
    const auto text = [](const char *value) { return value == nullptr ? Datum{0} : CStringGetTextDatum(value); };
    std::array<Datum, 9> values{Int64GetDatum(id.value_or(0)),
                                text(repair.code),
                                text(repair.subscription_id),
                                text(repair.session_id),
                                text(repair.action),
                                repair.before,
                                repair.after,
                                text(repair.member_id),
                                text(repair.key)};
    std::array<bool, 9> nulls{!id, false, repair.subscription_id == nullptr, repair.session_id == nullptr};
    nulls[7] = repair.member_id == nullptr;
    nulls[8] = repair.key == nullptr;
    tuplestore_putvalues(job.result->setResult, job.result->setDesc, values.data(), nulls.data());
}

void log_and_return(Job &job)
{
    if (job.done.count == 0)
        return;
    std::optional<int64> id;
    if (!job.dry_run) {
        const int32 pair = require_pair(job.tables.counting.sessions, job.tables.counting.subscriptions);
        id = log_repairs(pair, job.done.all(), job.tables.caller.role);
    }
    for (const Repair &repair : job.done.all()) {
        return_repair(job, id, repair);
        if (id)
            ++*id;
    }
    job.done = {};
}

// Links --------------------------------------------------------------------------------------------------------------

Datum text_array(std::span<const Candidate> candidates, const char *Candidate::*field)
{
    auto *items = static_cast<Datum *>(palloc(sizeof(Datum) * candidates.size()));
    auto *nulls = static_cast<bool *>(palloc(sizeof(bool) * candidates.size()));
    for (size_t i = 0; i < candidates.size(); i++) {
        nulls[i] = candidates[i].*field == nullptr;
        items[i] = nulls[i] ? Datum{0} : CStringGetTextDatum(candidates[i].*field);
    }
    int dimensions[] = {static_cast<int>(candidates.size())};
    int bounds[] = {1};
    return PointerGetDatum(construct_md_array(items, nulls, 1, dimensions, bounds, TEXTOID, -1, false, TYPALIGN_INT));
}

// How audit names a session.
const char *name_of_session(const Job &job)
{
    const Names key = session_key_columns(job.tables);
    auto **columns = static_cast<const char **>(palloc(sizeof(char *) * key.size()));
    for (size_t i = 0; i < key.size(); i++)
        columns[i] = quoted_column("t", key[i]);
    return session_name(key, job.tables.counting.mapping.member_column, Names(columns, key.size()));
}

// "t.key = 'value' AND …" for one session, made by the server from its row.
const char *key_condition(const Job &job)
{
    StringInfoData text;
    initStringInfo(&text);
    for (const char *column : session_key_columns(job.tables)) {
        const Operand operand = column_operand("t", job.tables.counting.sessions, column);
        const Brackets value = around_value(operand);
        appendStringInfo(&text, "%s || pg_catalog.quote_literal(%s::text) || %s",
                         quote_literal_cstr(psprintf("%s%s", text.len == 0 ? "" : " AND ", value.before)),
                         operand.text, quote_literal_cstr(value.after));
        appendStringInfoString(&text, " || ");
    }
    return psprintf("%s''", text.data);
}

const char *links_query(const Job &job)
{
    const Counting &counting = job.tables.counting;
    return psprintf("SELECT u.code, u.member_id, u.session_id, %s::text, %s, %s, %s"
                    " FROM unnest($1, $2, $3) WITH ORDINALITY AS u (code, member_id, session_id, place)"
                    " JOIN %s AS t ON %s = u.session_id"
                    " WHERE %s::text IS NOT DISTINCT FROM u.member_id AND %s ORDER BY u.place",
                    quoted_column("t", counting.mapping.subscription_column), session_state(job.tables),
                    session_key(job.tables), key_condition(job), qualified_name(counting.sessions),
                    name_of_session(job), member_of_session(counting.mapping, "t"), still_linked(job));
}

// Clears one link, unless it was changed since. The state after; nullptr where nothing was done.
const char *clear_link(const Job &job, const char *condition, const char *link)
{
    const Counting &counting = job.tables.counting;
    const char *column = counting.mapping.subscription_column;
    const Operand operand = column_operand("t", counting.sessions, column);
    const char *command = psprintf("UPDATE %s AS t SET %s = NULL WHERE %s AND %s AND %s RETURNING %s",
                                   qualified_name(counting.sessions), quote_identifier(column), condition,
                                   equals(operand, literal_operand(link, operand.type)), still_linked(job),
                                   session_state(job.tables));
    return ask(command, {.writes = true}) == 1 ? cell_text(0, 1) : nullptr;
}

// The state with another link, for a dry run.
const char *without_link(const char *state)
{
    Oid types[] = {TEXTOID};
    Datum values[] = {CStringGetTextDatum(state)};
    SPI_execute_with_args("SELECT ($1::jsonb || '{\"subscription_id\": null}')::text", 1, types, values, nullptr, true,
                          1);
    return cell_text(0, 1);
}

void clear_links(Job &job)
{
    if (job.links.count == 0)
        return;
    Oid types[] = {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
    Datum values[] = {text_array(job.links.all(), &Candidate::code), text_array(job.links.all(), &Candidate::member_id),
                      text_array(job.links.all(), &Candidate::session_id)};
    const uint64 count = ask(links_query(job), {.types = types, .values = values, .writes = true});
    SPITupleTable *found = SPI_tuptable;
    for (uint64 i = 0; i < count; i++) {
        const auto cell = [found, i](int column) { return SPI_getvalue(found->vals[i], found->tupdesc, column); };
        const char *before = cell(5);
        const char *after = job.dry_run ? without_link(before) : clear_link(job, cell(7), cell(4));
        if (after != nullptr)
            job.done.add(CurrentMemoryContext, {.code = cell(1),
                                                .member_id = cell(2),
                                                .subscription_id = cell(4),
                                                .session_id = cell(3),
                                                .key = cell(6),
                                                .action = clear_link_action,
                                                .before = as_json(before),
                                                .after = as_json(after)});
        CHECK_FOR_INTERRUPTS();
    }
    log_and_return(job);
}

// Counters -----------------------------------------------------------------------------------------------------------

std::optional<int64_t> rest(const Subscription &subscription)
{
    return subscription.total ? std::optional(*subscription.total - *subscription.used) : std::nullopt;
}

// What the counter is to be; std::nullopt where it is right by now, or where a person has to decide.
std::optional<Subscription> judge_counter(const Job &job, const Subscription &before, int64_t counted)
{
    Subscription after = before;
    after.used = before.carried + counted;
    after.remaining = rest(after);
    const bool maintained = job.tables.binding->subscriptions.remaining != 0;
    const bool right = before.used == after.used && (!maintained || before.remaining == after.remaining);
    if (right || (before.total && after.used > *before.total))
        return std::nullopt;
    return after;
}

// "partition a was dropped after check 7 saw it"
const char *describe_left(const Job &job)
{
    StringInfoData text;
    initStringInfo(&text);
    for (size_t i = 0; i < job.left.names.size(); i++)
        appendStringInfo(&text, "%spartition %s %s", i == 0 ? "" : ", ", job.left.names[i], job.left.fates[i]);
    appendStringInfo(&text, " after check " INT64_FORMAT " saw %s", job.left.seen,
                     job.left.names.size() == 1 ? "it" : "them");
    return text.data;
}

const char *action_of(Job &job, const Subscription &before, const Subscription &after)
{
    const int64 given_back = before.used.value_or(0) - *after.used;
    if (job.left.names.empty() || given_back <= 0)
        return set_counter_action;
    job.given_back += given_back;
    job.lowered++;
    return psprintf("%s, which gives back " INT64_FORMAT " credits; %s", set_counter_action, given_back,
                    describe_left(job));
}

void warn_of_left(const Job &job)
{
    if (job.given_back == 0)
        return;
    ereport(WARNING,
            errmsg("the repair of table \"%s\" %s " INT64_FORMAT " credits of " INT64_FORMAT " subscriptions",
                   RelationGetRelationName(job.tables.sessions), job.dry_run ? "would give back" : "gives back",
                   job.given_back, job.lowered),
            errdetail_internal("%s.", psprintf("The sessions that held them may have left with a partition: %s",
                                               describe_left(job))),
            errhint("If these credits are spent, attach the partition again instead, or give the sessions back one by "
                    "one before it goes. undo_repair() takes a repair back."));
}

// Finds them, locked unless it is a dry run.
void hold_counters(const Job &job, std::span<Candidate> candidates)
{
    const SubscriptionShape &shape = job.tables.binding->subscriptions;
    Cursor cursor = open_cursor(job.tables.subscriptions, shape);
    for (Candidate &candidate : candidates) {
        TupleTableSlot *row = find_subscription(cursor, candidate.key.id, candidate.key.member);
        if (row != nullptr && !job.dry_run)
            row = lock_found(cursor);
        candidate.found = row != nullptr;
        if (row != nullptr) {
            candidate.used = read_subscription(shape, row).used;
            candidate.place = row->tts_tid;
        }
        CHECK_FOR_INTERRUPTS();
    }
    close_cursor(cursor);
}

void count_sessions(const Job &job, std::span<Candidate> candidates)
{
    auto *counts = static_cast<Recounted *>(palloc(sizeof(Recounted) * candidates.size()));
    for (size_t i = 0; i < candidates.size(); i++)
        counts[i] = {candidates[i].key.id, candidates[i].key.member, candidates[i].member_id == nullptr, 0};
    recount(job.tables.sessions, job.tables.counting.mapping, *job.tables.binding,
            std::span(counts, candidates.size()));
    for (size_t i = 0; i < candidates.size(); i++)
        candidates[i].counted = counts[i].counted;
}

void set_counter(Job &job, CounterWriter *writer, const Candidate &candidate)
{
    const SubscriptionShape &shape = job.tables.binding->subscriptions;
    TupleTableSlot *row = find_subscription(writer, candidate.key.id, candidate.key.member, candidate.place);
    if (row == nullptr)
        return;
    const Subscription before = read_subscription(shape, row);
    // What triggers of the user's have booked since, in this very repair, was charged on top.
    const int64_t booked = before.used.value_or(0) - candidate.used.value_or(0);
    const Datum before_state = as_json(counter_state(job.tables, before));
    const std::optional<Subscription> after = judge_counter(job, before, candidate.counted + booked);
    if (!after)
        return;
    if (!job.dry_run)
        write_counter(writer, *after->used, true);
    job.done.add(CurrentMemoryContext, {.code = candidate.code,
                                        .member_id = candidate.member_id,
                                        .subscription_id = candidate.subscription_id,
                                        .session_id = nullptr,
                                        .key = nullptr,
                                        .action = action_of(job, before, *after),
                                        .before = before_state,
                                        .after = as_json(counter_state(job.tables, *after))});
}

// So many are held and counted at once, since one scan then counts them all, and so many written and logged, as keep
// memory small.
constexpr size_t held_at_once = 100000;
constexpr size_t written_at_once = 10000;

template <typename Action>
void in_batches(std::span<Candidate> candidates, size_t batch, Action action)
{
    MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "session_consistency repair",
                                                  ALLOCSET_DEFAULT_SIZES);
    for (size_t first = 0; first < candidates.size(); first += batch) {
        MemoryContext caller = MemoryContextSwitchTo(scratch);
        action(candidates.subspan(first, std::min(batch, candidates.size() - first)));
        MemoryContextSwitchTo(caller);
        MemoryContextReset(scratch);
    }
    MemoryContextDelete(scratch);
}

void write_batch(Job &job, std::span<const Candidate> candidates)
{
    CounterWriter *writer = open_counter_writer(job.tables.subscriptions, job.tables.binding->subscriptions, false);
    for (const Candidate &candidate : candidates) {
        if (candidate.found)
            set_counter(job, writer, candidate);
        CHECK_FOR_INTERRUPTS();
    }
    close_counter_writer(writer);
    log_and_return(job);
}

// All are locked before any is counted, and counted before any is written.
void set_batch(Job &job, std::span<Candidate> candidates)
{
    push_newest_snapshot();
    hold_counters(job, candidates);
    if (!job.dry_run) {
        PopActiveSnapshot();
        push_newest_snapshot();
    }
    count_sessions(job, candidates);
    PopActiveSnapshot();
    in_batches(candidates, written_at_once, [&job](std::span<Candidate> batch) { write_batch(job, batch); });
}

// In the order of their keys, in which statements that write sessions lock them too.
void set_counters(Job &job)
{
    const KeyType &key = job.tables.binding->subscriptions.id_key;
    const std::span<Candidate> candidates = job.counters.all();
    for (Candidate &candidate : candidates)
        candidate.key = read_subscription_key(job.tables, candidate.subscription_id, candidate.member_id);
    std::sort(candidates.begin(), candidates.end(), [&key](const Candidate &left, const Candidate &right) {
        return compare_keys(key, left.key.id, right.key.id) < 0;
    });
    in_batches(candidates, held_at_once, [&job](std::span<Candidate> batch) { set_batch(job, batch); });
}

// Shards -------------------------------------------------------------------------------------------------------------

// Each shard repairs its own rows, and what they have done is logged here, too: a shard may go to another node.
void repair_shards(Job &job, const Arguments &arguments)
{
    const Pair pair{job.tables.counting.sessions, job.tables.counting.subscriptions};
    const char *call = call_on_shard(arguments, subscriptions_beside(pair), "_repair_shard");
    Oid types[] = {JSONBARRAYOID};
    const char *command =
        psprintf("SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(r) - 'repair_id') FROM %s AS r", call);
    Datum values[] = {require_answers(pair.sessions, command, "repair")};
    if (!job.dry_run)
        lock_repair_log();
    const int level = enter_pinned_path();
    SPI_execute_with_args("SELECT r ->> 'code', r ->> 'member_id', r ->> 'subscription_id', r ->> 'session_id',"
                          " r ->> 'session_key', r ->> 'action', r ->> 'before', r ->> 'after'"
                          " FROM unnest($1) AS a (answer), jsonb_array_elements(a.answer) AS r",
                          1, types, values, nullptr, false, 0);
    for (uint64 i = 0; i < SPI_processed; i++)
        job.done.add(CurrentMemoryContext, {cell_text(i, 1), cell_text(i, 2), cell_text(i, 3), cell_text(i, 4),
                                            cell_text(i, 5), cell_text(i, 6), as_json(cell_text(i, 7)),
                                            as_json(cell_text(i, 8))});
    leave_pinned_path(level);
    job.tables.caller.role = GetUserId();
    log_and_return(job);
}

}  // namespace

}  // namespace sc

extern "C" {
PG_FUNCTION_INFO_V1(sc_repair);
}

extern "C" PGDLLEXPORT Datum sc_repair(PG_FUNCTION_ARGS)
{
    using namespace sc;
    const Arguments arguments = arguments_of(fcinfo);
    require_argument(arguments, "sessions");
    InitMaterializedSRF(fcinfo, 0);
    Job job{};
    job.dry_run = DatumGetBool(require_argument(arguments, "dry_run"));
    if (!job.dry_run)
        require_writable("repair");
    job.result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    job.tables = open_repair_tables(pair_arguments(arguments), job.dry_run ? AccessShareLock : RowExclusiveLock);
    if (job.tables.sharded) {
        if (!job.dry_run)
            require_no_transaction("repair");
        connect_spi();
        repair_shards(job, arguments);
        SPI_finish();
        close_repair_tables(job.tables);
        return Datum{0};
    }
    if (!job.dry_run)
        lock_repair_log();
    connect_spi();
    find_counters(job);
    find_links(job);
    const Oid sessions = job.tables.counting.sessions;
    job.left = find_left_partitions(find_pair(sessions, job.tables.counting.subscriptions), sessions);
    begin_repair(job.tables, !job.dry_run);
    leave_unlinked(job);
    clear_links(job);
    set_counters(job);
    end_repair(job.tables);
    SPI_finish();
    warn_of_left(job);
    close_repair_tables(job.tables);
    return Datum{0};
}
