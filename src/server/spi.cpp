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

const char *equality(const char *column, Oid type, const char *parameter)
{
    StringInfoData clause;
    initStringInfo(&clause);
    generate_operator_clause(&clause, column, type, lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr, parameter,
                             type);
    return clause.data;
}

bool return_query(FunctionCallInfo fcinfo, const char *query)
{
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    SPIExecuteOptions options{};
    options.read_only = true;
    options.dest = CreateDestReceiver(DestTuplestore);
    SetTuplestoreDestReceiverParams(options.dest, result->setResult, result->econtext->ecxt_per_query_memory, false,
                                    nullptr, nullptr);
    connect_spi();
    const int status = SPI_execute_extended(query, &options);
    if (status != SPI_OK_SELECT)
        elog(ERROR, "\"%s\" failed: %s", query, SPI_result_code_string(status));
    const bool found = SPI_processed > 0;
    SPI_finish();
    return found;
}

bool finds_row(const char *query)
{
    connect_spi();
    const int status = SPI_execute(query, true, 1);
    if (status != SPI_OK_SELECT)
        elog(ERROR, "\"%s\" failed: %s", query, SPI_result_code_string(status));
    const bool found = SPI_processed > 0;
    SPI_finish();
    return found;
}

}  // namespace sc
