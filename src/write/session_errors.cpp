// The errors of a write to the sessions.
#include "write/session_errors.hpp"

namespace sc {

namespace {

// "subscription 42", or "row 42 of relation "classes"" if the application names it, which may be anything. Without the
// key if the caller may not read it.
const char *name_subscription(const Reader &reader, Datum id)
{
    const SubscriptionShape &shape = reader.binding->subscriptions;
    const bool readable = may_read(shape.relation, reader.role);
    const char *key = readable ? value_text(id, shape.id_key.type) : nullptr;
    if (reader.binding->searched)
        return readable ? psprintf("subscription %s", key) : "the subscription";
    return readable ? psprintf("row %s of relation \"%s\"", key, get_rel_name(shape.relation))
                    : psprintf("the row of relation \"%s\"", get_rel_name(shape.relation));
}

const char *detail_for(const Reader &reader, const char *detail)
{
    return may_read(reader.binding->subscriptions.relation, reader.role) ? detail : nullptr;
}

// Whoever may not change a total is not told to raise one.
bool may_sell(const Reader &reader)
{
    const SubscriptionShape &shape = reader.binding->subscriptions;
    return shape.total != 0 && may_update(shape.relation, shape.total, reader.role);
}

const char *member_text(const Reader &reader, const std::optional<Datum> &member)
{
    return member ? value_text(*member, reader.binding->subscriptions.member_key.type) : "NULL";
}

// The figures that an error shows to those who may read them.
const char *figures(const Reader &reader, const Subscription &subscription, int64_t asked)
{
    const char *total = subscription.total
                            ? psprintf("%lld credits", static_cast<long long>(*subscription.total))
                            : "unlimited credits";
    return detail_for(reader, psprintf("It holds %s, %lld used; this statement needs %lld more.", total,
                                       static_cast<long long>(subscription.used.value_or(0)),
                                       static_cast<long long>(asked)));
}

}  // namespace

void raise_unlinked(const Reader &reader, const std::optional<Datum> &member, int active)
{
    const AttrNumber column = reader.binding->sessions.link;
    const char *who = member_text(reader, member);
    if (active > 1)
        raise_violation(Violation::ambiguous_subscription, reader.sessions, column,
                        {psprintf("member %s has more than one active subscription", who),
                         "The session names no subscription, and more than one could pay for it.",
                         "Name the subscription in the session, or end all but one of them: "
                         "session_consistency.audit() lists them."});
    raise_violation(Violation::no_active_subscription, reader.sessions, column,
                    {psprintf("member %s has no active subscription", who),
                     "A session of a consuming type needs a subscription that pays for it.",
                     "Activate or create a subscription for the member, or book with another session type."});
}

void raise_foreign(const Reader &reader, Datum id, const std::optional<Datum> &member)
{
    raise_violation(Violation::foreign_subscription, reader.sessions, reader.binding->sessions.link,
                    {psprintf("%s does not belong to member %s", name_subscription(reader, id),
                              member_text(reader, member)),
                     "A session is paid for by a subscription of its own member.",
                     "Link the session to a subscription of its own member, or leave the link empty."});
}

void raise_inactive(const Reader &reader, Datum id, const Subscription &subscription, int64_t asked)
{
    raise_violation(Violation::inactive_subscription, reader.sessions, reader.binding->sessions.link,
                    {psprintf("%s is not active", name_subscription(reader, id)),
                     figures(reader, subscription, asked),
                     reader.binding->searched
                         ? "Book on the member's active subscription; only completed sessions may be attributed to one "
                           "that is not active."
                         : "Book on another one; only completed sessions may be linked to one that is not active."});
}

void raise_no_credit(const Reader &reader, Datum id, const Subscription &subscription, int64_t asked)
{
    const char *hint = "Book on another one.";
    if (reader.binding->searched)
        hint = may_sell(reader) ? "Raise its total, or book on another subscription." : "Book on another subscription.";
    else if (may_sell(reader))
        hint = "Raise its total, or book on another one.";
    raise_violation(Violation::no_credit_left, reader.sessions, reader.binding->sessions.link,
                    {psprintf("%s has no credit left", name_subscription(reader, id)),
                     figures(reader, subscription, asked), hint});
}

void raise_does_not_pay(const Reader &reader, Datum id)
{
    raise_violation(Violation::does_not_pay, reader.sessions, reader.binding->sessions.link,
                    {psprintf("%s does not pay for this session", name_subscription(reader, id)),
                     "The condition pays_when of the attachment is false for the two of them.",
                     "Book on a subscription that pays for such sessions; the view session_consistency.attachments "
                     "shows the condition."});
}

void raise_cost(const Reader &reader, bool is_null)
{
    ereport(ERROR, errcode(is_null ? ERRCODE_NULL_VALUE_NOT_ALLOWED : ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
            is_null ? errmsg("the cost of a session of relation \"%s\" is NULL",
                             RelationGetRelationName(reader.sessions))
                    : errmsg("the cost of a session of relation \"%s\" is negative",
                             RelationGetRelationName(reader.sessions)),
            errdetail("The session counts, and the expression cost of the attachment says what it costs."),
            errhint("Fill in the columns that the expression reads; one that gives 0 costs nothing."),
            errtable(reader.sessions));
    pg_unreachable();
}

void raise_beyond_every_counter()
{
    ereport(ERROR, errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
            errmsg("the sum of credits is out of range for type bigint"),
            errdetail("The sessions of one subscription cost more in sum than any counter can hold."),
            errhint("Let a session cost less: count in a larger unit."));
    pg_unreachable();
}

namespace {

// A moment as its column shows it; "open" if it is NULL.
const char *moment_text(HeapTuple row, TupleDesc columns, const MomentColumn &column)
{
    if (column.number == 0)
        return "open";
    bool is_null;
    const Datum value = heap_getattr(row, column.number, columns, &is_null);
    return is_null ? "open" : value_text(value, column.type);
}

const char *period_text(const SubscriptionShape &shape, HeapTuple row, TupleDesc columns)
{
    return psprintf("from %s until %s", moment_text(row, columns, shape.valid_from),
                    moment_text(row, columns, shape.valid_until));
}

// The session's start in the scale on which it was compared.
const char *start_text(const Reader &reader, std::optional<int64_t> start)
{
    const MomentColumn &column = reader.binding->sessions.start;
    const bool zoned = column.type == TIMESTAMPTZOID && reader.binding->sessions.zone == nullptr;
    return start ? value_text(TimestampGetDatum(*start), zoned ? TIMESTAMPTZOID : TIMESTAMPOID) : "NULL";
}

const char *left_text(const RefusedPack &pack)
{
    return pack.room ? psprintf("%lld left", static_cast<long long>(*pack.room)) : "unlimited";
}

// One line for each subscription: what is left of it, and when it is valid.
const char *packs_text(const Reader &reader, std::span<const RefusedPack> packs)
{
    const SubscriptionShape &shape = reader.binding->subscriptions;
    const bool periods = shape.valid_from.number != 0 || shape.valid_until.number != 0;
    Relation subscriptions = table_open(shape.relation, AccessShareLock);
    StringInfoData text;
    initStringInfo(&text);
    constexpr size_t most_shown = 10;
    for (size_t i = 0; i < packs.size() && i < most_shown; i++)
        appendStringInfo(&text, "%s%s %s: %s%s%s", i == 0 ? "" : "; ", i == 0 ? "Subscription" : "subscription",
                         value_text(packs[i].id, shape.id_key.type), left_text(packs[i]),
                         periods ? ", valid " : "",
                         periods ? period_text(shape, packs[i].row, RelationGetDescr(subscriptions)) : "");
    if (packs.size() > most_shown)
        appendStringInfo(&text, "; and %zu more", packs.size() - most_shown);
    appendStringInfoChar(&text, '.');
    table_close(subscriptions, NoLock);
    return text.data;
}

// "member 7", or "the member" if the caller may not read the subscriptions.
const char *name_member(const Reader &reader, const std::optional<Datum> &member)
{
    return psprintf("member %s", member_text(reader, member));
}

}  // namespace

void raise_outside_period(const Reader &reader, Datum id, TupleTableSlot *row, std::optional<int64_t> start)
{
    const SubscriptionShape &shape = reader.binding->subscriptions;
    HeapTuple tuple = ExecCopySlotHeapTuple(row);
    const char *detail = psprintf("It is valid %s; the session starts at %s.",
                                  period_text(shape, tuple, row->tts_tupleDescriptor), start_text(reader, start));
    raise_violation(Violation::outside_period, reader.sessions, reader.binding->sessions.link,
                    {psprintf("%s is not valid when the session starts", name_subscription(reader, id)),
                     detail_for(reader, detail),
                     "Book within its period, or on a subscription that is valid then."});
}

void raise_undrawn(const Reader &reader, const std::optional<Datum> &member, const Wanted &wanted,
                   std::span<const RefusedPack> packs, bool ambiguous)
{
    if (packs.empty() || ambiguous || !member)
        raise_unlinked(reader, member, ambiguous ? 2 : 0);
    const AttrNumber column = reader.binding->sessions.link;
    const char *detail = detail_for(reader, packs_text(reader, packs));
    const char *who = name_member(reader, member);
    bool covered = false;
    bool paid = false;
    for (const RefusedPack &pack : packs) {
        covered |= pack.covers;
        paid |= pack.covers && pack.pays;
    }
    if (!covered)
        raise_violation(Violation::outside_period, reader.sessions, column,
                        {psprintf("no active subscription of %s is valid at %s", who,
                                  start_text(reader, wanted.start)),
                         detail, "Book within the period of one of them, or give the member one that is valid then."});
    if (!paid)
        raise_violation(Violation::does_not_pay, reader.sessions, column,
                        {psprintf("no active subscription of %s pays for this session", who), detail,
                         "The view session_consistency.attachments shows the condition pays_when: give the member a "
                         "subscription for which it holds."});
    raise_violation(Violation::no_credit_left, reader.sessions, column,
                    {wanted.cost == 1 ? psprintf("no subscription of %s has a credit left", who)
                                      : psprintf("no subscription of %s has %lld credits left", who,
                                                 static_cast<long long>(wanted.cost)),
                     detail,
                     may_sell(reader) ? "Sell the member another one, or raise the total of one of them."
                                      : "Book when one of them has room again, or when the member has another."});
}

namespace {

int link_constraint_name(const Reader &reader)
{
    return err_generic_string(PG_DIAG_CONSTRAINT_NAME, get_constraint_name(reader.binding->link_constraint));
}

}  // namespace

void raise_in_use(const Reader &reader, std::optional<Datum> id)
{
    ereport(ERROR, errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
            errmsg("%s cannot be deleted or given another key while sessions hold its credits",
                   id ? name_subscription(reader, *id) : "the subscription"),
            errdetail("It pays for booked or completed sessions of relation \"%s\".",
                      RelationGetRelationName(reader.sessions)),
            reader.binding->searched ? errhint("Cancel or delete these sessions first, or keep the subscription and "
                                               "give it a status that is not active.")
                                     : errhint("Cancel or delete these sessions first, or keep the row and give it a "
                                               "status that is not active."),
            errtablecol(reader.sessions, reader.binding->sessions.link), link_constraint_name(reader));
    pg_unreachable();
}

void raise_member_in_use(const Reader &reader, Datum id)
{
    const Oid subscriptions = reader.binding->subscriptions.relation;
    ereport(ERROR, errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
            errmsg("the member of %s cannot change while sessions refer to it", name_subscription(reader, id)),
            errdetail("Sessions of relation \"%s\" are linked to it for its present member.",
                      RelationGetRelationName(reader.sessions)),
            errhint("Give the new member a subscription of its own."),
            err_generic_string(PG_DIAG_SCHEMA_NAME, get_namespace_name(get_rel_namespace(subscriptions))),
            err_generic_string(PG_DIAG_TABLE_NAME, get_rel_name(subscriptions)),
            err_generic_string(PG_DIAG_COLUMN_NAME,
                               get_attname(subscriptions, reader.binding->subscriptions.member, false)),
            link_constraint_name(reader));
    pg_unreachable();
}

void raise_gone(const Reader &reader, Datum id)
{
    ereport(ERROR, errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
            errmsg("%s does not exist", name_subscription(reader, id)),
            reader.binding->searched ? errhint("Link the session to a subscription of its member.")
                                     : errhint("Link the session to a row that is there."),
            errtablecol(reader.sessions, reader.binding->sessions.link), link_constraint_name(reader));
    pg_unreachable();
}

void raise_below_zero(const Reader &reader, Datum id, int64_t used, int64_t given_back)
{
    ereport(ERROR, errcode(ERRCODE_CHECK_VIOLATION),
            errmsg("the counter of %s would fall below 0", name_subscription(reader, id)),
            may_read(reader.binding->subscriptions.relation, reader.role)
                ? errdetail("Its counter says %lld, and this statement gives back %lld.",
                            static_cast<long long>(used), static_cast<long long>(given_back))
                : 0,
            errhint("The counter is lower than the sessions that it counts: session_consistency.check_counts() shows "
                    "by how much."),
            errtablecol(reader.sessions, reader.binding->sessions.link));
    pg_unreachable();
}

void raise_not_set(const Reader &reader)
{
    const SessionShape &shape = reader.binding->sessions;
    ereport(ERROR, errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
            errmsg("another trigger keeps column \"%s\" of relation \"%s\" from being set",
                   get_attname(shape.relation, shape.link, false), RelationGetRelationName(reader.sessions)),
            errhint("Let the BEFORE triggers of the sessions leave the link alone and return NEW."),
            errtablecol(reader.sessions, shape.link));
    pg_unreachable();
}

void raise_changed_meanwhile(const Reader &reader)
{
    const SessionShape &shape = reader.binding->sessions;
    ereport(ERROR, errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
            errmsg("another trigger changes a session of relation \"%s\" when its link is written again",
                   RelationGetRelationName(reader.sessions)),
            errdetail("The subscription that was drawn first has no credit left any more. The session was judged and "
                      "charged as it was before that trigger."),
            errhint("Let the BEFORE triggers of the sessions leave a row as it is when only column \"%s\" changes.",
                    get_attname(shape.relation, shape.link, false)),
            errtable(reader.sessions));
    pg_unreachable();
}

}  // namespace sc
