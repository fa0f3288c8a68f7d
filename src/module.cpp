// Entry of the library.
#include "catalog/binding.hpp"
#include "catalog/evaluation.hpp"
#include "server/row_plan.hpp"
#include "watch/history.hpp"
#include "store/ledger.hpp"
#include "write/recount.hpp"
#include "write/statements.hpp"

extern "C" {
#ifdef PG_MODULE_MAGIC_EXT
PG_MODULE_MAGIC_EXT(.name = "session_consistency", .version = nullptr);
#else
PG_MODULE_MAGIC;
#endif

PGDLLEXPORT void _PG_init(void);
}

extern "C" void _PG_init(void)
{
    sc::init_bindings();
    sc::init_evaluation();
    sc::init_row_plans();
    sc::init_statements();
    sc::init_recount();
    sc::init_check_history();
    sc::init_ledger();
}
