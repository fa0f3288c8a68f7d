// audit and audit_findings: what is wrong with two tables, before and after they are attached. Read-only, in one
// snapshot: the caller's rights are looked at first, then the queries run as the owner of the sessions, restricted.
#include "check/audit_queries.hpp"
#include "check/audit_shards.hpp"
#include "check/find_doubts.hpp"
#include "check/read_counts.hpp"
#include "server/settings.hpp"
#include "server/spi.hpp"

namespace sc {

namespace {

constexpr std::array families{Family::session,     Family::member,  Family::subscription, Family::period,
                              Family::enforcement, Family::trigger, Family::refusal};

struct Summary {
    int64 affected;
    Datum samples;
};

// What the catalogs say needs no row.
bool is_read(const AuditScope &scope, Family family)
{
    return scope.distrust == nullptr || family == Family::enforcement || family == Family::trigger ||
           family == Family::refusal;
}

// What an audit knows before it asks.
struct Known {
    const AuditScope *scope;
    Doubts doubts;                 // of which there may be findings
    Datum answers;                 // of shards, where the tables are shells
};

// A query, of what the shards have found where it is about their rows.
struct Question {
    const char *query;
    bool of_shards;
};

Question question_of(const Known &known, Family family, const char *(*of_shards)(const AuditScope &, Family),
                     const char *(*of_tables)(const AuditScope &, Family))
{
    const AuditScope &scope = *known.scope;
    if (!is_read(scope, family) || (family == Family::session && !known.doubts.sessions) ||
        (family == Family::subscription && !known.doubts.subscriptions))
        return {};
    if (scope.sharded)
        if (const char *query = of_shards(scope, family))
            return {query, true};
    return {of_tables(scope, family), false};
}

void put(const Known &known, const Question &question, DestReceiver *receiver = nullptr)
{
    constexpr Oid type = JSONBARRAYOID;
    const size_t count = question.of_shards ? 1 : 0;
    ask(question.query, {.types = std::span(&type, count), .values = std::span(&known.answers, count),
                         .receiver = receiver});
}

void store_findings(const Known &known, const ReturnSetInfo *result)
{
    for (Family family : families) {
        const Question question = question_of(known, family, shard_findings_query, findings_query);
        if (question.query == nullptr)
            continue;
        DestReceiver *receiver = CreateTuplestoreDestReceiver();
        SetTuplestoreDestReceiverParams(receiver, result->setResult, result->econtext->ecxt_per_query_memory, false,
                                        nullptr, nullptr);
        put(known, question, receiver);
    }
}

std::array<Summary, categories.size()> summarize(const Known &known)
{
    std::array<Summary, categories.size()> summaries;
    summaries.fill(Summary{.affected = 0, .samples = DirectFunctionCall1(jsonb_in, CStringGetDatum("[]"))});
    for (Family family : families) {
        const Question question = question_of(known, family, shard_summary_query, summary_query);
        if (question.query == nullptr)
            continue;
        put(known, question);
        for (uint64 i = 0; i < SPI_processed; i++) {
            bool null;
            const auto cell = [&null, i](int column) {
                return SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, column, &null);
            };
            summaries[DatumGetInt32(cell(1)) - 1] = Summary{.affected = DatumGetInt64(cell(2)), .samples = cell(3)};
        }
    }
    return summaries;
}

void store_summaries(const Known &known, const ReturnSetInfo *result)
{
    const AuditScope &scope = *known.scope;
    const std::array<Summary, categories.size()> summaries = summarize(known);
    for (size_t i = 0; i < categories.size(); i++) {
        const Category &category = categories[i];
        const char *unknown = is_read(scope, category.family)
                                  ? category.unknown(scope)
                                  : psprintf("Cannot be determined: no row is read, since %s.", scope.distrust);
        const char *description =
            unknown == nullptr ? category.description : psprintf("%s %s", category.description, unknown);
        std::array<Datum, 6> values{CStringGetTextDatum(category.code),
                                    CStringGetTextDatum(category.severity),
                                    Int64GetDatum(summaries[i].affected),
                                    CStringGetTextDatum(description),
                                    CStringGetTextDatum(category.recommendation),
                                    summaries[i].samples};
        std::array<bool, 6> nulls{};
        tuplestore_putvalues(result->setResult, result->setDesc, values.data(), nulls.data());
    }
}

using Store = void (*)(const Known &known, const ReturnSetInfo *result);

// Makes the members' keys a relation of the queries that follow.
void read_members(const AuditScope &scope)
{
    const Column key = *find_column(scope.members, scope.members_key);
    auto *relation = static_cast<EphemeralNamedRelation>(palloc0(sizeof(EphemeralNamedRelationData)));
    relation->md.name = pstrdup(member_keys);
    relation->md.tupdesc =
        BuildDescFromLists(list_make1(makeString(pstrdup(scope.members_key))), list_make1_oid(key.type),
                           list_make1_int(key.typmod), list_make1_oid(key.collation));
    relation->md.enrtype = ENR_NAMED_TUPLESTORE;
    Tuplestorestate *keys = tuplestore_begin_heap(true, false, work_mem);
    run_restricted(owner_of(scope.members), [&] {
        store_query(psprintf("SELECT %s FROM %s AS g", quoted_column("g", scope.members_key),
                             qualified_name(scope.members)),
                    keys);
    });
    relation->md.enrtuples = static_cast<double>(tuplestore_tuple_count(keys));
    relation->reldata = keys;
    if (SPI_register_relation(relation) != SPI_OK_REL_REGISTER)
        elog(ERROR, "registering the members' keys failed");
}

Datum run_audit(FunctionCallInfo fcinfo, Store store)
{
    InitMaterializedSRF(fcinfo, 0);
    const AuditScope scope = read_audit_scope(fcinfo);
    push_reading_snapshot();
    require_unchanged(scope.counting.sessions);
    require_unchanged(scope.counting.subscriptions);
    Datum answers{};
    if (scope.sharded && scope.distrust == nullptr)
        answers = ask_for_findings(arguments_of(fcinfo), scope);
    connect_spi();
    if (!scope.sharded && scope.distrust == nullptr && scope.members_name == member_keys)
        read_members(scope);
    const Caller caller = begin_reading(scope.counting.sessions);
    // Dates read the same whoever asks, as they stand in repair_sql.
    set_locally("DateStyle", "ISO");
    const Doubts doubts = scope.distrust == nullptr && !scope.sharded ? find_doubts(scope) : every_doubt;
    store({&scope, doubts, answers}, reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo));
    leave_owner(caller);
    SPI_finish();
    PopActiveSnapshot();
    return Datum{0};
}

}  // namespace

}  // namespace sc

extern "C" {
PG_FUNCTION_INFO_V1(sc_audit);
PG_FUNCTION_INFO_V1(sc_audit_findings);
}

extern "C" PGDLLEXPORT Datum sc_audit(PG_FUNCTION_ARGS)
{
    return sc::run_audit(fcinfo, sc::store_summaries);
}

extern "C" PGDLLEXPORT Datum sc_audit_findings(PG_FUNCTION_ARGS)
{
    return sc::run_audit(fcinfo, sc::store_findings);
}
