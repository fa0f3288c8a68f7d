// The list that a migration works through: the subscriptions and the consuming sessions without a link, member by
// member. It is made by one query and kept on disk across transactions, so that no table needs an index on the member.
// It says where to look, not what is there: whoever uses it locks and looks again. Writes nothing.
#pragma once

#include "catalog/counting.hpp"
#include "server/growing.hpp"
#include "store/link_writer.hpp"

namespace sc {

// One member. A subscription without a member is one by itself.
struct ListedMember {
    Datum value;                   // in the list's type
    bool is_null;
    size_t first_subscription;
    size_t subscriptions;
    size_t first_session;
    size_t sessions;
};

struct Batch {
    MemoryContext context;
    Growing<ListedMember> members;
    Growing<Datum> subscriptions;  // their keys, in the key's order within each member
    Growing<Place> sessions;
    size_t entries;                // of the list, those of sessions without a member too
    size_t homeless;               // sessions without a member: counted only
};
static_assert(Pod<Batch>);

// The type in which members of both tables are compared.
struct MemberType {
    Oid type;
    int16 length;
    bool by_value;
    Oid collation;
    FmgrInfo equal;
};
static_assert(Pod<MemberType>);

// Which members are listed: all, or those; orphans: subscriptions without a member too.
struct MemberFilter {
    bool all;
    std::span<const Datum> members;
    bool orphans;
};
static_assert(Pod<MemberFilter>);

struct MigrateList;

// Makes the list in this transaction. The caller commits next, and the list is then on its own.
MigrateList *open_list(const Counting &counting, const MemberFilter &filter);
const MemberType &member_type(const MigrateList *list);

// How many entries are left, once the list is on its own.
size_t count_entries(const MigrateList *list);

// The next members with about so many sessions, none cut in two, into the batch's context, which is reset first.
// False at the end of the list.
bool read_batch(MigrateList *list, size_t sessions, Batch *batch);
void close_list(MigrateList *list);

}  // namespace sc
