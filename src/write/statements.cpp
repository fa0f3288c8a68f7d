// The statements in progress, each with what it will change when it ends.
#include "write/statements.hpp"

#include <algorithm>

#include "write/changed_keys.hpp"
#include "write/drawn_links.hpp"
#include "write/link_cache.hpp"
#include "write/moved_row.hpp"
#include "write/notify_counts.hpp"

namespace sc {

namespace {

Statement *statements = nullptr;   // innermost first: in the order of falling depths
Oids purged;                       // see set_purged()

}  // namespace

Statement *find_statement(int depth)
{
    for (Statement *statement = statements; statement != nullptr; statement = statement->enclosing)
        if (statement->depth == depth)
            return statement;
    return nullptr;
}

Statement *open_statement(int depth, TriggerData *data, bool single)
{
    // An enclosing statement goes on only when what its triggers have run is over.
    Assert(statements == nullptr || statements->depth < depth);
    // If the subtransaction in which the statement runs aborts, the memory goes with it.
    MemoryContext context = AllocSetContextCreate(CurTransactionContext, "session_consistency statement",
                                                  ALLOCSET_DEFAULT_SIZES);
    auto *statement = static_cast<Statement *>(MemoryContextAllocZero(context, sizeof(Statement)));
    statement->depth = depth;
    statement->nest_level = GetCurrentTransactionNestLevel();
    statement->command = statement_command();
    statement->role = GetUserId();
    statement->context = context;
    statement->single = single;
    statement->inserts_only = true;
    statement->enclosing = statements;
    statements = statement;
    if (!single)
        queue_end(statement, data);
    return statement;
}

// A trigger may queue events while the server fires events: AfterTriggerEndQuery() goes on until none is left, and its
// comment says that it repeats for events "queued by the triggers". The event is queued for a copy of the trigger that
// has no WHEN condition and is enabled always, so nothing keeps it from being fired.
void queue_end(Statement *statement, TriggerData *data)
{
    Trigger trigger = *data->tg_trigger;
    trigger.tgenabled = TRIGGER_FIRES_ALWAYS;
    trigger.tgqual = nullptr;
    TriggerDesc triggers{};
    triggers.triggers = &trigger;
    triggers.numtriggers = 1;
    triggers.trig_insert_after_row = true;
    ResultRelInfo *target = makeNode(ResultRelInfo);
    target->ri_RelationDesc = data->tg_relation;
    target->ri_TrigDesc = &triggers;
    statement->single = false;
    statement->marker_trigger = trigger.tgoid;
    statement->marker_relation = RelationGetRelid(data->tg_relation);
    statement->marker = data->tg_trigslot->tts_tid;
    // The executor state serves WHEN conditions alone, and the copy has none.
    ExecARInsertTriggers(nullptr, target, data->tg_trigslot, NIL, nullptr);
}

// The server never fires two INSERT events of one row for one trigger. So the second one is the end that was queued.
bool is_end(const Statement &statement, const TriggerData *data)
{
    return !statement.single && TRIGGER_FIRED_BY_INSERT(data->tg_event) &&
           statement.marker_trigger == data->tg_trigger->tgoid &&
           statement.marker_relation == RelationGetRelid(data->tg_relation) &&
           ItemPointerEquals(const_cast<ItemPointer>(&statement.marker), &data->tg_trigslot->tts_tid);
}

Part *find_part(const Statement &statement, Oid subscriptions)
{
    for (Part *part = statement.parts; part != nullptr; part = part->next)
        if (part->binding->subscriptions.relation == subscriptions)
            return part;
    return nullptr;
}

namespace {

// All statements settle their attachments in one order, so two that write the same attachments cannot deadlock.
bool settles_before(const Binding &left, const Binding &right)
{
    if (left.searched != right.searched)
        return left.searched;
    return left.subscriptions.relation < right.subscriptions.relation;
}

}  // namespace

void set_purged(Oids subscriptions)
{
    purged = subscriptions;
}

Part *make_part(Statement *statement, const Binding &binding)
{
    if (Part *known = find_part(*statement, binding.subscriptions.relation))
        return known;
    auto *part = static_cast<Part *>(MemoryContextAllocZero(statement->context, sizeof(Part)));
    part->binding = &binding;
    part->purges = statement->depth == 1 &&
                   std::find(purged.begin(), purged.end(), binding.subscriptions.relation) != purged.end();
    part->sums.context = statement->context;
    Part **place = &statement->parts;
    while (*place != nullptr && settles_before(*(*place)->binding, binding))
        place = &(*place)->next;
    part->next = *place;
    *place = part;
    return part;
}

void detach_statement(Statement *statement)
{
    Assert(find_statement(statement->depth) == statement);
    for (Statement **link = &statements; *link != nullptr; link = &(*link)->enclosing) {
        if (*link == statement) {
            *link = statement->enclosing;
            return;
        }
    }
}

void close_statement(Statement *statement)
{
    MemoryContextDelete(statement->context);
}

int64_t enclosing_credits(int depth, const SubscriptionShape &shape, Datum id, Datum member)
{
    int64_t credits = 0;
    for (const Statement *statement = statements; statement != nullptr; statement = statement->enclosing) {
        if (statement->depth >= depth)
            continue;
        const Part *part = find_part(*statement, shape.relation);
        const Sum *known =
            part == nullptr ? nullptr : find_sum(part->sums, shape, id, member, count_changed_keys());
        if (known != nullptr && !part->purges)
            credits += added_by(*known).used;
    }
    return credits;
}

// Owed credits -------------------------------------------------------------------------------------------------------

namespace {

// Rare: only a user's trigger that writes sessions while a statement on sessions is in progress can owe credits. What
// has been settled stays in the list: if the subtransaction that has settled it aborts, it is owed again.
struct Owed {
    Owed *next;
    int nest_level;
    int taken_level;                  // of the subtransaction that has settled it; 0: none has
    const SubscriptionShape *shape;   // bindings outlive the transaction that used them
    Datum id;
    Datum member;
    int64_t credits;
    std::span<const Line> lines;
};
static_assert(Pod<Owed>);

Owed *owed_list = nullptr;            // newest first, in TopTransactionContext

bool is_of(const Owed &owed, const SubscriptionShape &shape, Datum id, Datum member)
{
    return owed.taken_level == 0 && owed.shape->relation == shape.relation && equal_keys(shape.id_key, owed.id, id) &&
           (!shape.by_member || equal_keys(shape.member_key, owed.member, member));
}

std::span<const Line> copy_lines(std::span<const Line> lines)
{
    auto *copies = static_cast<Line *>(palloc(sizeof(Line) * Max(lines.size(), size_t{1})));
    for (size_t i = 0; i < lines.size(); i++) {
        copies[i] = lines[i];
        copies[i].session = lines[i].session == nullptr ? nullptr : pstrdup(lines[i].session);
    }
    return std::span<const Line>(copies, lines.size());
}

}  // namespace

int64_t owed_credits(const SubscriptionShape &shape, Datum id, Datum member)
{
    int64_t credits = 0;
    for (const Owed *owed = owed_list; owed != nullptr; owed = owed->next)
        if (is_of(*owed, shape, id, member))
            credits += owed->credits;
    return credits;
}

bool is_anything_owed()
{
    for (const Owed *owed = owed_list; owed != nullptr; owed = owed->next)
        if (owed->taken_level == 0)
            return true;
    return false;
}

void owe(const SubscriptionShape &shape, const Sum &sum, std::span<const Line> lines)
{
    if (added_by(sum).used == 0 && lines.empty())
        return;
    MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);
    auto *owed = static_cast<Owed *>(palloc0(sizeof(Owed)));
    owed->next = owed_list;
    owed->nest_level = GetCurrentTransactionNestLevel();
    owed->shape = &shape;
    owed->id = datumCopy(sum.id, shape.id_key.by_value, shape.id_key.length);
    if (shape.by_member)
        owed->member = datumCopy(sum.member, shape.member_key.by_value, shape.member_key.length);
    owed->credits = added_by(sum).used;
    owed->lines = copy_lines(lines);
    owed_list = owed;
    MemoryContextSwitchTo(caller);
}

std::span<Line> take_owed(const SubscriptionShape &shape, const Sum &sum, std::span<Line> lines)
{
    size_t count = lines.size();
    bool found = false;
    for (const Owed *owed = owed_list; owed != nullptr; owed = owed->next) {
        if (!is_of(*owed, shape, sum.id, sum.member))
            continue;
        count += owed->lines.size();
        found = true;
    }
    if (!found)
        return lines;
    auto *all = static_cast<Line *>(palloc_extended(sizeof(Line) * Max(count, size_t{1}), MCXT_ALLOC_HUGE));
    Line *end = std::copy(lines.begin(), lines.end(), all);
    for (Owed *owed = owed_list; owed != nullptr; owed = owed->next) {
        if (!is_of(*owed, shape, sum.id, sum.member))
            continue;
        end = std::copy(owed->lines.begin(), owed->lines.end(), end);
        owed->taken_level = GetCurrentTransactionNestLevel();
    }
    std::sort(all, end, [](const Line &left, const Line &right) { return left.number < right.number; });
    return std::span<Line>(all, end);
}

// Transactions -------------------------------------------------------------------------------------------------------

namespace {

void forget_everything()
{
    statements = nullptr;          // their memory goes with the transaction's
    owed_list = nullptr;
    purged = {};
    restart_line_numbers();
    forget_changed_keys();
    forget_moving_rows();
    forget_drawn_links();
    forget_replaced_bindings();
    end_link_cache();
    forget_noted_counts();
}

// Before a commit: no statement is in progress, and no credits are owed. Credits that are owed still have been given
// back by a trigger, and nobody has taken them.
void require_settled()
{
    if (statements != nullptr)
        elog(ERROR, "a statement on sessions ended without charging its subscriptions");
    for (const Owed *owed = owed_list; owed != nullptr; owed = owed->next) {
        if (owed_credits(*owed->shape, owed->id, owed->member) == 0)
            continue;
        ereport(ERROR, errcode(ERRCODE_CHECK_VIOLATION),
                errmsg("a counter of relation \"%s\" would fall below 0", get_rel_name(owed->shape->relation)),
                errdetail("A trigger gave back more credits than the subscription had in use."),
                errhint("Its counter is lower than its sessions: session_consistency.check_counts() shows by how "
                        "much."));
    }
}

void on_transaction(XactEvent event, void *)
{
    switch (event) {
        case XACT_EVENT_PRE_COMMIT:
            send_counts();         // before the server's own PreCommit_Notify()
            require_settled();
            break;
        case XACT_EVENT_PRE_PREPARE:
            refuse_to_prepare_counts();
            require_settled();
            break;
        case XACT_EVENT_COMMIT:
        case XACT_EVENT_ABORT:
        case XACT_EVENT_PREPARE:
            forget_everything();
            break;
        default:
            break;
    }
}

void end_subtransaction(int level)
{
    for (Owed *owed = owed_list; owed != nullptr; owed = owed->next) {
        owed->nest_level = Min(owed->nest_level, level - 1);
        owed->taken_level = Min(owed->taken_level, level - 1);
    }
    commit_changed_keys(level);
    commit_noted_counts(level);
}

void abort_subtransaction(int level)
{
    while (statements != nullptr && statements->nest_level >= level)
        statements = statements->enclosing;
    while (owed_list != nullptr && owed_list->nest_level >= level)
        owed_list = owed_list->next;
    for (Owed *owed = owed_list; owed != nullptr; owed = owed->next)
        if (owed->taken_level >= level)
            owed->taken_level = 0;
    abort_changed_keys(level);
    abort_noted_counts(level);
    abort_moving_rows(level);
    abort_drawn_links(level);
}

void on_subtransaction(SubXactEvent event, SubTransactionId, SubTransactionId, void *)
{
    const int level = GetCurrentTransactionNestLevel();
    if (event == SUBXACT_EVENT_COMMIT_SUB)
        end_subtransaction(level);
    else if (event == SUBXACT_EVENT_ABORT_SUB)
        abort_subtransaction(level);
}

}  // namespace

void init_statements()
{
    RegisterXactCallback(on_transaction, nullptr);
    RegisterSubXactCallback(on_subtransaction, nullptr);
}

}  // namespace sc
