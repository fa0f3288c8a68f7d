// Runs commands on the extension's own tables.
#include "server/own_table.hpp"

namespace sc {

Oid find_own_relation(const char *name)
{
    return get_relname_relid(name, get_namespace_oid("session_consistency", false));
}

OwnTable enter_own_table(const char *name)
{
    OwnTable table{};
    table.relation = table_open(find_own_relation(name), RowExclusiveLock);
    table.caller = enter_owner(table.relation);
    return table;
}

void leave_own_table(const OwnTable &table)
{
    leave_owner(table.caller);
    table_close(table.relation, NoLock);
}

uint64 run_on_own_table(const char *table, const char *command, std::span<Oid> types, std::span<Datum> values,
                        const char *nulls)
{
    const OwnTable entered = enter_own_table(table);
    const int result = SPI_execute_with_args(command, static_cast<int>(types.size()), types.data(), values.data(),
                                             nulls, false, 0);
    if (result < 0)
        elog(ERROR, "\"%s\" failed: %s", command, SPI_result_code_string(result));
    leave_own_table(entered);
    return SPI_processed;
}

}  // namespace sc
