// attach(…, notify => true): tells listeners of channel session_consistency_counts, after the commit, once for each
// subscription whose counts the transaction has changed. Notes keys while statements are settled, reads the counts when
// the transaction is about to commit; judges and writes nothing.
#pragma once

#include "catalog/binding.hpp"

namespace sc {

// Each does nothing without notify => true. The subscription with that key has other counts now, or is new or gone.
void note_counts(const Binding &binding, Datum id, Datum member);

// All subscriptions of the attachment have: one notification without a key.
void note_all_counts(const Binding &binding);

// The same for a row of the subscriptions, in their own triggers.
void note_subscription(const SubscriptionShape &shape, Relation subscriptions, TupleTableSlot *row);

// Before the commit: reads the counts and queues the notifications.
void send_counts();

// Before PREPARE TRANSACTION: the server can keep no notification for a COMMIT PREPARED, so it is refused (0A000).
void refuse_to_prepare_counts();

// What a subtransaction has noted is its parent's, or forgotten.
void commit_noted_counts(int level);
void abort_noted_counts(int level);
void forget_noted_counts();

}  // namespace sc
