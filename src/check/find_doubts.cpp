// Looks once at each row of an attachment, and counts what the sessions say: so many are linked to this subscription
// and of this member. A subscription takes what is its own and its member's; what nobody takes is a link that leads
// nowhere or to somebody else's.
#include "check/find_doubts.hpp"

#include "check/scan_tables.hpp"
#include "store/session_row.hpp"
#include "store/subscription_row.hpp"

namespace sc {

namespace {

constexpr size_t member_words = 2;   // an integer is filled up with a zero

// Members that have to be somewhere: how often they were named, and how many of these were found there.
struct Members {
    Tally<member_words> keys;
    int64 named;
    int64 found;
    bool fits;
};

// False where there is no member.
bool expect_member(Members *members, const KeyPart &part, TupleTableSlot *row)
{
    TallyKey<member_words> key{};
    if (!read_key<member_words>(std::span(&part, 1), row, &key))
        return false;
    members->named++;
    members->fits &= add_to(&members->keys, key, {1, 0});
    return true;
}

void find_member(Members *members, const KeyPart &part, TupleTableSlot *row)
{
    TallyKey<member_words> key{};
    if (members->named == 0 || !read_key<member_words>(std::span(&part, 1), row, &key))
        return;
    const int64 found = members->keys.take(key).used;
    members->found += found > 0 ? found : 0;
}

// What is known of an audit so far. A tally's "used" says how many sessions, its "scheduled" what they hold.
template <size_t words>
struct Evidence {
    const AuditScope *scope;
    Doubts doubts;
    bool fits;                 // what was counted has found room
    int64 linked;              // sessions
    Tally<words> links;
    Members with_sessions;     // that are to be among the members, where those are known
    Members without_link;      // that are to have some subscription
};

template <size_t words>
bool has_room(const Evidence<words> &evidence)
{
    return evidence.fits && evidence.with_sessions.fits && evidence.without_link.fits;
}

template <size_t words>
bool make_all_room(Evidence<words> *evidence)
{
    return make_room(&evidence->links) && make_room(&evidence->with_sessions.keys) &&
           make_room(&evidence->without_link.keys);
}

template <size_t words>
bool leaves_anything_open(const Evidence<words> &evidence)
{
    return has_room(evidence) && !(evidence.doubts.sessions && evidence.doubts.subscriptions);
}

// A searched session that is counted is to have a link, and one that only consumes a subscription that it could have.
template <size_t words>
void look_at_unlinked(Evidence<words> *evidence, const Session &session, const KeyPart &member, TupleTableSlot *row)
{
    const AuditScope &scope = *evidence->scope;
    if (!is_searched(scope.counting.mapping)) {
        evidence->doubts.sessions |= scope.leaves_unpaid && counted(session);
        return;
    }
    if (counted(session))
        evidence->doubts = every_doubt;
    else if (session.consuming && !expect_member(&evidence->without_link, member, row))
        evidence->doubts.sessions = true;
    if (OidIsValid(scope.members))
        expect_member(&evidence->with_sessions, member, row);
}

template <size_t words>
bool look_at_session(Evidence<words> *evidence, const SessionShape &shape, std::span<const KeyPart> key_parts,
                     const KeyPart &member, TupleTableSlot *row)
{
    const SessionRow found = read_session(shape, row);
    if (found.cost_fault != CostFault::none)
        evidence->doubts = every_doubt;
    TallyKey<words> key{};
    if (!found.session.linked) {
        look_at_unlinked(evidence, found.session, member, row);
    } else if (read_key<words>(key_parts, row, &key)) {
        evidence->linked++;
        evidence->doubts.sessions |= !found.session.consuming && is_searched(evidence->scope->counting.mapping);
        evidence->fits &= add_to(&evidence->links, key, {1, credits_of(found.session).used});
    } else {
        evidence->doubts = every_doubt;
    }
    return leaves_anything_open(*evidence);
}

template <size_t words>
void look_at_sessions(Evidence<words> *evidence, const Subscriptions &subscriptions, Oid heap)
{
    Relation relation = table_open(heap, NoLock);
    const SessionShape shape = make_session_shape(relation, evidence->scope->counting.mapping);
    const std::array parts{KeyPart{shape.link, shape.link_type}, KeyPart{shape.member, shape.member_type}};
    const std::span<const KeyPart> key_parts(parts.data(), shape.member == 0 ? 1 : 2);
    for (size_t i = 0; i < key_parts.size(); i++)
        evidence->fits &= words_of(key_parts[i].type) == words_of(subscriptions.key[i].type);
    evidence->fits &= make_all_room(evidence);
    if (evidence->fits)
        scan_rows(relation, [&](TupleTableSlot *row) {
            return look_at_session(evidence, shape, key_parts, parts[1], row);
        });
    evidence->links.settle();
    evidence->with_sessions.keys.settle();
    evidence->without_link.keys.settle();
    table_close(relation, NoLock);
}

// A total of 0 is a finding, too. What was taken before is a key that stands there twice.
template <size_t words>
bool look_at_subscription(Evidence<words> *evidence, const Subscriptions &subscriptions,
                          std::span<const KeyPart> key_parts, TupleTableSlot *row, int64 *taken)
{
    const Mapping &mapping = evidence->scope->counting.mapping;
    TallyKey<words> key{};
    const Credits held = read_key<words>(key_parts, row, &key) ? evidence->links.take(key) : Credits{};
    if (held.used < 0)
        evidence->doubts = every_doubt;
    *taken += held.used;
    const Figures figures = read_figures_of(subscriptions.shape, row, {held.scheduled, held.scheduled});
    evidence->doubts.subscriptions |= !is_consistent(mapping, figures) || figures.total == 0;
    if (subscriptions.shape.member != 0) {
        find_member(&evidence->without_link, subscriptions.key[1], row);
        if (held.used > 0 && OidIsValid(evidence->scope->members))
            expect_member(&evidence->with_sessions, subscriptions.key[1], row);
    }
    return leaves_anything_open(*evidence);
}

template <size_t words>
void look_at_subscriptions(Evidence<words> *evidence, const Subscriptions &subscriptions)
{
    const std::span<const KeyPart> key_parts(subscriptions.key.data(), subscriptions.shape.member == 0 ? 1 : 2);
    int64 taken = 0;
    evidence->fits &= make_all_room(evidence);
    scan_rows(subscriptions.relation, [&](TupleTableSlot *row) {
        return look_at_subscription(evidence, subscriptions, key_parts, row, &taken);
    });
    evidence->with_sessions.keys.settle();
    if (taken != evidence->linked)
        evidence->doubts = every_doubt;
    evidence->doubts.sessions |= evidence->without_link.found != evidence->without_link.named;
}

// The members that were named are there.
bool finds_members(const AuditScope &scope, Members *members, Oid type)
{
    if (members->named == 0)
        return true;
    Relation relation = table_open(scope.members, AccessShareLock);
    const AttrNumber number = get_attnum(scope.members, scope.members_key);
    const KeyPart part{number, base_type(relation, number)};
    const bool fits = is_plain_heap(relation, std::array{scope.members_key}) && !relation->rd_rel->relhassubclass &&
                      pg_class_aclcheck(scope.members, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
                      words_of(part.type) == words_of(type);
    if (fits)
        scan_rows(relation, [&](TupleTableSlot *row) {
            find_member(members, part, row);
            return true;
        });
    table_close(relation, NoLock);
    return members->found == members->named;
}

template <size_t words>
Doubts look_at_all(const AuditScope &scope, const Subscriptions &subscriptions, List *heaps)
{
    auto *evidence = new (palloc(sizeof(Evidence<words>))) Evidence<words>{};
    evidence->scope = &scope;
    evidence->fits = evidence->with_sessions.fits = evidence->without_link.fits = true;
    ListCell *cell;
    foreach (cell, heaps)
        if (leaves_anything_open(*evidence))
            look_at_sessions(evidence, subscriptions, lfirst_oid(cell));
    if (leaves_anything_open(*evidence))
        look_at_subscriptions(evidence, subscriptions);
    if (!has_room(*evidence))
        return every_doubt;
    if (!evidence->doubts.sessions && !finds_members(scope, &evidence->with_sessions, subscriptions.key[1].type))
        evidence->doubts.sessions = true;
    return evidence->doubts;
}

using LookAtAll = Doubts (*)(const AuditScope &, const Subscriptions &, List *);
constexpr std::array<LookAtAll, most_words + 1> look_at_all_of{nullptr, look_at_all<1>, look_at_all<2>, look_at_all<3>,
                                                               look_at_all<4>};

// Another mapping than the attachment's may count by what is no column yet. A start within a period is a matter of two
// rows, of which a tally knows one; and members that somebody else reads have been read already.
bool may_look(const AuditScope &scope)
{
    const Counting &counting = scope.counting;
    return scope.own_mapping && scope.has_link && scope.has_used && (!scope.has_remaining || scope.plain_remaining) &&
           scope.members_name != member_keys && counting.mapping.valid_from_column == nullptr &&
           counting.mapping.start_column == nullptr && may_scan(counting);
}

}  // namespace

Doubts find_doubts(const AuditScope &scope)
{
    if (!may_look(scope))
        return every_doubt;
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "session_consistency audit",
                                                  ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(context);
    Doubts doubts = every_doubt;
    List *heaps = list_heaps(scope.counting);
    std::optional<Subscriptions> subscriptions = open_subscriptions(scope.counting);
    if (subscriptions) {
        const SubscriptionShape &shape = subscriptions->shape;
        const size_t of_member = shape.member == 0 ? 0 : words_of(shape.member_key.type);
        const size_t words = words_of(shape.id_key.type) + of_member;
        if (heaps != NIL && words <= most_words && (shape.member == 0 || of_member > 0))
            doubts = look_at_all_of[words](scope, *subscriptions, heaps);
        table_close(subscriptions->relation, NoLock);
    }
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(context);
    return doubts;
}

}  // namespace sc
