// What a migration makes of the counters of a batch: the recount, and what becomes of what history says beyond it. The
// subscriptions are locked and counted.
#pragma once

#include "migrate/run.hpp"
#include "migrate/subscriptions.hpp"

namespace sc {

// How many credits history may still take; absent: as many as there are.
std::optional<int64_t> room_of(const HeldSubscriptions &subscriptions, const HeldSubscription &held);

// Sets what is not right, and counts it in the run.
void set_counters(HeldSubscriptions &subscriptions, const MigrateRequest &request, MigrateRun *run);

// Reads what the user's triggers have made of the counters since.
void read_again(HeldSubscriptions &subscriptions);

}  // namespace sc
