// Comparisons of keys in SQL text. Each means the operator of the type's default operator class, as an index of the key
// does: under a pinned path the "=" of citext would be that of text. Where "=" alone means it, it is not spelled out.
#pragma once

#include "server/names.hpp"

namespace sc {

// An SQL expression and its type.
struct Operand {
    const char *text;
    Oid type;
};
static_assert(Pod<Operand>);

// A column, or an expression of its type.
Operand column_operand(const char *alias, Oid relation, const char *column);
Operand operand_of_type(const char *expression, Oid relation, const char *column);
Operand literal_operand(const char *value, Oid type);

// The type as a cast of a value that is whole names it: character of no length would cut it to one.
const char *cast_name(Oid type);

// "left = right", or "left OPERATOR(schema.=) right"; 42883 where the types have no such operator in common. A column
// that is still to be made will have the type of the other side.
const char *equals(const Operand &left, const Operand &right);

// "left = right" up to where the value stands, and what follows it: for text that SQL puts together.
struct Brackets {
    const char *before;
    const char *after;
};
Brackets around_value(const Operand &left);

// Values as one parameter: an array, of text where their type has no array type, as arrays have none.
struct ListParameter {
    Oid type;
    Datum value;
};
ListParameter list_parameter(std::span<const Datum> values, const bool *nulls, Oid type);
Oid list_type(Oid type);

// One of them that unnest() has given, in its own type.
Operand list_element(const char *expression, Oid type);

// "left = ANY (the parameter)".
const char *equals_any(const Operand &left, const char *parameter, Oid type);

}  // namespace sc
