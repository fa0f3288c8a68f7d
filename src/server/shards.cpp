// Asks shards.
#include "server/shards.hpp"

#include "server/names.hpp"
#include "server/settings.hpp"
#include "server/spi.hpp"

namespace sc {

namespace {

// A table that is on every node has one shard, with a copy on each.
constexpr const char *ask_query =
    "SELECT shardid::text, success, result FROM pg_catalog.run_command_on_shards($1, $2) ORDER BY shardid";
constexpr const char *ask_copies_query =
    "SELECT shardid::text, success, result FROM pg_catalog.run_command_on_placements($1, $2)"
    " ORDER BY nodename, nodeport";

bool has_copies(Oid table)
{
    Oid types[] = {REGCLASSOID};
    Datum values[] = {ObjectIdGetDatum(table)};
    SPI_execute_with_args("SELECT FROM pg_catalog.pg_dist_partition WHERE logicalrelid = $1 AND repmodel = 't'", 1,
                          types, values, nullptr, true, 1);
    return SPI_processed > 0;
}

void put_to_shards(const char *query, Oid table, const char *command)
{
    Oid types[] = {REGCLASSOID, TEXTOID};
    Datum values[] = {ObjectIdGetDatum(table), CStringGetTextDatum(command)};
    const int result = SPI_execute_with_args(query, 2, types, values, nullptr, false, 0);
    if (result != SPI_OK_SELECT)
        elog(ERROR, "asking the shards failed: %s", SPI_result_code_string(result));
}

const char *text_or_empty(uint64 row, int column)
{
    const char *text = cell_text(row, column);
    return text == nullptr ? "" : text;
}

[[noreturn]] void raise_unanswered(const char *function, const char *shard, const char *why)
{
    ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
            errmsg("%s() failed on shard %s", function, shard), errdetail_internal("%s", why),
            errhint("Other shards may be done: once the cause is mended, call %s() again.", function));
    pg_unreachable();
}

}  // namespace

const char *doubled_percents(const char *text)
{
    StringInfoData doubled;
    initStringInfo(&doubled);
    for (; *text != '\0'; text++) {
        if (*text == '%')
            appendStringInfoChar(&doubled, '%');
        appendStringInfoChar(&doubled, *text);
    }
    return doubled.data;
}

std::span<const ShardAnswer> ask_shards(Oid table, const char *command)
{
    MemoryContext caller = CurrentMemoryContext;
    const int level = enter_pinned_path();
    connect_spi();
    put_to_shards(has_copies(table) ? ask_copies_query : ask_query, table, command);
    const uint64 count = SPI_processed;
    MemoryContext inner = MemoryContextSwitchTo(caller);
    auto *answers = static_cast<ShardAnswer *>(palloc(sizeof(ShardAnswer) * Max(count, uint64{1})));
    for (uint64 i = 0; i < count; i++)
        answers[i] = {pstrdup(text_or_empty(i, 1)), text_or_empty(i, 2)[0] == 't', pstrdup(text_or_empty(i, 3))};
    MemoryContextSwitchTo(inner);
    SPI_finish();
    leave_pinned_path(level);
    return std::span<const ShardAnswer>(answers, count);
}

Datum require_answers(Oid table, const char *command, const char *function)
{
    const std::span<const ShardAnswer> answers = ask_shards(table, command);
    auto *items = static_cast<Datum *>(palloc(sizeof(Datum) * Max(answers.size(), size_t{1})));
    int count = 0;
    const ShardAnswer *last = nullptr;
    for (const ShardAnswer &answer : answers) {
        if (!answer.answered)
            raise_unanswered(function, answer.shard, answer.text);
        const bool again = last != nullptr && strcmp(last->shard, answer.shard) == 0 &&
                           strcmp(last->text, answer.text) == 0;
        last = &answer;
        if (answer.text[0] != '\0' && !again)
            items[count++] = DirectFunctionCall1(jsonb_in, CStringGetDatum(answer.text));
    }
    return PointerGetDatum(construct_array(items, count, JSONBOID, -1, false, TYPALIGN_INT));
}

std::span<const ShardCommand> commands_for_shards(Oid table, const char *command)
{
    MemoryContext caller = CurrentMemoryContext;
    const int level = enter_pinned_path();
    connect_spi();
    put_to_shards("SELECT s.shardid::text, p.nodename, p.nodeport::int,"
                  " pg_catalog.format($2, pg_catalog.shard_name(s.logicalrelid, s.shardid))"
                  " FROM pg_catalog.pg_dist_shard AS s JOIN pg_catalog.pg_dist_shard_placement AS p USING (shardid)"
                  " WHERE s.logicalrelid = $1 AND p.shardstate = 1"
                  " ORDER BY pg_catalog.row_number() OVER (PARTITION BY p.nodename, p.nodeport ORDER BY s.shardid),"
                  " 2, 3",
                  table, command);
    const uint64 count = SPI_processed;
    MemoryContext inner = MemoryContextSwitchTo(caller);
    auto *commands = static_cast<ShardCommand *>(palloc(sizeof(ShardCommand) * Max(count, uint64{1})));
    for (uint64 i = 0; i < count; i++) {
        bool is_null;
        const int32 port = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3, &is_null));
        commands[i] = {pstrdup(cell_text(i, 1)), pstrdup(cell_text(i, 2)), port, pstrdup(cell_text(i, 4))};
    }
    MemoryContextSwitchTo(inner);
    SPI_finish();
    leave_pinned_path(level);
    return std::span<const ShardCommand>(commands, count);
}

void run_commands(std::span<const ShardCommand> commands, const char *function)
{
    const size_t count = commands.size();
    auto *texts = static_cast<Datum *>(palloc(sizeof(Datum) * count * 3));
    for (size_t i = 0; i < count; i++) {
        texts[i] = CStringGetTextDatum(commands[i].node);
        texts[count + i] = Int32GetDatum(commands[i].port);
        texts[2 * count + i] = CStringGetTextDatum(commands[i].text);
    }
    const auto array = [=](size_t first, Oid type, int16 length) {
        const bool is_text = type == TEXTOID;
        return PointerGetDatum(construct_array(texts + first * count, static_cast<int>(count), type, length, !is_text,
                                               TYPALIGN_INT));
    };
    Oid types[] = {TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID};
    Datum values[] = {array(0, TEXTOID, -1), array(1, INT4OID, 4), array(2, TEXTOID, -1)};
    const int level = enter_pinned_path();
    connect_spi();
    SPI_execute_with_args("SELECT ordinality, result FROM pg_catalog.master_run_on_worker($1, $2, $3, true)"
                          " WITH ORDINALITY AS r (node, port, success, result) WHERE NOT success ORDER BY 1 LIMIT 1",
                          3, types, values, nullptr, false, 0);
    if (SPI_processed > 0) {
        bool is_null;
        const Datum place = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
        raise_unanswered(function, commands[DatumGetInt64(place) - 1].shard, text_or_empty(0, 2));
    }
    SPI_finish();
    leave_pinned_path(level);
}

}  // namespace sc
