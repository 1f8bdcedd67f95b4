# shellcheck shell=sh
# How the scripts of this folder call `wrangler`. Sourced by them, never run.

tool=wrangler
# shellcheck source=SCRIPTDIR/../calls.sh
. "${here:?}/../calls.sh"

key_variable=RELAY_SECRET_FILE
# shellcheck disable=SC2034 # ask_key uses it
key_called='The secret that the Worker and the relay share'
# No questions about telemetry, no colours in what is read here.
export WRANGLER_SEND_METRICS=false NO_COLOR=1 FORCE_COLOR=0

need_cli() {
    $dry_run || command -v wrangler > /dev/null 2>&1 || mistake 'wrangler: not found; "npm install --global wrangler" installs it, "wrangler login" signs in'
}

# A Worker's name, with room for the endings that the queues get; a queue has 63 characters at most.
need_worker() {
    case $1 in
        [!a-z]* | *[!0-9a-z-]* | *-) mistake "--name: '$1' may hold small letters, digits and '-' only, a letter first and no '-' last" ;;
    esac
    [ "${#1}" -le 50 ] || mistake "--name: '$1' is longer than 50 characters"
}

# look_up_or_none PATTERN NAME words…: a call that fails with a complaint like PATTERN has found nothing.
look_up_or_none() {
    absent=$1
    shift
    look_up "$@"
    absent=''
}
