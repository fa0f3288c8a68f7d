// An audit of tables whose rows are in shards. Each category is about the rows of one member, which lie together: so
// each shard audits its own rows, in one snapshot, and what they find is put together here.
#pragma once

#include "catalog/arguments.hpp"
#include "check/audit_categories.hpp"

namespace sc {

// What the shards find, an array of jsonb: the $1 of the queries below. 55000 where one does not answer.
Datum ask_for_findings(const Arguments &arguments, const AuditScope &scope);

// As findings_query() and summary_query() of check/audit_queries.hpp; nullptr for a family that is about no rows.
const char *shard_findings_query(const AuditScope &scope, Family family);
const char *shard_summary_query(const AuditScope &scope, Family family);

}  // namespace sc
