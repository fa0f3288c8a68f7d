// Treats members: links their history and sets their counters to the recount, in the transaction at hand.
#pragma once

#include "migrate_links.hpp"
#include "migrate_run.hpp"

namespace sc {

// The row that kept a member from being treated.
struct Obstacle {
    Grip grip;                     // busy: worth waiting for
    bool is_session;
    size_t number;                 // among the batch's sessions or subscriptions
};
static_assert(Pod<Obstacle>);

// How a batch is treated.
struct Treatment {
    bool follow;                   // sessions that were changed since they were listed: for one member alone
    const Obstacle *wait_for;      // its lock is waited for, before any other row is locked; nullptr: none
};

// Treats the members of the batch whose rows can all be locked without waiting, and says of each what became of it:
// held means treated. obstacle is the first that was met. The caller commits, in either case: that releases the locks.
void treat_batch(const MigrateRequest &request, Oid subscriptions, const MemberType &type, const Batch &batch,
                 const Treatment &treatment, MigrateRun *run, std::span<Grip> members, Obstacle *obstacle);

}  // namespace sc
