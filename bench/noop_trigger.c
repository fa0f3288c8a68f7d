/* A row trigger that does nothing: the least that any trigger costs. */
#include "postgres.h"
#include "commands/trigger.h"
#include "fmgr.h"

PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(noop_trigger);

Datum noop_trigger(PG_FUNCTION_ARGS)
{
    return PointerGetDatum(NULL);
}
