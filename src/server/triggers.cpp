// Checks the trigger protocol.
#include "server/triggers.hpp"

#include <algorithm>

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

namespace {

bool fires_for(const Trigger &trigger, std::span<const AttrNumber> columns)
{
    if (trigger.tgisinternal || trigger.tgenabled == TRIGGER_DISABLED || !TRIGGER_FOR_UPDATE(trigger.tgtype))
        return false;
    const std::span named(trigger.tgattr, trigger.tgnattr);
    return named.empty() ||
           std::find_first_of(named.begin(), named.end(), columns.begin(), columns.end()) != named.end();
}

// The settings of a function, "name=value" each.
bool sets_path(HeapTuple function)
{
    bool is_null;
    const Datum settings = SysCacheGetAttr(PROCOID, function, Anum_pg_proc_proconfig, &is_null);
    if (is_null)
        return false;
    Datum *items;
    int count;
    deconstruct_array(DatumGetArrayTypeP(settings), TEXTOID, -1, false, TYPALIGN_INT, &items, nullptr, &count);
    return std::any_of(items, items + count, [](Datum item) {
        return strncmp(TextDatumGetCString(item), "search_path=", strlen("search_path=")) == 0;
    });
}

// The function's name where it takes whatever path there is; nullptr where not.
const char *unpinned_function(Oid oid)
{
    HeapTuple function = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));
    if (!HeapTupleIsValid(function))
        return nullptr;
    const auto *form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(function));
    const bool compiled = form->prolang == INTERNALlanguageId || form->prolang == ClanguageId;
    const char *name = compiled || sets_path(function)
                           ? nullptr
                           : quote_qualified_identifier(get_namespace_name(form->pronamespace), NameStr(form->proname));
    ReleaseSysCache(function);
    return name;
}

}  // namespace

Names find_unpinned_triggers(Relation relation, std::span<const AttrNumber> columns)
{
    const TriggerDesc *triggers = copy_triggers(relation);
    if (triggers == nullptr)
        return {};
    auto **found = static_cast<const char **>(palloc(sizeof(char *) * triggers->numtriggers));
    size_t count = 0;
    for (const Trigger &trigger : std::span(triggers->triggers, triggers->numtriggers))
        if (fires_for(trigger, columns))
            if (const char *function = unpinned_function(trigger.tgfoid))
                found[count++] = psprintf("trigger %s calls %s()", quote_identifier(trigger.tgname), function);
    return Names(found, count);
}

int trigger_depth()
{
    return DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, Datum{0}));
}

}  // namespace sc
