// CALL migrate(): links the history of an attached table and sets its counters to the recount, while the application
// runs. Member by member in batches, each in a transaction of its own; whom it cannot lock at once it treats later,
// alone. See migrate/batch.cpp for why that is right.
#include "catalog/citus.hpp"
#include "catalog/gaps.hpp"
#include "catalog/treated.hpp"
#include "migrate/batch.hpp"
#include "migrate/constraints.hpp"
#include "migrate/on_shards.hpp"
#include "migrate/rest.hpp"
#include "migrate/transactions.hpp"
#include "server/own_table.hpp"
#include "server/pg_compat.hpp"
#include "check/read_counts.hpp"
#include "server/settings.hpp"
#include "server/shards.hpp"
#include "server/spi.hpp"
#include "server/values.hpp"

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
    Transactions transactions;
    const Attachment *attachment;  // as the call has found it
    MemoryContext context;         // lives as long as the call
    MemberType member;
    MigrateRun *run;
    Growing<LeftMember> left;
};
static_assert(Pod<Migration>);

constexpr int retries_in_a_row = 10;
constexpr int retries_of_wrong = 5;
constexpr int passes_without_progress = 50;
constexpr long pause_between_passes = 50;      // milliseconds

// Passes -------------------------------------------------------------------------------------------------------------

MigrateList *list_members(Migration &migration, const MemberFilter &filter)
{
    MemoryContext caller = MemoryContextSwitchTo(migration.context);
    const Readable &readable = open_attachments(pair_of(*migration.request)).front();
    MigrateList *list = open_list(open_counting(readable.attachment), filter);
    MemoryContextSwitchTo(caller);
    next_transaction(migration.transactions);
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
    next_transaction(migration.transactions);
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
        next_transaction(migration.transactions);
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

// Where rows cannot be locked as they were listed, again and again, something else is wrong than that they are in use.
[[noreturn]] void raise_no_progress(const Migration &migration)
{
    const LeftMember &first = migration.left.items[0];
    const char *member = first.is_null ? "NULL" : value_text(first.value, migration.member.type);
    ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
            errmsg_plural("rows of %zu member of table \"%s\" cannot be locked as they were listed",
                          "rows of %zu members of table \"%s\" cannot be locked as they were listed",
                          migration.left.count, migration.left.count, get_rel_name(migration.request->sessions)),
            errdetail("One of them is member %s. In each of %d passes their rows had changed, moved or gone.", member,
                      passes_without_progress),
            errhint("What has been treated stays; call migrate() again. If it ends like this again, find out what "
                    "changes these rows all the time, and REINDEX the key of the subscriptions."));
    pg_unreachable();
}

// Two passes without waiting, then as many as it takes to find everybody once.
void retry_left(Migration &migration)
{
    migration.run->phase = "retrying";
    int idle = 0;
    for (int pass = 2; migration.left.count > 0; pass++) {
        if (pass > 3)
            pause();
        const size_t before = migration.left.count;
        migrate_left(migration, pass > 2);
        idle = migration.left.count < before ? 0 : idle + 1;
        if (idle >= passes_without_progress)
            raise_no_progress(migration);
    }
}

// Members whose counters can be better are left for another pass.
Rest look_at_rest(Migration &migration, bool hides)
{
    const Rest rest = look_at_counters(*migration.request, migration.member, hides, migration.context);
    next_transaction(migration.transactions);
    migration.left = {};
    for (const ListedMember &member : rest.wrong.all())
        leave_for_later(migration, member);
    return rest;
}

// As the caller, whose command it is.
bool drop_check(Migration &migration)
{
    leave_owner(migration.transactions.caller);
    const bool dropped = drop_counter_check(pair_of(*migration.request), commit);
    become_owner(migration.transactions);
    return dropped;
}

// A subscription that went to another member after the list was made has been treated with neither. That is so rare
// that the counters themselves tell it; the summary does not count its member again. Not for ever: where triggers are
// disabled, live writes make wrong counters all the time. The CHECK on the counters that attach() made goes where it is
// in the way of what is linked; finish_constraints() makes it again once it is not.
Rest mend_the_rest(Migration &migration)
{
    MigrateTotals &done = migration.run->totals;
    MigrateTotals totals = done;
    bool hidden = false;
    const auto hides = [&] {
        hidden |= done.refused > 0 && !drop_check(migration);
        done.refused = 0;
        return hidden;
    };
    Rest rest = look_at_rest(migration, hides());
    for (int i = 0; i < retries_of_wrong && migration.left.count > 0; i++) {
        retry_left(migration);
        rest = look_at_rest(migration, hides());
    }
    totals.linked = done.linked;
    totals.counters = done.counters;
    done = totals;
    return rest;
}

void note_what_stays(MigrateRun *run, const Rest &rest, const Pair &pair)
{
    add_remarks(run, rest);
    for (const char *gap : find_gaps(require_attachment(pair)))
        add_remark(run, psprintf("Not enforced yet: %s.", gap));
}

// As the caller, who must own both tables. True where the rows are in shards.
bool prepare(MigrateRequest &request)
{
    require_owner(request.sessions);
    const Attachment &attachment = open_attachments(pair_of(request)).front().attachment;
    const bool sharded = require_together({attachment.sessions, attachment.subscriptions}, "migrate");
    check_opening(request, attachment.mapping);
    request.subscriptions = attachment.subscriptions;
    settle_calendar(request, attachment.mapping);
    if (OidIsValid(attachment.subscriptions))
        require_owner(attachment.subscriptions);
    run_restricted(owner_of(request.sessions),
                   [&] { check_moment_columns(request, open_counting(attachment).subscriptions); });
    lock_sessions(request.sessions);
    commit();
    return sharded;
}

// What the shards left for a person to resolve, in sum.
Treated sum_treated(const Attachment &attachment)
{
    const char *link = quote_literal_cstr(attachment.mapping.subscription_column);
    const char *command = psprintf("SELECT session_consistency._shard_treated('%%1$s', %s)::text",
                                   doubled_percents(link));
    Treated sum{};
    for (const ShardAnswer &answer : ask_shards(attachment.sessions, command)) {
        long long opening = 0;
        long long excess = 0;
        long long hidden = 0;
        if (!answer.answered || (answer.text[0] != '\0' &&
                                 sscanf(answer.text, "{%lld,%lld,%lld}", &opening, &excess, &hidden) != 3))
            ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("shard %s does not say how its history was treated", answer.shard),
                    errdetail_internal("%s", answer.text), errhint("Call migrate() again."));
        sum = {sum.opening + opening, sum.excess + excess, sum.hidden + hidden};
    }
    return sum;
}

// The constraints are those of the table: the shards leave them to it.
void migrate_shards(const MigrateRequest &request, const Arguments &arguments)
{
    const Pair pair = pair_of(request);
    call_on_shards(pair, arguments);
    finish_constraints(pair, commit);
    note_treated(pair, sum_treated(require_attachment(pair)));
    commit();
    StringInfoData gaps;
    initStringInfo(&gaps);
    for (const char *gap : find_gaps(require_attachment(pair)))
        appendStringInfo(&gaps, "%sNot enforced yet: %s.", gaps.len == 0 ? "" : "\n", gap);
    ereport(NOTICE, errmsg("table \"%s\" is migrated", get_rel_name(request.sessions)),
            gaps.len == 0 ? 0 : errdetail_internal("%s", gaps.data));
    unlock_sessions(request.sessions);
}

void migrate(MigrateRequest &request, const Arguments &arguments)
{
    if (prepare(request)) {
        migrate_shards(request, arguments);
        return;
    }
    Migration migration{};
    migration.request = &request;
    migration.transactions.sessions = request.sessions;
    migration.attachment = &require_attachment(pair_of(request));
    migration.context = CurrentMemoryContext;
    become_owner(migration.transactions);
    migration.run = start_run(request.sessions, migration.attachment->subscriptions);
    next_transaction(migration.transactions);
    migrate_all(migration);
    retry_left(migration);
    const Rest rest = mend_the_rest(migration);
    migration.run->phase = "validating";
    save_run(*migration.run);
    leave_owner(migration.transactions.caller);
    commit();
    if (!is_shard(request.sessions))
        finish_constraints(pair_of(request), commit);
    note_treated(pair_of(request), {rest.opening.count, rest.excess.count, rest.hidden.count});
    commit();
    become_owner(migration.transactions);
    note_what_stays(migration.run, rest, pair_of(request));
    finish_run(migration.run);
    leave_owner(migration.transactions.caller);
    unlock_sessions(request.sessions);
}

}  // namespace

}  // namespace sc

extern "C" Datum sc_migrate(PG_FUNCTION_ARGS)
{
    using namespace sc;
    require_own_transactions(fcinfo, "migrate");
    require_writable("migrate");
    MigrateRequest request = read_migrate_request(fcinfo);
    connect_spi(SPI_OPT_NONATOMIC);
    migrate(request, arguments_of(fcinfo));
    SPI_finish();
    PG_RETURN_VOID();
}
