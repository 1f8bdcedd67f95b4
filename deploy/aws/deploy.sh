#!/bin/sh
# From nothing to scanning on AWS: the key, the code, the stack, the buckets' notifications. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
deploy.sh: sets up mdss-relay as a Lambda function behind a queue that gets an event of every new and every overwritten object.

  APIKEY_FILE=~/mdss-key ./deploy.sh --region REGION --code-bucket NAME \
      --endpoint https://mdss.example --storage-client-id ID --bucket NAME

It may be run again at any time, after a success, a failure or an interruption. The stack becomes what the options say;
options marked * keep their value if they are not given again.

Where
  --region REGION             default AWS_REGION. Buckets, queue and function are in the same region
  --stack NAME                default mdss-relay; also the name of the function, its log and its metrics
  --subnet-id ID *            if MDSS is in a VPC; may be repeated. The subnet needs a way to it
  --security-group-id ID *    with --subnet-id; may be repeated

What
  --zip FILE                  the binary, named bootstrap. Default: what `make dist` has left in dist/lambda, beside deploy/
  --architecture NAME *       of that binary: arm64 or x86_64. Default: as the zip's name ends
  --code-bucket NAME          bucket of this region to put the zip into, under the stack's name
  --timeout SECONDS *         30, 60 (default), 120, 300; an event that failed comes again after six times that
  --max-receives COUNT *      5 to 1000, default 120: how often an event is tried before the dead-letter queue. 120 times 6 minutes are half a day
  --concurrency COUNT *       2 to 1000, default 5: calls at once
  --reserve-concurrency on|off *
                              reserve that many calls in the account; default off

Configuration. The API key is never an argument. It comes from the file that APIKEY_FILE names and is kept in Secrets Manager.
Without APIKEY_FILE the key that is there stays; if there is none, the script asks for it at the terminal
  --endpoint URL              MDSS's address or webhook URL
  --storage-client-id ID      the storage unit in MDSS that takes every object; or
  --relay-config FILE         a TOML configuration with [[route]]s and all other settings that differ from the defaults;
                              read and checked before, if the tool mdss-relay is on PATH. Secrets in it can be read by
                              whoever may describe the stack or the function
  --secret NAME               default STACK-api-key
  --kms-key ARN *             a key of your own for the function's variables, one of which is the API key

Events
  --bucket NAME               the bucket of the objects; may be repeated. Its other notifications stay as they are
  --drop-bucket NAME          a bucket whose objects are not to be scanned any longer
  --events WAY                notification (default): the buckets post to the queue. eventbridge: EventBridge does, for
                              buckets whose notifications already take these events elsewhere
  --prefix TEXT               only keys that begin with it (not with eventbridge; routes can do it too)

Around it
  --alarm-topic ARN *         SNS topic that gets the alarms; without it they are visible only in the console
  --log-retention DAYS *      default 30

  --dry-run                   print every command, run none; asks AWS nothing, so it does not know what is there
  --help

The account is that of aws: ~/.aws, AWS_PROFILE and so on.
Exit status: 0 done, 1 a call failed, 2 the arguments are wrong and nothing was done.
END
}

region='' stack=mdss-relay subnets='' groups=''
zip='' architecture='' code_bucket='' timeout='' receives='' concurrency='' reserve=''
endpoint='' storage='' relay_config='' toml='' secret='' kms_key=''
buckets='' dropped='' events=notification prefix='' topic='' retention=''
newline='
'

option() {
    case $1 in
        --region) region=$2 ;;
        --stack) stack=$2 ;;
        --subnet-id) subnets="$subnets,$2" ;;
        --security-group-id) groups="$groups,$2" ;;
        --zip) zip=$2 ;;
        --architecture) architecture=$2 ;;
        --code-bucket) code_bucket=$2 ;;
        --timeout) timeout=$2 ;;
        --max-receives) receives=$2 ;;
        --concurrency) concurrency=$2 ;;
        --reserve-concurrency) reserve=$2 ;;
        --endpoint) endpoint=$2 ;;
        --storage-client-id) storage=$2 ;;
        --relay-config) relay_config=$2 ;;
        --secret) secret=$2 ;;
        --kms-key) kms_key=$2 ;;
        --bucket) buckets="$buckets$2$newline" ;;
        --drop-bucket) dropped="$dropped$2$newline" ;;
        --events) events=$2 ;;
        --prefix) prefix=$2 ;;
        --alarm-topic) topic=$2 ;;
        --log-retention) retention=$2 ;;
    esac
}
read_options '' '--region --stack --subnet-id --security-group-id --zip --architecture --code-bucket --timeout --max-receives
--concurrency --reserve-concurrency --endpoint --storage-client-id --relay-config --secret --kms-key --bucket
--drop-bucket --events --prefix --alarm-topic --log-retention' "$@"

# --- the arguments -----------------------------------------------------------------------------------------------------

need_arn() { # option, value, service
    case $2 in
        '' | arn:*:"$3":*) ;;
        *) mistake "$1: '$2' is not an ARN of $3" ;;
    esac
}

need_one_of() { # option, value, what it may be
    case " $3 " in *" $2 "*) ;; *) mistake "$1: '$2' is none of $3" ;; esac
}

need_cli
need_region "$region"
need_stack "$stack"
secret=${secret:-$stack-api-key}
case $secret in *[!0-9A-Za-z/_+=.@-]*) mistake "--secret: '$secret' has characters that no secret's name has" ;; esac
case ${subnets:+subnet}${groups:+group} in
    subnet) mistake '--security-group-id: missing beside --subnet-id' ;;
    group) mistake '--subnet-id: missing beside --security-group-id' ;;
esac
case $subnets$groups in *[!0-9a-z,-]*) mistake "--subnet-id, --security-group-id: '${subnets#,}${groups}' are not ids" ;; esac
if [ -z "$zip" ]; then
    # Of two zips the one that is asked for, or else the one that costs less to run ("AWS Lambda Pricing").
    for made in "${architecture:-arm64}" "${architecture:-x86_64}"; do
        found=$(dirname -- "$(dirname -- "$here")")/dist/lambda/mdss-relay-lambda-$made.zip
        if [ -f "$found" ]; then zip=$found && break; fi
    done
fi
if [ -z "$zip" ]; then
    mistake "--zip: missing, and there is no ${architecture:+$architecture }zip in dist/lambda; 'make dist' makes one for this machine's architecture"
elif ! [ -f "$zip" ] || ! [ -r "$zip" ]; then
    mistake "--zip: '$zip' is not a file that can be read; 'make dist' makes it"
elif [ "$(head -c 2 "$zip")" != PK ]; then
    mistake "--zip: '$zip' is not a zip"
fi
for named in arm64 x86_64; do
    case ${architecture:-$named},$zip in
        "$named",*-"$named".zip) architecture=$named ;;
        *,*-"$named".zip) mistake "--architecture: '$architecture', but by its name the zip '$zip' is for $named" ;;
    esac
done
[ -z "$architecture" ] || need_one_of --architecture "$architecture" 'arm64 x86_64'
need_name --code-bucket "$code_bucket"
case "$newline$buckets" in *"$newline$code_bucket$newline"*) mistake "--bucket: $code_bucket is the code bucket too; the zip in it would be scanned" ;; esac
need_one_of --timeout "${timeout:-60}" '30 60 120 300'
need_number --max-receives "${receives:-120}" 5 1000
need_number --concurrency "${concurrency:-5}" 2 1000
need_one_of --reserve-concurrency "${reserve:-off}" 'on off'
need_one_of --log-retention "${retention:-30}" '1 3 5 7 14 30 60 90 120 150 180 365 400 545 731 1827 3653'
need_one_of --events "$events" 'notification eventbridge'
if [ "$events" = eventbridge ] && [ -n "$prefix" ]; then mistake '--prefix: cannot be used with --events eventbridge; use the prefix of a route'; fi
need_arn --kms-key "$kms_key" kms
need_arn --alarm-topic "$topic" sns
need_url --endpoint "$endpoint"
case $storage,$relay_config in
    ,) mistake '--storage-client-id or --relay-config: one of them is missing' ;;
    ?*,?*) mistake '--storage-client-id and --relay-config: only one of them' ;;
esac
note_example --storage-client-id "$storage"
case $storage in *[[:space:]]*) mistake '--storage-client-id: has white space inside' ;; esac
if [ -n "$relay_config" ] && [ -f "$relay_config" ] && [ -r "$relay_config" ]; then
    toml=$(cat -- "$relay_config")
    [ -n "$toml" ] || mistake "--relay-config: '$relay_config' is empty"
    # All variables of a function together may have 4 KB ("Lambda quotas"); the others are short.
    size=$(printf '%s' "$toml" | LC_ALL=C wc -c)
    [ "$size" -le 3500 ] || mistake "--relay-config: '$relay_config' has $((size)) bytes; at most 3500 fit into a function beside the other variables"
    relay=$(command -v mdss-relay) || relay=''
    if [ -n "$relay" ]; then
        # Without the variables of this shell, which the function does not have. Files in /var/task are in the zip.
        wrong=$(printf '{"Records":[]}' | env -i "$relay" explain --config "$relay_config" - 2>&1 > /dev/null) || {
            wrong=$(printf '%s\n' "$wrong" | grep -v 'found "/var/task/' | sed -n 's/^- /    /p')
            [ -z "$wrong" ] || mistake "--relay-config: 'mdss-relay explain --config $relay_config' says:
$wrong"
        }
    fi
elif [ -n "$relay_config" ]; then
    mistake "--relay-config: '$relay_config' is not a file that can be read"
fi
[ -n "$buckets" ] || mistake '--bucket: missing'
while IFS= read -r bucket; do
    [ -z "$bucket" ] || need_name '--bucket, --drop-bucket' "$bucket"
done << END
$buckets$dropped
END
if [ -n "${APIKEY_FILE-}" ]; then read_key; fi
stop_on_mistakes
[ -z "${APIKEY-}" ] || say 'note: APIKEY is set in this shell and is not used; shell history and child processes may hold it'

# --- the calls ---------------------------------------------------------------------------------------------------------

start
step account
look_up ACCOUNT_ID sts get-caller-identity --query Account --output text

step buckets
need_here() { # option, bucket
    hint="this is about $1 $2: does this account ($ACCOUNT_ID) have a bucket of that name, and does the deployer's policy name it?"
    look_up BUCKET_REGION s3api get-bucket-location --bucket "$2" --expected-bucket-owner "$ACCOUNT_ID" --query LocationConstraint --output text
    hint=''
    # "Buckets in Region us-east-1 have a LocationConstraint of null", and EU is eu-west-1 of old (GetBucketLocation).
    case ${BUCKET_REGION:-us-east-1} in
        "$region" | '$'*) ;;
        EU) [ "$region" = eu-west-1 ] || mistake "$1: $2 is in eu-west-1, not in $region" ;;
        *) mistake "$1: $2 is in ${BUCKET_REGION:-us-east-1}, not in $region" ;;
    esac
}
arns=''
need_here --code-bucket "$code_bucket"
for bucket in $buckets; do
    need_here --bucket "$bucket"
    arns="$arns,arn:$partition:s3:::$bucket"
done
stop_on_mistakes
# Both are looked at before anything is made.
for bucket in $buckets; do look_for_rivals "$bucket" "$events"; done
for bucket in $dropped; do look_for_rivals "$bucket" none; done
stop_on_mistakes

step "stack $stack, as it is"
# Looked at first: what would be lost by changing it is said before anything is changed.
output PRESENT_EVENTS Events
output PRESENT_BUCKETS BucketArns
if ! $dry_run; then
    for arn in $(printf '%s' "$PRESENT_BUCKETS" | tr ',' ' '); do
        case "$newline$buckets$dropped" in
            *"$newline${arn##*:}$newline"*) ;;
            *) again='' && stopped "the stack also serves the bucket ${arn##*:}; give --bucket ${arn##*:} too, or --drop-bucket ${arn##*:}" ;;
        esac
        # As long as nothing is announced, nothing is lost by another way.
        case $PRESENT_EVENTS in
            "$events") continue ;;
        esac
        ! announced "${arn##*:}" "$PRESENT_EVENTS" || {
            again=''
            stopped "the stack gets the events of ${arn##*:} by '$PRESENT_EVENTS'. To change that without a gap, set up a second stack with --stack NAME,
--events $events and APIKEY_FILE (the deployer needs a policy for that name: docs/aws.md, step 3), then remove this one with destroy.sh. In
between objects are announced twice, which does no harm"
        }
    done
fi

step "secret $secret"
# destroy.sh --with-secret leaves it in this state for seven days, in which nobody can make another one of that name.
look_up_or_none ResourceNotFoundException SECRET_DELETED secretsmanager describe-secret --secret-id "$secret" --query DeletedDate --output text
if $dry_run; then say '# if it waits to be deleted:'; fi
if $dry_run || [ -n "$SECRET_DELETED" ]; then
    $dry_run || say "it was to be deleted; now it stays${api_key:+, with the new key}"
    change secretsmanager restore-secret --secret-id "$secret"
fi
look_up_or_none ResourceNotFoundException SECRET_VERSION secretsmanager get-secret-value --secret-id "$secret" --query VersionId --output text
if ! $dry_run && [ -z "$SECRET_VERSION$api_key" ]; then
    if [ -t 0 ]; then
        ask_key
    else
        mistake "APIKEY_FILE: not set, there is no secret '$secret' yet, and there is no terminal to ask for the key"
        stop_on_mistakes
    fi
fi
if $dry_run; then api_key='***'; fi
if [ -n "$api_key" ]; then
    printf '%s' "$api_key" | keep key.txt
    $dry_run || keep_masked "$api_key"
fi
if none_yet "$SECRET_VERSION"; then
    change secretsmanager create-secret --name "$secret" --description "API key of MDSS for $stack" --secret-string "file://$scratch/key.txt"
fi
# The same key again is no new version, so nothing is deployed for it.
differs() {
    $dry_run && return
    run secretsmanager get-secret-value --secret-id "$secret" --query SecretString --output text
    # The output ends with a line break.
    [ "$(cat "$scratch/answer")" != "$api_key" ]
}
if already && [ -n "$api_key" ]; then
    if $dry_run; then say '# and if APIKEY_FILE holds another key:'; fi
    if differs; then
        change secretsmanager put-secret-value --secret-id "$secret" --secret-string "file://$scratch/key.txt"
    fi
fi
rm -f "$scratch/answer" # the key was in it
look_up SECRET_VERSION secretsmanager get-secret-value --secret-id "$secret" --query VersionId --output text

step "code in $code_bucket"
# Named after its content: another binary is another name, and CloudFormation looks at names only.
sum=$({ sha256sum -- "$zip" 2> /dev/null || shasum -a 256 -- "$zip"; } | cut -c 1-64)
code_key=$stack/$sum.zip
change s3api put-object --bucket "$code_bucket" --key "$code_key" --body "$zip" --expected-bucket-owner "$ACCOUNT_ID"

step "stack $stack"
parameter() { # name, value. A list of "NAME=VALUE" is the one form that both versions of the command line read from a file
    printf '%s' "$comma"
    printf '%s=%s' "$1" "$2" | json_text
    comma=",$newline "
}
{
    comma='['
    parameter CodeBucket "$code_bucket"
    parameter CodeKey "$code_key"
    parameter Events "$events"
    parameter BucketArns "${arns#,}"
    parameter Endpoint "$endpoint"
    # Both always, so that one takes the other's place.
    parameter StorageClientId "$storage"
    # A sender's token may be in it, so it is not printed.
    if $dry_run && [ -n "$toml" ]; then toml="*** ($relay_config, $((size)) bytes)"; fi
    parameter RelayConfigToml "$toml"
    parameter ApiKeySecret "$secret"
    parameter ApiKeySecretVersion "$SECRET_VERSION"
    [ -z "$architecture" ] || parameter Architecture "$architecture"
    [ -z "$timeout" ] || parameter FunctionTimeout "$timeout"
    [ -z "$receives" ] || parameter MaxReceives "$receives"
    [ -z "$concurrency" ] || parameter Concurrency "$concurrency"
    [ -z "$reserve" ] || parameter ReserveConcurrency "$reserve"
    [ -z "$kms_key" ] || parameter KmsKeyArn "$kms_key"
    [ -z "$topic" ] || parameter AlarmTopicArn "$topic"
    [ -z "$retention" ] || parameter LogRetention "$retention"
    if [ -n "$subnets" ]; then
        parameter SubnetIds "${subnets#,}"
        parameter SecurityGroupIds "${groups#,}"
    fi
    printf ']\n'
} | keep parameters.json
hint="'aws cloudformation describe-stack-events --stack-name $stack' says why. A stack that could not be made at all (ROLLBACK_COMPLETE) has to be
deleted first: destroy.sh"
change cloudformation deploy --template-file "$here/template.yaml" --stack-name "$stack" --parameter-overrides "file://$scratch/parameters.json" \
    --capabilities CAPABILITY_IAM --no-fail-on-empty-changeset
hint=''
output QUEUE_ARN QueueArn
[ -n "$QUEUE_ARN" ] || stopped 'the stack exists, but its outputs name no queue'

for bucket in $buckets; do
    step "notifications of $bucket"
    notify "$bucket" "$events"
done
for bucket in $dropped; do
    step "notifications of $bucket, no longer ours"
    notify "$bucket" none
done

$dry_run || say "done. In MDSS a real-time scan must run on the storage unit, in Event-Based mode. Then try it:
  $here/verify.sh --region $region --stack $stack --bucket ${buckets%%"$newline"*}${prefix:+ --prefix $prefix}"
