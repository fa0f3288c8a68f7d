// Entry of the library.
#include "binding.hpp"
#include "pending_charges.hpp"

extern "C" {
PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);
}

extern "C" void _PG_init(void)
{
    sc::init_bindings();
    sc::init_pending_charges();
}
