// Reads the ledger: explain_subscription() shows the lines of one subscription, ledger_gaps() replays them all, through
// ledger_lines, for whoever may read the sessions. Writes nothing. open_ledger() and the ledger's trigger stand here.
#include "catalog/binding.hpp"
#include "store/ledger.hpp"
#include "server/pg_compat.hpp"
#include "check/read_counts.hpp"
#include "server/settings.hpp"
#include "store/pairs.hpp"
#include "store/subscription_row.hpp"
#include "server/spi.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_explain_subscription);
PG_FUNCTION_INFO_V1(sc_ledger_gaps);
PG_FUNCTION_INFO_V1(sc_open_ledger);
PG_FUNCTION_INFO_V1(sc_keep_ledger);
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
    SubscriptionShape shape{};
    shape.id_key.type = type;
    return account_of(shape, OidInputFunctionCall(input, const_cast<char *>(key), parameter, -1), Datum{0})
        .subscription;
}

const char *gaps_query(const Counting &counting)
{
    const Mapping &mapping = counting.mapping;
    const char *member = quoted_column("s", mapping.subscription_member_column);
    const char *id = quoted_column("s", counting.subscription_id);
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
        " SELECT %s::text, %s, NULL, coalesce(l.balance, 0), %s,"
        " format('its counter is %%s, and the ledger leads to %%s.', coalesce(%s::text, 'NULL'),"
        " coalesce(l.balance, 0))"
        " FROM %s AS s LEFT JOIN lines AS l ON l.age = 1 AND l.subscription_id = %s::text%s"
        " WHERE coalesce(%s, 0) <> coalesce(l.balance, 0)) AS gaps"
        " ORDER BY subscription_id COLLATE \"C\", member_id COLLATE \"C\", ledger_id NULLS LAST",
        pair, pair, counting.sessions, counting.subscriptions, id,
        counting.by_member ? psprintf("%s::text", member) : "NULL", used, used,
        qualified_name(counting.subscriptions), id,
        counting.by_member ? psprintf(" AND l.member_id = %s::text", member) : "", used);
}

void explain_subscription(const Counting &counting, const char *wanted, Tuplestorestate *rows)
{
    if (!counting.mapping.ledger)
        raise_no_ledger(counting.sessions);
    const char *key = settle_key(counting, wanted);
    const bool found = store_query(
        psprintf("SELECT id, at, transaction_id, role, actor, member_id, line, session_id, delta, balance, reason"
                 " FROM session_consistency.ledger_lines WHERE attachment = '%u'::oid AND subscription_id = %s"
                 " ORDER BY id",
                 counting.sessions, quote_literal_cstr(key)),
        rows);
    if (!found && !finds_row(psprintf("SELECT FROM %s AS s WHERE %s::text = %s",
                                      qualified_name(counting.subscriptions),
                                      quoted_column("s", counting.subscription_id), quote_literal_cstr(key))))
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

void require_owner(Oid relation)
{
    if (!owns_relation(relation, GetUserId()))
        aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relation));
}

// A line for each subscription, whose counters nobody else is writing: the lock keeps them out.
int64 open_books(Relation subscriptions, const SubscriptionShape &shape)
{
    Ledger *ledger = open_ledger(shape);
    TupleTableSlot *row = table_slot_create(subscriptions, nullptr);
    PushCopiedSnapshot(GetLatestSnapshot());
    UpdateActiveSnapshotCommandId();
    MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "session_consistency subscription",
                                                  ALLOCSET_SMALL_SIZES);
    const Search search = begin_search(subscriptions, InvalidOid, {}, row);
    int64 count = 0;
    while (next_row(search)) {
        MemoryContext caller = MemoryContextSwitchTo(scratch);
        bool is_null;
        const Account account =
            account_of(shape, slot_getattr(row, shape.id, &is_null), slot_getattr(row, shape.member, &is_null));
        restate(ledger, account, read_subscription(shape, row).used.value_or(0), Cause::opened);
        count++;
        MemoryContextSwitchTo(caller);
        MemoryContextReset(scratch);
        CHECK_FOR_INTERRUPTS();
    }
    end_search(search);
    PopActiveSnapshot();
    ExecDropSingleTupleTableSlot(row);
    // Those that went while nothing was attached.
    restate_rest_unused(ledger, Cause::opened);
    close_ledger(ledger);
    CommandCounterIncrement();
    return count;
}

}  // namespace

}  // namespace sc

extern "C" Datum sc_explain_subscription(PG_FUNCTION_ARGS)
{
    using namespace sc;
    for (int argument = 0; argument < 2; argument++)
        if (PG_ARGISNULL(argument))
            ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                    errmsg("argument \"%s\" of explain_subscription() must not be null",
                           argument == 0 ? "sessions" : "subscription_id"));
    InitMaterializedSRF(fcinfo, 0);
    const auto *result = reinterpret_cast<const ReturnSetInfo *>(fcinfo->resultinfo);
    const Oid sessions = PG_GETARG_OID(0);
    const char *wanted = text_to_cstring(PG_GETARG_TEXT_PP(1));
    for (const Attachment &attachment : find_attachments(sessions)) {
        require_select(attachment.sessions);
        require_select(attachment.subscriptions);
    }
    read_one(sessions, [&](const Counting &counting) { explain_subscription(counting, wanted, result->setResult); });
    return Datum{0};
}

extern "C" Datum sc_ledger_gaps(PG_FUNCTION_ARGS)
{
    using namespace sc;
    InitMaterializedSRF(fcinfo, 0);
    const auto *result = reinterpret_cast<const ReturnSetInfo *>(fcinfo->resultinfo);
    const bool every = PG_ARGISNULL(0);
    for (const Attachment &attachment : find_attachments(every ? InvalidOid : PG_GETARG_OID(0)))
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
    read_each(every ? std::nullopt : std::optional(PG_GETARG_OID(0)), result, find_gaps, fail);
    return Datum{0};
}

extern "C" Datum sc_open_ledger(PG_FUNCTION_ARGS)
{
    using namespace sc;
    const Oid sessions = PG_GETARG_OID(0);
    const Attachment &attachment = require_attachment(sessions);
    if (!attachment.mapping.ledger)
        raise_no_ledger(sessions);
    Relation relation = table_open(sessions, AccessShareLock);
    const Trigger *charge = find_charge_trigger(relation);
    if (charge == nullptr)
        raise_no_ledger(sessions);
    require_owner(sessions);
    if (OidIsValid(attachment.subscriptions))
        require_owner(attachment.subscriptions);
    int64 lines = 0;
    run_restricted(relation->rd_rel->relowner, [&] {
        const SubscriptionShape &shape = bind_sessions(relation, charge).subscriptions;
        Relation subscriptions = table_open(shape.relation, ShareRowExclusiveLock);
        lines = open_books(subscriptions, shape);
        table_close(subscriptions, NoLock);
    });
    table_close(relation, NoLock);
    PG_RETURN_INT64(lines);
}

extern "C" Datum sc_keep_ledger(PG_FUNCTION_ARGS)
{
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR, errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                errmsg("function \"keep_ledger\" must be called as a trigger"));
    auto *data = reinterpret_cast<TriggerData *>(fcinfo->context);
    if (!sc::owns_relation(RelationGetRelid(data->tg_relation), GetUserId()))
        ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                errmsg("the ledger is written by session_consistency alone"),
                errhint("It is append-only: nobody but its owner may change it."), errtable(data->tg_relation));
    return Datum{0};
}
