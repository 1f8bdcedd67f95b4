# shellcheck shell=sh
# How the scripts of this folder call `aws`. Sourced by them, never run.

tool=aws
# shellcheck source=SCRIPTDIR/../calls.sh
. "${here:?}/../calls.sh"

# Version 2 shows answers in a pager; with a terminal nobody would come back from it.
export AWS_PAGER=''

need_cli() {
    $dry_run || command -v aws > /dev/null 2>&1 ||
        mistake 'aws: not found; install the AWS command line and set it up, or use CloudShell'
    $dry_run || command -v jq > /dev/null 2>&1 || mistake 'jq: not found; it merges the notifications of a bucket'
}

# The letters of a stack, a function, a log group and a secret, all of which have this name ("Stack name", CloudFormation).
need_stack() {
    case $1 in
        '') mistake '--stack: missing' ;;
        [!A-Za-z]* | *[!0-9A-Za-z-]*) mistake "--stack: '$1' may hold letters, digits and '-' only, a letter first" ;;
    esac
    # A function's name has at most 64 characters, a stack's 128.
    [ "${#1}" -le 64 ] || mistake "--stack: '$1' is longer than 64 characters"
}

# Version 1 knows AWS_DEFAULT_REGION only.
need_region() {
    region=${1:-${AWS_REGION:-${AWS_DEFAULT_REGION-}}}
    case $region in
        '') mistake '--region: missing, and neither AWS_REGION nor AWS_DEFAULT_REGION is set' ;;
        *[!0-9a-z-]*) mistake "--region: '$region' is not a region" ;;
    esac
    export AWS_REGION="$region" AWS_DEFAULT_REGION="$region"
    # "Amazon Resource Names": the partitions of China and of the US government have regions of their own.
    # shellcheck disable=SC2034 # deploy.sh uses it
    case $region in
        cn-*) partition=aws-cn ;;
        us-gov-*) partition=aws-us-gov ;;
        *) partition=aws ;;
    esac
}

start() {
    begin
    if $dry_run; then say "export AWS_REGION=$region AWS_DEFAULT_REGION=$region"; fi
}

# look_up_or_none PATTERN NAME words…: a call that fails with a complaint like PATTERN has found nothing.
look_up_or_none() {
    absent=$1
    shift
    look_up "$@"
    absent=''
}

# output NAME KEY: an output of the stack, or nothing.
output() {
    look_up_or_none 'does not exist' "$1" cloudformation describe-stacks --stack-name "${stack:?}" \
        --query "Stacks[0].Outputs[?OutputKey=='$2'].OutputValue | [0]" --output text
}

# notify BUCKET WAY: our entry in the bucket's notifications, WAY being notification, eventbridge or none. The call that
# writes them replaces all there are, so they are read, changed by notification.jq and written whole; two who do it in the
# same second can still lose an entry, hence the look afterwards.
notify() {
    set -- "$1" "$2" --bucket "$1" --expected-bucket-owner "${ACCOUNT_ID:?}"
    bucket=$1 way=$2
    shift 2
    fetch "$@"
    merged
    if $dry_run; then
        say '# if the two differ:'
    elif cmp -s "$scratch/present.json" "$scratch/wanted.json"; then
        say 'nothing to change'
        return
    fi
    hint="S3 tries the queue before it accepts the entry. If S3 'could not validate the destination' and the stack is new, wait a minute and give the
command again. If S3 says 'Configuration is ambiguously defined', somebody else has just added an entry that takes the same events"
    change s3api put-bucket-notification-configuration "$@" --notification-configuration "file://$scratch/wanted.json"
    hint=''
    if ! $dry_run; then
        fetch "$@"
        cmp -s "$scratch/present.json" "$scratch/wanted.json" ||
            stopped "the notifications of $bucket are not what was just written: somebody else changes them too; see 'aws s3api get-bucket-notification-configuration --bucket $bucket'"
    fi
}

fetch() {
    if $dry_run; then
        say "$(shown s3api get-bucket-notification-configuration "$@") > \$SCRATCH/answer"
        say "jq --slurp --sort-keys --from-file $here/tidy.jq \$SCRATCH/answer > \$SCRATCH/present.json"
    else
        run s3api get-bucket-notification-configuration "$@"
        # Without any notification the answer is empty.
        jq --slurp --sort-keys --from-file "$here/tidy.jq" "$scratch/answer" > "$scratch/present.json" ||
            stopped 'the answer of get-bucket-notification-configuration is not JSON'
    fi
}

# look_for_rivals BUCKET WAY: S3 takes no two entries of one bucket that announce the same event of the same key ("Configuration is
# ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type").
# Ours has no suffix, and so overlaps with every suffix.
look_for_rivals() {
    step "notifications of $1, as they are"
    fetch --bucket "$1" --expected-bucket-owner "$ACCOUNT_ID"
    $dry_run && return
    cp "$scratch/present.json" "$scratch/before-$1.json"
    [ "$2" = notification ] || return 0
    rivals=$(jq --raw-output --from-file "$here/rivals.jq" --arg id "$stack" --arg prefix "${prefix-}" "$scratch/present.json")
    [ -z "$rivals" ] || mistake "--bucket: $1 announces new objects to somebody already, and S3 takes no second entry for the same keys:
$rivals
    --events eventbridge delivers beside it. If the other entry has a prefix, --prefix TEXT with other keys does too"
}

# announced BUCKET WAY: whether the bucket, as it was, posts its events for a stack that gets them this WAY.
announced() {
    jq --exit-status --arg id "$stack" --arg way "$2" 'if $way == "eventbridge" then has("EventBridgeConfiguration")
        else any(.QueueConfigurations[]?; .Id == $id) end' "$scratch/before-$1.json" > /dev/null
}

merged() {
    set -- --sort-keys --from-file "$here/notification.jq" --arg id "$stack" --arg way "$way" --arg queue "${QUEUE_ARN-}" --arg prefix "${prefix-}"
    if $dry_run; then
        tool=jq
        say "$(shown "$@") \$SCRATCH/present.json > \$SCRATCH/wanted.json"
        tool=aws
    else
        jq "$@" "$scratch/present.json" > "$scratch/wanted.json"
    fi
}
