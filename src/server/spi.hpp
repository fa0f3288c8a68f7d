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

// Runs a query and keeps its rows; true where it found one. Connects by itself, as the next one does.
bool store_query(const char *query, Tuplestorestate *rows);
bool finds_row(const char *query);

// Makes the deferrable constraints of these relations, or with none all there are, IMMEDIATE until the transaction
// ends: nothing can be deferred in a security-restricted operation. What is pending is checked now. Needs an SPI
// connection.
void make_constraints_immediate(std::span<const Oid> relations);

// Adds rows to those that a set-returning function returns.
void move_rows(Tuplestorestate *rows, const ReturnSetInfo *result);

}  // namespace sc
