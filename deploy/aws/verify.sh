#!/bin/sh
# Proves that an object in the bucket reaches MDSS, and shows what the function says about it. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
verify.sh: uploads a small object, waits for the function's log line about it, and shows the line and MDSS's correlation id.
Then it overwrites the object and waits for the second line, because overwriting is an event of its own.

  ./verify.sh --region REGION --bucket NAME

  --region REGION       default AWS_REGION
  --stack NAME          default mdss-relay
  --bucket NAME         where to upload
  --prefix TEXT         put before the object's name, if only a folder is announced or routed; default none
  --wait SECONDS        how long to wait for each line, default 120
  --every SECONDS       how often to look, default 5
  --once                do not overwrite
  --remove              remove the object at the end; it stays by default, so that MDSS can scan it
  --direct              no upload: call the function with an event and show its answer. If this works and an upload does not,
                        look at notification and queue. The event names an object that does not exist
  --dry-run             print every command, run none
  --help

Exit status: 0 MDSS accepted it, 1 it did not or no log line was found, 2 the arguments are wrong and nothing was done.
END
}

region='' stack=mdss-relay bucket='' prefix='' wait=120 every=5 once=false remove=false direct=false

flag() {
    case $1 in
        --once) once=true ;;
        --remove) remove=true ;;
        --direct) direct=true ;;
    esac
}
option() {
    case $1 in
        --region) region=$2 ;;
        --stack) stack=$2 ;;
        --bucket) bucket=$2 ;;
        --prefix) prefix=$2 ;;
        --wait) wait=$2 ;;
        --every) every=$2 ;;
    esac
}
read_options '--once --remove --direct' '--region --stack --bucket --prefix --wait --every' "$@"

need_cli
need_region "$region"
need_stack "$stack"
need_name --bucket "$bucket"
case $prefix in *[!0-9A-Za-z._/-]*) mistake "--prefix: '$prefix' may hold letters, digits, '.', '_', '-' and '/' only" ;; esac
need_number --wait "$wait" 1 3600
need_number --every "$every" 1 600
stop_on_mistakes
start
again=''
object=${prefix}$stack-verify-$(date -u +%Y%m%dT%H%M%SZ)-$$.txt

if $direct; then
    step "function $stack, called directly"
    printf '{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"%s","eventTime":"%s","eventName":"ObjectCreated:Put","s3":{"s3SchemaVersion":"1.0","bucket":{"name":"%s"},"object":{"key":"%s","size":0}}}]}\n' \
        "$region" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$bucket" "$object" | keep event.json
    # shellcheck disable=SC2154 # begin sets it
    change lambda invoke --function-name "$stack" --payload "fileb://$scratch/event.json" "$scratch/report.json"
    $dry_run && exit 0
    cat "$scratch/report.json"
    say ''
    # A failed call has the report as text inside errorMessage.
    jq --exit-status 'has("errorMessage") | not' "$scratch/report.json" > /dev/null ||
        stopped 'MDSS did not accept it; the report above says why'
    say "accepted; correlation id $(jq --raw-output '.records[0].correlation_id' "$scratch/report.json")"
    exit 0
fi

upload() {
    printf 'mdss-relay verification, %s, %s\n' "$1" "$object" | keep object.txt
    change s3api put-object --bucket "$bucket" --key "$object" --content-type text/plain --body "$scratch/object.txt"
}

# Until a line about our object is there that is younger than the last one, or the time is over.
since=$(($(date +%s) - 300))000
wait_for_line() {
    waited=0
    while :; do
        if $dry_run; then
            say "$(shown logs filter-log-events --log-group-name "/aws/lambda/$stack" --start-time "$since" --filter-pattern "\"$object\"" --output json)"
            say "# every $every seconds, until a line says that MDSS has accepted it, for at most $wait seconds"
            return
        fi
        run logs filter-log-events --log-group-name "/aws/lambda/$stack" --start-time "$since" --filter-pattern "\"$object\"" --output json
        # The function's own lines only: the platform's are no JSON.
        jq --compact-output --arg key "$object" '.events[] | . as $e | (.message | fromjson? | select(.["faas.document.name"] == $key)) | {at: $e.timestamp, line: .}' \
            "$scratch/answer" > "$scratch/lines"
        if [ -s "$scratch/lines" ]; then
            jq --compact-output .line "$scratch/lines" > "$scratch/new"
            cat "$scratch/new"
            since=$(jq --slurp 'map(.at) | max + 1' "$scratch/lines")
            if grep -q '"object accepted by MDSS"' "$scratch/new"; then break; fi
            why=$(jq --raw-output '[.["mdss.reason"], .["mdss.detail"]] | map(select(. != null)) | join(": ")' "$scratch/new" | tail -n 1)
            grep -q '"mdss.failure_kind":"transient"' "$scratch/new" ||
                stopped "the event reached the function and MDSS did not accept the object: $why"
            # The queue brings it again after six function time-outs, which are three minutes at least.
            [ $((waited + 180)) -le "$wait" ] || {
                hint='the event is safe in the queue and comes again after six function time-outs, 6 minutes by default. Correct the cause, then
run verify.sh again; --wait 900 waits for such a repetition too'
                stopped "the event reached the function and MDSS did not accept the object yet: $why"
            }
        fi
        if [ "$waited" -ge "$wait" ]; then
            output QUEUE_URL QueueUrl
            [ -n "$QUEUE_URL" ] || stopped "there is no stack $stack in $region"
            hint="messages in the queue mean that the function does not take them: look at its log and its Errors metric. This shows them:
  aws sqs get-queue-attributes --queue-url $QUEUE_URL --attribute-names ApproximateNumberOfMessages ApproximateNumberOfMessagesNotVisible
Without messages the bucket does not post (EventBridge takes some minutes after it was switched on). This shows its notifications:
  aws s3api get-bucket-notification-configuration --bucket $bucket
verify.sh --direct tries the half from the function to MDSS alone"
            stopped "no log line said within $wait seconds that MDSS accepted $object"
        fi
        sleep "$every"
        waited=$((waited + every))
    done
    say "accepted; correlation id $(jq --raw-output '.["mdss.correlation_id"] // empty' "$scratch/new" | head -n 1)"
}

step "upload $object"
upload first
wait_for_line
if ! $once; then
    step "overwrite $object"
    upload second
    wait_for_line
fi
if $remove; then
    step "remove $object"
    change s3api delete-object --bucket "$bucket" --key "$object"
fi
