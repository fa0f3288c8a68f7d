// Names of columns and tables, as SQL writes them.
#pragma once

#include "server/postgres_api.hpp"

namespace sc {

using Names = std::span<const char *const>;

// True for the same text, and for none on both sides.
bool same_text(const char *left, const char *right);

// "alias.column", both quoted; alias may be nullptr.
const char *quoted_column(const char *alias, const char *column);

// The table's name with its schema, quoted; 42P01 where there is no such table.
const char *qualified_name(Oid table);

}  // namespace sc
