// Runs and returns the commands of attach() and detach().
#include "attach/steps.hpp"

namespace sc {

void add_step(Steps &steps, const char *action, const char *command)
{
    auto *step = static_cast<Step *>(palloc(sizeof(Step)));
    *step = Step{action, command};
    steps.list = lappend(steps.list, step);
}

int enter_pinned_path()
{
    const int level = NewGUCNestLevel();
    set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                      false);
    return level;
}

void leave_pinned_path(int level)
{
    AtEOXact_GUC(true, level);
}

void join_by_hash()
{
    // A nested loop that nothing can replace then looks so dear that the server would compile the query.
    for (const char *setting : {"enable_nestloop", "jit"})
        set_config_option(setting, "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

void run_steps(const Steps &steps)
{
    if (SPI_connect() != SPI_OK_CONNECT)
        elog(ERROR, "SPI_connect failed");
    ListCell *cell;
    foreach (cell, steps.list) {
        const auto *step = static_cast<const Step *>(lfirst(cell));
        const int result = SPI_execute(step->command, false, 0);
        if (result < 0)
            elog(ERROR, "\"%s\" failed: %s", step->command, SPI_result_code_string(result));
    }
    SPI_finish();
}

void return_steps(FunctionCallInfo fcinfo, const Steps &steps)
{
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    int32 number = 0;
    ListCell *cell;
    foreach (cell, steps.list) {
        const auto *step = static_cast<const Step *>(lfirst(cell));
        Datum values[] = {Int32GetDatum(++number), CStringGetTextDatum(step->action),
                          CStringGetTextDatum(step->command)};
        bool nulls[] = {false, false, false};
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
}

}  // namespace sc
