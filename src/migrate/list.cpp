// Makes and reads the list of a migration.
#include "migrate/list.hpp"

#include "catalog/binding.hpp"
#include "server/operators.hpp"
#include "server/settings.hpp"

namespace sc {

struct MigrateList {
    MemberType member;
    int16 id_length;
    bool id_by_value;
    Portal portal;
    SPITupleTable *fetched;
    uint64 count;          // of what was fetched
    uint64 next;
};
static_assert(Pod<MigrateList>);

namespace {

constexpr long fetch_size = 1000;
constexpr const char *list_memory = "16MB";

enum Column : int { member_column = 1, id_column, relation_column, row_column };

Oid column_base(Oid relation, const char *column)
{
    return getBaseType(get_atttype(relation, get_attnum(relation, column)));
}

// Integers may differ in width, and text and varchar in name.
Oid common_type(Oid left, Oid right)
{
    if (is_integer(left) && is_integer(right))
        return left == INT8OID || right == INT8OID ? INT8OID : left == INT4OID || right == INT4OID ? INT4OID : INT2OID;
    return left == VARCHAROID || right == VARCHAROID ? TEXTOID : left;
}

MemberType make_member_type(const Counting &counting)
{
    const Mapping &mapping = counting.mapping;
    MemberType member{};
    // Where links are given, each subscription is listed by itself, as its own member.
    const bool searched = is_searched(mapping);
    const char *column = searched ? mapping.subscription_member_column : counting.subscription_id;
    member.type = column_base(counting.subscriptions, column);
    if (searched)
        member.type = common_type(member.type, column_base(counting.sessions, mapping.member_column));
    get_typlenbyval(member.type, &member.length, &member.by_value);
    Oid type;
    int32 typmod;
    get_atttypetypmodcoll(counting.subscriptions, get_attnum(counting.subscriptions, column), &type, &typmod,
                          &member.collation);
    TypeCacheEntry *entry = lookup_type_cache(member.type, TYPECACHE_EQ_OPR_FINFO);
    if (!OidIsValid(entry->eq_opr_finfo.fn_oid))
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_FUNCTION),
                errmsg("type %s cannot be compared", format_type_be(member.type)),
                errhint("Members need a type with a default btree operator class."));
    fmgr_info_copy(&member.equal, &entry->eq_opr_finfo, CurrentMemoryContext);
    return member;
}

// "WHERE ..." for the members of one of the tables; condition may be nullptr.
const char *where(const MemberFilter &filter, const MemberType &type, const Operand &member, bool orphans,
                  const char *condition)
{
    const char *listed = psprintf("%s%s", equals_any(member, "$1", type.type),
                                  orphans && filter.orphans ? psprintf(" OR %s IS NULL", member.text) : "");
    if (filter.all)
        return condition == nullptr ? "" : psprintf(" WHERE %s", condition);
    return condition == nullptr ? psprintf(" WHERE %s", listed) : psprintf(" WHERE %s AND (%s)", condition, listed);
}

// Links that are given stay as they are: the subscriptions are counted, and no session is listed.
const char *list_of_given(const Counting &counting, const MemberFilter &filter, const MemberType &member)
{
    const Operand id = column_operand("s", counting.subscriptions, counting.subscription_id);
    return psprintf("SELECT %s::%s AS member, %s AS id, NULL::oid AS relation, NULL::tid AS place FROM %s AS s%s"
                    " ORDER BY %s",
                    id.text, cast_name(member.type), id.text, qualified_name(counting.subscriptions),
                    where(filter, member, id, false, nullptr), id.text);
}

// The subscriptions of a member come before its sessions, by key; the sessions by where they are.
const char *list_query(const Counting &counting, const MemberFilter &filter, const MemberType &member)
{
    const Mapping &mapping = counting.mapping;
    if (!is_searched(mapping))
        return list_of_given(counting, filter, member);
    const char *type = cast_name(member.type);
    const char *collate =
        OidIsValid(member.collation) ? psprintf(" COLLATE %s", generate_collation_name(member.collation)) : "";
    const Operand of_subscription =
        column_operand("s", counting.subscriptions, mapping.subscription_member_column);
    const Operand of_session = column_operand("t", counting.sessions, mapping.member_column);
    // No session can refer to one whose composite key has a NULL.
    const char *referable = counting.by_member ? psprintf("%s IS NOT NULL", of_subscription.text) : nullptr;
    const char *unlinked = psprintf("%s IS NULL", quoted_column("t", mapping.subscription_column));
    // A session that counts_when leaves out needs no subscription, and gets none as long as it does.
    unlinked = psprintf("%s AND %s", unlinked, chargeable_condition(mapping, "t"));
    return psprintf("SELECT * FROM (SELECT %s::%s%s AS member, %s AS id, NULL::oid AS relation, NULL::tid AS place"
                    " FROM %s AS s%s UNION ALL SELECT %s::%s%s, NULL, t.tableoid, t.ctid FROM %s AS t%s) AS e"
                    " ORDER BY member, id NULLS LAST, relation, place",
                    of_subscription.text, type, collate, quoted_column("s", counting.subscription_id),
                    qualified_name(counting.subscriptions), where(filter, member, of_subscription, true, referable),
                    of_session.text, type, collate, qualified_name(counting.sessions),
                    where(filter, member, of_session, false, unlinked));
}

// The entry at hand, or false at the end of the list.
bool fill_up(MigrateList *list)
{
    if (list->next < list->count)
        return true;
    if (list->fetched != nullptr)
        SPI_freetuptable(list->fetched);
    SPI_cursor_fetch(list->portal, true, fetch_size);
    list->fetched = SPI_tuptable;
    list->count = SPI_processed;
    list->next = 0;
    return list->count > 0;
}

Datum value_at(const MigrateList *list, Column column, bool *is_null)
{
    return SPI_getbinval(list->fetched->vals[list->next], list->fetched->tupdesc, column, is_null);
}

bool same_member(const MigrateList *list, const ListedMember &member, Datum value, bool is_null)
{
    return !is_null && !member.is_null &&
           DatumGetBool(FunctionCall2Coll(const_cast<FmgrInfo *>(&list->member.equal), list->member.collation,
                                          member.value, value));
}

void add_entry(const MigrateList *list, Batch *batch, bool is_session)
{
    bool is_null;
    ListedMember &member = batch->members.items[batch->members.count - 1];
    if (is_session) {
        Place place{};
        place.relation = DatumGetObjectId(value_at(list, relation_column, &is_null));
        place.row = *reinterpret_cast<ItemPointer>(DatumGetPointer(value_at(list, row_column, &is_null)));
        batch->sessions.add(batch->context, place);
        member.sessions++;
    } else {
        const Datum id = value_at(list, id_column, &is_null);
        batch->subscriptions.add(batch->context, datumCopy(id, list->id_by_value, list->id_length));
        member.subscriptions++;
    }
}

void add_member(const MigrateList *list, Batch *batch, Datum value, bool is_null)
{
    ListedMember member{};
    member.is_null = is_null;
    if (!is_null)
        member.value = datumCopy(value, list->member.by_value, list->member.length);
    member.first_subscription = batch->subscriptions.count;
    member.first_session = batch->sessions.count;
    batch->members.add(batch->context, member);
}

}  // namespace

MigrateList *open_list(const Counting &counting, const MemberFilter &filter)
{
    auto *list = static_cast<MigrateList *>(palloc0(sizeof(MigrateList)));
    list->member = make_member_type(counting);
    const Oid id_type = column_base(counting.subscriptions, counting.subscription_id);
    get_typlenbyval(id_type, &list->id_length, &list->id_by_value);
    set_locally("work_mem", list_memory);
    set_locally("cursor_tuple_fraction", "1");
    set_locally("jit", "off");             // its library alone is as large as all else
    Oid types[] = {list_type(list->member.type)};
    Datum values[] = {filter.all ? Datum{0} : list_parameter(filter.members, nullptr, list->member.type).value};
    list->portal = SPI_cursor_open_with_args(nullptr, list_query(counting, filter, list->member), filter.all ? 0 : 1,
                                             types, values, nullptr, false, CURSOR_OPT_NO_SCROLL);
    // A pinned portal outlives the transaction, and goes when the call fails. The commit would write it down, but as
    // whoever has called; what else was pinned is written down since the first commit.
    PinPortal(list->portal);
    HoldPinnedPortals();
    return list;
}

const MemberType &member_type(const MigrateList *list)
{
    return list->member;
}

size_t count_entries(const MigrateList *list)
{
    return static_cast<size_t>(tuplestore_tuple_count(list->portal->holdStore));
}

bool read_batch(MigrateList *list, size_t sessions, Batch *batch)
{
    const MemoryContext context = batch->context;
    MemoryContextReset(context);
    *batch = Batch{};
    batch->context = context;
    while (fill_up(list)) {
        bool is_null;
        bool id_is_null;
        const Datum value = value_at(list, member_column, &is_null);
        value_at(list, id_column, &id_is_null);
        MemoryContext caller = MemoryContextSwitchTo(context);
        if (is_null && id_is_null) {
            batch->homeless++;
        } else {
            const size_t count = batch->members.count;
            if (count == 0 || !same_member(list, batch->members.items[count - 1], value, is_null)) {
                if (batch->sessions.count >= sessions || batch->subscriptions.count >= sessions) {
                    MemoryContextSwitchTo(caller);
                    return true;
                }
                add_member(list, batch, value, is_null);
            }
            add_entry(list, batch, id_is_null);
        }
        MemoryContextSwitchTo(caller);
        batch->entries++;
        list->next++;
    }
    return batch->entries > 0;
}

void close_list(MigrateList *list)
{
    if (list->fetched != nullptr)
        SPI_freetuptable(list->fetched);
    UnpinPortal(list->portal);
    SPI_cursor_close(list->portal);
    pfree(list);
}

}  // namespace sc
