// undo_repair: puts back the state before a repair, where the row is still as the repair left it and no constraint is
// in the way. Locks the row, compares, writes; decides nothing else.
#include "watch/repair_log.hpp"
#include "watch/repair_tables.hpp"

#include "catalog/arguments.hpp"
#include "catalog/citus.hpp"
#include "server/shards.hpp"
#include "server/own_table.hpp"
#include "store/link_writer.hpp"
#include "server/operators.hpp"
#include "server/spi.hpp"

namespace sc {

namespace {

struct Undo {
    int64 id;
    LoggedRepair repair;
    RepairTables tables;
};
static_assert(Pod<Undo>);

[[noreturn]] void refuse(const Undo &undo, const char *detail, const char *hint)
{
    ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
            errmsg("repair " INT64_FORMAT " cannot be undone", undo.id), errdetail_internal("%s", detail),
            hint == nullptr ? 0 : errhint("%s", hint));
    pg_unreachable();
}

// The row is as the repair left it.
void require_unchanged(const Undo &undo, const char *what, const char *state)
{
    Oid types[] = {TEXTOID, TEXTOID};
    Datum values[] = {CStringGetTextDatum(undo.repair.after), CStringGetTextDatum(state)};
    SPI_execute_with_args("SELECT $1::jsonb = $2::jsonb, $2::jsonb::text", 2, types, values, nullptr, true, 1);
    if (strcmp(cell_text(0, 1), "t") == 0)
        return;
    refuse(undo,
           psprintf("%s has changed since: the repair left %s, and now it is %s.", what, undo.repair.after,
                    cell_text(0, 2)),
           "What has been written since counts from the repaired state; call repair() for what is wrong now.");
}

// A figure of the state before; absent where it was NULL, or is not kept.
std::optional<int64_t> figure_before(const Undo &undo, const char *name)
{
    Oid types[] = {TEXTOID, TEXTOID};
    Datum values[] = {CStringGetTextDatum(undo.repair.before), CStringGetTextDatum(name)};
    SPI_execute_with_args("SELECT ($1::jsonb ->> $2)::int8", 2, types, values, nullptr, true, 1);
    bool is_null;
    const Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
    return is_null ? std::nullopt : std::optional<int64_t>(DatumGetInt64(value));
}

const char *text_before(const Undo &undo, const char *name)
{
    Oid types[] = {TEXTOID, TEXTOID};
    Datum values[] = {CStringGetTextDatum(undo.repair.before), CStringGetTextDatum(name)};
    SPI_execute_with_args("SELECT $1::jsonb ->> $2", 2, types, values, nullptr, true, 1);
    return cell_text(0, 1);
}

// A CHECK or NOT NULL that forbids the old counter is the server's own error.
void restore_subscription(const Undo &undo)
{
    const RepairTables &tables = undo.tables;
    const SubscriptionShape &shape = tables.binding->subscriptions;
    const SubscriptionKey key = read_subscription_key(tables, undo.repair.subscription_id, undo.repair.member_id);
    CounterWriter *writer = open_counter_writer(tables.subscriptions, shape, false);
    TupleTableSlot *row = lock_subscription(writer, key.id, key.member);
    const char *what = psprintf("Subscription %s", undo.repair.subscription_id);
    if (row == nullptr)
        refuse(undo, psprintf("%s is gone.", what), nullptr);
    require_unchanged(undo, what, counter_state(tables, read_subscription(shape, row)));
    restore_counter(writer, figure_before(undo, "used"), figure_before(undo, "remaining"));
    close_counter_writer(writer);
}

// Sessions -----------------------------------------------------------------------------------------------------------

Datum text_array(Names names)
{
    return OidInputFunctionCall(F_ARRAY_IN, const_cast<char *>(format_names(names)), TEXTOID, -1);
}

// "t.key = 'value' AND …" of the logged key, which must have the columns that it had.
const char *key_condition(const Undo &undo)
{
    const Names columns = session_key_columns(undo.tables);
    auto **before = static_cast<const char **>(palloc(sizeof(char *) * columns.size()));
    auto **after = static_cast<const char **>(palloc(sizeof(char *) * columns.size()));
    for (size_t i = 0; i < columns.size(); i++) {
        const Brackets value = around_value(column_operand("t", undo.tables.counting.sessions, columns[i]));
        before[i] = value.before;
        after[i] = value.after;
    }
    Oid types[] = {TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
    Datum values[] = {CStringGetTextDatum(undo.repair.key), text_array(columns),
                      text_array(Names(before, columns.size())), text_array(Names(after, columns.size()))};
    SPI_execute_with_args("SELECT string_agg(c.before || quote_literal(k.value) || c.after, ' AND '),"
                          " count(*) FILTER (WHERE k.key IS NULL OR c.key IS NULL) = 0"
                          " FROM jsonb_each_text($1::jsonb) AS k"
                          " FULL JOIN unnest($2, $3, $4) AS c (key, before, after) ON c.key = k.key",
                          4, types, values, nullptr, true, 1);
    if (strcmp(cell_text(0, 2), "t") != 0)
        refuse(undo, psprintf("The primary key of table \"%s\" has other columns now.",
                              RelationGetRelationName(undo.tables.sessions)),
               nullptr);
    return cell_text(0, 1);
}

// The session, locked against other writers.
Place hold_unchanged_session(const Undo &undo)
{
    const char *command =
        psprintf("SELECT %s, t.tableoid, t.ctid FROM %s AS t WHERE %s FOR UPDATE", session_state(undo.tables),
                 qualified_name(undo.tables.counting.sessions), key_condition(undo));
    const char *what = psprintf("Session %s", undo.repair.session_id);
    if (ask(command, {.writes = true}) != 1)
        refuse(undo, psprintf("%s is gone.", what), nullptr);
    Place place{};
    bool is_null;
    HeapTuple row = SPI_tuptable->vals[0];
    place.relation = DatumGetObjectId(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &is_null));
    place.row = *reinterpret_cast<ItemPointer>(DatumGetPointer(SPI_getbinval(row, SPI_tuptable->tupdesc, 3, &is_null)));
    require_unchanged(undo, what, cell_text(0, 1));
    return place;
}

// Locks what the old link leads to, as the foreign key would: its own triggers do not fire for a link that is put back.
Datum hold_linked_subscription(const Undo &undo)
{
    const RepairTables &tables = undo.tables;
    const SubscriptionShape &shape = tables.binding->subscriptions;
    const SubscriptionKey key =
        read_subscription_key(tables, undo.repair.subscription_id, text_before(undo, "member_id"));
    if (shape.by_member && key.member_text == nullptr)
        return key.id;    // such a link was never looked at
    push_newest_snapshot();
    Cursor cursor = open_cursor(tables.subscriptions, shape);
    if (lock_subscription(cursor, key.id, key.member) == nullptr)
        ereport(ERROR, errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
                errmsg("repair " INT64_FORMAT " cannot be undone", undo.id),
                errdetail("The foreign key of table \"%s\" forbids the old link: there is no subscription %s.",
                          RelationGetRelationName(tables.sessions), undo.repair.subscription_id));
    close_cursor(cursor);
    PopActiveSnapshot();
    return key.id;
}

// The triggers that clear such a link must not see it come back.
void restore_session(const Undo &undo)
{
    const RepairTables &tables = undo.tables;
    const Place place = hold_unchanged_session(undo);
    const Datum link = hold_linked_subscription(undo);
    SessionTables *opened =
        open_session_tables(tables.sessions, tables.counting.mapping, std::span<const Place>(&place, 1));
    LinkWriter *writer = open_link_writer(opened);
    write_link(writer, place, link);
    close_link_writer(writer);
    close_session_tables(opened);
}

void undo_here(Undo &undo)
{
    begin_repair(undo.tables, true);
    if (undo.repair.session_id == nullptr)
        restore_subscription(undo);
    else
        restore_session(undo);
}

// Shards -------------------------------------------------------------------------------------------------------------

const char *literal_or_null(const char *text)
{
    return text == nullptr ? "NULL" : quote_literal_cstr(text);
}

// The shard with the row, which may be on another node than when it was repaired; nullptr: the only one there is.
const char *shard_of(const Undo &undo)
{
    const Pair pair{undo.repair.sessions, undo.repair.subscriptions};
    const Distribution distribution = distribution_of(pair.subscriptions);
    if (distribution.placement != Placement::distributed)
        return nullptr;
    const bool by_member = is_searched(undo.tables.counting.mapping);
    Oid types[] = {REGCLASSOID, TEXTOID, REGCLASSOID};
    Datum values[] = {ObjectIdGetDatum(pair.subscriptions),
                      CStringGetTextDatum(by_member ? undo.repair.member_id : undo.repair.subscription_id),
                      ObjectIdGetDatum(pair.sessions)};
    SPI_execute_with_args("SELECT s.shardid::text FROM pg_catalog.pg_dist_shard AS s JOIN pg_catalog.pg_dist_shard AS o"
                          " ON o.shardminvalue = s.shardminvalue WHERE s.logicalrelid = $3 AND o.shardid ="
                          " pg_catalog.get_shard_id_for_distribution_column($1, $2)",
                          3, types, values, nullptr, true, 1);
    return cell_text(0, 1);
}

void undo_on_shard(const Undo &undo)
{
    const LoggedRepair &repair = undo.repair;
    const Pair pair{repair.sessions, repair.subscriptions};
    require_no_transaction("undo_repair");
    const char *shard = shard_of(undo);
    const char *values = psprintf(INT64_FORMAT ", %s, %s, %s, %s, %s, %s", undo.id, literal_or_null(repair.member_id),
                                  literal_or_null(repair.subscription_id), literal_or_null(repair.session_id),
                                  literal_or_null(repair.key), quote_literal_cstr(repair.before),
                                  quote_literal_cstr(repair.after));
    const char *command = psprintf("SELECT session_consistency._undo_shard_repair('%%1$s', %s, %s)",
                                   subscriptions_beside(pair), doubled_percents(values));
    for (const ShardCommand &one : commands_for_shards(pair.sessions, command))
        if (shard == nullptr || strcmp(one.shard, shard) == 0)
            run_commands(std::span(&one, 1), "undo_repair");
}

}  // namespace

}  // namespace sc

extern "C" {
PG_FUNCTION_INFO_V1(sc_undo_repair);
PG_FUNCTION_INFO_V1(sc_undo_shard_repair);
}

// What was repaired is told, since the log may be on another node.
extern "C" PGDLLEXPORT Datum sc_undo_shard_repair(PG_FUNCTION_ARGS)
{
    using namespace sc;
    require_writable("undo_repair");
    const Arguments arguments = arguments_of(fcinfo);
    const auto told = [&](const char *name) -> const char * {
        const NullableDatum &value = fcinfo->args[*find_argument(arguments, name)];
        return value.isnull ? nullptr : TextDatumGetCString(value.value);
    };
    Undo undo{};
    undo.id = DatumGetInt64(require_argument(arguments, "repair_id"));
    connect_spi();
    undo.tables = open_repair_tables(pair_arguments(arguments), RowExclusiveLock);
    undo.repair = {.sessions = undo.tables.counting.sessions,
                   .subscriptions = undo.tables.counting.subscriptions,
                   .member_id = told("member_id"),
                   .subscription_id = told("subscription_id"),
                   .session_id = told("session_id"),
                   .key = told("session_key"),
                   .before = told("before"),
                   .after = told("after")};
    undo_here(undo);
    end_repair(undo.tables);
    close_repair_tables(undo.tables);
    SPI_finish();
    PG_RETURN_VOID();
}

extern "C" PGDLLEXPORT Datum sc_undo_repair(PG_FUNCTION_ARGS)
{
    using namespace sc;
    if (PG_ARGISNULL(0))
        ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("argument \"repair_id\" must not be null"));
    require_writable("undo_repair");
    Undo undo{};
    undo.id = PG_GETARG_INT64(0);
    connect_spi();
    undo.repair = find_repair(undo.id);
    if (!OidIsValid(undo.repair.sessions))
        refuse(undo, "The table of the sessions is gone.", nullptr);
    const Pair pair{undo.repair.sessions, undo.repair.subscriptions};
    const bool others = !find_attachments(pair.sessions).empty();
    if (others && (!OidIsValid(pair.subscriptions) || find_attachments(pair.sessions, pair.subscriptions).empty()))
        refuse(undo, "The sessions are attached to another table of subscriptions now.", nullptr);
    undo.tables = open_repair_tables(pair, RowExclusiveLock);
    if (undo.tables.sharded) {
        undo_on_shard(undo);
        undo.tables.caller.role = GetUserId();
    } else {
        undo_here(undo);
    }
    mark_undone(undo.id, undo.tables.caller.role);
    if (!undo.tables.sharded)
        end_repair(undo.tables);
    close_repair_tables(undo.tables);
    SPI_finish();
    PG_RETURN_VOID();
}
