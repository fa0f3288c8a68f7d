// Reads a row of the sessions as the rules see it.
#include "store/session_row.hpp"

#include <algorithm>

#include "catalog/evaluation.hpp"

namespace sc {

namespace {

Status status_of(const SessionShape &shape, TupleTableSlot *row)
{
    if (shape.status == 0)
        return Status::scheduled;
    bool is_null;
    const Datum status = slot_getattr(row, shape.status, &is_null);
    if (is_null)
        return Status::none;
    if (contains(shape.scheduled, status))
        return Status::scheduled;
    return contains(shape.completed, status) ? Status::completed : Status::none;
}

}  // namespace

namespace {

// What a session costs that is counted by its type and status.
void read_cost(const SessionShape &shape, TupleTableSlot *row, SessionRow *result)
{
    result->session.cost = 0;
    if (!result->session.consuming || result->session.status == Status::none || !counts_when(shape, row))
        return;
    const Cost found = cost_of(shape, row);
    if (is_valid(found))
        result->session.cost = found.credits;
    else
        result->cost_fault = found.is_null ? CostFault::missing : CostFault::negative;
}

}  // namespace

SessionRow read_session(const SessionShape &shape, TupleTableSlot *row)
{
    SessionRow result{};
    bool is_null = false;
    if (shape.type == 0) {
        result.session.consuming = true;
    } else {
        const Datum type = slot_getattr(row, shape.type, &is_null);
        result.session.consuming = !is_null && contains(shape.consuming, type);
    }
    result.session.status = status_of(shape, row);
    result.session.completed_needs_active = shape.completed_needs_active;
    if (shape.evaluation != nullptr)
        read_cost(shape, row, &result);
    result.link = slot_getattr(row, shape.link, &is_null);
    result.session.linked = !is_null;
    result.member_is_null = true;
    if (shape.member != 0)
        result.member = slot_getattr(row, shape.member, &result.member_is_null);
    result.start = moment_of(row, shape.start, shape.zone);
    return result;
}

Change change_between(const SessionShape &shape, const SessionRow *before, const SessionRow *after)
{
    Change change{};
    if (before != nullptr)
        change.before = before->session;
    if (after != nullptr)
        change.after = after->session;
    if (before == nullptr || after == nullptr)
        return change;
    change.same_member = before->member_is_null == after->member_is_null &&
                         (before->member_is_null || datum_image_eq(before->member, after->member,
                                                                   shape.member_by_value, shape.member_length));
    change.same_link = before->session.linked == after->session.linked &&
                       (!before->session.linked ||
                        datum_image_eq(before->link, after->link, shape.link_by_value, shape.link_length));
    change.same_need = before->start == after->start;
    return change;
}

namespace {

bool touches_any(std::span<const AttrNumber> columns, TupleTableSlot *before, TupleTableSlot *after)
{
    return std::any_of(columns.begin(), columns.end(),
                       [=](AttrNumber column) { return !same_value(before, after, column); });
}

}  // namespace

bool touches_rules(const SessionShape &shape, TupleTableSlot *before, TupleTableSlot *after)
{
    return !same_value(before, after, shape.link) ||
           (shape.member != 0 && !same_value(before, after, shape.member)) ||
           (shape.status != 0 && !same_value(before, after, shape.status)) ||
           (shape.type != 0 && !same_value(before, after, shape.type)) ||
           (shape.start.number != 0 && !same_value(before, after, shape.start.number)) ||
           (shape.evaluation != nullptr && touches_any(read_columns(shape), before, after));
}

bool touches_payment(const SessionShape &shape, TupleTableSlot *before, TupleTableSlot *after)
{
    return touches_any(payment_columns(shape), before, after);
}

std::optional<Datum> link_key(const Binding &binding, const SessionRow &row)
{
    if (!row.session.linked)
        return std::nullopt;
    return key_of_link(binding, row.link);
}

std::optional<Datum> link_to(const Binding &binding, Datum id)
{
    return convert_key(id, binding.subscriptions.id_key.type, binding.sessions.link_type);
}

std::optional<Datum> key_of_link(const Binding &binding, Datum link)
{
    return convert_key(link, binding.sessions.link_type, binding.subscriptions.id_key.type);
}

std::optional<Datum> member_key(const Binding &binding, const SessionRow &row)
{
    if (row.member_is_null)
        return std::nullopt;
    return convert_key(row.member, binding.sessions.member_type, binding.subscriptions.member_key.type);
}

CommandId stored_by(HeapTuple tuple)
{
    return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data))
               ? HeapTupleHeaderGetCmin(tuple->t_data)
               : InvalidCommandId;
}

}  // namespace sc
