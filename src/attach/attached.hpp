// What there is already of the attachment that attach() is asked for, and what of it the arguments change. Reads
// catalogs, changes nothing.
#pragma once

#include "attach/request.hpp"
#include "catalog/attachment.hpp"

namespace sc {

enum class Act : uint8_t { keep, make, replace, drop };

// What becomes of the trigger of each rule.
using TriggerActs = std::array<Act, trigger_rules.size()>;

// What the arguments change of an attachment, and what of it is gone. Compared before and after the locks are taken.
struct Changes {
    bool active_index;    // the one that attach() made is of other statuses, or in the way of several
    bool link_check;      // the one that attach() made is not wanted, or of other words
    bool drop_view;
    bool rename_view;
    bool replace_view;
    bool remake_view;     // its columns become others, which nothing can replace in place
    bool open_ledger;
    bool counted;         // other sessions are counted, or for another cost: history has to be treated anew
    bool recount;         // which ones were is not known: the trigger that carries the expressions is gone or altered
    bool expressions;     // any of them
    bool made;            // something that attach() made is gone
    bool surplus;         // a table has two triggers of one rule

    bool operator==(const Changes &) const = default;
};

// The attachment of these two tables, nullptr where there is none. Where only its charge trigger is gone, which says
// what was made, that is told by the comments. 42710 where either table is attached to another one, or where the
// attachment cannot be read.
const Attachment *find_attached(const Request &request, const char *counts_view);

// 42710 where the mapping names other columns than the attachment.
void refuse_other_columns(const Attachment &attached, const Mapping &mapping);

// Whether what attach() made of that kind is there still.
bool is_there(const Attachment &attached, const char *kind);

Changes find_changes(const Attachment &attached, const Mapping &mapping, const char *counts_view);

// The table's trigger of the rule, nullptr where there is none; a second one is surplus.
const OwnTrigger *find_rule_trigger(const Request &request, const TriggerRule &rule);

// What has to be done so that every rule has its trigger. One that was altered by hand is kept: it is a gap.
TriggerActs judge_triggers(const Request &request, const Attachment *attached, const Mapping &mapping);

// The triggers that stand beside another one of their rule.
std::span<const OwnTrigger> find_surplus(const Request &request);

}  // namespace sc
