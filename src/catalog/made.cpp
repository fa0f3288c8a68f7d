// Names and comments of what attach() makes.
#include "catalog/made.hpp"

#include "server/names.hpp"

namespace sc {

namespace {

constexpr const char *comment_start = "made by session_consistency.attach()";

const char *comment_text(const Pair &pair)
{
    return quote_literal_cstr(psprintf("%s for tables %s and %s; session_consistency.detach() drops it", comment_start,
                                       qualified_name(pair.sessions), qualified_name(pair.subscriptions)));
}

}  // namespace

const char *find_made(Names made, const char *kind)
{
    const size_t length = strlen(kind);
    for (const char *entry : made)
        if (strncmp(entry, kind, length) == 0 && entry[length] == ':')
            return entry + length + 1;
    return nullptr;
}

const char *made_stem(Oid relation)
{
    return psprintf("sc_%s", get_rel_name(relation));
}

const char *comment_on_index(const char *index, const Pair &pair)
{
    return psprintf("COMMENT ON INDEX %s IS %s", index, comment_text(pair));
}

const char *comment_on_view(const char *view, const Pair &pair)
{
    return psprintf("COMMENT ON VIEW %s IS %s", view, comment_text(pair));
}

const char *comment_on_constraint(const char *constraint, const char *table, const Pair &pair)
{
    return psprintf("COMMENT ON CONSTRAINT %s ON %s IS %s", constraint, table, comment_text(pair));
}

bool is_commented(Oid object, Oid catalog)
{
    const char *comment = GetComment(object, catalog, 0);
    return comment != nullptr && strncmp(comment, comment_start, strlen(comment_start)) == 0;
}

}  // namespace sc
