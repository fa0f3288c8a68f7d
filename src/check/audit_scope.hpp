// What one audit looks at: the tables, how their columns are called, and which of them are there. Reads the arguments
// and the catalogs; looks at no row.
#pragma once

#include "catalog/counting.hpp"
#include "catalog/obstacles.hpp"

namespace sc {

struct AuditScope {
    bool sharded;              // the rows are in shards, each of which is asked
    Counting counting;
    const Attachment *attachment;  // nullptr where these two tables are not attached
    bool own_mapping;              // the attachment's, in every argument
    bool has_link;                 // without a link column no session is linked to anything
    bool can_clear_link;
    bool has_used;
    bool has_remaining;
    bool plain_remaining;          // not generated: somebody has to maintain it
    const char *id_type;           // the type of the subscriptions' key
    Names session_key;             // the columns of the sessions' primary key
    Oid members;                   // InvalidOid: not known
    const char *members_key;
    const char *members_name;      // what queries call them
    const char *distrust;          // why no row is read; nullptr: all are
    bool leaves_unpaid;            // a session that counts and has no link is one that nobody could pay for
    Obstacles obstacles;           // what attach() would refuse, of tables that are not attached
};
static_assert(Pod<AuditScope>);

// The members' keys are read as the owner of the members. Where that is not who reads the sessions, they are read
// before the others, into a relation of that name.
constexpr const char *member_keys = "member_keys";

// The scope that the arguments of audit() describe, over an attachment's own mapping where there is one. Raises what
// attach() raises for the same arguments, and 42501 where the caller may not read every row.
AuditScope read_audit_scope(FunctionCallInfo fcinfo);

}  // namespace sc
