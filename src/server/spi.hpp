// What is shared by those who run queries through the server programming interface.
#pragma once

#include "server/postgres_api.hpp"

namespace sc {

// SPI_finish() ends it.
void connect_spi(int options = 0);

// A cell of the last SPI result, as text.
const char *cell_text(uint64 row, int column);

// "column = $n" with the default equality of the column's type, whatever the search path.
const char *equality(const char *column, Oid type, const char *parameter);

// Runs a query whose columns are those of the set-returning function; true where it found a row. Connects by itself,
// as the next one does.
bool return_query(FunctionCallInfo fcinfo, const char *query);
bool finds_row(const char *query);

}  // namespace sc
