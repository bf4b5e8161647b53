# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the tests in this folder have in common; read by them with ".". They set `root`, the
# checkout. Everything happens in `folder`, which goes at the end, with all processes in `pid`.
set -uo pipefail

# shellcheck disable=SC2034  # for those who read this
build=${DISKHB_BUILD:-$root/build/release}
folder=$(mktemp -d /var/tmp/diskhb-admin-XXXXXX)
declare -A pid=()
checks=0
failures=0
message="" # set by the checks that say why they failed

cleanup() {
    trap - EXIT INT TERM
    exec 2>/dev/null
    if declare -F clean_more >/dev/null; then
        clean_more
    fi
    for name in "${!pid[@]}"; do
        kill -KILL "${pid[$name]}"
        wait "${pid[$name]}"
    done
    rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$folder" || exit 1

# check SENTENCE COMMAND...: the sentence is true if the command succeeds.
check() {
    local sentence=$1
    shift
    checks=$((checks + 1))
    message=""
    if "$@" >"$folder/output" 2>&1; then
        echo "ok      $sentence"
    else
        failures=$((failures + 1))
        echo "FAILED  $sentence${message:+: $message}"
        uniq "$folder/output" | tail -n 20 | sed 's/^/        | /'
    fi
}

# within SECONDS COMMAND...: tries again until it succeeds.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}

# gives CODE TEXT COMMAND...: ends with that code, and one line of its output contains the text.
gives() {
    local code=$1 text=$2 got
    shift 2
    "$@" >"$folder/gives" 2>&1
    got=$?
    cat "$folder/gives"
    message="exit code $got, expected $code${text:+ and: $text}"
    [ "$got" = "$code" ] && { [ -z "$text" ] || grep -qF -- "$text" "$folder/gives"; }
}

# is VALUE WANTED
is() {
    message="is '$1', not '$2'"
    [ "$1" = "$2" ]
}

needs_root() {
    if [ "$(id -u)" != 0 ]; then
        echo "needs root"
        exit 77
    fi
}

needs_programs() {
    local program
    for program in "$@"; do
        if ! command -v "$program" >/dev/null; then
            echo "there is no $program: build it, or see tests/packages"
            exit 1
        fi
    done
}

finish() {
    echo "$checks checks, $failures failed"
    [ "$checks" -gt 0 ] && [ "$failures" = 0 ]
}
