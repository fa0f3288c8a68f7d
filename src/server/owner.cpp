// Becomes the owner of a table.
#include "server/owner.hpp"

#include "server/settings.hpp"

namespace sc {

Caller enter_owner(Relation relation)
{
    Caller caller;
    GetUserIdAndSecContext(&caller.role, &caller.security_context);
    SetUserIdAndSecContext(relation->rd_rel->relowner, caller.security_context | SECURITY_LOCAL_USERID_CHANGE |
                                                           SECURITY_NOFORCE_RLS);
    caller.guc_level = NewGUCNestLevel();
    // Functions of the user's own triggers and constraints run as the owner: not with a path that the caller chose.
    const char *schema = quote_identifier(get_namespace_name(RelationGetNamespace(relation)));
    set_locally("search_path", psprintf("pg_catalog, %s, pg_temp", schema));
    return caller;
}

Caller pass_policies()
{
    Caller caller;
    GetUserIdAndSecContext(&caller.role, &caller.security_context);
    SetUserIdAndSecContext(caller.role, caller.security_context | SECURITY_NOFORCE_RLS);
    caller.guc_level = NewGUCNestLevel();
    return caller;
}

void leave_owner(const Caller &caller)
{
    AtEOXact_GUC(true, caller.guc_level);
    SetUserIdAndSecContext(caller.role, caller.security_context);
}

}  // namespace sc
