// Names and comments of what attach() makes.
#include "catalog/made.hpp"

#include "server/names.hpp"

namespace sc {

namespace {

const char *comment_text(Oid sessions)
{
    return quote_literal_cstr(psprintf("made by session_consistency.attach() for table %s;"
                                       " session_consistency.detach() drops it",
                                       qualified_name(sessions)));
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

const char *comment_on_index(const char *index, Oid sessions)
{
    return psprintf("COMMENT ON INDEX %s IS %s", index, comment_text(sessions));
}

const char *comment_on_constraint(const char *constraint, const char *table, Oid sessions)
{
    return psprintf("COMMENT ON CONSTRAINT %s ON %s IS %s", constraint, table, comment_text(sessions));
}

}  // namespace sc
