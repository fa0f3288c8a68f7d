// Writes names as SQL does.
#include "server/names.hpp"

namespace sc {

bool same_text(const char *left, const char *right)
{
    return left == nullptr || right == nullptr ? left == right : strcmp(left, right) == 0;
}

const char *quoted_column(const char *alias, const char *column)
{
    return alias == nullptr ? quote_identifier(column) : psprintf("%s.%s", alias, quote_identifier(column));
}

const char *qualified_name(Oid table)
{
    const char *name = get_rel_name(table);
    if (name == nullptr)
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", table));
    return quote_qualified_identifier(get_namespace_name(get_rel_namespace(table)), name);
}

}  // namespace sc
