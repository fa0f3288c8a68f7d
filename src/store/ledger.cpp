// Writes session_consistency.ledger.
#include "store/ledger.hpp"

#include <algorithm>

#include "catalog/attachment.hpp"
#include "server/own_table.hpp"
#include "server/spi.hpp"
#include "store/pairs.hpp"

namespace sc {

namespace {

char *actor = nullptr;             // the setting
int64_t last_id = 0;               // of this session: a clock that is set back must not mix its lines up

// The columns in their order.
enum Column : int {
    id,
    at,
    transaction_id,
    role,
    who,
    pair,
    subscription_id,
    member_id,
    line,
    session_id,
    delta,
    balance,
    reason,
    columns,
};

constexpr const char *ledger_table = "ledger";
constexpr int buffered = 64;       // lines that are written together

}  // namespace

struct LedgerWriter {
    Relation relation;
    Relation index;                // (pair, subscription_id, member_id, line)
    CatalogIndexState indexes;     // nullptr: lines are written by INSERT
    MemoryContext home;            // where it was opened
    MemoryContext context;         // of the buffered lines
    Account account;               // of the line that was written last; in home
    int64_t last_line;             // its number
    std::array<Datum, columns> values;
    std::array<bool, columns> nulls;
    int64_t first_id;              // of the lines that were written; 0: none
    std::array<TupleTableSlot *, buffered> slots;
    int count;
};
static_assert(Pod<LedgerWriter>);

namespace {

// What the server's way of writing catalogs can do: no expression, no condition.
bool is_plain(const IndexInfo *info, Relation index)
{
    return info->ii_Expressions == NIL && info->ii_Predicate == NIL && info->ii_ExclusionOps == nullptr &&
           index->rd_index->indimmediate;
}

// True where something follows the table by a trigger for INSERT, as tools that repack or copy it do.
bool is_followed(Relation relation)
{
    const Oid own = trigger_function(function::keep_ledger);
    const TriggerDesc *triggers = relation->trigdesc;   // which stays as it is: nothing is looked up below
    return triggers != nullptr &&
           std::any_of(triggers->triggers, triggers->triggers + triggers->numtriggers, [own](const Trigger &trigger) {
               return TRIGGER_FOR_INSERT(trigger.tgtype) && trigger.tgenabled != TRIGGER_DISABLED &&
                      trigger.tgfoid != own;
           });
}

// Columns with a default, and CHECKs.
bool is_extended(Relation relation)
{
    const TupleDesc row = RelationGetDescr(relation);
    return row->natts != columns || (row->constr != nullptr && row->constr->num_check > 0);
}

// What the table's owner may have added: triggers, columns, CHECKs and indexes of any kind.
void open_indexes(LedgerWriter *ledger)
{
    if (is_followed(ledger->relation) || is_extended(ledger->relation))
        return;
    ledger->indexes = CatalogOpenIndexes(ledger->relation);
    const ResultRelInfo *opened = ledger->indexes;
    bool plain = true;
    for (int i = 0; i < opened->ri_NumIndices; i++)
        plain &= is_plain(opened->ri_IndexRelationInfo[i], opened->ri_IndexRelationDescs[i]);
    if (plain)
        return;
    CatalogCloseIndexes(ledger->indexes);
    ledger->indexes = nullptr;
}

}  // namespace

LedgerWriter *open_ledger_writer(const SubscriptionShape &shape)
{
    auto *ledger = static_cast<LedgerWriter *>(palloc0(sizeof(LedgerWriter)));
    ledger->home = CurrentMemoryContext;
    ledger->values[pair] = Int32GetDatum(require_pair(shape.ledger, shape.relation));
    ledger->relation = table_open(find_own_relation(ledger_table), RowExclusiveLock);
    ledger->index = index_open(find_own_relation("ledger_subscription"), AccessShareLock);
    open_indexes(ledger);
    ledger->values[at] = TimestampTzGetDatum(GetCurrentTimestamp());
    ledger->values[transaction_id] = FullTransactionIdGetDatum(GetTopFullTransactionId());
    // Who the client is, also where a function or a foreign key runs as somebody else.
    ledger->values[role] = DirectFunctionCall1(namein, CStringGetDatum(GetUserNameFromId(GetOuterUserId(), false)));
    ledger->nulls[who] = actor == nullptr || actor[0] == '\0';
    if (!ledger->nulls[who])
        ledger->values[who] = CStringGetTextDatum(actor);
    ledger->context = AllocSetContextCreate(CurrentMemoryContext, "session_consistency ledger",
                                            ALLOCSET_DEFAULT_SIZES);
    return ledger;
}

namespace {

// Long keys and actors may have to be stored out of line: only a line that is inserted alone then knows its place.
bool are_short(const LedgerWriter *ledger)
{
    for (int i = 0; i < ledger->count; i++)
        if (ExecFetchSlotHeapTuple(ledger->slots[i], true, nullptr)->t_len > TOAST_TUPLE_THRESHOLD)
            return false;
    return true;
}

}  // namespace

namespace {

// The values of one column, as an array.
Datum gather(const LedgerWriter *ledger, Column column, Oid type)
{
    std::array<Datum, buffered> items;
    std::array<bool, buffered> nulls;
    for (int i = 0; i < ledger->count; i++) {
        items[i] = ledger->slots[i]->tts_values[column];
        nulls[i] = ledger->slots[i]->tts_isnull[column];
    }
    int dimensions[] = {ledger->count};
    int bounds[] = {1};
    int16 length;
    bool by_value;
    char alignment;
    get_typlenbyvalalign(type, &length, &by_value, &alignment);
    return PointerGetDatum(construct_md_array(items.data(), nulls.data(), 1, dimensions, bounds, type, length,
                                              by_value, alignment));
}

// As anybody would write it, and as the table's owner: triggers fire, whatever kind of index there is.
void insert_lines(const LedgerWriter *ledger)
{
    Oid types[] = {TIMESTAMPTZOID, XID8OID,      NAMEOID,        TEXTOID,      INT4OID,      INT8ARRAYOID, TEXTARRAYOID,
                   TEXTARRAYOID,   INT8ARRAYOID, TEXTARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TEXTARRAYOID};
    Datum values[] = {ledger->values[at],
                      ledger->values[transaction_id],
                      ledger->values[role],
                      ledger->values[who],
                      ledger->values[pair],
                      gather(ledger, id, INT8OID),
                      gather(ledger, subscription_id, TEXTOID),
                      gather(ledger, member_id, TEXTOID),
                      gather(ledger, line, INT8OID),
                      gather(ledger, session_id, TEXTOID),
                      gather(ledger, delta, INT8OID),
                      gather(ledger, balance, INT8OID),
                      gather(ledger, reason, TEXTOID)};
    const char nulls[] = {' ', ' ', ' ', ledger->nulls[who] ? 'n' : ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '};
    connect_spi();
    const uint64 written = run_on_own_table(
        ledger_table,
        "INSERT INTO session_consistency.ledger (at, transaction_id, role, actor, pair, id, subscription_id, member_id,"
        " line, session_id, delta, balance, reason)"
        " SELECT $1, $2, $3, $4, $5, l.* FROM unnest($6, $7, $8, $9, $10, $11, $12, $13) AS l",
        types, values, nulls);
    SPI_finish();
    if (written != static_cast<uint64>(ledger->count))
        ereport(ERROR, errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
                errmsg("a trigger of table \"session_consistency.ledger\" kept a line from being written"),
                errdetail("%d of %d lines were written.", static_cast<int>(written), ledger->count),
                errhint("Triggers of the ledger may follow it, and must let each line pass: return NEW."),
                errtable(ledger->relation));
}

}  // namespace

void flush_ledger(LedgerWriter *ledger)
{
    if (ledger->count == 0)
        return;
    if (ledger->indexes == nullptr) {
        insert_lines(ledger);
    } else if (are_short(ledger)) {
        CatalogTuplesMultiInsertWithInfo(ledger->relation, ledger->slots.data(), ledger->count, ledger->indexes);
    } else {
        for (int i = 0; i < ledger->count; i++)
            CatalogTupleInsertWithInfo(ledger->relation, ExecFetchSlotHeapTuple(ledger->slots[i], true, nullptr),
                                       ledger->indexes);
    }
    for (int i = 0; i < ledger->count; i++)
        ExecClearTuple(ledger->slots[i]);
    ledger->count = 0;
    MemoryContextReset(ledger->context);
}

void close_ledger_writer(LedgerWriter *ledger)
{
    flush_ledger(ledger);
    for (TupleTableSlot *slot : ledger->slots)
        if (slot != nullptr)
            ExecDropSingleTupleTableSlot(slot);
    if (ledger->indexes != nullptr)
        CatalogCloseIndexes(ledger->indexes);
    index_close(ledger->index, AccessShareLock);
    table_close(ledger->relation, NoLock);
    MemoryContextDelete(ledger->context);
}

// Reading ------------------------------------------------------------------------------------------------------------

namespace {

// What was read of a line.
struct Past {
    int64_t id;
    int64_t delta;
    int64_t balance;
    bool opens;
};

Datum column_of(const LedgerWriter *ledger, HeapTuple tuple, Column column, bool *is_null)
{
    return heap_getattr(tuple, column + 1, RelationGetDescr(ledger->relation), is_null);
}

Account read_account(const LedgerWriter *ledger, HeapTuple tuple)
{
    bool is_null;
    const char *subscription = TextDatumGetCString(column_of(ledger, tuple, subscription_id, &is_null));
    const Datum member = column_of(ledger, tuple, member_id, &is_null);
    return {subscription, is_null ? nullptr : TextDatumGetCString(member)};
}

void free_account(const Account &account)
{
    for (const char *text : {account.subscription, account.member})
        if (text != nullptr)
            pfree(const_cast<char *>(text));
}

Past read_line(const LedgerWriter *ledger, HeapTuple tuple)
{
    bool is_null;
    Past past{};
    past.id = DatumGetInt64(column_of(ledger, tuple, id, &is_null));
    past.delta = DatumGetInt64(column_of(ledger, tuple, delta, &is_null));
    past.balance = DatumGetInt64(column_of(ledger, tuple, balance, &is_null));
    const char *word = TextDatumGetCString(column_of(ledger, tuple, reason, &is_null));
    past.opens = strcmp(word, cause_word(Cause::opened)) == 0;
    return past;
}

bool same_account(const Account &left, const Account &right)
{
    return same_text(left.subscription, right.subscription) && same_text(left.member, right.member);
}

// The lines of one subscription, the newest first. Sees what was committed last and what this transaction has written:
// the caller holds the subscription's lock.
SysScanDesc begin_account(const LedgerWriter *ledger, const Account &account)
{
    ScanKeyData keys[3];
    ScanKeyInit(&keys[0], pair + 1, BTEqualStrategyNumber, F_INT4EQ, ledger->values[pair]);
    ScanKeyInit(&keys[1], subscription_id + 1, BTEqualStrategyNumber, F_TEXTEQ,
                CStringGetTextDatum(account.subscription));
    if (account.member != nullptr)
        ScanKeyInit(&keys[2], member_id + 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(account.member));
    else
        ScanKeyEntryInitialize(&keys[2], SK_ISNULL | SK_SEARCHNULL, member_id + 1, InvalidStrategy, InvalidOid,
                               InvalidOid, InvalidOid, Datum{0});
    return systable_beginscan_ordered(ledger->relation, ledger->index, SnapshotSelf, 3, keys);
}

HeapTuple next_older(SysScanDesc scan)
{
    return systable_getnext_ordered(scan, BackwardScanDirection);
}

// The sum of the lines since the books were opened, and the balance that the last one shows.
struct Standing {
    int64_t sum;
    std::optional<int64_t> last;
    int64_t last_id;
};

Standing read_standing(LedgerWriter *ledger, const Account &account)
{
    flush_ledger(ledger);
    MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "session_consistency replay",
                                                  ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(scratch);
    SysScanDesc scan = begin_account(ledger, account);
    Standing standing{};
    while (HeapTuple tuple = next_older(scan)) {
        const Past past = read_line(ledger, tuple);
        if (!standing.last) {
            standing.last = past.balance;
            standing.last_id = past.id;
        }
        standing.sum += past.opens ? past.balance : past.delta;
        if (past.opens)
            break;
    }
    systable_endscan_ordered(scan);
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(scratch);
    return standing;
}

// The number of the last line of that subscription that is in the table; 0: there is none.
int64_t read_last_line(const LedgerWriter *ledger, const Account &account)
{
    SysScanDesc scan = begin_account(ledger, account);
    HeapTuple tuple = next_older(scan);
    bool is_null;
    const int64_t number = tuple == nullptr ? 0 : DatumGetInt64(column_of(ledger, tuple, line, &is_null));
    systable_endscan_ordered(scan);
    return number;
}

}  // namespace

// Writing ------------------------------------------------------------------------------------------------------------

namespace {

bool is_text(const TupleTableSlot *slot, Column column, const char *expected)
{
    if (slot->tts_isnull[column] || expected == nullptr)
        return slot->tts_isnull[column] && expected == nullptr;
    const auto *value = DatumGetTextPP(slot->tts_values[column]);
    const size_t length = strlen(expected);
    return VARSIZE_ANY_EXHDR(value) == length && memcmp(VARDATA_ANY(value), expected, length) == 0;
}

bool is_buffered(const LedgerWriter *ledger, const Account &account)
{
    return std::any_of(ledger->slots.begin(), ledger->slots.begin() + ledger->count,
                       [&account](const TupleTableSlot *slot) {
                           return is_text(slot, subscription_id, account.subscription) &&
                                  is_text(slot, member_id, account.member);
                       });
}

void remember_account(LedgerWriter *ledger, const Account &account)
{
    free_account(ledger->account);
    ledger->account.subscription = MemoryContextStrdup(ledger->home, account.subscription);
    ledger->account.member =
        account.member == nullptr ? nullptr : MemoryContextStrdup(ledger->home, account.member);
}

// The lines of one subscription mostly come one after the other: only the first has to look for its number.
int64_t next_line(LedgerWriter *ledger, const Account &account)
{
    if (ledger->last_line == 0 || !same_account(ledger->account, account)) {
        if (is_buffered(ledger, account))
            flush_ledger(ledger);
        ledger->last_line = read_last_line(ledger, account);
        remember_account(ledger, account);
    }
    return ++ledger->last_line;
}

Datum text_or_null(const char *text, bool *is_null)
{
    *is_null = text == nullptr;
    return text == nullptr ? Datum{0} : CStringGetTextDatum(text);
}

}  // namespace

void write_entry(LedgerWriter *ledger, const Account &account, const Entry &entry)
{
    const int64_t place = next_line(ledger, account);
    if (ledger->count == buffered)
        flush_ledger(ledger);
    TupleTableSlot *&slot = ledger->slots[ledger->count];
    MemoryContext caller = MemoryContextSwitchTo(ledger->home);
    if (slot == nullptr)
        slot = MakeSingleTupleTableSlot(RelationGetDescr(ledger->relation), &TTSOpsHeapTuple);
    MemoryContextSwitchTo(ledger->context);
    std::array<Datum, columns> &values = ledger->values;
    std::array<bool, columns> &nulls = ledger->nulls;
    last_id = Max(last_id + 1, DatumGetTimestampTz(values[at]));
    if (ledger->first_id == 0)
        ledger->first_id = last_id;
    values[id] = Int64GetDatum(last_id);
    values[subscription_id] = CStringGetTextDatum(account.subscription);
    values[member_id] = text_or_null(account.member, &nulls[member_id]);
    values[line] = Int64GetDatum(place);
    values[session_id] = text_or_null(entry.session, &nulls[session_id]);
    values[delta] = Int64GetDatum(entry.delta);
    values[balance] = Int64GetDatum(entry.balance);
    values[reason] = CStringGetTextDatum(cause_word(entry.cause));
    MemoryContextSwitchTo(caller);
    ExecClearTuple(slot);
    std::fill_n(slot->tts_isnull, slot->tts_tupleDescriptor->natts, true);
    memcpy(slot->tts_values, values.data(), sizeof(Datum) * columns);
    memcpy(slot->tts_isnull, nulls.data(), sizeof(bool) * columns);
    ExecStoreVirtualTuple(slot);
    ledger->count++;
}

// Replay -------------------------------------------------------------------------------------------------------------

int64_t replay(LedgerWriter *ledger, const Account &account)
{
    return read_standing(ledger, account).sum;
}

void restate(LedgerWriter *ledger, const Account &account, int64_t counter, Cause cause)
{
    const Standing standing = read_standing(ledger, account);
    if (cause == Cause::recounted && standing.sum == counter && standing.last.value_or(0) == counter)
        return;
    write_entry(ledger, account, {nullptr, counter - standing.sum, counter, cause});
}

namespace {

// Every subscription that has a line of the pair.
List *known_accounts(LedgerWriter *ledger)
{
    flush_ledger(ledger);
    ScanKeyData key;
    ScanKeyInit(&key, pair + 1, BTEqualStrategyNumber, F_INT4EQ, ledger->values[pair]);
    SysScanDesc scan = systable_beginscan_ordered(ledger->relation, ledger->index, SnapshotSelf, 1, &key);
    List *known = NIL;
    while (HeapTuple tuple = systable_getnext_ordered(scan, ForwardScanDirection)) {
        const Account account = read_account(ledger, tuple);
        if (known != NIL && same_account(*static_cast<const Account *>(llast(known)), account)) {
            free_account(account);
            continue;
        }
        auto *next = static_cast<Account *>(palloc(sizeof(Account)));
        *next = account;
        known = lappend(known, next);
    }
    systable_endscan_ordered(scan);
    return known;
}

}  // namespace

void restate_rest_unused(LedgerWriter *ledger, Cause cause)
{
    const int64_t since = ledger->first_id;
    ListCell *cell;
    foreach (cell, known_accounts(ledger)) {
        const Account &account = *static_cast<const Account *>(lfirst(cell));
        const Standing standing = read_standing(ledger, account);
        const bool written = since != 0 && standing.last_id >= since;
        if (!written && (standing.sum != 0 || standing.last != 0))
            write_entry(ledger, account, {nullptr, -standing.sum, 0, cause});
    }
}

void init_ledger()
{
    DefineCustomStringVariable("session_consistency.actor", "On whose behalf sessions are written, for the ledger.",
                               "The application sets it, best with SET LOCAL; empty: nobody is named.", &actor, "",
                               PGC_USERSET, 0, nullptr, nullptr, nullptr);
}

}  // namespace sc
