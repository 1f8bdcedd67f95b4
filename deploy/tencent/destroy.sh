#!/bin/sh
# Takes away what deploy.sh made, and nothing else. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
destroy.sh: takes the triggers away, then removes the function with the key, the queue, the alarms and the log.

  ./destroy.sh --region REGION --yes

Objects, buckets, other people's triggers, the notice channel group and everything in MDSS stay. It stops if dead letters wait.
**Events that wait for a free or a repeated call are nobody's to see**: if MDSS was away in the last hours, wait until the function
takes calls again before you remove it. It may be run again after a failure.

  --region REGION       default TENCENTCLOUD_REGION
  --name NAME           default mdss-relay
  --dead-letters QUEUE  default NAME-dead
  --discard             remove the queue with the dead letters in it; their objects stay unscanned
  --keep-log            leave the log: it is all that is left of events that were given up
  --yes                 do it; without --yes the script asks at the terminal
  --dry-run             print every command, run none
  --help

Exit status: 0 done, 1 a call failed or the answer was no, 2 the arguments are wrong and nothing was done.
END
}

region='' relay=mdss-relay queue='' discard=false keep_log=false yes=false

flag() {
    case $1 in
        --discard) discard=true ;;
        --keep-log) keep_log=true ;;
        --yes) yes=true ;;
    esac
}
option() {
    case $1 in
        --region) region=$2 ;;
        --name) relay=$2 ;;
        --dead-letters) queue=$2 ;;
    esac
}
read_options '--discard --keep-log --yes' '--region --name --dead-letters' "$@"

need_cli
need_region "$region"
need_function "$relay"
queue=${queue:-$relay-dead}
need_name --dead-letters "$queue"
if ! $yes && ! $dry_run && [ ! -t 0 ]; then mistake '--yes: missing, and there is no terminal to ask at'; fi
stop_on_mistakes
if ! $yes && ! $dry_run; then
    printf 'Remove the function %s in %s? Type its name: ' "$relay" "$region" >&3
    IFS= read -r answer || answer=''
    [ "$answer" = "$relay" ] || { say 'not confirmed; nothing was done'; exit 1; }
fi
begin

step "queue $queue"
find_queue
nobody_waits() { # what was done so far
    step "dead letters in $queue"
    # shellcheck disable=SC2153,SC2154 # look_up sets it
    is_there "$QUEUE" || return 0
    look_up WAITING tdmq DescribeCmqQueueDetail --region "$region" --QueueName "$queue" --filter 'QueueDescribe.sum([ActiveMsgNum, InactiveMsgNum])' --output text
    # shellcheck disable=SC2154 # look_up sets it
    case $WAITING in
        '' | 0 | 0.0 | '$'*) ;;
        *) $discard || { again=$1 && stopped "${WAITING%.0} dead letters wait in $queue. docs/tencent.md says how their objects are scanned after all; or give --discard, which leaves them unscanned"; } ;;
    esac
}
nobody_waits 'nothing was changed'

step "triggers of $relay"
look_up_or_none FUNCTION scf GetFunction --region "$region" --FunctionName "$relay" --filter FunctionName --output text
if is_there "$FUNCTION"; then
    fetch_triggers
    if $dry_run; then
        say '# for each of them:'
        # shellcheck disable=SC2016 # names to print
        remove_trigger '$TRIGGER_HOST' '$TRIGGER_DESC'
    else
        # shellcheck disable=SC2154 # begin sets it
        jq --raw-output '.[] | "\(.host) \(.text)"' "$scratch/present.json" > "$scratch/all"
        while read -r host text; do [ -z "$host" ] || remove_trigger "$host" "$text"; done < "$scratch/all"
    fi
fi

# And what came meanwhile.
nobody_waits 'nothing was undone: the buckets do not call the function any longer, and the objects that are new from now on are not scanned. Give the
same command again; or run deploy.sh, which makes the triggers again'

step "function $relay"
if is_there "$FUNCTION"; then change scf DeleteFunction --region "$region" --FunctionName "$relay"; fi

step "queue $queue"
if is_there "$QUEUE"; then change tdmq DeleteCmqQueue --region "$region" --QueueName "$queue"; fi

step "alarms and log of $relay"
find_logset LOGSET_ID
if is_there "$LOGSET_ID"; then
    find_topic TOPIC_ID
    if is_there "$TOPIC_ID"; then
        fetch_alarms
        if $dry_run; then
            say '# for each of ours:'
            # shellcheck disable=SC2016 # a name to print
            change cls DeleteAlarm --region "$region" --AlarmId '$ALARM_ID'
        else
            for name in $alarm_names; do
                alarm=$(id_of_alarm "$name")
                [ -z "$alarm" ] || change cls DeleteAlarm --region "$region" --AlarmId "$alarm"
            done
        fi
        if $keep_log; then say 'the log stays'; else change cls DeleteTopic --region "$region" --TopicId "$TOPIC_ID"; fi
    fi
    if ! $keep_log; then change cls DeleteLogset --region "$region" --LogsetId "$LOGSET_ID"; fi
fi
$dry_run || say 'done'
