#!/bin/sh
# Takes away what deploy.sh made, and nothing else. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
destroy.sh: removes the buckets' triggers, the function, its alarms, its queue of dead letters, its roles and its log.

  ./destroy.sh --region REGION --yes

Objects, buckets, their other triggers and everything in MDSS stay. It stops if dead letters wait in the queue. Events that
Function Compute still holds are gone with the function. It may be run again after a failure.

  --region REGION       default ALIBABA_CLOUD_REGION_ID
  --name NAME           default mdss-relay
  --log-project NAME    default NAME-ACCOUNT-REGION
  --keep-log            the log project stays
  --discard             remove the queue with the dead letters in it; their objects stay unscanned
  --yes                 do it; without --yes the script asks at the terminal
  --dry-run             print every command, run none
  --help

Exit status: 0 done, 1 a call failed or the answer was no, 2 the arguments are wrong and nothing was done.
END
}

region='' relay=mdss-relay log_project='' keep_log=false discard=false yes=false

flag() {
    case $1 in
        --keep-log) keep_log=true ;;
        --discard) discard=true ;;
        --yes) yes=true ;;
    esac
}
option() {
    case $1 in
        --region) region=$2 ;;
        --name) relay=$2 ;;
        --log-project) log_project=$2 ;;
    esac
}
read_options '--keep-log --discard --yes' '--region --name --log-project' "$@"

need_cli
need_region "$region"
need_relay "$relay"
if ! $yes && ! $dry_run && [ ! -t 0 ]; then mistake '--yes: missing, and there is no terminal to ask at'; fi
stop_on_mistakes

if ! $yes && ! $dry_run; then
    printf 'Remove the function %s in %s? Type its name: ' "$relay" "$region" >&3
    IFS= read -r answer || answer=''
    [ "$answer" = "$relay" ] || { say 'not confirmed; nothing was done'; exit 1; }
fi
begin
account
names

step "dead letters $queue"
ask_or_none QueueNotExist QUEUE_NAME .Data.QueueName mns-open GetQueueAttributes --force --QueueName "$queue"
# GetQueueAttributes has a number of messages that "will be deprecated and default to 0", and refers to CloudMonitor.
waiting() {
    ask WAITING '.Datapoints | if . == null or . == "" then "[]" else . end | fromjson | map(.Maximum) | max' cms DescribeMetricLast \
        --Namespace acs_mns_new --MetricName ActiveMessages --Period 300 \
        --Dimensions "[{\"userId\":\"$ACCOUNT_ID\",\"region\":\"$region\",\"queue\":\"$queue\"}]"
    if $dry_run || $discard; then return; fi
    case $WAITING in
        0 | 0.0) ;;
        '') stopped "CloudMonitor has no figure of the queue $queue, so nobody knows whether events wait in it. '$here/redrive.py --look' asks the queue itself; --discard removes it whatever is in it" ;;
        *) stopped "${WAITING%.0} events wait in the queue $queue. Bring them back with $here/redrive.py, or give --discard, which leaves their objects unscanned" ;;
    esac
}
after=$again
again='nothing was changed'
if is_there "$QUEUE_NAME"; then waiting; fi
again=$after

# Who calls goes first.
step triggers
ask_or_none FunctionNotFound TRIGGERS '[.triggers[]? | select(.triggerType == "oss") | .triggerName] | join(" ")' fc GET "$functions/$relay/triggers" --limit 100
if $dry_run; then say "# for every trigger in \$TRIGGERS:" && TRIGGERS=oss-BUCKET; fi
for trigger in $TRIGGERS; do
    tell_unless TriggerNotFound fc DELETE "$functions/$relay/triggers/$trigger"
done

step "function $relay"
tell_unless 'FunctionNotFound\|AsyncConfigNotExists' fc DELETE "$functions/$relay/async-invoke-config" --qualifier LATEST
hint='a trigger that deploy.sh did not make keeps a function from being deleted; the console shows it'
tell_unless FunctionNotFound fc DELETE "$functions/$relay"
hint=''

step alarms
# Of a rule that is not there it says nothing.
tell cms DeleteMetricRules --Id.1 "$relay-dead-letters" --Id.2 "$relay-failed-calls" --Id.3 "$relay-dropped-events" --Id.4 "$relay-lost-dead-letters"

step "dead letters $queue"
tell_unless QueueNotExist mns-open DeleteQueue --force --QueueName "$queue"

for part in trigger run; do
    step "role $relay-$part"
    tell_unless EntityNotExist ram DetachPolicyFromRole --PolicyType Custom --PolicyName "$relay-$part" --RoleName "$relay-$part"
    # With the versions that another deployment has left.
    tell_unless EntityNotExist ram DeletePolicy --PolicyName "$relay-$part" --CascadingDelete true
    tell_unless EntityNotExist ram DeleteRole --RoleName "$relay-$part"
done

if ! $keep_log; then
    step "log project $project"
    tell_unless 'LogStoreNotExist\|ProjectNotExist' sls DeleteLogStore --project "$project" --logstore "$store"
    hint='a log project that holds other logs as well stays: --keep-log'
    tell_unless ProjectNotExist sls DeleteProject --project "$project"
    hint=''
fi
$dry_run || say 'done'
