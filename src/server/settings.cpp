// Sets settings for a while.
#include "server/settings.hpp"

namespace sc {

void set_locally(const char *setting, const char *value)
{
    set_config_option(setting, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

int enter_pinned_path()
{
    const int level = NewGUCNestLevel();
    set_locally("search_path", "pg_catalog, pg_temp");
    return level;
}

void leave_pinned_path(int level)
{
    AtEOXact_GUC(true, level);
}

void join_by_hash()
{
    // A nested loop that nothing can replace then looks so dear that the server would compile the query.
    for (const char *setting : {"enable_nestloop", "jit"})
        set_locally(setting, "off");
}

}  // namespace sc
