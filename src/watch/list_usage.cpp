// list_usage: how many credits each attachment has given out, and whether it is enforced; what the metrics are made of.
// Sums that name nobody: a member of pg_monitor may see them without any right on the tables.
#include "catalog/counting.hpp"
#include "catalog/gaps.hpp"
#include "server/owner.hpp"
#include "check/read_counts.hpp"
#include "server/violation.hpp"
#include "server/spi.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_list_usage);
}

namespace sc {

namespace {

constexpr size_t sums = 5;

bool may_see(Oid subscriptions)
{
    return has_privs_of_role(GetUserId(), ROLE_PG_MONITOR) || may_read(subscriptions, GetUserId());
}

// As the owner of the sessions, whom no policy hides a row from.
void sum_up(const Attachment &attachment, std::span<Datum, sums> values)
{
    const char *total = total_expression(attachment.mapping, "s");
    const char *used = quoted_column("s", attachment.mapping.used_column);
    MemoryContext context = CurrentMemoryContext;
    connect_spi();
    ask(psprintf("SELECT count(*), count(*) FILTER (WHERE %s IS NULL), coalesce(sum(%s), 0)::numeric,"
                 " coalesce(sum(%s), 0)::numeric, coalesce(sum(%s::numeric - %s), 0) FROM ONLY %s AS s",
                 total, total, used, total, used, qualified_name(attachment.subscriptions)));
    for (size_t i = 0; i < sums; i++) {
        bool is_null;
        const Datum value =
            SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, static_cast<int>(i + 1), &is_null);
        MemoryContext before = MemoryContextSwitchTo(context);
        values[i] = i < 2 ? value : datumCopy(value, false, -1);
        MemoryContextSwitchTo(before);
    }
    SPI_finish();
}

// False where the sums cannot be told.
bool try_to_sum_up(const Attachment &attachment, std::span<Datum, sums> values)
{
    const auto sum = [&] {
        run_restricted(owner_of(attachment.sessions), [&] {
            open_counting(attachment);
            sum_up(attachment, values);
        });
    };
    return attachment.fault == nullptr && OidIsValid(attachment.subscriptions) && may_see(attachment.subscriptions) &&
           try_and_undo(sum, is_users_error) == nullptr;
}

void store_usage(const Attachment &attachment, const ReturnSetInfo *result)
{
    std::array<Datum, 3 + sums> values{ObjectIdGetDatum(attachment.sessions),
                                       ObjectIdGetDatum(attachment.subscriptions),
                                       BoolGetDatum(find_gaps(attachment).empty())};
    const bool told = try_to_sum_up(attachment, std::span(values).last<sums>());
    std::array<bool, 3 + sums> nulls{false, !OidIsValid(attachment.subscriptions), false, !told, !told, !told, !told,
                                     !told};
    tuplestore_putvalues(result->setResult, result->setDesc, values.data(), nulls.data());
}

}  // namespace

}  // namespace sc

extern "C" PGDLLEXPORT Datum sc_list_usage(PG_FUNCTION_ARGS)
{
    InitMaterializedSRF(fcinfo, 0);
    for (const sc::Attachment &attachment : sc::find_attachments(InvalidOid))
        sc::store_usage(attachment, reinterpret_cast<const ReturnSetInfo *>(fcinfo->resultinfo));
    return Datum{0};
}
