// Reads the figures of subscriptions, as the caller and in one snapshot, and says what is wrong with them. What the
// checks share; writes nothing and takes no lock stronger than a SELECT's.
#pragma once

#include "catalog/counting.hpp"

namespace sc {

// The countings of every attachment, or of that table's, ready to be read: tables locked, and complete for the caller.
// 42501 where row-level security may hide a row from the caller, 55000 where the table is not attached. Of all of them,
// those that cannot be read are left out: it is for the caller to name them.
std::span<const Counting> open_countings(std::optional<Oid> sessions);

// 42501 where row-level security may hide rows of the table from the caller.
void require_every_row(Oid table);

// One subscription: what its row says, and the recount. Values are absent where they are NULL.
struct Figures {
    const char *subscription_id;
    const char *member_id;
    std::optional<int64> total;
    std::optional<int64> used;
    std::optional<int64> stored_remaining;   // of a plain remaining column
    int64 completed;
    int64 scheduled;
};
static_assert(Pod<Figures>);

std::optional<int64> difference(std::optional<int64> left, std::optional<int64> right);
std::optional<int64> remaining(const Figures &figures);   // total - used

// The select list that yields figures of a subscription called s, its recount being the two expressions.
const char *figures_list(const Counting &counting, const char *completed, const char *scheduled);

// Everything that is read between these two is read in one snapshot, with search_path pinned to pg_catalog.
struct Reading {
    int guc_level;
};
Reading begin_reading();
void end_reading(const Reading &reading);

// Hands each row of a query with that select list to the sink; what the row points to is gone after the call.
using FiguresSink = void (*)(const Figures &figures, void *state);
void read_figures(const char *query, FiguresSink sink, void *state);

// Whether the row agrees with the recount: consistent_condition() of catalog/counting.hpp on figures.
bool is_consistent(const Mapping &mapping, const Figures &figures);

// What is wrong with a subscription, a clause for each fault.
struct Faults {
    std::array<const char *, 4> clauses;
    size_t count;
};
Faults find_faults(const Mapping &mapping, const Figures &figures);

}  // namespace sc
