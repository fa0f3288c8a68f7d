// Runs and returns the commands of attach() and detach().
#include "attach/steps.hpp"

#include "server/owner.hpp"
#include "server/relations.hpp"
#include "server/spi.hpp"

namespace sc {

void add_step(Steps &steps, const char *action, const char *command, Oid reads, bool writes)
{
    auto *step = static_cast<Step *>(palloc(sizeof(Step)));
    *step = Step{action, command, reads, writes, false};
    steps.list = lappend(steps.list, step);
}

namespace {

// Each line of it a comment.
void append_remark(StringInfo remark, const char *text)
{
    if (text[0] == '\0')
        return;
    appendStringInfo(remark, "%s-- ", remark->len == 0 ? "" : "\n");
    for (const char *next = text; *next != '\0'; next++) {
        appendStringInfoChar(remark, *next);
        if (*next == '\n')
            appendStringInfoString(remark, "-- ");
    }
}

}  // namespace

Steps refusals(const Obstacles &obstacles)
{
    Steps steps{};
    ListCell *cell;
    foreach (cell, obstacles.found) {
        const auto *obstacle = static_cast<const Obstacle *>(lfirst(cell));
        StringInfoData remark;
        initStringInfo(&remark);
        for (const char *text : {obstacle->message, obstacle->detail, obstacle->hint})
            append_remark(&remark, text);
        auto *step = static_cast<Step *>(palloc(sizeof(Step)));
        *step = Step{psprintf("refused: %s", unpack_sql_state(obstacle->code)), remark.data, InvalidOid, false, true};
        steps.list = lappend(steps.list, step);
    }
    return steps;
}

void run_steps(const Steps &steps)
{
    connect_spi();
    ListCell *cell;
    foreach (cell, steps.list) {
        const auto *step = static_cast<const Step *>(lfirst(cell));
        const auto run = [step] {
            const int result = SPI_execute(step->command, false, 0);
            if (result < 0)
                elog(ERROR, "\"%s\" failed: %s", step->command, SPI_result_code_string(result));
        };
        if (step->writes)
            make_constraints_immediate({});
        if (OidIsValid(step->reads))
            run_restricted(owner_of(step->reads), run);
        else
            run();
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
        bool nulls[] = {step->refused, false, false};
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
}

}  // namespace sc
