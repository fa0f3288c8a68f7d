// The SQL of an audit: for each family of categories one query that scans the sessions once. Makes text, runs nothing;
// whoever runs it does so with search_path pinned to pg_catalog.
#pragma once

#include "check/audit_categories.hpp"

namespace sc {

constexpr int sample_limit = 5;

// A literal that calls repair(); NULL where it would not repair what was found, since it goes by the attachment's own
// mapping.
const char *call_of_repair(const AuditScope &scope);

// The findings of a family, one row each, with the columns of audit_findings(); nullptr where there is nothing to ask.
const char *findings_query(const AuditScope &scope, Family family);

// The categories of a family that have findings: number, how many, and samples as jsonb.
const char *summary_query(const AuditScope &scope, Family family);

}  // namespace sc
