// What an attachment says about the user's tables: the arguments of attach(), carried by the triggers as a list of
// "name=value" so that they are visible in \d and travel with pg_dump. It is one argument of each trigger: the server
// copies every argument of a table's triggers for each statement that writes it. Reads and writes that text alone.
#pragma once

#include "server/postgres_api.hpp"

namespace sc {

using Names = std::span<const char *const>;

enum class Guard : uint8_t { reject, ignore, off };

// One attachment's columns, values and choices. Every string is palloc'd in the context of whoever parsed it.
struct Mapping {
    const char *member_column;
    const char *subscription_column;   // the link
    const char *type_column;           // nullptr: every session is consuming
    const char *status_column;
    Names consuming_types;
    Names scheduled_statuses;
    Names completed_statuses;
    const char *subscription_member_column;
    const char *subscription_status_column;
    const char *active_status;
    const char *total_column;
    const char *used_column;
    const char *remaining_column;      // nullptr: absent or generated; else maintained beside used
    Guard guard;
    bool ledger;                       // every change of a credit is written to the ledger
    Names made;                        // what attach() made, for detach(): "kind:name", see attach/attach.cpp
};
static_assert(Pod<Mapping>);

// Reads the arguments of a trigger; 55000 when one is missing or unknown.
Mapping parse_mapping(std::span<char *const> arguments);

// The same for whoever looks at triggers that anybody may have made: std::nullopt where the arguments say no mapping.
std::optional<Mapping> find_mapping(std::span<char *const> arguments);

// The trigger argument that says the same; "made" only where made is true.
const char *format_mapping(const Mapping &mapping, bool made);

// The trigger's arguments say the same as the mapping, apart from what was made.
bool says_the_same(std::span<char *const> arguments, const Mapping &mapping);

// The words of guard's modes; 22023 with a hint for any other.
Guard parse_guard(const char *word);
const char *guard_word(Guard guard);

// Lists of names as array literals, the form in which a trigger's argument carries them; 22P02 for anything else.
Names parse_names(const char *literal);
const char *format_names(Names names);

}  // namespace sc
