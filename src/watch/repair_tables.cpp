// Opens the tables of a repair and describes their rows.
#include "watch/repair_tables.hpp"

#include "catalog/citus.hpp"
#include "server/pg_compat.hpp"
#include "check/read_counts.hpp"
#include "server/settings.hpp"
#include "write/notify_counts.hpp"

namespace sc {

namespace {

Datum parse_value(Relation relation, AttrNumber number, const char *text)
{
    const Form_pg_attribute column = TupleDescAttr(RelationGetDescr(relation), number - 1);
    Oid input;
    Oid parameter;
    getTypeInputInfo(column->atttypid, &input, &parameter);
    return OidInputFunctionCall(input, const_cast<char *>(text), parameter, column->atttypmod);
}

const char *number_text(std::optional<int64_t> number)
{
    return number ? psprintf("%lld", static_cast<long long>(*number)) : "null";
}

const char *text_column(const char *column)
{
    return column == nullptr ? "NULL" : psprintf("%s::text", quoted_column("t", column));
}

}  // namespace

RepairTables open_repair_tables(const Pair &pair, LOCKMODE lock)
{
    RepairTables tables{};
    const Attachment &attachment = tables.attachment = require_attachment(pair);
    tables.sharded = require_together({attachment.sessions, attachment.subscriptions}, "repair");
    require_owner(attachment.sessions);
    if (OidIsValid(attachment.subscriptions))
        require_owner(attachment.subscriptions);
    tables.sessions = table_open(attachment.sessions, lock);
    const Attachment &locked = open_attachments(pair).front().attachment;
    run_restricted(owner_of(attachment.sessions), [&] { tables.counting = open_counting(locked); });
    require_owner(tables.counting.subscriptions);
    tables.subscriptions = table_open(tables.counting.subscriptions, lock);
    return tables;
}

void require_no_transaction(const char *function)
{
    if (IsTransactionBlock())
        ereport(ERROR, errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
                errmsg("%s() of tables of Citus cannot run inside a transaction block", function),
                errdetail("Each shard works in a transaction of its own, which could wait for what this one has "
                          "locked."),
                errhint("Call it by itself."));
}

void close_repair_tables(const RepairTables &tables)
{
    table_close(tables.subscriptions, NoLock);
    table_close(tables.sessions, NoLock);
}

void begin_repair(RepairTables &tables, bool writes)
{
    const Oid sessions = RelationGetRelid(tables.sessions);
    if (writes) {
        make_constraints_immediate(partition_tree(sessions, AccessShareLock));
        make_constraints_immediate(std::array{tables.counting.subscriptions});
    }
    tables.caller = enter_restricted(owner_of(sessions));
    set_locally("DateStyle", "ISO");
    tables.binding = &bind_sessions(tables.sessions, charge_trigger_of(tables.sessions, tables.attachment));
    if (writes)
        note_all_counts(*tables.binding);
}

void end_repair(const RepairTables &tables)
{
    leave_owner(tables.caller);
}

SubscriptionKey read_subscription_key(const RepairTables &tables, const char *id, const char *member)
{
    const SubscriptionShape &shape = tables.binding->subscriptions;
    SubscriptionKey key{};
    key.id_text = id;
    key.member_text = member;
    key.id = parse_value(tables.subscriptions, shape.id, id);
    if (member != nullptr)
        key.member = parse_value(tables.subscriptions, shape.member, member);
    return key;
}

const char *counter_state(const RepairTables &tables, const Subscription &subscription)
{
    const char *remaining = tables.binding->subscriptions.remaining == 0
                                ? ""
                                : psprintf(", \"remaining\": %s", number_text(subscription.remaining));
    return psprintf("{\"total\": %s, \"used\": %s%s}", number_text(subscription.total),
                    number_text(subscription.used), remaining);
}

const char *session_state(const RepairTables &tables)
{
    const Mapping &mapping = tables.counting.mapping;
    return psprintf("pg_catalog.jsonb_build_object('member_id', %s, 'subscription_id', %s, 'type', %s, 'status', %s)"
                    "::text",
                    text_column(mapping.member_column), text_column(mapping.subscription_column),
                    text_column(mapping.type_column), text_column(mapping.status_column));
}

Names session_key_columns(const RepairTables &tables)
{
    bool deferrable;
    const Columns key = primary_key_of(tables.sessions, &deferrable);
    auto **names = static_cast<const char **>(palloc(sizeof(char *) * Max(key.size(), size_t{1})));
    for (size_t i = 0; i < key.size(); i++)
        names[i] = get_attname(RelationGetRelid(tables.sessions), key[i], false);
    return Names(names, key.size());
}

const char *session_key(const RepairTables &tables)
{
    StringInfoData key;
    initStringInfo(&key);
    for (const char *column : session_key_columns(tables))
        appendStringInfo(&key, "%s%s, %s", key.len == 0 ? "" : ", ", quote_literal_cstr(column), text_column(column));
    return psprintf("pg_catalog.jsonb_build_object(%s)::text", key.data);
}

}  // namespace sc
