#!/bin/sh
# Takes away what deploy.sh made, and nothing else. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
destroy.sh: takes our entry out of the buckets' notifications, and removes the stack: function, queues, log, alarms.

  ./destroy.sh --region REGION --yes

Objects, buckets, their other notifications and everything in MDSS stay. So do the zip in the code bucket, and EventBridge's
switch on the buckets. It stops if events still wait in a queue. It may be run again after a failure.

  --region REGION       default AWS_REGION
  --stack NAME          default mdss-relay
  --discard             remove the queues with the events in them; their objects stay unscanned
  --with-secret [NAME]  also the secret with the API key, default STACK-api-key; Secrets Manager keeps it for 7 days
                        more, in which deploy.sh takes it back
  --yes                 do it; without --yes the script asks at the terminal
  --dry-run             print every command, run none
  --help

Exit status: 0 done, 1 a call failed or the answer was no, 2 the arguments are wrong and nothing was done.
END
}

region='' stack=mdss-relay discard=false with_secret=false secret='' yes=false

flag() {
    case $1 in
        --discard) discard=true ;;
        --yes) yes=true ;;
    esac
}
option() {
    case $1 in
        --with-secret) with_secret=true secret=$2 ;;
        --region) region=$2 ;;
        --stack) stack=$2 ;;
    esac
}
read_options '--discard --yes' '--with-secret? --region --stack' "$@"

need_cli
need_region "$region"
need_stack "$stack"
secret=${secret:-$stack-api-key}
if ! $yes && ! $dry_run && [ ! -t 0 ]; then mistake '--yes: missing, and there is no terminal to ask at'; fi
stop_on_mistakes

if ! $yes && ! $dry_run; then
    printf 'Remove the stack %s in %s? Type its name: ' "$stack" "$region" >&3
    IFS= read -r answer || answer=''
    [ "$answer" = "$stack" ] || { say 'not confirmed; nothing was done'; exit 1; }
fi
start

step account
look_up ACCOUNT_ID sts get-caller-identity --query Account --output text

step "stack $stack"
output BUCKET_ARNS BucketArns
output QUEUE_URL QueueUrl
output DEAD_LETTERS_URL DeadLettersUrl

# What waits, of both queues; in flight too.
waiting() {
    step "events in $1"
    # shellcheck disable=SC2016 # JMESPath's quotes
    look_up WAITING sqs get-queue-attributes --queue-url "$2" --attribute-names ApproximateNumberOfMessages ApproximateNumberOfMessagesNotVisible \
        --query 'sum(map(&to_number(@), values(Attributes)))' --output text
    $dry_run && return
    case $WAITING in
        0 | 0.0) ;;
        *) $discard || stopped "${WAITING%.0} events wait in $1. $3, or give --discard, which leaves their objects unscanned" ;;
    esac
}
# shellcheck disable=SC2154 # output sets them
all_waiting() {
    waiting 'the queue' "$QUEUE_URL" 'Wait until the function has taken them'
    waiting 'the dead-letter queue' "$DEAD_LETTERS_URL" "Bring them back with 'aws sqs start-message-move-task' (docs/aws.md), and wait until the function has taken them"
}
# A first look, while everything is as it was.
after=$again
again='nothing was changed'
if is_there "$QUEUE_URL"; then all_waiting; fi
again=$after

# The buckets before the stack: nobody is to post to a queue that is about to go.
# shellcheck disable=SC2154 # output sets it
for arn in $(printf '%s' "$BUCKET_ARNS" | tr ',' ' '); do
    name=${arn##*:}
    if $dry_run; then name=NAME; fi
    step "notifications of $name"
    if $dry_run; then say "# for every bucket in \$BUCKET_ARNS:"; fi
    notify "$name" none
done

# And what came meanwhile.
again='nothing was undone: the buckets do not post to the queue any longer, and the objects that are new from now on are not scanned. Give the
same command again; or run deploy.sh, which makes the buckets post again'
if is_there "$QUEUE_URL"; then all_waiting; fi
again=$after

step "stack $stack"
# A stack that is not there is deleted already, to CloudFormation too.
change cloudformation delete-stack --stack-name "$stack"
hint="'aws cloudformation describe-stack-events --stack-name $stack' says why"
change cloudformation wait stack-delete-complete --stack-name "$stack"
hint=''

if $with_secret; then
    step "secret $secret"
    # Its date, if it waits to be deleted already.
    look_up_or_none ResourceNotFoundException SECRET secretsmanager describe-secret --secret-id "$secret" --query 'DeletedDate || ARN' --output text
    # shellcheck disable=SC2154 # look_up sets it
    case $SECRET in '' | arn:* | '$'*) ;; *) say "it waits to be deleted already: $SECRET" && SECRET='' ;; esac
    if is_there "$SECRET"; then
        change secretsmanager delete-secret --secret-id "$secret" --recovery-window-in-days 7
    fi
fi
$dry_run || say 'done'
