// Adds and validates constraints that attach() could not.
#include "migrate/constraints.hpp"

#include "server/owner.hpp"
#include "server/subtransaction.hpp"
#include "catalog/counting.hpp"
#include "server/settings.hpp"
#include "server/spi.hpp"

namespace sc {

namespace {

// A constraint as attach() named it. Only what attach() made is touched: what was there before stays as it was.
struct Pending {
    const char *kind;
    bool on_sessions;
    const char *(*condition)(const Mapping &);     // of a CHECK
};
constexpr std::array pending_constraints{
    Pending{"total_check", false, counter_condition},
    Pending{"link_check", true, link_check_condition},
    Pending{"foreign_key", true, nullptr},
};

enum class State : uint8_t { absent, not_valid, valid };

State state_of(Oid table, const char *name)
{
    const Oid constraint = get_relation_constraint_oid(table, name, true);
    if (!OidIsValid(constraint))
        return State::absent;
    HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
    if (!HeapTupleIsValid(tuple))
        return State::absent;
    const bool valid = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple))->convalidated;
    ReleaseSysCache(tuple);
    return valid ? State::valid : State::not_valid;
}

void run_command(const char *command)
{
    const int result = SPI_execute(command, false, 0);
    if (result < 0)
        elog(ERROR, "\"%s\" failed: %s", command, SPI_result_code_string(result));
}

// Rows are looked at as their owner.
bool is_violated(Oid table, const char *condition)
{
    bool found = false;
    run_restricted(owner_of(table), [&] {
        found = ask(psprintf("SELECT FROM %s WHERE NOT (%s) LIMIT 1", qualified_name(table), condition),
                    {.writes = true}) > 0;
    });
    return found;
}

struct Target {
    Pair pair;
    Oid table;
    const char *name;
    const char *condition;
};

std::optional<Target> find_target(const Pair &pair, const Pending &pending)
{
    const Attachment &attachment = require_attachment(pair);
    const char *name = find_made(attachment.mapping.made, pending.kind);
    const Oid table = pending.on_sessions ? attachment.sessions : attachment.subscriptions;
    if (name == nullptr || !OidIsValid(table))
        return std::nullopt;
    const char *condition = pending.condition == nullptr ? nullptr : pending.condition(attachment.mapping);
    return Target{{attachment.sessions, attachment.subscriptions}, table, name, condition};
}

// Whether the constraint is still to be made, and no row is in its way. Looked at in a transaction of its own: whoever
// has read a table and then wants it alone may meet another who does the same.
bool can_be_added(const Target &target)
{
    return target.condition != nullptr && state_of(target.table, target.name) == State::absent &&
           !is_violated(target.table, target.condition);
}

bool add_constraint(const Target &target)
{
    run_command(psprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s) NOT VALID", qualified_name(target.table),
                         quote_identifier(target.name), target.condition));
    return true;
}

// Not in the same transaction: it needs nobody locked out.
bool comment_on_added(const Target &target)
{
    run_command(comment_on_constraint(quote_identifier(target.name), qualified_name(target.table), target.pair));
    return true;
}

bool validate_constraint(const Target &target)
{
    if (state_of(target.table, target.name) != State::not_valid)
        return false;
    const char *command = psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", qualified_name(target.table),
                                   quote_identifier(target.name));
    // It reads the rows.
    return try_and_undo([&] { run_restricted(owner_of(target.table), [command] { run_command(command); }); });
}

}  // namespace

bool drop_counter_check(const Pair &pair, void (*next_transaction)())
{
    const int level = enter_pinned_path();
    const std::optional<Target> target = find_target(pair, pending_constraints[0]);
    const bool there = target && state_of(target->table, target->name) != State::absent;
    if (there)
        run_command(psprintf("ALTER TABLE %s DROP CONSTRAINT %s", qualified_name(target->table),
                             quote_identifier(target->name)));
    leave_pinned_path(level);
    next_transaction();
    return there;
}

void note_treated(const Pair &pair, const Treated &treated)
{
    const Attachment &attachment = require_attachment(pair);
    const std::optional<Treated> before = find_treated(attachment.charge_trigger);
    if (before ? *before == treated
               : treated == Treated{} && find_made(attachment.mapping.made, "history") == nullptr)
        return;
    CreateComments(attachment.charge_trigger, TriggerRelationId, 0, treated_comment(treated));
}

void finish_constraints(const Pair &pair, void (*next_transaction)())
{
    // Added in one transaction, with the table locked for a moment, and validated in another, which locks nobody out.
    const auto in_transaction = [=](const Pending &pending, auto step) {
        const int level = enter_pinned_path();
        // Its library would take more memory than the rest of the migration.
        set_locally("jit", "off");
        const std::optional<Target> target = find_target(pair, pending);
        bool result = false;
        if (target)
            result = step(*target);
        leave_pinned_path(level);
        next_transaction();
        return result;
    };
    for (const Pending &pending : pending_constraints) {
        if (in_transaction(pending, can_be_added) && in_transaction(pending, add_constraint))
            in_transaction(pending, comment_on_added);
        in_transaction(pending, validate_constraint);
    }
}

}  // namespace sc
