// Keeps what is read and compiled of a table in order to update its rows.
#include "server/row_plan.hpp"

#include <algorithm>

namespace sc {

namespace {

// A backend that writes links into hundreds of partitions keeps what it needs for the last few.
constexpr int most_plans = 16;

// What the server's functions may leave behind in the memory of a plan, statement after statement.
constexpr Size most_growth = 64 * 1024;

RowPlan *plans;                        // the last used is first

// A partition's constraint is made of those of the tables above it, too.
void invalidate(Datum, Oid relation)
{
    for (RowPlan *plan = plans; plan != nullptr; plan = plan->next)
        if (!OidIsValid(relation) || plan->table == relation || plan->is_partition)
            plan->valid = false;
}

// Functions and who may call them, types, domains and schemas can be part of any expression.
void invalidate_all(Datum, SyscacheId, uint32)
{
    invalidate(Datum{0}, InvalidOid);
}

// The statement has ended by an error: nobody knows in what state what was compiled is.
void abandon(void *argument)
{
    auto *plan = static_cast<RowPlan *>(argument);
    plan->valid &= !plan->busy;
    plan->busy = false;
}

bool serves(const RowPlan &plan, Relation table, std::span<const AttrNumber> columns)
{
    return plan.valid && !plan.busy && plan.table == RelationGetRelid(table) && plan.role == GetUserId() &&
           std::equal(columns.begin(), columns.end(), plan.columns.begin(), plan.columns.end()) &&
           strcmp(plan.path, namespace_search_path) == 0;
}

// Frees what is out of date, and what was used longest ago if there are too many.
void forget_plans()
{
    int count = 0;
    for (RowPlan **link = &plans; *link != nullptr;) {
        RowPlan *plan = *link;
        if (plan->busy || (plan->valid && count < most_plans)) {
            link = &plan->next;
            count++;
        } else {
            *link = plan->next;
            MemoryContextDelete(plan->context);
        }
    }
}

void put_first(RowPlan *plan)
{
    plan->next = plans;
    plans = plan;
}

void take_out(const RowPlan *plan)
{
    RowPlan **link = &plans;
    while (*link != nullptr && *link != plan)
        link = &(*link)->next;
    if (*link != nullptr)
        *link = plan->next;
}

RowPlan *find_plan(Relation table, std::span<const AttrNumber> columns)
{
    RowPlan *plan = plans;
    while (plan != nullptr && !serves(*plan, table, columns))
        plan = plan->next;
    return plan;
}

bool is_used(Relation table, std::span<const AttrNumber> columns)
{
    for (const RowPlan *plan = plans; plan != nullptr; plan = plan->next)
        if (plan->busy && plan->table == RelationGetRelid(table) &&
            std::equal(columns.begin(), columns.end(), plan->columns.begin(), plan->columns.end()))
            return true;
    return false;
}

// In a context below the caller's, as long as it is not kept.
RowPlan *make_plan(Relation table, std::span<const AttrNumber> columns)
{
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "session_consistency row plan", ALLOCSET_SMALL_SIZES);
    auto *plan = static_cast<RowPlan *>(MemoryContextAllocZero(context, sizeof(RowPlan)));
    auto *copy = static_cast<AttrNumber *>(MemoryContextAlloc(context, sizeof(AttrNumber) * columns.size()));
    std::copy(columns.begin(), columns.end(), copy);
    plan->context = context;
    plan->table = RelationGetRelid(table);
    plan->is_partition = table->rd_rel->relispartition;
    plan->columns = std::span<const AttrNumber>(copy, columns.size());
    plan->role = GetUserId();
    plan->path = MemoryContextStrdup(context, namespace_search_path);
    return plan;
}

void keep(RowPlan *plan)
{
    MemoryContextSetParent(plan->context, CacheMemoryContext);
    plan->valid = true;
    put_first(plan);
}

}  // namespace

RowPlan *begin_row_plan(Relation table, std::span<const AttrNumber> columns, const EState *estate)
{
    RowPlan *plan = find_plan(table, columns);
    if (plan == nullptr) {
        forget_plans();
        plan = make_plan(table, columns);
        if (is_used(table, columns))
            return plan;
        keep(plan);
    } else if (plan != plans) {
        take_out(plan);
        put_first(plan);
    }
    plan->busy = true;
    plan->abandon = {abandon, plan, nullptr};
    MemoryContextRegisterResetCallback(estate->es_query_cxt, &plan->abandon);
    return plan;
}

void end_row_plan(RowPlan *plan, EState *estate)
{
    plan->busy = false;
    FreeExecutorState(estate);
    const Size size = MemoryContextMemAllocated(plan->context, true);
    if (plan->size == 0)
        plan->size = size;
    plan->valid &= size <= plan->size + most_growth;
    if (!plan->valid) {
        take_out(plan);
        MemoryContextDelete(plan->context);
    }
}

void keep_functions(const ResultRelInfo *target, MemoryContext context)
{
    // A trigger that is disabled does not fire, and its function may have no library any more.
    const TriggerDesc *triggers = target == nullptr ? nullptr : target->ri_TrigDesc;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++)
        if (triggers->triggers[i].tgenabled != TRIGGER_DISABLED && TRIGGER_FOR_UPDATE(triggers->triggers[i].tgtype))
            fmgr_info_cxt(triggers->triggers[i].tgfoid, &target->ri_TrigFunctions[i], context);
}

void forget_functions(const ResultRelInfo *target, MemoryContext context)
{
    const TriggerDesc *triggers = target == nullptr ? nullptr : target->ri_TrigDesc;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++)
        if (target->ri_TrigFunctions[i].fn_mcxt != context)
            target->ri_TrigFunctions[i].fn_oid = InvalidOid;
}

void init_row_plans()
{
    CacheRegisterRelcacheCallback(invalidate, 0);
    for (const SyscacheId cache :
         {PROCOID, TYPEOID, CONSTROID, NAMESPACEOID, LANGOID, AUTHOID, AUTHMEMROLEMEM})
        CacheRegisterSyscacheCallback(cache, invalidate_all, 0);
}

}  // namespace sc
