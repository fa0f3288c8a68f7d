// Reads the figures of subscriptions, in one snapshot, and says what is wrong with them. What the checks share; writes
// nothing and takes no lock stronger than a SELECT's. The caller's right to read every row is looked at first; then
// everything is read as the owner of the sessions, in a security-restricted operation.
#pragma once

#include "catalog/counting.hpp"
#include "server/owner.hpp"
#include "server/spi.hpp"
#include "server/subtransaction.hpp"

namespace sc {

// 42501 where the caller may not read these columns (nullptr: none) of every row of the table.
void require_every_row(Oid table, Names columns);

// The same for what the counts of an attachment are made of.
void require_rights(const Attachment &attachment);

// An attachment that is to be read, with its tables locked; failure says why they are not.
struct Readable {
    Attachment attachment;
    const char *failure;
};
static_assert(Pod<Readable>);

// The one attachment that the pair names, or where it names neither table every one. 42501 where the caller may not
// read every row of one of them, 55000 where the table is not attached.
std::span<const Readable> open_attachments(Pair pair);

// The snapshot of a check; PopActiveSnapshot() ends it.
void push_reading_snapshot();

// Becomes who reads that table, up to leave_owner(), with settings for whole tables.
Caller begin_reading(Oid sessions);

// 40001 where the snapshot of the caller's transaction is older than a TRUNCATE of the table: it would see counters
// from before it beside no session at all.
void require_unchanged(Oid table);

// The counting of an attachment, for who has become its reader: as counting_of(), and 42501 where somebody's code would
// run as somebody else.
Counting open_counting(const Attachment &attachment);

// Reads the one attachment that the pair names: action(counting).
template <typename Action>
void read_one(const Pair &pair, Action action)
{
    const Attachment &attachment = open_attachments(pair).front().attachment;
    push_reading_snapshot();
    const Caller caller = begin_reading(attachment.sessions);
    action(open_counting(attachment));
    leave_owner(caller);
    PopActiveSnapshot();
}

// Reads every attachment, or the one that the pair names, in one snapshot: action(counting, rows) puts into rows what a
// set-returning function returns. Where every one is read, one that fails does not end the others: failed(attachment,
// why, rows) puts a row of its own in the place of what was found in it.
template <typename Action, typename Failed>
void read_each(const Pair &pair, const ReturnSetInfo *result, Action action, Failed failed)
{
    const std::span<const Readable> readable = open_attachments(pair);
    push_reading_snapshot();
    for (const Readable &one : readable) {
        Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
        const auto read = [&] {
            const Caller caller = begin_reading(one.attachment.sessions);
            action(open_counting(one.attachment), rows);
            leave_owner(caller);
        };
        const char *failure = one.failure;
        if (!names_none(pair))
            read();
        else if (failure == nullptr)
            failure = try_and_undo(read, is_users_error);
        if (failure == nullptr)
            move_rows(rows, result);
        else
            failed(one.attachment, failure, result->setResult);
        tuplestore_end(rows);
    }
    PopActiveSnapshot();
}

// One subscription: what its row says, and the recount. Values are absent where they are NULL.
struct Figures {
    const char *subscription_id;
    const char *member_id;
    std::optional<int64> total;
    std::optional<int64> used;
    std::optional<int64> stored_remaining;   // of a plain remaining column
    int64 carried;
    int64 completed;
    int64 scheduled;
};
static_assert(Pod<Figures>);

std::optional<int64> difference(std::optional<int64> left, std::optional<int64> right);
std::optional<int64> remaining(const Figures &figures);   // total - used
int64 expected(const Figures &figures);                   // what used should be

// The select list that yields figures of a subscription called s, its recount being the two expressions.
const char *figures_list(const Counting &counting, const char *completed, const char *scheduled);

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
