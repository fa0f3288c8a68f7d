// What repair() and undo_repair() share: the tables of an attachment, opened for their owner, and a row's state as
// JSON. Decides nothing and writes nothing.
#pragma once

#include "catalog/binding.hpp"
#include "catalog/counting.hpp"
#include "server/owner.hpp"
#include "store/counter_writer.hpp"

namespace sc {

struct RepairTables {
    Attachment attachment;
    Counting counting;
    Relation sessions;
    Relation subscriptions;
    bool sharded;                  // empty shells: their rows are in shards
    const Binding *binding;        // from begin_repair() on
    Caller caller;
};
static_assert(Pod<RepairTables>);

// 42501 for who does not own both tables, or from whom row-level security may hide rows; 55000 where the table is not
// attached, or its foreign key is gone.
RepairTables open_repair_tables(const Pair &pair, LOCKMODE lock);
void close_repair_tables(const RepairTables &tables);

// 25001 in a transaction block: shards work in transactions of their own, which could wait for what it has locked.
void require_no_transaction(const char *function);

// Between these it is the owner of the sessions who looks and writes, restricted, with dates in ISO style. Need an SPI
// connection.
void begin_repair(RepairTables &tables, bool writes);
void end_repair(const RepairTables &tables);

// A subscription by the texts of its keys, as an audit names it.
struct SubscriptionKey {
    const char *id_text;
    const char *member_text;
    Datum id;
    Datum member;
};
static_assert(Pod<SubscriptionKey>);

SubscriptionKey read_subscription_key(const RepairTables &tables, const char *id, const char *member);

// {"total", "used"} and, where it is maintained, "remaining".
const char *counter_state(const RepairTables &tables, const Subscription &subscription);

// SQL of the same for a session called t, as text: {"member_id", "subscription_id", "type", "status"}; and of the
// columns of its primary key as an object of texts.
const char *session_state(const RepairTables &tables);
const char *session_key(const RepairTables &tables);
Names session_key_columns(const RepairTables &tables);

}  // namespace sc
