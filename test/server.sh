# Sourced by test/run, demo/run and console/run: a throw-away PostgreSQL server that has this extension.
#
# Installs what is missing with apt-get and nothing else into the system: the script goes on in a copy of the tree, in a
# work directory, as an unprivileged user (initdb refuses root). The server runs from a relocated copy of the installed
# one: PostgreSQL finds its other directories relative to its programs, so "make install" can write beside them.
#
#   enter_work_directory "$@"   once, first; returns inside
#   build                       builds and installs the extension into the copy
#   start_server                PGHOST and PATH lead to it
#
# PG_CONFIG chooses the server, CXX the compiler. WORK=DIRECTORY is worked in and left behind: its logs can be read, and
# the next run there builds only what changed.

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=${SESSION_CONSISTENCY_WORK:-}

fail() {
    echo "${0##*/}: $*" >&2
    exit 2
}

# The newest major that is installed, else the newest that the distribution has; 15 is the oldest that will do.
choose_major() {
    local installed
    installed=$(find /usr/lib/postgresql/*/bin/postgres 2>/dev/null | cut -d/ -f5 | sort -n | tail -1) || true
    if [[ ${installed:-0} -ge 15 ]]; then
        echo "$installed"
    else
        apt-cache pkgnames postgresql-server-dev- | sed -n 's/.*-\([0-9]*\)$/\1/p' | sort -n | tail -1
    fi
}

# Prints the packages that this machine lacks.
list_missing() {
    [[ -x $bindir/postgres ]] || echo "postgresql-$major"
    # Debian's client package has pg_config and pgxs.mk, and no headers.
    [[ -f $("$PG_CONFIG" --includedir-server 2>/dev/null)/postgres.h || -z ${major:-} ]] ||
        echo "postgresql-server-dev-$major"
    command -v make >/dev/null || echo make
    command -v g++ >/dev/null || echo g++
    command -v prove >/dev/null || echo perl
    perl -MIPC::Run -e1 2>/dev/null || echo libipc-run-perl
}

# Prints the packages that the tests of this suite can do without, and use where the distribution has them.
list_useful() {
    local version extension known program
    if [[ ${suite:-} =~ ^(all|clients|screens|console)$ ]] && command -v apt-get >/dev/null; then
        command -v node >/dev/null || echo nodejs
        command -v npm >/dev/null || echo npm
        [[ $suite =~ ^(clients|console)$ ]] || command -v chromium >/dev/null || echo chromium
    fi
    if [[ ${suite:-} =~ ^(all|clients)$ ]] && command -v apt-get >/dev/null; then
        list_clients
    fi
    if [[ ${suite:-} == bench ]] && command -v apt-get >/dev/null; then
        command -v gnuplot >/dev/null || echo gnuplot-nox
        command -v valgrind >/dev/null || echo valgrind
    fi
    [[ ${suite:-} =~ ^(all|tap)$ ]] && command -v apt-get >/dev/null || return 0
    version=${major:-$("$PG_CONFIG" --version | grep -oE '[0-9]+' | head -1)}
    known=/usr/share/postgresql/$version/extension
    for extension in cron partman repack; do
        [[ $bindir != "/usr/lib/postgresql/$version/bin" || -f $known/pg_$extension.control ]] ||
            echo "postgresql-$version-$extension"
    done
    command -v prometheus-postgres-exporter >/dev/null || echo prometheus-postgres-exporter
    command -v promtool >/dev/null || echo prometheus
}

# The tools of applications that come as packages; Python's are asked for by the system's own python3.
list_clients() {
    local module
    for module in django sqlalchemy psycopg2; do
        [[ -d /usr/lib/python3/dist-packages/$module ]] || echo "python3-$module"
    done
    [[ -d /usr/lib/python3/dist-packages/alembic ]] || echo alembic
    command -v pgbouncer >/dev/null || echo pgbouncer
}

# Those of the packages that the distribution has, as far as it is known.
keep_available() {
    local package
    for package; do
        [[ -z $(apt-cache pkgnames "$package" | grep -Fx "$package") ]] || echo "$package"
    done
}

as_root() {
    if [[ $EUID -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

# Never upgrades a package that is there, and lets no package make a cluster or start a service.
install_packages() (
    drop_in=/etc/postgresql-common/createcluster.d
    policy=/usr/sbin/policy-rc.d
    [[ ! -e $policy ]] || policy=
    trap 'as_root rm -f "$drop_in/session_consistency.conf" $policy
          as_root rmdir --ignore-fail-on-non-empty "$drop_in"' EXIT
    if [[ -n $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod +x "$policy"
    fi
    as_root mkdir -p "$drop_in"
    echo 'create_main_cluster = false' | as_root tee "$drop_in/session_consistency.conf" >/dev/null
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
        apt-get -qq -o DPkg::Lock::Timeout=600 install --yes --no-upgrade --no-install-recommends "$@"
)

update_packages() {
    as_root apt-get -qq -o DPkg::Lock::Timeout=600 update || echo "package lists could not be updated"
}

prepare_machine() {
    local major='' bindir missing useful log
    if [[ -n ${PG_CONFIG:-} ]]; then
        command -v "$PG_CONFIG" >/dev/null || fail "there is no $PG_CONFIG"
        PG_CONFIG=$(command -v "$PG_CONFIG")
        bindir=$("$PG_CONFIG" --bindir)
        [[ -x $bindir/postgres && -f $("$PG_CONFIG" --includedir-server)/postgres.h ]] ||
            fail "$PG_CONFIG knows no server with its headers"
    else
        command -v apt-get >/dev/null || fail "PG_CONFIG must name the server's pg_config: there is no apt-get here"
        major=$(choose_major)
        [[ -n $major ]] || { update_packages >/dev/null 2>&1; major=$(choose_major); }
        [[ ${major:-0} -ge 15 ]] || fail "needs PostgreSQL 15 or later; this distribution has ${major:-none}"
        bindir=/usr/lib/postgresql/$major/bin
        PG_CONFIG=$bindir/pg_config
    fi
    missing=$(list_missing)
    useful=$(list_useful)
    [[ -z $useful || -z $(apt-cache pkgnames postgresql-common) ]] || useful=$(keep_available $useful)
    if [[ -n $missing$useful ]]; then
        log=$(update_packages 2>&1) || fail "apt-get could not update its lists: $log"
        missing="$missing $(keep_available $useful)"
    fi
    if [[ -n ${missing// } ]]; then
        echo "installing" $missing >&2
        log=$(install_packages $missing 2>&1) || fail "apt-get could not install them: $log"
    fi
}

# Runs on every way out: ends what was started here, hands back what is for the tree, leaves nothing.
leave_work_directory() {
    local pid_file
    [[ -z ${inner:-} ]] || { kill -TERM -- "-$inner"; wait "$inner"; } 2>/dev/null || true
    find "$work" -name postmaster.pid 2>/dev/null | while read -r pid_file; do
        kill -QUIT "$(head -1 "$pid_file")" 2>/dev/null || true
    done
    [[ ! -d $work/handback ]] || cp -r "$work/handback/." "$tree/" || true
    [[ -n ${WORK:-} ]] || rm -rf "$work"
}

# An empty work directory; of an earlier run there only what make had built is left.
make_work_directory() {
    if [[ -z ${WORK:-} ]]; then
        work=$(mktemp -d /tmp/session_consistency.XXXXXX)
        mkdir "$work/tree"
    elif [[ ! -e $WORK || -f $WORK/tree/session_consistency.control ]]; then
        mkdir -p "$WORK/tree"
        work=$(realpath "$WORK")
        find "$work" -mindepth 1 -maxdepth 1 ! -name tree -exec rm -rf {} +
        find "$work/tree" -type f ! -path '*/src/*.[od]' ! -path '*/src/*.bc*' -delete
    else
        fail "$WORK is there, and is no work directory"
    fi
}

enter_work_directory() {
    [[ -z $work ]] || { unset "${!PG@}" MAKEFLAGS MFLAGS MAKELEVEL; return; }
    prepare_machine
    make_work_directory
    trap leave_work_directory EXIT
    trap 'exit 130' INT TERM HUP
    tar -C "$tree" --exclude-vcs --exclude-from="$tree/.gitignore" -cf - . | tar -C "$work/tree" --no-same-owner -xf -
    local user=()
    if [[ $EUID -eq 0 ]]; then
        chown -R nobody:nogroup "$work"
        user=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
    fi
    local script
    script=$(realpath --relative-to="$tree" "$0")
    cd "$work/tree"
    set -m   # a process group of its own, so that all of it can be ended
    SESSION_CONSISTENCY_WORK=$work SERVER_CONFIG=$PG_CONFIG HOME=$work LC_ALL=C.UTF-8 \
        "${user[@]}" bash "$script" "$@" </dev/null &
    inner=$!
    local status=0
    wait "$inner" || status=$?
    inner=
    exit "$status"
}

# The programs are copied, since the server resolves links to find itself; all else is linked.
stage_server() {
    local directory
    stage=$work/stage
    bindir=$("$SERVER_CONFIG" --bindir)
    mkdir -p "$stage$bindir"
    cp -L "$bindir"/* "$stage$bindir/"
    for directory in "$("$SERVER_CONFIG" --pkglibdir)" "$("$SERVER_CONFIG" --sharedir)"; do
        link_entries "$directory"
    done
    for directory in "$("$SERVER_CONFIG" --pkglibdir)/bitcode" "$("$SERVER_CONFIG" --sharedir)/extension"; do
        [[ ! -d $directory ]] || { rm "$stage$directory"; link_entries "$directory"; }
    done
    PATH=$stage$bindir:$PATH
}

link_entries() {
    mkdir -p "$stage$1"
    find "$1" -mindepth 1 -maxdepth 1 ! -name 'session_consistency*' -exec ln -s -t "$stage$1" {} +
}

# make for the copy: what it installs and the programs that it tests with are the staged ones.
staged_make() {
    make --no-print-directory PG_CONFIG="$SERVER_CONFIG" ${CXX:+CXX="$CXX"} "$@"
}

# Further arguments are make's.
build() {
    stage_server
    staged_make --silent --keep-going -j2 "$@" all && staged_make --silent DESTDIR="$stage" "$@" install
}

start_server() {
    export PGHOST=$work PGDATABASE=postgres
    initdb --no-locale --encoding=UTF8 --no-sync --auth=trust -D "$work/data" >"$work/initdb.log" 2>&1
    cat >>"$work/data/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$work'
fsync = off
max_prepared_transactions = 10
END
    pg_ctl -D "$work/data" -l "$work/server.log" -w start >>"$work/initdb.log" 2>&1
}
