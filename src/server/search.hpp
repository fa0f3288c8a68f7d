// Searches of a table by equality, straight through an index: no plan, no permission and no policy is in the way, as
// with the server's own foreign keys. Reads in the snapshot that is active; locks and writes nothing.
#pragma once

#include "server/values.hpp"

namespace sc {

// Makes current the newest committed rows in READ COMMITTED, the transaction's snapshot elsewhere, and in both what
// this transaction has written so far. PopActiveSnapshot() ends it.
void push_newest_snapshot();

// One equality search, by an index or, without one, by a scan of the table.
struct Condition {
    AttrNumber column;
    const KeyType *key;
    Datum value;
};

struct Search {
    Relation index;
    IndexScanDesc index_scan;
    TableScanDesc table_scan;
    ScanKey keys;
    int count;
    TupleTableSlot *row;
};
static_assert(Pod<Search>);

Search begin_search(Relation relation, Oid index, std::span<const Condition> conditions, TupleTableSlot *row);
bool next_row(const Search &search);
void end_search(const Search &search);

}  // namespace sc
