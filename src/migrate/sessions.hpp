// Locks listed sessions and writes their links, row by row as the server's own replication does: constraints, indexes
// and the user's triggers stay right; the extension's own triggers and the foreign key's do not fire. That is right
// under two conditions, which are the caller's to keep: the subscription is locked until the transaction ends, so that
// the link leads somewhere and its member cannot change; and the counters are set to the recount in this transaction.
#pragma once

#include "migrate/list.hpp"
#include "migrate/request.hpp"
#include "store/session_row.hpp"

namespace sc {

// The relations that hold the sessions of a batch, opened before any row is locked: the table, or partitions of it.
struct SessionTables;

// Opens the relations. Sessions of a relation that is gone, or is no partition any more, are gone too.
SessionTables *open_session_tables(Relation root, const Mapping &mapping, const MigrateRequest &request,
                                   std::span<const Place> places);
void close_session_tables(SessionTables *tables);

// held: locked by this transaction, and still without a link and in need of one. busy: somebody else has it locked.
// gone: it was changed, moved, linked or deleted; where it is now, only another list can say.
enum class Grip : uint8_t { held, busy, gone };

struct HeldSession {
    Place place;
    uint32 member;                     // its number in the batch
    bool has_start;
    bool counted;
    bool scheduled;
    int64_t start;
    const Datum *key;                  // the primary key
    Attribution attribution;
};
static_assert(Pod<HeldSession>);

// follow: a session that was changed since it was listed is followed to its newest version as far as the table still
// knows the way, and its place with it. wait: waits for the lock.
struct HoldMode {
    bool follow;
    bool wait;
};

// Locks the session against other writers.
Grip hold_session(SessionTables *tables, const Calendar &calendar, const MemberType &type,
                  const ListedMember &member, HoldMode mode, HeldSession *session);

// Oldest first: by start, those without one last, then by key.
bool is_older(const SessionTables *tables, const HeldSession &left, const HeldSession &right);

// Links held sessions. The user's triggers may have changed anything: then the caller counts again.
struct LinkWriter;
LinkWriter *open_link_writer(SessionTables *tables);
void write_link(LinkWriter *writer, const Place &place, Datum subscription);
bool close_link_writer(LinkWriter *writer);   // true where triggers of the user's have fired

}  // namespace sc
