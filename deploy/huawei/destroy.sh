#!/bin/sh
# Takes away what deploy.sh made, and nothing else. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
destroy.sh: removes the subscriptions of the buckets, the function with the API key in its variables, and the alarms.

  ./destroy.sh --region REGION --yes

Objects, buckets, events that were given up, agencies, other subscriptions and everything in MDSS stay. It stops if events still wait
for the function. It may be run again after a failure.

  --region REGION       default HUAWEICLOUD_REGION
  --name NAME           default mdss-relay
  --discard             remove the function with the events that wait for it; their objects stay unscanned
  --with-log            also the function's log
  --yes                 do it; without --yes the script asks at the terminal
  --dry-run             print every command, run none
  --help

Exit status: 0 done, 1 a call failed or the answer was no, 2 the arguments are wrong and nothing was done.
END
}

region='' relay=mdss-relay discard=false with_log=false yes=false

flag() {
    case $1 in
        --discard) discard=true ;;
        --with-log) with_log=true ;;
        --yes) yes=true ;;
    esac
}
option() {
    case $1 in
        --region) region=$2 ;;
        --name) relay=$2 ;;
    esac
}
read_options '--discard --with-log --yes' '--region --name' "$@"

need_cli
need_region "$region"
need_relay_name "$relay"
if ! $yes && ! $dry_run && [ ! -t 0 ]; then mistake '--yes: missing, and there is no terminal to ask at'; fi
stop_on_mistakes

if ! $yes && ! $dry_run; then
    printf 'Remove the function %s in %s? Type its name: ' "$relay" "$region" >&3
    IFS= read -r answer || answer=''
    [ "$answer" = "$relay" ] || { say 'not confirmed; nothing was done'; exit 1; }
fi
begin
find_project
urn=$(function_urn)

# The platform keeps events that wait for a try in a queue of the function's, which goes with it.
waiting() {
    step 'events that wait for the function'
    for state in WAIT RUNNING; do
        learn WAITING '.count // (.invocations | length)' FunctionGraph ListActiveAsyncInvocations "--function_urn=$urn:latest" "--status=$state"
        $dry_run && continue
        case ${WAITING:-0} in
            0) ;;
            *) $discard || stopped "$WAITING events are in the state $state. Wait until the function has taken them or given them up, or give --discard, which leaves their objects unscanned" ;;
        esac
    done
}
step "function $relay"
find_function
# A first look, while everything is as it was.
after=$again
again='nothing was changed'
if is_there "$FUNCTION"; then waiting; fi
again=$after

# The subscriptions before the function: nobody is to call what is about to go.
step 'subscriptions'
find_subscriptions
if $dry_run; then
    say '# for each of them:'
    alter EG DeleteSubscription --subscription_id=ID
else
    while read -r id name; do
        [ -n "$id" ] || continue
        say "$name"
        alter EG DeleteSubscription "--subscription_id=$id"
    done << END
$SUBSCRIPTIONS
END
fi

# And what came meanwhile.
again='nothing was undone: EventGrid does not call the function any longer, and the objects that are new from now on are not scanned. Give the
same command again; or run deploy.sh, which subscribes again'
if is_there "$FUNCTION"; then
    waiting
    step "function $relay"
    # Without its version: with it only that version is meant.
    alter FunctionGraph DeleteFunction "--function_urn=$urn"
fi
again=$after

step 'alarms'
find_alarms
if is_there "$ALARM_ID"; then remove_failures_alarm; fi
if is_there "$LINES_ALARM_ID"; then remove_lines_alarm; fi

if $with_log; then
    step "log $relay"
    find_log
    if is_there "$LOG_GROUP_ID"; then alter LTS DeleteLogGroup "--log_group_id=$LOG_GROUP_ID"; fi
fi
$dry_run || say 'done'
