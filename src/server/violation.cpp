// The register of the extension's SQLSTATEs, and the one way to raise them.
#include "server/violation.hpp"

#include <algorithm>

namespace sc {

namespace {

struct Registered {
    Violation violation;
    int sqlstate;
    const char *constraint;
};

// Class 23, so that drivers that map by class raise their integrity error; the subclasses are the extension's own.
constexpr std::array registered{
    Registered{Violation::no_active_subscription, MAKE_SQLSTATE('2', '3', 'S', 'C', '1'), "no_active_subscription"},
    Registered{Violation::no_credit_left, MAKE_SQLSTATE('2', '3', 'S', 'C', '2'), "no_credit_left"},
    Registered{Violation::foreign_subscription, MAKE_SQLSTATE('2', '3', 'S', 'C', '3'), "foreign_subscription"},
    Registered{Violation::inactive_subscription, MAKE_SQLSTATE('2', '3', 'S', 'C', '4'), "inactive_subscription"},
    Registered{Violation::guarded_counter, MAKE_SQLSTATE('2', '3', 'S', 'C', '5'), "guarded_counter"},
    Registered{Violation::ambiguous_subscription, MAKE_SQLSTATE('2', '3', 'S', 'C', '6'), "ambiguous_subscription"},
    Registered{Violation::does_not_pay, MAKE_SQLSTATE('2', '3', 'S', 'C', '4'), "does_not_pay"},
    Registered{Violation::outside_period, MAKE_SQLSTATE('2', '3', 'S', 'C', '4'), "outside_period"},
};

}  // namespace

void raise_violation(Violation violation, Relation relation, AttrNumber column, const Report &report)
{
    const Registered &entry = registered[static_cast<size_t>(violation)];
    ereport(ERROR, errcode(entry.sqlstate), errmsg_internal("%s", report.message),
            report.detail == nullptr ? 0 : errdetail_internal("%s", report.detail),
            errhint("%s", report.hint), errtablecol(relation, column),
            err_generic_string(PG_DIAG_CONSTRAINT_NAME, entry.constraint));
    pg_unreachable();
}

bool is_violation(int sqlstate)
{
    return std::any_of(registered.begin(), registered.end(),
                       [sqlstate](const Registered &entry) { return entry.sqlstate == sqlstate; });
}

}  // namespace sc
