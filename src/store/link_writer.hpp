// Writes links of sessions that are locked, row by row as the server's own replication does: constraints, indexes and
// the user's triggers stay right; the extension's own triggers and the link's foreign key do not fire. That is right
// under two conditions, which are the caller's to keep: the subscription is locked until the transaction ends, so that
// the link leads somewhere and its member cannot change; and the counters are set to the recount in this transaction.
#pragma once

#include "catalog/binding.hpp"
#include "server/row_writer.hpp"

namespace sc {

// Where a session was seen.
struct Place {
    Oid relation;
    ItemPointerData row;
};

// One relation that holds sessions, as this transaction has opened it.
struct Leaf {
    Oid oid;
    Relation relation;             // nullptr: gone
    const Binding *binding;
    Columns key;                   // the primary key
    LockTupleMode lock;            // what a change of the link takes
    BlockNumber blocks;
    TupleTableSlot *row;
    TupleTableSlot *changed;
    RowTarget *target;             // while links are written
};
static_assert(Pod<Leaf>);

// The relations that hold the sessions of some places, opened before any row is locked: the table, or partitions of it.
struct SessionTables {
    Relation root;
    AttrNumber link;               // of the root
    std::span<Leaf> leaves;        // by oid
    std::span<const FmgrInfo> compare;   // of the primary key's columns
    std::span<const Oid> collations;
};
static_assert(Pod<SessionTables>);

// Opens the relations. Sessions of a relation that is gone, or is no partition any more, are gone too.
SessionTables *open_session_tables(Relation root, const Mapping &mapping, std::span<const Place> places);
void close_session_tables(SessionTables *tables);

// nullptr if the relation is gone.
Leaf *find_leaf(SessionTables *tables, Oid oid);

// The user's triggers may change anything: then the caller counts again.
struct LinkWriter;
LinkWriter *open_link_writer(SessionTables *tables);
void write_link(LinkWriter *writer, const Place &place, Datum subscription);
bool close_link_writer(LinkWriter *writer);   // true if some of the user's triggers have fired

}  // namespace sc
