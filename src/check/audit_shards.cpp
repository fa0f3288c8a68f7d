// Puts together what shards find.
#include "check/audit_shards.hpp"

#include "catalog/citus.hpp"
#include "check/audit_queries.hpp"
#include "server/shards.hpp"

namespace sc {

namespace {

bool is_about_rows(Family family)
{
    return family == Family::session || family == Family::member || family == Family::subscription ||
           family == Family::period;
}

// '{"","count_mismatch",...}': a code stands at the number of its category, where that is of the family.
const char *codes_of(Family family)
{
    StringInfoData codes;
    initStringInfo(&codes);
    for (const Category &category : categories)
        appendStringInfo(&codes, "%s\"%s\"", codes.len == 0 ? "{" : ",",
                         category.family == family ? category.code : "");
    appendStringInfoChar(&codes, '}');
    return psprintf("%s::text[]", quote_literal_cstr(codes.data));
}

// Each shard judges the ends of its own periods, and all judge the same.
const char *findings_of(Family family)
{
    return psprintf("SELECT e.finding, e.place, a.shard, array_position(%s, e.finding ->> 'code') AS category"
                    " FROM unnest($1) WITH ORDINALITY AS a (answer, shard),"
                    " jsonb_array_elements(a.answer) WITH ORDINALITY AS e (finding, place)"
                    " WHERE e.finding ->> 'code' <> '' AND e.finding ->> 'code' = ANY (%s)%s",
                    codes_of(family), codes_of(family),
                    family == Family::period ? " ORDER BY a.shard LIMIT 1" : "");
}

}  // namespace

Datum ask_for_findings(const Arguments &arguments, const AuditScope &scope)
{
    const Pair pair{scope.counting.sessions, scope.counting.subscriptions};
    const char *call = call_on_shard(arguments, subscriptions_beside(pair), "audit_findings");
    return require_answers(pair.sessions, psprintf("SELECT pg_catalog.jsonb_agg(f) FROM %s AS f", call), "audit");
}

const char *shard_findings_query(const AuditScope &scope, Family family)
{
    if (!is_about_rows(family))
        return nullptr;
    return psprintf("SELECT finding ->> 'code', finding ->> 'severity', finding ->> 'member_id',"
                    " finding ->> 'subscription_id', finding ->> 'session_id', finding ->> 'expected',"
                    " finding ->> 'actual', CASE WHEN finding ->> 'repair_sql' IS NOT NULL THEN %s END"
                    " FROM (%s) AS f ORDER BY category, shard, place",
                    call_of_repair(scope), findings_of(family));
}

const char *shard_summary_query(const AuditScope &, Family family)
{
    if (!is_about_rows(family))
        return nullptr;
    return psprintf("SELECT category, count(*), jsonb_agg(finding - '{code,severity,repair_sql}'::text[]"
                    " ORDER BY shard, place) FILTER (WHERE sample <= %d)"
                    " FROM (SELECT f.*, row_number() OVER (PARTITION BY category ORDER BY shard, place) AS sample"
                    " FROM (%s) AS f) AS f GROUP BY category",
                    sample_limit, findings_of(family));
}

}  // namespace sc
