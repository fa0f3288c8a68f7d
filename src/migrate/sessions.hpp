// Locks listed sessions and reads what says where they belong. Writes nothing.
#pragma once

#include "migrate/list.hpp"
#include "rules/attribution_rule.hpp"
#include "migrate/calendar.hpp"
#include "store/link_writer.hpp"

namespace sc {

// held: locked by this transaction, and still without a link and in need of one. busy: somebody else has it locked.
// gone: it was changed, moved, linked or deleted; where it is now, only another list can say.
enum class Grip : uint8_t { held, busy, gone };

struct HeldSession {
    Place place;
    uint32 member;                     // its number in the batch
    int64_t cost;                      // in credits; 0: it holds nothing
    bool scheduled;
    std::optional<int64_t> start;
    const Datum *key;                  // the primary key
    HeapTuple row;                     // if pays_when asks it
    Attribution attribution;
};
static_assert(Pod<HeldSession>);

// follow: a session that was changed since it was listed is followed to its newest version as far as the table still
// knows the way, and its place with it. wait: waits for the lock.
struct HoldMode {
    bool follow;
    bool wait;
};

// What tells whether a session is still as it was listed, and when it starts.
struct SessionReader {
    SessionTables *tables;
    const Calendar *calendar;
    const MemberType *type;
    std::span<const MomentColumn> start;   // of each leaf
};
static_assert(Pod<SessionReader>);

// 42703 where a partition has no such column any more. start_column may be nullptr.
std::span<const MomentColumn> find_start_columns(const SessionTables *tables, const char *start_column);

// Locks the session against other writers.
Grip hold_session(const SessionReader &reader, const ListedMember &member, HoldMode mode, HeldSession *session);

// Oldest first: by start, those without one last, then by key.
bool is_older(const SessionTables *tables, const HeldSession &left, const HeldSession &right);

}  // namespace sc
