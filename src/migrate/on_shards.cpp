// Calls a procedure on shards.
#include "migrate/on_shards.hpp"

#include <algorithm>

#include "catalog/citus.hpp"
#include "migrate/transactions.hpp"
#include "server/shards.hpp"

namespace sc {

namespace {

// Each is one connection to a node, and one process there.
constexpr size_t shards_at_once = 8;

}  // namespace

void call_on_shards(const Pair &pair, const Arguments &arguments)
{
    const char *call = psprintf("CALL %s", call_on_shard(arguments, subscriptions_beside(pair)));
    const std::span<const ShardCommand> commands = commands_for_shards(pair.sessions, call);
    const char *name = pstrdup(get_rel_name(pair.sessions));
    for (size_t done = 0; done < commands.size();) {
        commit();
        const size_t count = std::min(shards_at_once, commands.size() - done);
        run_commands(commands.subspan(done, count), arguments.function);
        done += count;
        ereport(NOTICE, errmsg("%s() of table \"%s\": %zu of %zu shards", arguments.function, name, done,
                               commands.size()));
        CHECK_FOR_INTERRUPTS();
    }
    commit();
}

}  // namespace sc
