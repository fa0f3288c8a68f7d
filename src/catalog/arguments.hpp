// Reads the arguments of the extension's SQL functions by their names, as the catalog has them, so that no position is
// written down twice. What the functions say of a mapping goes by the table of its fields.
#pragma once

#include "catalog/mapping.hpp"

namespace sc {

// One call of an SQL function.
struct Arguments {
    FunctionCallInfo call;
    const char *function;
    Names names;             // of what goes in, by position
};
static_assert(Pod<Arguments>);

Arguments arguments_of(FunctionCallInfo fcinfo);

// The position of an argument that the function has; nothing where it has none of that name.
std::optional<int> find_argument(const Arguments &arguments, const char *name);

// The value of an argument that the function has; 22004 where it is NULL.
Datum require_argument(const Arguments &arguments, const char *name);

// Of an argument of type name; nullptr where it is NULL.
const char *name_argument(const Arguments &arguments, const char *name);

// The tables that the arguments "sessions" and "subscriptions" name, InvalidOid for one that is NULL or that the
// function has not; 42P01 where there is none with that oid.
Pair pair_arguments(const Arguments &arguments);

// The same call of a function (by another name, where one is given) for one shard of the sessions, as SQL in which %1$s
// stands for the shard, and %% for a percent sign. subscriptions: SQL that names their shard, or NULL where the
// sessions have but one attachment. 0A000 where another argument names a table.
const char *call_on_shard(const Arguments &arguments, const char *subscriptions, const char *function = nullptr);

// What the function's arguments say of a mapping; a field that is no argument of the function has its default. With an
// attachment's own mapping, an argument that is left at its default stands for what that one says. 22004 for NULL where
// a value is needed, 22023 for one that the field cannot have.
Mapping read_fields(const Arguments &arguments, const Mapping *own);

}  // namespace sc
