// Reads the ledger: explain_subscription() shows the lines of one subscription, ledger_gaps() replays them all, through
// ledger_lines, for whoever may read the sessions. Writes nothing.
#include "catalog/arguments.hpp"
#include "check/read_counts.hpp"
#include "server/settings.hpp"
#include "server/spi.hpp"
#include "store/ledger_names.hpp"
#include "store/pairs.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_explain_subscription);
PG_FUNCTION_INFO_V1(sc_ledger_gaps);
}

namespace sc {

namespace {

// A line names rows by their keys: a right for some of the columns is not enough.
void require_select(Oid relation)
{
    const AclResult result =
        OidIsValid(relation) ? pg_class_aclcheck(relation, GetUserId(), ACL_SELECT) : ACLCHECK_OK;
    if (result != ACLCHECK_OK)
        aclcheck_error(result, OBJECT_TABLE, get_rel_name(relation));
}

// The key as its own type writes it.
const char *settle_key(const Counting &counting, const char *key)
{
    const AttrNumber column = get_attnum(counting.subscriptions, counting.subscription_id);
    const Oid type = getBaseType(get_atttype(counting.subscriptions, column));
    Oid input;
    Oid parameter;
    getTypeInputInfo(type, &input, &parameter);
    return key_text(OidInputFunctionCall(input, const_cast<char *>(key), parameter, -1), type);
}

// A key of the subscriptions as the ledger has it, which a cast to text is not for every type.
const char *text_of_key(const char *column)
{
    return psprintf("session_consistency._key_text(%s) COLLATE \"C\"", quoted_column("s", column));
}

const char *gaps_query(const Counting &counting)
{
    const Mapping &mapping = counting.mapping;
    const char *member = is_searched(mapping) ? text_of_key(mapping.subscription_member_column) : "NULL::text";
    const char *id = text_of_key(counting.subscription_id);
    const char *used = quoted_column("s", mapping.used_column);
    const int32 pair = find_pair(counting.sessions, counting.subscriptions);
    // From the newest line to the oldest, so that one pass in one order tells all: age 1 is the last line, restated
    // whether a line that sets the balance comes as late or later. Last lines and gaps are kept.
    return psprintf(
        "WITH lines AS MATERIALIZED (SELECT * FROM ("
        "SELECT id, subscription_id, member_id, line, balance, row_number() OVER w AS age,"
        " lead(balance, 1, 0::bigint) OVER w + delta AS expected, lead(line, 1, 0::bigint) OVER w + 1 AS following,"
        " count(*) FILTER (WHERE reason IN ('opened', 'recounted', 'repaired', 'repair undone', 'truncated'))"
        " OVER (w ROWS UNBOUNDED PRECEDING) AS restated"
        " FROM session_consistency.ledger_lines WHERE pair = %d"
        " WINDOW w AS (PARTITION BY subscription_id, member_id ORDER BY line DESC)) AS l"
        " WHERE age = 1 OR line <> following OR balance <> expected),"
        " opened AS MATERIALIZED (SELECT max(id) AS id"
        " FROM session_consistency.ledger_lines WHERE pair = %d AND reason = 'opened')"
        " SELECT '%u'::regclass, '%u'::regclass, subscription_id, member_id, ledger_id, expected, actual,"
        " format('Subscription %%s: ', subscription_id) || message FROM ("
        "SELECT l.subscription_id, l.member_id, l.id AS ledger_id, l.expected, l.balance AS actual,"
        " CASE WHEN line = following THEN"
        " format('line %%s shows a balance of %%s, and the lines before it lead to %%s.', line, balance, expected)"
        " WHEN line = following + 1 THEN format('line %%s is missing.', following)"
        " ELSE format('lines %%s to %%s are missing.', following, line - 1) END AS message"
        " FROM lines AS l, opened AS o WHERE line <> following AND l.id > coalesce(o.id, 0)"
        " OR balance <> expected AND restated = 0"
        " UNION ALL"
        " SELECT %s, %s, NULL, coalesce(l.balance, 0), %s,"
        " format('its counter is %%s, and the ledger leads to %%s.', coalesce(%s::text, 'NULL'),"
        " coalesce(l.balance, 0))"
        " FROM %s AS s LEFT JOIN lines AS l ON l.age = 1 AND l.subscription_id = %s%s"
        " WHERE coalesce(%s, 0) <> coalesce(l.balance, 0)) AS gaps"
        " ORDER BY subscription_id COLLATE \"C\", member_id COLLATE \"C\", ledger_id NULLS LAST",
        pair, pair, counting.sessions, counting.subscriptions, id,
        counting.by_member ? member : "NULL", used, used,
        qualified_name(counting.subscriptions), id,
        counting.by_member ? psprintf(" AND l.member_id = %s", member) : "", used);
}

void explain_subscription(const Counting &counting, const char *wanted, Tuplestorestate *rows)
{
    if (!counting.mapping.ledger)
        raise_no_ledger(counting.sessions);
    const char *key = settle_key(counting, wanted);
    const bool found = store_query(
        psprintf("SELECT id, at, transaction_id, role, actor, member_id, line, session_id, delta, balance, reason"
                 " FROM session_consistency.ledger_lines WHERE pair = %d AND subscription_id = %s ORDER BY id",
                 find_pair(counting.sessions, counting.subscriptions), quote_literal_cstr(key)),
        rows);
    if (!found && !finds_row(psprintf("SELECT FROM %s AS s WHERE %s = %s", qualified_name(counting.subscriptions),
                                      text_of_key(counting.subscription_id), quote_literal_cstr(key))))
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("subscription %s of table \"%s\" does not exist", key, get_rel_name(counting.subscriptions)),
                errdetail("The ledger has no line of it either."));
}

// The row of an attachment whose ledger could not be replayed.
void store_failure(const Attachment &attachment, const char *why, Tuplestorestate *rows, TupleDesc shape)
{
    std::array<Datum, 8> values{ObjectIdGetDatum(attachment.sessions), ObjectIdGetDatum(attachment.subscriptions)};
    std::array<bool, 8> nulls{false, !OidIsValid(attachment.subscriptions), true, true, true, true, true, false};
    Assert(shape->natts == static_cast<int>(values.size()));
    values[7] = CStringGetTextDatum(psprintf("Cannot be checked: %s.", why));
    tuplestore_putvalues(rows, shape, values.data(), nulls.data());
}

}  // namespace

}  // namespace sc

extern "C" Datum sc_explain_subscription(PG_FUNCTION_ARGS)
{
    using namespace sc;
    const Arguments arguments = arguments_of(fcinfo);
    require_argument(arguments, "sessions");
    const char *wanted = TextDatumGetCString(require_argument(arguments, "subscription_id"));
    const Pair pair = pair_arguments(arguments);
    InitMaterializedSRF(fcinfo, 0);
    const auto *result = reinterpret_cast<const ReturnSetInfo *>(fcinfo->resultinfo);
    for (const Attachment &attachment : find_attachments(pair.sessions, pair.subscriptions)) {
        require_select(attachment.sessions);
        require_select(attachment.subscriptions);
    }
    read_one(pair, [&](const Counting &counting) { explain_subscription(counting, wanted, result->setResult); });
    return Datum{0};
}

extern "C" Datum sc_ledger_gaps(PG_FUNCTION_ARGS)
{
    using namespace sc;
    InitMaterializedSRF(fcinfo, 0);
    const auto *result = reinterpret_cast<const ReturnSetInfo *>(fcinfo->resultinfo);
    const Pair pair = pair_arguments(arguments_of(fcinfo));
    const bool every = names_none(pair);
    for (const Attachment &attachment : find_attachments(pair.sessions, pair.subscriptions))
        if (attachment.mapping.ledger)
            require_select(attachment.sessions);
    const auto find_gaps = [every](const Counting &counting, Tuplestorestate *rows) {
        if (counting.mapping.ledger) {
            join_by_hash();
            store_query(gaps_query(counting), rows);
        } else if (!every) {
            raise_no_ledger(counting.sessions);
        }
    };
    const auto fail = [result](const Attachment &attachment, const char *why, Tuplestorestate *rows) {
        if (attachment.mapping.ledger)
            store_failure(attachment, why, rows, result->setDesc);
    };
    read_each(pair, result, find_gaps, fail);
    return Datum{0};
}
