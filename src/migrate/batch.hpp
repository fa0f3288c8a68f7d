// Treats members: links their history and sets their counters to the recount, in the transaction at hand.
#pragma once

#include "migrate/run.hpp"
#include "migrate/subscriptions.hpp"

namespace sc {

// How a batch is treated.
struct Treatment {
    bool follow;                   // sessions that were changed since they were listed: for one member alone
    const Obstacle *wait_for;      // its lock is waited for, before any other row is locked; nullptr: none
};

// Treats the members of the batch whose rows can all be locked without waiting, and says of each what became of it:
// held means treated. obstacle is the first that was met. The caller commits, in either case: that releases the locks.
void treat_batch(const Attachment &attachment, const MigrateRequest &request, const MemberType &type,
                 const Batch &batch, const Treatment &treatment, MigrateRun *run, std::span<Grip> members,
                 Obstacle *obstacle);

}  // namespace sc
