// What is shared by those who run queries through the server programming interface.
#pragma once

#include "server/postgres_api.hpp"

namespace sc {

// SPI_finish() ends it.
void connect_spi(int options = 0);

// A cell of the last SPI result, as text.
const char *cell_text(uint64 row, int column);

// How a query is put: its parameters $1, $2 and so on; whether it sees and makes changes, or reads the active snapshot;
// who gets its rows, nullptr for SPI's own table.
struct Asking {
    std::span<const Oid> types = {};
    std::span<const Datum> values = {};
    bool writes = false;
    DestReceiver *receiver = nullptr;
};
static_assert(Pod<Asking>);

// Puts a query to people's tables and returns how many rows it is about. In a security-restricted operation alone: to
// plan it runs code of their owners' already. Needs an SPI connection.
uint64 ask(const char *query, const Asking &asking = {});

// The same, for its rows, and for whether there is one: true then. Connect by themselves.
bool store_query(const char *query, Tuplestorestate *rows);
bool finds_row(const char *query);

// Makes the deferrable constraints of these relations, or with none all there are, IMMEDIATE until the transaction
// ends: nothing can be deferred in a security-restricted operation. What is pending is checked now. Needs an SPI
// connection.
void make_constraints_immediate(std::span<const Oid> relations);

// Adds rows to those that a set-returning function returns.
void move_rows(Tuplestorestate *rows, const ReturnSetInfo *result);

}  // namespace sc
