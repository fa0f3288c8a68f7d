// The comment that migrate() leaves on a charge trigger.
#include "catalog/treated.hpp"

namespace sc {

namespace {

constexpr const char *all_treated = "History is treated.";
constexpr const char *some_left = "History is treated. Subscriptions left to resolve: %lld with an opening balance, "
                                  "%lld with more used than their total, %lld with more linked, hidden by a CHECK.";

}  // namespace

const char *treated_comment(const Treated &treated)
{
    if (treated == Treated{})
        return all_treated;
    return psprintf(some_left, static_cast<long long>(treated.opening), static_cast<long long>(treated.excess),
                    static_cast<long long>(treated.hidden));
}

std::optional<Treated> find_treated(Oid charge_trigger)
{
    const char *comment = GetComment(charge_trigger, TriggerRelationId, 0);
    if (comment == nullptr)
        return std::nullopt;
    if (strcmp(comment, all_treated) == 0)
        return Treated{};
    long long opening;
    long long excess;
    long long hidden;
    if (sscanf(comment, some_left, &opening, &excess, &hidden) != 3)
        return std::nullopt;
    return Treated{opening, excess, hidden};
}

}  // namespace sc
