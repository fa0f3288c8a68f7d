// Reads a row of the sessions as the rules see it.
#pragma once

#include "catalog/binding.hpp"
#include "rules/credit_rule.hpp"

namespace sc {

// A cost that no session can have. It holds nothing, and whoever stores one is refused.
enum class CostFault : uint8_t { none, missing, negative };

struct SessionRow {
    Session session;
    CostFault cost_fault;
    Datum member;              // in the sessions' types, pointing into the row
    Datum link;
    bool member_is_null;
    std::optional<int64_t> start;      // on the scale of the attachment's periods
};
static_assert(Pod<SessionRow>);

SessionRow read_session(const SessionShape &shape, TupleTableSlot *row);

// The change between two stored rows; either may be nullptr.
Change change_between(const SessionShape &shape, const SessionRow *before, const SessionRow *after);

// True if the member, the link, the type, the status, the start or a column that an expression reads differs. An UPDATE
// of other columns concerns no rule.
bool touches_rules(const SessionShape &shape, TupleTableSlot *before, TupleTableSlot *after);

// True if a column that pays_when reads differs.
bool touches_payment(const SessionShape &shape, TupleTableSlot *before, TupleTableSlot *after);

// The keys in the subscriptions' types; absent if NULL, or if no subscription can have that value.
std::optional<Datum> link_key(const Binding &binding, const SessionRow &row);
std::optional<Datum> member_key(const Binding &binding, const SessionRow &row);

// The link, in the sessions' type, that leads to that subscription; absent if the column cannot hold it. And the key
// to which a link leads.
std::optional<Datum> link_to(const Binding &binding, Datum id);
std::optional<Datum> key_of_link(const Binding &binding, Datum link);

// The command of this transaction that has stored that version of a row; InvalidCommandId: an earlier transaction.
CommandId stored_by(HeapTuple tuple);

}  // namespace sc
