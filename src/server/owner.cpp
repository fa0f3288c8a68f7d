// Becomes the owner of a table.
#include "server/owner.hpp"

#include "server/relations.hpp"
#include "server/settings.hpp"
#include "server/violation.hpp"

namespace sc {

// An error context, as long as somebody else acts. In memory of the transaction: an error leaves it behind.
struct Acting {
    ErrorContextCallback context;
    bool hides_values;
    NameData relation;
};
static_assert(Pod<Acting>);

namespace {

// What is not found by its name, in a function of the user's, may well be in the caller's path.
void explain_path(const Acting &acting)
{
    const int state = geterrcode();
    const bool in_a_function = error_context_stack != &acting.context;
    if (in_a_function && (state == ERRCODE_UNDEFINED_TABLE || state == ERRCODE_UNDEFINED_FUNCTION ||
                          state == ERRCODE_UNDEFINED_OBJECT))
        errhint("Names are looked up in search_path \"%s\" here, whatever the caller has set. Name the schema, or give "
                "the function a path of its own with ALTER FUNCTION ... SET search_path.",
                namespace_search_path);
}

void explain_error(void *argument)
{
    const auto *acting = static_cast<const Acting *>(argument);
    explain_path(*acting);
    const int state = geterrcode();
    if (acting->hides_values && !is_violation(state) &&
        ERRCODE_TO_CATEGORY(state) == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION)
        errdetail("Values are left out for roles that may not read relation \"%s\".", NameStr(acting->relation));
}

Caller enter(Oid role, int flags, const char *path)
{
    Caller caller{};
    GetUserIdAndSecContext(&caller.role, &caller.security_context);
    SetUserIdAndSecContext(role,
                           caller.security_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS | flags);
    caller.guc_level = NewGUCNestLevel();
    caller.restricted = (flags & SECURITY_RESTRICTED_OPERATION) != 0;
    set_locally("search_path", path);
    caller.acting = static_cast<Acting *>(MemoryContextAllocZero(TopTransactionContext, sizeof(Acting)));
    caller.acting->context = {error_context_stack, explain_error, caller.acting};
    error_context_stack = &caller.acting->context;
    return caller;
}

}  // namespace

Caller enter_owner(Relation relation)
{
    const bool readable = may_read(RelationGetRelid(relation), GetUserId());
    // Functions of the user's own triggers and constraints run as the owner: not with a path that the caller chose.
    const char *schema = quote_identifier(get_namespace_name(RelationGetNamespace(relation)));
    const Caller caller = enter(relation->rd_rel->relowner, 0, psprintf("pg_catalog, %s, pg_temp", schema));
    caller.acting->hides_values = !readable;
    caller.acting->relation = relation->rd_rel->relname;
    return caller;
}

Caller enter_restricted(Oid role)
{
    return enter(role, SECURITY_RESTRICTED_OPERATION, "pg_catalog, pg_temp");
}

void leave_owner(const Caller &caller)
{
    if (error_context_stack != &caller.acting->context)
        elog(ERROR, "owners are left in another order than they were entered");
    error_context_stack = caller.acting->context.previous;
    pfree(caller.acting);
    // What somebody's function has set goes with a restricted operation; it would stay, as it does after a trigger.
    AtEOXact_GUC(!caller.restricted, caller.guc_level);
    SetUserIdAndSecContext(caller.role, caller.security_context);
}

// A function can raise any SQLSTATE, but not from there. A lock that somebody holds for too long is that one's matter.
bool is_users_error(const ErrorData &error)
{
    const bool interrupted = error.funcname != nullptr && strncmp(error.funcname, "Process", strlen("Process")) == 0;
    return InSecurityRestrictedOperation() && (!interrupted || error.sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE);
}

}  // namespace sc
