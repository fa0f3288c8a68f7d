// The register of the extension's SQLSTATEs, and the one way to raise them. Knows what an error looks like, not when
// one is due.
#pragma once

#include "server/postgres_api.hpp"

namespace sc {

enum class Violation : uint8_t {
    no_active_subscription,
    no_credit_left,
    foreign_subscription,
    inactive_subscription,
    guarded_counter,
    ambiguous_subscription,
    does_not_pay,
    outside_period,
};

// What a reader is told. detail may be nullptr: values that the caller may not read stay out of it.
struct Report {
    const char *message;
    const char *detail;
    const char *hint;
};

// Raises the violation with the schema, table and column of the error.
[[noreturn]] void raise_violation(Violation violation, Relation relation, AttrNumber column, const Report &report);

bool is_violation(int sqlstate);

}  // namespace sc
