# PGXS build of session_consistency: make, make install, make installcheck; PG_CONFIG chooses the server.
# make check runs every test on a throw-away server, make docs writes docs/reference.md,
# make bench measures beside its peers and writes docs/performance.md.
throw_away := $(filter check docs bench,$(MAKECMDGOALS))
ifneq ($(throw_away),)

# PGXS has a check of its own, which only refuses: it is left out here.
check: ; test/run
docs:  ; test/run docs
bench: ; bench/run
$(filter-out $(throw_away),$(MAKECMDGOALS)): ; $(MAKE) $@
.PHONY: $(MAKECMDGOALS)

else

EXTENSION   := session_consistency
MODULE_big  := $(EXTENSION)
OBJS        := $(patsubst %.cpp,%.o,$(sort $(wildcard src/*.cpp src/*/*.cpp)))
SHLIB_EXPORTS = src/exports.txt
DATA        := $(sort $(wildcard sql/$(EXTENSION)--*.sql))

# One test after the other in one database, where the extension is; each in a schema of its own.
REGRESS      := $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*/*.sql)))
REGRESS_OPTS  = --load-extension=$(EXTENSION)
REGRESS_PREP  = result-folders
ISOLATION    := $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --load-extension=$(EXTENSION) --inputdir=test $(if $(filter 15,$(MAJORVERSION)),,--expecteddir=test)
PROVE_TESTS  := $(sort $(wildcard test/t/*.pl))
TAP_TESTS    := $(if $(PROVE_TESTS),1)
UNIT         := $(patsubst %.cpp,%.test,$(sort $(wildcard test/unit/*.cpp)))
EXTRA_CLEAN   = $(UNIT) src/*.d src/*/*.d

# Nothing in the library may throw or be unwound: PostgreSQL reports errors with longjmp.
CXX_STRICT  = -std=c++20 -fno-exceptions -fno-rtti -fno-threadsafe-statics \
              -Wall -Wextra -Wno-register -Wno-unused-parameter \
              $(if $(findstring clang,$(CXX)),-Wno-unknown-warning-option -Wno-ignored-attributes)
PG_CXXFLAGS = $(CXX_STRICT)
# make ASSERTIONS=1 has the library check its own invariants, as the tests do.
PG_CPPFLAGS = -Isrc -MMD -MP $(if $(ASSERTIONS),-DUSE_ASSERT_CHECKING)

PG_CONFIG  ?= pg_config
PGXS       := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# The bitcode rule of PGXS does not pass PG_CXXFLAGS on.
COMPILE.cxx.bc += $(CXX_STRICT) -MF $@.d

# PGXS follows no headers: the compilers write down which ones they read.
-include $(wildcard src/*.d src/*/*.d)

# The rules that need no server, tested without one, with the library's own assertions.
unitcheck: $(UNIT)
	set -e; for test in $^; do ./$$test; done
$(UNIT): %.test: %.cpp $(wildcard src/*.hpp src/*/*.hpp test/unit/*.hpp)
	$(CXX) $(CXX_STRICT) -D_GLIBCXX_ASSERTIONS -g -Isrc -o $@ $<

# The flags of one compilation, for CMakeLists.txt.
show-flags:
	@: $(info $(CXXFLAGS) $(filter-out -MMD -MP,$(CPPFLAGS)))

# pg_regress makes the folder of the results, and none below it.
result-folders: ; mkdir -p results $(addprefix results/,$(sort $(dir $(REGRESS))))
.PHONY: unitcheck show-flags result-folders

endif
