// Writes session_consistency.ledger.
#include "ledger.hpp"

#include "violation.hpp"

extern "C" {
#include "access/heaptoast.h"
#include "commands/sequence.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"
}

namespace sc {

namespace {

char *actor = nullptr;             // the setting

// The columns in their order.
enum Column : int {
    id,
    at,
    transaction_id,
    role,
    who,
    attachment,
    subscription_id,
    member_id,
    session_id,
    delta,
    balance,
    reason,
    columns,
};

constexpr int buffered = 64;       // lines that are written together

}  // namespace

struct Ledger {
    Relation relation;
    Oid sequence;
    Oid index;                     // (attachment, subscription_id, id)
    CatalogIndexState indexes;
    MemoryContext home;            // where it was opened
    MemoryContext context;         // of the buffered lines
    std::array<Datum, columns> values;
    std::array<bool, columns> nulls;
    int64_t first_id;              // of the lines that were written; 0: none
    std::array<TupleTableSlot *, buffered> slots;
    int count;
};
static_assert(Pod<Ledger>);

Ledger *open_ledger(Oid attached)
{
    auto *ledger = static_cast<Ledger *>(palloc0(sizeof(Ledger)));
    ledger->home = CurrentMemoryContext;
    const Oid schema = get_namespace_oid("session_consistency", false);
    ledger->relation = table_open(get_relname_relid("ledger", schema), RowExclusiveLock);
    ledger->sequence = get_relname_relid("ledger_id_seq", schema);
    ledger->index = get_relname_relid("ledger_subscription", schema);
    ledger->indexes = CatalogOpenIndexes(ledger->relation);
    ledger->values[at] = TimestampTzGetDatum(GetCurrentTimestamp());
    ledger->values[transaction_id] = FullTransactionIdGetDatum(GetTopFullTransactionId());
    // Who the client is, also where a function or a foreign key runs as somebody else.
    ledger->values[role] = DirectFunctionCall1(namein, CStringGetDatum(GetUserNameFromId(GetOuterUserId(), false)));
    ledger->nulls[who] = actor == nullptr || actor[0] == '\0';
    if (!ledger->nulls[who])
        ledger->values[who] = CStringGetTextDatum(actor);
    ledger->values[attachment] = ObjectIdGetDatum(attached);
    ledger->context = AllocSetContextCreate(CurrentMemoryContext, "session_consistency ledger",
                                            ALLOCSET_DEFAULT_SIZES);
    return ledger;
}

namespace {

// Long keys and actors may have to be stored out of line: only a line that is inserted alone then knows its place.
bool are_short(const Ledger *ledger)
{
    for (int i = 0; i < ledger->count; i++)
        if (ExecFetchSlotHeapTuple(ledger->slots[i], true, nullptr)->t_len > TOAST_TUPLE_THRESHOLD)
            return false;
    return true;
}

void flush(Ledger *ledger)
{
    if (ledger->count == 0)
        return;
    if (are_short(ledger))
        CatalogTuplesMultiInsertWithInfo(ledger->relation, ledger->slots.data(), ledger->count, ledger->indexes);
    else
        for (int i = 0; i < ledger->count; i++)
            CatalogTupleInsertWithInfo(ledger->relation, ExecFetchSlotHeapTuple(ledger->slots[i], true, nullptr),
                                       ledger->indexes);
    for (int i = 0; i < ledger->count; i++)
        ExecClearTuple(ledger->slots[i]);
    ledger->count = 0;
    MemoryContextReset(ledger->context);
}

Datum text_or_null(const char *text, bool *is_null)
{
    *is_null = text == nullptr;
    return text == nullptr ? Datum{0} : CStringGetTextDatum(text);
}

}  // namespace

void close_ledger(Ledger *ledger)
{
    flush(ledger);
    for (TupleTableSlot *slot : ledger->slots)
        if (slot != nullptr)
            ExecDropSingleTupleTableSlot(slot);
    CatalogCloseIndexes(ledger->indexes);
    table_close(ledger->relation, NoLock);
    MemoryContextDelete(ledger->context);
}

void write_entry(Ledger *ledger, const Account &account, const Entry &entry)
{
    if (ledger->count == buffered)
        flush(ledger);
    TupleTableSlot *&slot = ledger->slots[ledger->count];
    MemoryContext caller = MemoryContextSwitchTo(ledger->home);
    if (slot == nullptr)
        slot = MakeSingleTupleTableSlot(RelationGetDescr(ledger->relation), &TTSOpsHeapTuple);
    MemoryContextSwitchTo(ledger->context);
    std::array<Datum, columns> &values = ledger->values;
    std::array<bool, columns> &nulls = ledger->nulls;
    const int64_t number = nextval_internal(ledger->sequence, false);
    if (ledger->first_id == 0)
        ledger->first_id = number;
    values[id] = Int64GetDatum(number);
    values[subscription_id] = CStringGetTextDatum(account.subscription);
    values[member_id] = text_or_null(account.member, &nulls[member_id]);
    values[session_id] = text_or_null(entry.session, &nulls[session_id]);
    values[delta] = Int64GetDatum(entry.delta);
    values[balance] = Int64GetDatum(entry.balance);
    values[reason] = CStringGetTextDatum(cause_word(entry.cause));
    MemoryContextSwitchTo(caller);
    ExecClearTuple(slot);
    memcpy(slot->tts_values, values.data(), sizeof(Datum) * columns);
    memcpy(slot->tts_isnull, nulls.data(), sizeof(bool) * columns);
    ExecStoreVirtualTuple(slot);
    ledger->count++;
}

// Replay -------------------------------------------------------------------------------------------------------------

namespace {

// What was read of a line.
struct Past {
    const char *subscription;
    const char *member;
    int64_t id;
    int64_t delta;
    int64_t balance;
    bool opens;
};

Datum column_of(const Ledger *ledger, HeapTuple line, Column column, bool *is_null)
{
    return heap_getattr(line, column + 1, RelationGetDescr(ledger->relation), is_null);
}

Past read_line(const Ledger *ledger, HeapTuple line)
{
    bool is_null;
    Past past{};
    past.subscription = TextDatumGetCString(column_of(ledger, line, subscription_id, &is_null));
    const Datum member = column_of(ledger, line, member_id, &is_null);
    past.member = is_null ? nullptr : TextDatumGetCString(member);
    past.id = DatumGetInt64(column_of(ledger, line, id, &is_null));
    past.delta = DatumGetInt64(column_of(ledger, line, delta, &is_null));
    past.balance = DatumGetInt64(column_of(ledger, line, balance, &is_null));
    const char *word = TextDatumGetCString(column_of(ledger, line, reason, &is_null));
    past.opens = strcmp(word, cause_word(Cause::opened)) == 0;
    return past;
}

bool same_text(const char *left, const char *right)
{
    return left == nullptr || right == nullptr ? left == right : strcmp(left, right) == 0;
}

// The sum of the lines since the books were opened, and the balance that the last one shows.
struct Standing {
    int64_t sum;
    std::optional<int64_t> last;
    int64_t last_id;
};

// Sees what was committed last and what this transaction has written: the caller holds the subscription's lock.
Standing read_standing(Ledger *ledger, const Account &account)
{
    flush(ledger);
    MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "session_consistency replay",
                                                  ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(scratch);
    ScanKeyData keys[2];
    ScanKeyInit(&keys[0], attachment + 1, BTEqualStrategyNumber, F_OIDEQ, ledger->values[attachment]);
    ScanKeyInit(&keys[1], subscription_id + 1, BTEqualStrategyNumber, F_TEXTEQ,
                CStringGetTextDatum(account.subscription));
    Relation index = index_open(ledger->index, AccessShareLock);
    SysScanDesc scan = systable_beginscan_ordered(ledger->relation, index, SnapshotSelf, 2, keys);
    Standing standing{};
    while (HeapTuple line = systable_getnext_ordered(scan, BackwardScanDirection)) {
        const Past past = read_line(ledger, line);
        if (!same_text(past.member, account.member))
            continue;
        if (!standing.last) {
            standing.last = past.balance;
            standing.last_id = past.id;
        }
        standing.sum += past.opens ? past.balance : past.delta;
        if (past.opens)
            break;
    }
    systable_endscan_ordered(scan);
    index_close(index, AccessShareLock);
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(scratch);
    return standing;
}

}  // namespace

int64_t replay(Ledger *ledger, const Account &account)
{
    return read_standing(ledger, account).sum;
}

void restate(Ledger *ledger, const Account &account, int64_t counter, Cause cause)
{
    const Standing standing = read_standing(ledger, account);
    if (cause != Cause::opened && standing.sum == counter && standing.last.value_or(0) == counter)
        return;
    write_entry(ledger, account, {nullptr, counter - standing.sum, counter, cause});
}

namespace {

// Every subscription that has a line of the attachment, some of them more than once.
List *known_accounts(Ledger *ledger)
{
    flush(ledger);
    ScanKeyData key;
    ScanKeyInit(&key, attachment + 1, BTEqualStrategyNumber, F_OIDEQ, ledger->values[attachment]);
    Relation index = index_open(ledger->index, AccessShareLock);
    SysScanDesc scan = systable_beginscan_ordered(ledger->relation, index, SnapshotSelf, 1, &key);
    List *known = NIL;
    const Past *previous = nullptr;
    while (HeapTuple line = systable_getnext_ordered(scan, ForwardScanDirection)) {
        auto *past = static_cast<Past *>(palloc(sizeof(Past)));
        *past = read_line(ledger, line);
        // Where the key holds the member too, the lines of two subscriptions may be mixed: one more look does no harm.
        if (previous == nullptr || !same_text(previous->subscription, past->subscription) ||
            !same_text(previous->member, past->member)) {
            known = lappend(known, past);
            previous = past;
        } else {
            pfree(const_cast<char *>(past->subscription));
            if (past->member != nullptr)
                pfree(const_cast<char *>(past->member));
            pfree(past);
        }
    }
    systable_endscan_ordered(scan);
    index_close(index, AccessShareLock);
    return known;
}

}  // namespace

void restate_rest_unused(Ledger *ledger, Cause cause)
{
    const int64_t since = ledger->first_id;
    ListCell *cell;
    foreach (cell, known_accounts(ledger)) {
        const auto *past = static_cast<const Past *>(lfirst(cell));
        const Account account{past->subscription, past->member};
        const Standing standing = read_standing(ledger, account);
        const bool written = since != 0 && standing.last_id >= since;
        if (!written && (standing.sum != 0 || standing.last != 0))
            write_entry(ledger, account, {nullptr, -standing.sum, 0, cause});
    }
}

// Names --------------------------------------------------------------------------------------------------------------

const char *key_text(Datum value, Oid type, FmgrInfo *output)
{
    if (type == BPCHAROID) {
        // As the cast to text writes it.
        char *text = OutputFunctionCall(output, value);
        size_t length = strlen(text);
        while (length > 0 && text[length - 1] == ' ')
            length--;
        text[length] = '\0';
        return text;
    }
    if (type != DATEOID && type != TIMESTAMPOID && type != TIMESTAMPTZOID)
        return OutputFunctionCall(output, value);
    constexpr int utc = 0;
    auto *text = static_cast<char *>(palloc(MAXDATELEN + 1));
    return JsonEncodeDateTime(text, value, type, type == TIMESTAMPTZOID ? &utc : nullptr);
}

namespace {

const char *name_of(Datum value, Oid type)
{
    Oid function;
    bool varlena;
    FmgrInfo output;
    getTypeOutputInfo(type, &function, &varlena);
    fmgr_info(function, &output);
    return key_text(value, type, &output);
}

}  // namespace

Account account_of(const SubscriptionShape &shape, Datum id, Datum member)
{
    return {name_of(id, shape.id_key.type), shape.by_member ? name_of(member, shape.member_key.type) : nullptr};
}

void init_ledger()
{
    DefineCustomStringVariable("session_consistency.actor", "On whose behalf sessions are written, for the ledger.",
                               "The application sets it, best with SET LOCAL; empty: nobody is named.", &actor, "",
                               PGC_USERSET, 0, nullptr, nullptr, nullptr);
}

}  // namespace sc
