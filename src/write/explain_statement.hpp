// Writes the ledger's lines of a statement, subscription by subscription, once its counter is written and while its
// lock is held: no other transaction's line comes between. Every function takes nullptr: then there is no ledger.
#pragma once

#include "write/statement_ledger.hpp"

namespace sc {

struct Explainer;
Explainer *open_explainer(const SubscriptionShape &shape, LineList *lines);   // nullptr where there is no ledger
void close_explainer(Explainer *explainer);

// True where the statement has lines of that subscription.
bool is_explained(Explainer *explainer, const Sum &sum);

// The counter has become that: the lines lead to it. row is the subscription's, in any version.
void explain(Explainer *explainer, const Sum &sum, TupleTableSlot *row, int64_t counter);

// The subscription is gone, its counter with it: the lines go on where the last one ended.
void explain_gone(Explainer *explainer, const Sum &sum);

// Not all that was due has been written: what is carried to the enclosing statement is explained there.
void carry_explanation(Explainer *explainer, const Sum &sum);

}  // namespace sc
