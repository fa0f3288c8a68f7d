// What the columns and values of an attachment must be. Refuses; changes nothing.
#pragma once

#include "catalog/mapping.hpp"

namespace sc {

// Leaves remaining_column in the mapping only where it is a plain column, which must then be maintained.
void settle_remaining_column(const Pair &pair, Mapping &mapping);

// Notes that the total is to be added: where there is none, and a plain remaining column says what is left.
void settle_total_column(const Pair &pair, Mapping &mapping);

// Keys are compared, sorted and hashed, by operators that every query can name; needed says whose type it is.
void check_key_type(Oid table, const char *name, const char *needed);

// A column that the mapping names: there, not generated, of a fitting type, named once. And all of them.
void check_column(const Pair &pair, const Mapping &mapping, const Field &field);
void check_columns(const Pair &pair, const Mapping &mapping);

// Every listed value is one that its column accepts; the mapping then has it as the column writes it. And all lists.
void check_words(const Pair &pair, Mapping &mapping, const Field &field);
void check_values(const Pair &pair, Mapping &mapping);

// The columns that subscriptions are drawn by: there, of a fitting type, not written by bookings, named once. The
// mapping then has the order in one way of writing.
void check_draw_order(const Pair &pair, Mapping &mapping);

// A period can be compared with the start of a session.
void check_period(const Pair &pair, const Mapping &mapping);

// What contradicts each other.
void check_choices(const Mapping &mapping);

// Two columns that are compared with each other: same base type (integers of any width, text with varchar), same
// collation.
void check_joined(Oid first, const char *first_column, Oid second, const char *second_column);

}  // namespace sc
