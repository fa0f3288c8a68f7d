// schedule_check and unschedule_check: hand run_check to pg_cron. Its functions are only known when they run, so they
// are called by name; what they accept as a schedule is theirs to say.
#include "catalog/arguments.hpp"
#include "catalog/counting.hpp"
#include "server/settings.hpp"
#include "server/spi.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_schedule_check);
PG_FUNCTION_INFO_V1(sc_unschedule_check);
}

namespace sc {

namespace {

constexpr const char *job_name = "session_consistency check";

void require_pg_cron()
{
    const char *served = GetConfigOption("cron.database_name", true, false);
    const char *here = get_database_name(MyDatabaseId);
    if (served == nullptr)
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("pg_cron is not loaded"),
                errdetail("Checks are scheduled by the extension pg_cron."),
                errhint("Install pg_cron, add it to shared_preload_libraries, set cron.database_name = '%s', restart "
                        "the server and run CREATE EXTENSION pg_cron; or call session_consistency.run_check() from "
                        "another scheduler.",
                        here));
    if (strcmp(served, here) != 0)
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("pg_cron serves database \"%s\", and this is \"%s\"", served, here),
                errhint("In database \"%s\", call cron.schedule_in_database('%s', '15 3 * * *', "
                        "'SELECT session_consistency.run_check()', %s).",
                        served, job_name, quote_literal_cstr(here)));
    if (!OidIsValid(get_extension_oid("pg_cron", true)))
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("extension \"pg_cron\" is not installed in database \"%s\"", here),
                errhint("As a superuser, run CREATE EXTENSION pg_cron, and GRANT USAGE ON SCHEMA cron to whoever "
                        "schedules."));
}

int64 run_on_cron(const char *command)
{
    connect_spi();
    const int level = enter_pinned_path();
    const int result = SPI_execute(command, false, 0);
    if (result != SPI_OK_SELECT || SPI_processed != 1)
        elog(ERROR, "\"%s\" failed: %s", command, SPI_result_code_string(result));
    bool is_null;
    const int64 answer = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
    leave_pinned_path(level);
    SPI_finish();
    return answer;
}

}  // namespace

}  // namespace sc

extern "C" PGDLLEXPORT Datum sc_schedule_check(PG_FUNCTION_ARGS)
{
    using namespace sc;
    const Arguments arguments = arguments_of(fcinfo);
    const char *schedule = TextDatumGetCString(require_argument(arguments, "schedule"));
    const Pair pair = pair_arguments(arguments);
    const char *job = job_name;
    const char *call = "SELECT session_consistency.run_check()";
    if (OidIsValid(pair.sessions) || OidIsValid(pair.subscriptions)) {
        // A check of sessions looks at each of their attachments.
        const auto found = find_attachments(pair.sessions, pair.subscriptions);
        if (found.empty())
            require_attachment(pair);
        const char *sessions = qualified_name(found.front().sessions);
        const char *subscriptions = OidIsValid(pair.subscriptions) ? qualified_name(pair.subscriptions) : nullptr;
        job = psprintf(subscriptions == nullptr ? "%s of %s" : "%s of %s and %s", job_name, sessions, subscriptions);
        call = subscriptions == nullptr
                   ? psprintf("SELECT session_consistency.run_check(%s)", quote_literal_cstr(sessions))
                   : psprintf("SELECT session_consistency.run_check(%s, %s)", quote_literal_cstr(sessions),
                              quote_literal_cstr(subscriptions));
    }
    require_pg_cron();
    // A job of that name is replaced: twice the same is one job.
    PG_RETURN_INT64(run_on_cron(psprintf("SELECT cron.schedule(%s, %s, %s)", quote_literal_cstr(job),
                                         quote_literal_cstr(schedule), quote_literal_cstr(call))));
}

extern "C" PGDLLEXPORT Datum sc_unschedule_check(PG_FUNCTION_ARGS)
{
    using namespace sc;
    require_pg_cron();
    PG_RETURN_INT64(run_on_cron(psprintf("SELECT count(*) FILTER (WHERE cron.unschedule(j.jobid)) FROM (SELECT jobid"
                                         " FROM cron.job WHERE database = current_database() AND (jobname = '%s'"
                                         " OR starts_with(jobname::text, '%s of '))) AS j",
                                         job_name, job_name)));
}
