// Notes which subscriptions have changed, and tells their counts when the transaction commits.
//
// The counts that a listener got last are those of the last commit: with notify, the end of a statement locks each
// subscription whose counts it changes, also where its counter stays (a session that is completed), and keeps the lock
// until the commit. So nobody else's change of it can be on its way when its counts are read, in the newest snapshot.
#include "write/notify_counts.hpp"

#include "catalog/counting.hpp"
#include "server/owner.hpp"
#include "server/spi.hpp"
#include "write/subscription_in_use.hpp"
#include "write/sum_table.hpp"

namespace sc {

namespace {

constexpr const char *channel = "session_consistency_counts";
constexpr size_t payload_end = 8000;   // the server takes no payload of that length

// The subscriptions of one attachment that one level of subtransactions has changed.
struct Noted {
    Noted *next;
    int nest_level;
    MemoryContext context;
    const Binding *binding;    // bindings outlive the transaction that used them
    bool all;                  // also those that are not named
    SumTable keys;             // of which only the keys are used
};
static_assert(Pod<Noted>);

Noted *noted_list = nullptr;   // innermost level first

Oid subscriptions_of(const Noted &noted)
{
    return noted.binding->subscriptions.relation;
}

Noted *find_noted(Oid subscriptions, int level)
{
    for (Noted *noted = noted_list; noted != nullptr && noted->nest_level >= level; noted = noted->next)
        if (noted->nest_level == level && subscriptions_of(*noted) == subscriptions)
            return noted;
    return nullptr;
}

Noted *make_noted(const Binding &binding)
{
    const int level = GetCurrentTransactionNestLevel();
    if (Noted *known = find_noted(binding.subscriptions.relation, level))
        return known;
    MemoryContext context = AllocSetContextCreate(TopTransactionContext, "session_consistency counts to notify",
                                                  ALLOCSET_SMALL_SIZES);
    auto *noted = static_cast<Noted *>(MemoryContextAllocZero(context, sizeof(Noted)));
    noted->nest_level = level;
    noted->context = context;
    noted->binding = &binding;
    noted->keys.context = context;
    noted->next = noted_list;
    noted_list = noted;
    return noted;
}

}  // namespace

void note_counts(const Binding &binding, Datum id, Datum member)
{
    if (binding.subscriptions.notifies)
        make_sum(&make_noted(binding)->keys, binding.subscriptions, id, member, 0);
}

void note_all_counts(const Binding &binding)
{
    if (binding.subscriptions.notifies)
        make_noted(binding)->all = true;
}

void note_subscription(const SubscriptionShape &shape, Relation subscriptions, TupleTableSlot *row)
{
    if (!shape.notifies)
        return;
    for (const Binding *binding : find_attached(subscriptions)) {
        bool id_null;
        const Datum id = slot_getattr(row, binding->subscriptions.id, &id_null);
        const std::optional<Datum> member = subscription_member(binding->subscriptions, row);
        if (!id_null && !(binding->subscriptions.by_member && !member))
            note_counts(*binding, id, member.value_or(Datum{0}));
    }
}

// Telling ------------------------------------------------------------------------------------------------------------

namespace {

// The four figures of a subscription as JSON values.
struct Figures {
    const char *total;
    const char *completed;
    const char *scheduled;
    const char *remaining;
};
constexpr Figures no_figures{"null", "null", "null", "null"};

void tell(Oid subscriptions, const char *id, const Figures &figures)
{
    StringInfoData payload;
    initStringInfo(&payload);
    appendStringInfoString(&payload, "{\"subscriptions\": ");
    escape_json(&payload, qualified_name(subscriptions));
    appendStringInfoString(&payload, ", \"subscription_id\": ");
    if (id == nullptr)
        appendStringInfoString(&payload, "null");
    else
        escape_json(&payload, id);
    appendStringInfo(&payload, ", \"total\": %s, \"completed\": %s, \"scheduled\": %s, \"remaining\": %s}",
                     figures.total, figures.completed, figures.scheduled, figures.remaining);
    if (static_cast<size_t>(payload.len) < payload_end)
        Async_Notify(channel, payload.data);
    else
        tell(subscriptions, nullptr, no_figures);
}

const char *count_query(const Counting &counting, const SubscriptionShape &shape)
{
    const Mapping &mapping = counting.mapping;
    const char *total = total_expression(mapping, "s");
    return psprintf("SELECT %s, c.completed, c.scheduled, %s - %s %s", total, total,
                    quoted_column("s", mapping.used_column),
                    from_one_subscription(counting, shape.id_key.type, shape.member_key.type));
}

const char *figure(int column)
{
    const char *text = cell_text(0, column);
    return text == nullptr ? "null" : text;
}

// How the counts of an attachment are read. Kept as long as its binding, which goes with any change of the two tables
// but that of their schemas' names.
struct Reading {
    Reading *next;
    const Binding *binding;
    Oid sessions;
    Oid owner;                 // of the sessions
    const char *tables;        // as the query names them
    SPIPlanPtr plan;
    MemoryContextCallback callback;
};
static_assert(Pod<Reading>);

Reading *readings = nullptr;

void forget_reading(void *forgotten)
{
    Reading **link = &readings;
    while (*link != nullptr && *link != forgotten)
        link = &(*link)->next;
    if (*link == nullptr)
        return;
    SPI_freeplan((*link)->plan);
    *link = (*link)->next;
}

const char *names_of(Oid sessions, Oid subscriptions)
{
    return psprintf("%s, %s", qualified_name(sessions), qualified_name(subscriptions));
}

const Reading *find_reading(const Binding &binding)
{
    for (const Reading *reading = readings; reading != nullptr; reading = reading->next)
        if (reading->binding == &binding && binding.valid &&
            strcmp(reading->tables, names_of(reading->sessions, binding.subscriptions.relation)) == 0)
            return reading;
    return nullptr;
}

SPIPlanPtr prepare_plan(const Attachment &attachment, const SubscriptionShape &shape)
{
    Oid types[]{shape.id_key.type, shape.member_key.type};
    connect_spi();
    SPIPlanPtr plan = SPI_prepare(count_query(counting_of(attachment), shape), shape.by_member ? 2 : 1, types);
    if (plan == nullptr || SPI_keepplan(plan) != 0)
        elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
    SPI_finish();
    return plan;
}

const Reading *make_reading(const Binding &binding, const Attachment &attachment)
{
    const Oid owner = owner_of(attachment.sessions);
    auto *reading = static_cast<Reading *>(MemoryContextAllocZero(binding.context, sizeof(Reading)));
    reading->binding = &binding;
    reading->sessions = attachment.sessions;
    reading->owner = owner;
    reading->tables = MemoryContextStrdup(binding.context, names_of(attachment.sessions, attachment.subscriptions));
    run_restricted(owner, [&] { reading->plan = prepare_plan(attachment, binding.subscriptions); });
    reading->callback = {forget_reading, reading, nullptr};
    MemoryContextRegisterResetCallback(binding.context, &reading->callback);
    reading->next = readings;
    readings = reading;
    return reading;
}

// nullptr where a table is gone, is attached without notify by now, or may not be read as the owner of the sessions.
const Reading *prepare_reading(const Binding &binding)
{
    if (const Reading *known = find_reading(binding))
        return known;
    const Oid subscriptions = binding.subscriptions.relation;
    Relation sessions = try_relation_open(binding.sessions.relation, AccessShareLock);
    if (sessions == nullptr)
        return nullptr;
    const Oid root = root_table(sessions);
    relation_close(sessions, NoLock);
    for (const Attachment &attachment : find_attachments(root, subscriptions))
        if (attachment.fault == nullptr && attachment.mapping.notify && attachment.subscriptions == subscriptions &&
            find_distrust(root, subscriptions) == nullptr)
            return make_reading(binding, attachment);
    return nullptr;
}

// Reads as the owner of the sessions, restricted.
void tell_each(const Noted &noted, const Reading &reading)
{
    const SubscriptionShape &shape = noted.binding->subscriptions;
    connect_spi();
    for (const Sum *sum : ordered_sums(noted.keys, shape)) {
        CHECK_FOR_INTERRUPTS();
        Datum values[]{sum->id, sum->member};
        // The newest snapshot, in REPEATABLE READ, too: a listener is told what everybody sees after the commit.
        if (SPI_execute_snapshot(reading.plan, values, nullptr, GetLatestSnapshot(), InvalidSnapshot, true, false,
                                 1) < 0)
            elog(ERROR, "counting failed: %s", SPI_result_code_string(SPI_result));
        const Figures figures =
            SPI_processed == 0 ? no_figures : Figures{figure(1), figure(2), figure(3), figure(4)};
        tell(shape.relation, value_text(sum->id, shape.id_key.type), figures);
        SPI_freetuptable(SPI_tuptable);
    }
    SPI_finish();
}

void tell_noted(const Noted &noted)
{
    const Reading *reading = prepare_reading(*noted.binding);
    if (reading == nullptr)
        return;
    if (noted.all)
        tell(subscriptions_of(noted), nullptr, no_figures);
    if (noted.keys.count > 0)
        run_restricted(reading->owner, [&] { tell_each(noted, *reading); });
}

}  // namespace

void send_counts()
{
    // Code of somebody's that runs meanwhile may book: what it notes is told, too.
    while (noted_list != nullptr) {
        Noted *noted = noted_list;
        noted_list = noted->next;
        CommandCounterIncrement();   // what the last command wrote is to be seen
        tell_noted(*noted);
    }
}

void refuse_to_prepare_counts()
{
    if (noted_list == nullptr)
        return;
    ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
            errmsg("cannot PREPARE a transaction that changes counts of table \"%s\", which are notified",
                   get_rel_name(subscriptions_of(*noted_list))),
            errdetail("The server keeps no NOTIFY for COMMIT PREPARED."),
            errhint("Use COMMIT, or attach the tables with notify => false."));
}

// Transactions -------------------------------------------------------------------------------------------------------

namespace {

void merge(Noted *target, const Noted &source)
{
    target->all |= source.all;
    for (uint32 number = 0; number < source.keys.count; number++) {
        const Sum &sum = sum_at(source.keys, number);
        make_sum(&target->keys, target->binding->subscriptions, sum.id, sum.member, 0);
    }
}

}  // namespace

void commit_noted_counts(int level)
{
    for (Noted **link = &noted_list; *link != nullptr && (*link)->nest_level >= level;) {
        Noted *noted = *link;
        if (Noted *parent = find_noted(subscriptions_of(*noted), level - 1)) {
            merge(parent, *noted);
            *link = noted->next;
            MemoryContextDelete(noted->context);
        } else {
            link = &noted->next;
        }
    }
    for (Noted *noted = noted_list; noted != nullptr && noted->nest_level >= level; noted = noted->next)
        noted->nest_level = level - 1;
}

void abort_noted_counts(int level)
{
    while (noted_list != nullptr && noted_list->nest_level >= level) {
        Noted *noted = noted_list;
        noted_list = noted->next;
        MemoryContextDelete(noted->context);
    }
}

void forget_noted_counts()
{
    noted_list = nullptr;          // its memory goes with the transaction's
}

}  // namespace sc
