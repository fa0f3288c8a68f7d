// Checks the trigger protocol.
#include "server/triggers.hpp"

namespace sc {

namespace {

[[noreturn]] void raise_protocol(const char *function, const char *expected)
{
    ereport(ERROR, errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
            errmsg("function \"%s\" must be called as a trigger %s", function, expected),
            errhint("session_consistency.attach() makes the triggers."));
    pg_unreachable();
}

}  // namespace

TriggerData *row_trigger_call(FunctionCallInfo fcinfo, const char *function, Timing timing, bool deletes)
{
    const char *expected = timing == Timing::before ? "BEFORE INSERT OR UPDATE FOR EACH ROW"
                           : deletes                ? "AFTER INSERT OR UPDATE OR DELETE FOR EACH ROW"
                                                    : "AFTER INSERT OR UPDATE FOR EACH ROW";
    if (!CALLED_AS_TRIGGER(fcinfo))
        raise_protocol(function, expected);
    auto *data = reinterpret_cast<TriggerData *>(fcinfo->context);
    const TriggerEvent event = data->tg_event;
    const bool timed = timing == Timing::before ? TRIGGER_FIRED_BEFORE(event) : TRIGGER_FIRED_AFTER(event);
    const bool known = TRIGGER_FIRED_BY_INSERT(event) || TRIGGER_FIRED_BY_UPDATE(event) ||
                       (deletes && TRIGGER_FIRED_BY_DELETE(event));
    if (!timed || !known || !TRIGGER_FIRED_FOR_ROW(event))
        raise_protocol(function, expected);
    return data;
}

TriggerData *truncate_trigger_call(FunctionCallInfo fcinfo, const char *function)
{
    constexpr const char *expected = "AFTER TRUNCATE FOR EACH STATEMENT";
    if (!CALLED_AS_TRIGGER(fcinfo))
        raise_protocol(function, expected);
    auto *data = reinterpret_cast<TriggerData *>(fcinfo->context);
    const TriggerEvent event = data->tg_event;
    if (!TRIGGER_FIRED_AFTER(event) || !TRIGGER_FIRED_BY_TRUNCATE(event) || !TRIGGER_FIRED_FOR_STATEMENT(event))
        raise_protocol(function, expected);
    return data;
}

TriggerDesc *copy_triggers(Relation relation)
{
    return CopyTriggerDesc(relation->trigdesc);
}

int trigger_depth()
{
    return DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, Datum{0}));
}

}  // namespace sc
