# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# What the diskhb resource agents have in common; read by them with ".". They set AGENT (ring,
# quorum, copy), the defaults of their parameters, and define meta_data, validate_parameters,
# gather_values (prints NAME=VALUE lines) and tell_changes.
#
# ring and quorum watch, and change nothing: neither start nor stop touches a daemon, so no recovery
# that Pacemaker may choose can stop the ring that carries the cluster. copy has a process, and
# defines what is marked below as "of an agent with a process".

: "${OCF_ROOT:=/usr/lib/ocf}"
: "${OCF_FUNCTIONS_DIR:=${OCF_ROOT}/lib/heartbeat}"
# shellcheck source=/dev/null
. "${OCF_FUNCTIONS_DIR}/ocf-shellfuncs"
: "${OCF_RESKEY_prefix:=diskhb}"
: "${OCF_RESKEY_dampen:=5s}"
# Not in every version of the shell functions (OCF resource agent API 1.1).
: "${OCF_DEGRADED:=190}"

DISKHB=${DISKHB:-/usr/sbin/diskhb}
JOURNAL=/run/systemd/journal/socket

# Whether the agent was started: it has no process of its own.
state_file() {
    echo "${HA_RSCTMP:-/run/resource-agents}/diskhb-${AGENT}-${OCF_RESOURCE_INSTANCE:-default}.state"
}

# refuse CODE REASON...: the one reason for which an action fails.
refuse() {
    refuse_code=$1
    shift
    ocf_exit_reason "$*"
    exit "$refuse_code"
}

# For parameters: wrong on every node, whatever the node.
refuse_parameter() { # NAME VALUE ALLOWED
    refuse "$OCF_ERR_CONFIGURED" "parameter $1=\"$2\": must be $3"
}

check_socket() {
    case $1 in
        /*[!A-Za-z0-9_./@+-]*) refuse_parameter socket "$1" "an absolute path of plain characters" ;;
        /?*) [ ${#1} -le 107 ] || refuse_parameter socket "$1" "at most 107 characters long" ;;
        *) refuse_parameter socket "$1" "an absolute path" ;;
    esac
}

check_prefix() {
    case $1 in
        [!A-Za-z]* | *[!A-Za-z0-9_-]* | '')
            refuse_parameter prefix "$1" "letters, digits, '-' and '_', a letter first" ;;
    esac
    [ ${#1} -le 32 ] || refuse_parameter prefix "$1" "at most 32 characters long"
}

# 0 to an hour, as attrd_updater(8) reads it: a number with s, ms, m or min.
check_dampen() {
    dampen_number=${1%%[!0-9]*}
    case ${1#"$dampen_number"} in
        '' | s) dampen_max=3600 ;;
        ms) dampen_max=3600000 ;;
        m | min) dampen_max=60 ;;
        *) dampen_number='' ;;
    esac
    if [ -z "$dampen_number" ] || [ ${#dampen_number} -gt 7 ] ||
        [ "$dampen_number" -gt "$dampen_max" ]; then
        refuse_parameter dampen "$1" "a time from 0 to 3600s, such as 5s or 500ms"
    fi
}

check_path() { # NAME VALUE
    case $2 in
        /?*) ;;
        *) refuse_parameter "$1" "$2" "an absolute path" ;;
    esac
}

check_boolean() { # NAME VALUE
    case $2 in
        1 | 0 | yes | no | true | false | on | off | True | False | TRUE | FALSE | YES | NO | ON | OFF) ;;
        *) refuse_parameter "$1" "$2" "true or false" ;;
    esac
}

check_installed() {
    for installed_program in $DISKHB ${PROGRAMS:-}; do
        [ -x "$installed_program" ] || refuse "$OCF_ERR_INSTALLED" \
            "there is no $installed_program: install the package diskhb on this node"
    done
    have_binary attrd_updater ||
        refuse "$OCF_ERR_INSTALLED" "there is no attrd_updater: install the package pacemaker-cli-utils"
}

# The exit codes of diskhb(8) as those of OCF. Its message is the reason.
refuse_as_diskhb_does() { # CODE MESSAGE
    refuse_text=${2#diskhb: }
    case $1 in
        2 | 3) refuse "$OCF_ERR_ARGS" "$refuse_text" ;;
        9) refuse "$OCF_ERR_PERM" "$refuse_text" ;;
        *) refuse "$OCF_ERR_GENERIC" "${refuse_text:-$DISKHB ended with $1}" ;;
    esac
}

# value_of NAME: of the lines in VALUES.
value_of() {
    printf '%s\n' "$VALUES" | sed -n "s/^$1=//p"
}

# publish HOW NAME VALUE: HOW is -v, or -B to set the dampening too.
publish() {
    attrd_updater "$1" "$3" -n "$2" -d "$OCF_RESKEY_dampen" >/dev/null 2>&1 ||
        refuse "$OCF_ERR_GENERIC" "attrd_updater cannot set $2 to $3 (exit code $?); does pacemaker run?"
}

# log_event MESSAGE_ID PRIORITY TEXT: for the journal with its id, else for the cluster's log.
# doc/messages.md lists the ids.
log_event() {
    # Without a journal logger(1) takes it and says nothing.
    if [ -S "$JOURNAL" ]; then
        printf 'MESSAGE_ID=%s\nPRIORITY=%s\nSYSLOG_IDENTIFIER=diskhb-%s\nMESSAGE=%s\n' \
            "$1" "$2" "$AGENT" "$3" | logger --journald 2>/dev/null && return
    fi
    case $2 in
        3) ocf_log err "$3" ;;
        4) ocf_log warn "$3" ;;
        *) ocf_log info "$3" ;;
    esac
}

# Of an agent with a process: starts it; ends it; leaves with its code if it does not run; refuses
# values that a running one does not give.
bring_up() { :; }
bring_down() { :; }
check_alive() { :; }
judge_values() { :; }

agent_start() {
    check_installed
    bring_up
    refresh -B
    mkdir -p "$(dirname "$(state_file)")"
    remember || refuse "$OCF_ERR_GENERIC" "cannot write $(state_file)"
    return "$OCF_SUCCESS"
}

agent_stop() {
    if [ -e "$(state_file)" ] && have_binary attrd_updater; then
        for stop_name in $ATTRIBUTES; do
            attrd_updater -D -n "${OCF_RESKEY_prefix}-$stop_name" -d "$OCF_RESKEY_dampen" >/dev/null 2>&1
        done
        if [ -n "${HEALTH_ATTRIBUTE:-}" ]; then
            attrd_updater -D -n "$HEALTH_ATTRIBUTE" -d "$OCF_RESKEY_dampen" >/dev/null 2>&1
        fi
    fi
    rm -f "$(state_file)"
    bring_down
    return "$OCF_SUCCESS"
}

agent_monitor() {
    # Also where the package is not installed: there it does not run.
    [ -e "$(state_file)" ] || return "$OCF_NOT_RUNNING"
    check_installed
    check_alive
    refresh -v
    remember || refuse "$OCF_ERR_GENERIC" "cannot write $(state_file)"
    if [ "$(value_of degraded)" = 1 ]; then
        ocf_exit_reason "$(value_of reason)"
        return "$OCF_DEGRADED"
    fi
    return "$OCF_SUCCESS"
}

# The values of this time, for tell_changes of the next.
remember() {
    printf '%s\n' "$VALUES" >"$(state_file).new" && mv "$(state_file).new" "$(state_file)"
}
# What a value was the last time; empty the first time.
was() {
    sed -n "s/^$1=//p" "$(state_file)" 2>/dev/null
}

# Gathers, publishes, tells what has changed. HOW as in publish.
refresh() { # HOW
    if VALUES=$(gather_values 2>&1); then
        :
    else
        refuse_as_diskhb_does "$?" "$VALUES"
    fi
    judge_values
    for refresh_name in $ATTRIBUTES; do
        publish "$1" "${OCF_RESKEY_prefix}-$refresh_name" "$(value_of "$refresh_name")"
    done
    if [ -n "${HEALTH_ATTRIBUTE:-}" ]; then
        publish "$1" "$HEALTH_ATTRIBUTE" "$(value_of health)"
    fi
    tell_changes
}

usage() {
    echo "usage: $0 {start|stop|monitor|validate-all|reload-agent|meta-data|usage}"
}

run_agent() { # ACTION
    case ${1:-} in
        meta-data)
            meta_data
            exit "$OCF_SUCCESS"
            ;;
        usage | help)
            usage
            exit "$OCF_SUCCESS"
            ;;
        stop)
            # Whatever the parameters: what runs must be stoppable.
            agent_stop
            ;;
        start | monitor | validate-all | reload-agent)
            validate_parameters
            case $1 in
                start) agent_start ;;
                monitor) agent_monitor ;;
                # Nothing is kept from one action to the next but what was seen.
                reload-agent) true ;;
                validate-all) check_installed ;;
            esac
            ;;
        *)
            usage >&2
            exit "$OCF_ERR_UNIMPLEMENTED"
            ;;
    esac
}
