# What `.ci/clients` and `.ci/soak` have in common: a folder of their own, packages, servers, the daemon, and an end of
# all of it whatever happens. Sourced from the root of the workspace.
# shellcheck shell=bash
# shellcheck disable=SC2034 # Who sources it uses more of it than is used here.

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
tools="$target/clients"
here=$PWD/.ci/clients.d
run=$(mktemp -d)
pids=()
left_out=()

say() { echo "${0##*/}: $*"; }

fail() {
    echo "error: $*" >&2
    exit 1
}

# Ends what was started, newest first, whatever happened.
clean_up() {
    local status=$? index
    for ((index = ${#pids[@]} - 1; index >= 0; index--)); do
        kill "${pids[index]}" 2>/dev/null || true
        wait "${pids[index]}" 2>/dev/null || true
    done
    if [[ $status -ne 0 && -s $run/ayad.log ]]; then
        echo "--- the end of ayad's log ---" >&2
        tail -n 20 "$run/ayad.log" >&2
    fi
    rm -rf "$run"
    exit "$status"
}
trap clean_up EXIT

# What cannot be fetched is left out, except in CI.
leave_out() {
    [[ -z ${CI:-} ]] || fail "$1 cannot be had"
    say "LEFT OUT: $1 cannot be had here"
    left_out+=("$1")
}

install_programs() {
    local missing=() sudo=() program
    local -A package=([curl]=curl [wrk]=wrk [nghttp]=nghttp2-client [openssl]=openssl [node]=nodejs [npm]=npm)
    for program in "${!package[@]}"; do
        command -v "$program" >/dev/null || missing+=("${package[$program]}")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    [[ $EUID -eq 0 ]] || sudo=(sudo -n)
    say "installing ${missing[*]}"
    "${sudo[@]}" apt-get update -qq >/dev/null 2>&1 || true
    "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
        say "apt-get cannot install ${missing[*]}"
}

install_packages() {
    mkdir -p "$tools"
    python=$tools/venv/bin/python
    if ! "$python" -c 'import grpc, websockets.asyncio.server' 2>/dev/null; then
        { python3 -m venv "$tools/venv" && "$python" -m pip install --quiet websockets grpcio; } ||
            leave_out "websockets and grpcio for Python"
    fi
    if [[ ! -d $tools/node_modules/ws ]]; then
        npm install --silent --no-audit --no-fund --prefix "$tools" ws >/dev/null || leave_out "ws for Node"
    fi
}

declare -A port=()

# Starts one of each; their ports are then in `port`, as NAME.KIND.
start_servers() {
    local kind number
    # They serve until their standard input ends, and would take that of the script.
    mkfifo "$run/$1.stop"
    "$python" "$here/servers.py" <>"$run/$1.stop" >"$run/$1.ports" &
    pids+=($!)
    wait_for "the servers are up" grep -q websocket "$run/$1.ports"
    while read -r kind number; do port[$1.$kind]=$number; done <"$run/$1.ports"
}

# Runs the `ayad` of a folder with the file that was written for it.
run_ayad() {
    "$1/ayad" --config "$run/ayad.toml" 2>"$run/ayad.log" &
    ayad=$!
    pids+=("$ayad")
    ayactl=("$1/ayactl" --socket "$run/control.sock")
    wait_for "ayad is up" test -S "$run/control.sock"
}

# Where a listener accepts.
address() {
    "${ayactl[@]}" get listeners "$1" -o json |
        python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["bind"][0])'
}

# Waits until a command succeeds; ten seconds are far more than enough.
wait_for() {
    local what=$1 tries
    shift
    for ((tries = 0; tries < 200; tries++)); do
        "$@" 2>/dev/null && return
        sleep 0.05
    done
    fail "waited in vain: $what"
}

expect() {
    [[ $2 == "$3" ]] || fail "$1: \"$2\" instead of \"$3\""
}

# curl, quiet but for errors, with a time limit.
fetch() {
    curl --silent --show-error --max-time 20 "$@"
}

is_idle() {
    "${ayactl[@]}" get backends -o json |
        python3 -c 'import json, sys; sys.exit(any(b["traffic"]["in_flight"] for b in json.load(sys.stdin)))'
}

