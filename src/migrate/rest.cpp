// Reads the counters that are not right after a migration.
#include "migrate/rest.hpp"

#include "server/operators.hpp"
#include "server/settings.hpp"
#include "server/spi.hpp"

namespace sc {

namespace {

constexpr long fetched_at_once = 1000;
constexpr int64 named_at_most = 5;

// A row of check_counts(), in SPI's table.
struct Wrong {
    uint64 row;
    std::optional<int64> total;
    std::optional<int64> used;
    int64 linked;
};

Datum value_at(uint64 row, int column, bool *is_null)
{
    return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, is_null);
}

std::optional<int64> number_at(uint64 row, int column)
{
    bool is_null;
    const Datum value = value_at(row, column, &is_null);
    return is_null ? std::nullopt : std::optional(DatumGetInt64(value));
}

// True where another pass would set the counter, or the remaining beside it, to something else.
bool can_be_better(const Wrong &wrong, Opening opening, bool hides)
{
    const bool in_excess = wrong.total && wrong.used > wrong.total;
    if (!wrong.used || (wrong.used == wrong.linked && !in_excess))
        return true;
    if (wrong.used > wrong.linked)
        return opening != Opening::report;
    return wrong.used < wrong.linked && !(hides && wrong.total && wrong.used >= wrong.total);
}

template <typename... Figures>
void add_name(Naming &naming, const Wrong &wrong, const char *sentence, Figures... figures)
{
    if (naming.count++ < named_at_most)
        naming.sentences = lappend(
            naming.sentences,
            psprintf(sentence, SPI_getvalue(SPI_tuptable->vals[wrong.row], SPI_tuptable->tupdesc, 2), figures...));
}

void name_what_stays(Rest &rest, const Wrong &wrong)
{
    const auto used = static_cast<long long>(wrong.used.value_or(0));
    const auto total = static_cast<long long>(wrong.total.value_or(0));
    const auto linked = static_cast<long long>(wrong.linked);
    if (used > linked)
        add_name(rest.opening, wrong,
                 "Subscription %s has used %lld, and %lld are linked to it: an opening balance, which stays.", used,
                 linked);
    if (wrong.total && used > total)
        add_name(rest.excess, wrong, "Subscription %s has used %lld, and its total is %lld: it is full.", used, total);
    if (wrong.total && used < linked)
        add_name(rest.hidden, wrong,
                 "Subscription %s is full with %lld used: a CHECK of its table hides that %lld are linked to it.", used,
                 linked);
}

void sort_rows(Rest &rest, Opening opening, bool hides, const MemberType &member, MemoryContext context)
{
    for (uint64 i = 0; i < SPI_processed; i++) {
        const Wrong wrong{i, number_at(i, 3), number_at(i, 4), *number_at(i, 5)};
        MemoryContext caller = MemoryContextSwitchTo(context);
        if (can_be_better(wrong, opening, hides)) {
            ListedMember of{};
            const Datum value = value_at(i, 1, &of.is_null);
            of.value = of.is_null ? Datum{0} : datumCopy(value, member.by_value, member.length);
            rest.wrong.add(context, of);
        } else {
            name_what_stays(rest, wrong);
        }
        MemoryContextSwitchTo(caller);
    }
}

}  // namespace

Rest look_at_counters(const MigrateRequest &request, const MemberType &member, bool hides, MemoryContext context)
{
    const int level = enter_pinned_path();
    set_locally("jit", "off");
    Oid types[] = {REGCLASSOID, REGCLASSOID};
    Datum values[] = {ObjectIdGetDatum(request.sessions), ObjectIdGetDatum(request.subscriptions)};
    const bool searched = is_searched(require_attachment(pair_of(request)).mapping);
    const char *query = psprintf("SELECT c.%s::%s, c.subscription_id, c.total, c.used, c.expected_used"
                                 " FROM session_consistency.check_counts($1, $2) AS c",
                                 searched ? "member_id" : "subscription_id", cast_name(member.type));
    Portal portal = SPI_cursor_open_with_args(nullptr, query, 2, types, values, nullptr, false, CURSOR_OPT_NO_SCROLL);
    Rest rest{};
    for (;;) {
        SPI_cursor_fetch(portal, true, fetched_at_once);
        const bool some = SPI_processed > 0;
        sort_rows(rest, request.opening, hides, member, context);
        SPI_freetuptable(SPI_tuptable);
        if (!some)
            break;
    }
    SPI_cursor_close(portal);
    leave_pinned_path(level);
    return rest;
}

void add_remarks(MigrateRun *run, const Rest &rest)
{
    for (const Naming *naming : {&rest.opening, &rest.excess, &rest.hidden}) {
        ListCell *cell;
        foreach (cell, naming->sentences)
            add_remark(run, static_cast<const char *>(lfirst(cell)));
        if (naming->count > named_at_most)
            add_remark(run, psprintf("... and " INT64_FORMAT " like it.", naming->count - named_at_most));
    }
}

}  // namespace sc
