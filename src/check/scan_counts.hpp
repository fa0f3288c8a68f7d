// Recounts every subscription by reading each table once, without the planner: where both are plain heap tables, or
// partition trees of them, whose keys are integers or uuids. Everything else is counted by a query.
#pragma once

#include "check/read_counts.hpp"

namespace sc {

// Hands each wrong subscription to the sink, in the order of their keys, as the active snapshot sees the tables.
// False where these tables cannot be read so, or their counts would not fit into what a hash table may take
// (work_mem * hash_mem_multiplier): then nothing was handed on.
bool scan_wrong_counts(const Counting &counting, FiguresSink sink, void *state);

}  // namespace sc
