// Runs queries.
#include "server/spi.hpp"

namespace sc {

void connect_spi(int options)
{
    if (SPI_connect_ext(options) != SPI_OK_CONNECT)
        elog(ERROR, "SPI_connect_ext failed");
}

const char *cell_text(uint64 row, int column)
{
    return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

uint64 ask(const char *query, const Asking &asking)
{
    if (!InSecurityRestrictedOperation())
        elog(ERROR, "\"%s\" would run people's code as its caller", query);
    SPIExecuteOptions options{};
    options.read_only = !asking.writes;
    options.dest = asking.receiver;
    const int count = static_cast<int>(asking.types.size());
    options.params = count == 0 ? nullptr : makeParamList(count);
    for (int i = 0; i < count; i++)
        options.params->params[i] = {asking.values[i], false, PARAM_FLAG_CONST, asking.types[i]};
    const int result = SPI_execute_extended(query, &options);
    if (result < 0)
        elog(ERROR, "\"%s\" failed: %s", query, SPI_result_code_string(result));
    return SPI_processed;
}

bool store_query(const char *query, Tuplestorestate *rows)
{
    DestReceiver *receiver = CreateDestReceiver(DestTuplestore);
    SetTuplestoreDestReceiverParams(receiver, rows, CurrentMemoryContext, false, nullptr, nullptr);
    connect_spi();
    const bool found = ask(query, {.receiver = receiver}) > 0;
    SPI_finish();
    return found;
}

bool finds_row(const char *query)
{
    connect_spi();
    const bool found = ask(psprintf("%s LIMIT 1", query)) > 0;
    SPI_finish();
    return found;
}

void make_constraints_immediate(std::span<const Oid> relations)
{
    const char *names = "ALL";
    if (!relations.empty()) {
        StringInfoData oids;
        initStringInfo(&oids);
        for (const Oid relation : relations)
            appendStringInfo(&oids, "%s%u", oids.len == 0 ? "" : ",", relation);
        SPI_execute(psprintf("SELECT pg_catalog.string_agg(pg_catalog.format('%%I.%%I', n.nspname, c.conname), ',')"
                             " FROM pg_catalog.pg_constraint AS c JOIN pg_catalog.pg_namespace AS n"
                             " ON n.oid OPERATOR(pg_catalog.=) c.connamespace WHERE c.condeferrable"
                             " AND c.conrelid OPERATOR(pg_catalog.=) ANY ('{%s}'::oid[])",
                             oids.data),
                    true, 1);
        names = cell_text(0, 1);
    }
    if (names != nullptr && SPI_execute(psprintf("SET CONSTRAINTS %s IMMEDIATE", names), false, 0) != SPI_OK_UTILITY)
        elog(ERROR, "setting constraints failed");
}

void move_rows(Tuplestorestate *rows, const ReturnSetInfo *result)
{
    TupleTableSlot *row = MakeSingleTupleTableSlot(result->setDesc, &TTSOpsMinimalTuple);
    while (tuplestore_gettupleslot(rows, true, false, row))
        tuplestore_puttupleslot(result->setResult, row);
    ExecDropSingleTupleTableSlot(row);
}

}  // namespace sc
