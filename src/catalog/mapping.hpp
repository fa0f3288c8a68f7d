// What an attachment says about the user's tables, and the one table of its fields: the arguments of attach() and
// audit(), the argument of the triggers and the columns of the view attachments are all read and written by it. A new
// argument of attach() is a line there, a member here and its declaration in SQL. Knows no table and no catalog.
#pragma once

#include "server/names.hpp"

namespace sc {

enum class Guard : uint8_t { reject, ignore, off };

// What becomes of a session that no subscription could pay for.
enum class WhenNone : uint8_t { refuse, leave };

// The two tables of an attachment, or of what may become one.
struct Pair {
    Oid sessions;
    Oid subscriptions;
};
static_assert(Pod<Pair>);

constexpr bool names_none(const Pair &pair)
{
    return pair.sessions == InvalidOid && pair.subscriptions == InvalidOid;
}

struct Expressions;            // catalog/expressions.hpp

// One attachment's columns, values and choices. Every string is palloc'd in the context of whoever parsed it.
struct Mapping {
    const char *member_column;         // nullptr: the application gives the links, and no member is known
    const char *subscription_column;   // the link
    const char *type_column;           // nullptr: every session is consuming
    const char *status_column;         // nullptr: every session counts, as scheduled
    Names consuming_types;
    Names scheduled_statuses;
    Names completed_statuses;
    const char *subscription_member_column;    // nullptr where member_column is
    const char *subscription_status_column;    // nullptr: every subscription is active
    Names active_statuses;
    const char *total_column;          // nullptr: counted, never refused
    const char *used_column;
    const char *remaining_column;      // nullptr: absent or generated; else maintained beside used
    const char *carried_column;        // nullptr: no credit is held but by sessions that are there
    const char *draw_order;            // nullptr: one active subscription for each member
    const char *start_column;          // nullptr: nobody knows when a session takes place
    const char *valid_from_column;     // of the subscriptions; nullptr: open
    const char *valid_until_column;
    const char *time_zone;             // where local times are; nullptr: nothing has to be converted
    const char *counts_when;           // a condition on a session; nullptr: true
    const char *cost;                  // an expression on a session; nullptr: 1
    const char *pays_when;             // a condition on a session and a subscription; nullptr: true
    bool named_links;                  // a link that the application writes counts
    const char *when_none;             // one of when_none_words
    bool notify;                       // each change of a subscription's counts is told to listeners
    bool make_view;
    const char *counts_view;           // nullptr: the default name
    const char *guard;                 // one of guard_words
    bool ledger;                       // every change of a credit is written to the ledger
    bool total_added;                  // attach() has made the total of what remains and what is used
    bool link_check;                   // also a CHECK that what consumes is linked
    Names made;                        // what attach() made, for detach(): "kind:name", see attach/attach.cpp
    const Expressions *expressions;    // as trees, by whoever has looked for them; no field of its own
};
static_assert(Pod<Mapping>);

enum class FieldKind : uint8_t {
    key,        // a column that is compared with another: a member, the link
    word,       // a column of words: a type, a status
    counter,    // a column of whole numbers
    moment,     // a column of dates or timestamps
    expression, // SQL: a trigger's argument says only that there is one, and another trigger carries it
    name,       // of something else than a column
    text,       // anything else
    choice,     // one of some words
    list,       // of words of a column
    flag,
};

// Whose columns a field is about.
enum class Side : uint8_t { neither, sessions, subscriptions };

// Qualities of a field, to be combined.
constexpr uint8_t nullable = 1;        // the argument may be NULL
constexpr uint8_t added = 2;           // attach() adds the column where it is missing
constexpr uint8_t charge_alone = 4;    // only the charge trigger carries it: no other one needs it to do its work
constexpr uint8_t counts = 8;          // another value counts other sessions
constexpr uint8_t may_be_empty = 16;   // a list of no word
constexpr uint8_t computed = 32;       // the column may be generated
constexpr uint8_t changeable = 64;     // of an attached table it may become another column in place

struct Field {
    const char *name;                  // of the argument and of the column of attachments
    FieldKind kind;
    Side side;
    const char *fallback;              // the default as a trigger's argument has it; nullptr: NULL
    uint8_t qualities;
    const char *Mapping::*text;        // where its value is: of a list and of a flag the next two
    Names Mapping::*list;
    bool Mapping::*flag;
    const char *Mapping::*words_of;    // the column whose values a list holds
    Names choices;
};
static_assert(Pod<Field>);

constexpr Field column_field(const char *name, FieldKind kind, Side side, const char *Mapping::*member,
                             const char *fallback, uint8_t qualities = 0)
{
    return {name, kind, side, fallback, qualities, member, nullptr, nullptr, nullptr, {}};
}

constexpr Field list_field(const char *name, Side side, Names Mapping::*member, const char *Mapping::*words_of,
                           const char *fallback, uint8_t qualities = 0)
{
    return {name, FieldKind::list, side, fallback, qualities, nullptr, member, nullptr, words_of, {}};
}

constexpr Field flag_field(const char *name, bool Mapping::*member, const char *fallback, uint8_t qualities = 0)
{
    return {name, FieldKind::flag, Side::neither, fallback, qualities, nullptr, nullptr, member, nullptr, {}};
}

constexpr Field name_field(const char *name, const char *Mapping::*member, const char *fallback, uint8_t qualities = 0)
{
    return {name, FieldKind::name, Side::neither, fallback, qualities, member, nullptr, nullptr, nullptr, {}};
}

constexpr Field choice_field(const char *name, const char *Mapping::*member, Names choices, const char *fallback)
{
    return {name, FieldKind::choice, Side::neither, fallback, 0, member, nullptr, nullptr, nullptr, choices};
}

constexpr Field expression_field(const char *name, const char *Mapping::*member, uint8_t qualities)
{
    return {name, FieldKind::expression, Side::neither, nullptr, qualities, member, nullptr, nullptr, nullptr, {}};
}

constexpr Field text_field(const char *name, const char *Mapping::*member, uint8_t qualities = 0)
{
    return {name, FieldKind::text, Side::neither, nullptr, qualities, member, nullptr, nullptr, nullptr, {}};
}

// In the order of WhenNone.
inline constexpr std::array when_none_words{"refuse", "leave"};

// In the order of Guard.
inline constexpr std::array guard_words{"reject", "ignore", "off"};

inline constexpr std::array mapping_fields{
    column_field("member_column", FieldKind::key, Side::sessions, &Mapping::member_column, "member_id", nullable),
    column_field("subscription_column", FieldKind::key, Side::sessions, &Mapping::subscription_column,
                 "subscription_id", added),
    column_field("type_column", FieldKind::word, Side::sessions, &Mapping::type_column, "session_type", nullable),
    column_field("status_column", FieldKind::word, Side::sessions, &Mapping::status_column, "status", nullable),
    list_field("consuming_types", Side::sessions, &Mapping::consuming_types, &Mapping::type_column,
               "{member,makeup,contractual}", counts),
    list_field("scheduled_statuses", Side::sessions, &Mapping::scheduled_statuses, &Mapping::status_column,
               "{scheduled,in_progress}", counts | may_be_empty),
    list_field("completed_statuses", Side::sessions, &Mapping::completed_statuses, &Mapping::status_column,
               "{completed}", counts | may_be_empty),
    column_field("subscription_member_column", FieldKind::key, Side::subscriptions,
                 &Mapping::subscription_member_column, "member_id", nullable),
    column_field("subscription_status_column", FieldKind::word, Side::subscriptions,
                 &Mapping::subscription_status_column, "status", nullable),
    list_field("active_statuses", Side::subscriptions, &Mapping::active_statuses,
               &Mapping::subscription_status_column, "{active}"),
    column_field("total_column", FieldKind::counter, Side::subscriptions, &Mapping::total_column,
                 "total_sessions_snapshot", nullable | computed),
    column_field("used_column", FieldKind::counter, Side::subscriptions, &Mapping::used_column, "used_sessions", added),
    column_field("remaining_column", FieldKind::counter, Side::subscriptions, &Mapping::remaining_column,
                 "remaining_sessions", nullable),
    column_field("carried_column", FieldKind::counter, Side::subscriptions, &Mapping::carried_column, nullptr,
                 nullable | added),
    text_field("draw_order", &Mapping::draw_order, nullable),
    column_field("start_column", FieldKind::moment, Side::sessions, &Mapping::start_column, nullptr,
                 nullable | computed | changeable),
    column_field("valid_from_column", FieldKind::moment, Side::subscriptions, &Mapping::valid_from_column, nullptr,
                 nullable | computed | changeable),
    column_field("valid_until_column", FieldKind::moment, Side::subscriptions, &Mapping::valid_until_column, nullptr,
                 nullable | computed | changeable),
    text_field("time_zone", &Mapping::time_zone, nullable),
    expression_field("counts_when", &Mapping::counts_when, nullable | counts),
    expression_field("cost", &Mapping::cost, nullable | counts),
    expression_field("pays_when", &Mapping::pays_when, nullable),
    flag_field("named_links", &Mapping::named_links, "true"),
    choice_field("when_none", &Mapping::when_none, when_none_words, "refuse"),
    flag_field("notify", &Mapping::notify, "false"),
    flag_field("make_view", &Mapping::make_view, "true", charge_alone),
    name_field("counts_view", &Mapping::counts_view, nullptr, nullable | charge_alone),
    choice_field("guard", &Mapping::guard, guard_words, "reject"),
    flag_field("ledger", &Mapping::ledger, "false"),
    flag_field("total_added", &Mapping::total_added, "false"),
    flag_field("link_check", &Mapping::link_check, "false", charge_alone),
    list_field("made", Side::neither, &Mapping::made, nullptr, "{}", charge_alone),
};

constexpr bool is_column(const Field &field)
{
    return field.kind == FieldKind::key || field.kind == FieldKind::word || field.kind == FieldKind::counter ||
           field.kind == FieldKind::moment;
}

// Subscriptions are valid for a while only.
constexpr bool has_period(const Mapping &mapping)
{
    return mapping.valid_from_column != nullptr || mapping.valid_until_column != nullptr;
}

constexpr bool has(const Field &field, uint8_t quality)
{
    return (field.qualities & quality) != 0;
}

constexpr bool has_expressions(const Mapping &mapping)
{
    return mapping.counts_when != nullptr || mapping.cost != nullptr || mapping.pays_when != nullptr;
}

// The field of that name, nullptr where there is none.
const Field *find_field(const char *name);

// True if the extension searches the links, by the session's member; else the application gives them.
constexpr bool is_searched(const Mapping &mapping)
{
    return mapping.member_column != nullptr;
}

// Given links know no member: the subscriptions' column is named in vain.
void settle_members(Mapping &mapping);

// What attach() is told where it is told nothing.
Mapping default_mapping();

// Both mappings have the same value there; of a list in any order, of expressions whether there is one.
bool is_same(const Mapping &left, const Mapping &right, const Field &field);

void copy_field(Mapping &target, const Mapping &source, const Field &field);

// The argument of the triggers: a list of "name=value" of what differs from the defaults, after the number of its
// format, so that it is short in \d and travels with pg_dump. It is one argument of each trigger: the server copies
// every argument of a table's triggers for each statement that writes it. charges: that of the charge trigger.
const char *format_mapping(const Mapping &mapping, bool charges);

// Reads the arguments of a trigger, and where something in them cannot be read, the rest of it. What cannot be read
// is returned as what the trigger does wrong, "says …"; nullptr where all is well.
const char *read_mapping(std::span<char *const> arguments, Mapping &mapping);

// The same for a trigger that fires: 55000 where something cannot be read.
Mapping parse_mapping(const Trigger &trigger);

// The trigger's arguments say the same as the mapping, apart from what the charge trigger carries alone.
bool says_the_same(std::span<char *const> arguments, const Mapping &mapping);

Guard guard_of(const Mapping &mapping);
WhenNone when_none_of(const Mapping &mapping);

// Lists of names as array literals, the form in which a trigger's argument carries them; std::nullopt for anything
// else.
std::optional<Names> read_names(const char *literal);
const char *format_names(Names names);

}  // namespace sc
