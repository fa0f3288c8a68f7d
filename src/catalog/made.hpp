// What attach() makes beside the triggers: told by the prefix of its names and by a comment. The list of it stands in
// the charge trigger's argument, as "kind:name". Makes text, changes nothing.
#pragma once

#include "catalog/mapping.hpp"

namespace sc {

// The value of the first "kind:value" among what was made; nullptr where attach() made none.
const char *find_made(Names made, const char *kind);

// What the name of a relation becomes in the name of an index or a constraint on it.
const char *made_stem(Oid relation);

// The commands that say whose an index or a constraint is; table, index and constraint as they stand in a command.
const char *comment_on_index(const char *index, Oid sessions);
const char *comment_on_constraint(const char *constraint, const char *table, Oid sessions);

}  // namespace sc
