// What attach() makes beside the triggers: told by the prefix of its names and by a comment. The list of it stands in
// the charge trigger's argument, as "kind:name". Makes text, changes nothing.
#pragma once

#include "catalog/mapping.hpp"

namespace sc {

// The value of the first "kind:value" among what was made; nullptr where attach() made none.
const char *find_made(Names made, const char *kind);

// What the name of a relation becomes in the name of an index or a constraint on it.
const char *made_stem(Oid relation);

// The commands that say whose an index, a constraint or the view is; names as they stand in a command.
const char *comment_on_index(const char *index, const Pair &pair);
const char *comment_on_view(const char *view, const Pair &pair);
const char *comment_on_constraint(const char *constraint, const char *table, const Pair &pair);

// Whether the object has such a comment.
bool is_commented(Oid object, Oid catalog);

}  // namespace sc
