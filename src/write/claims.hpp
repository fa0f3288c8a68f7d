// The sessions of a statement that need a subscription to allow them, each by itself: those that start to hold a credit
// of it, cost more, or changed in what is judged. Noted while the rows go by, judged under the lock at the settlement.
#pragma once

#include "write/charge_row.hpp"

namespace sc {

// Notes the session as it is stored now, if the change means that its subscription has to be asked.
void note_claim(Part *part, Sum &sum, const SessionChange &change, const Change &rule);

// Hands the claims of one sum over to another.
void follow_claims(Part *part, Sum &target, const Sum &source);

// False if pays_when is false for one of them. subscription is the newest version, locked.
bool are_paid(const Part &part, const Sum &sum, TupleTableSlot *subscription);

}  // namespace sc
