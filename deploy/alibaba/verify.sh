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

  --region REGION       default ALIBABA_CLOUD_REGION_ID
  --name NAME           default mdss-relay
  --log-project NAME    default NAME-ACCOUNT-REGION
  --bucket NAME         where to upload
  --prefix TEXT, --suffix TEXT
                        put before and behind the object's name, if only such keys are announced or routed; default none and .txt
  --wait SECONDS        how long to wait for each line, default 120
  --every SECONDS       how often to look, default 5
  --once                do not overwrite
  --remove              remove the object at the end; it stays by default, so that MDSS can scan it
  --direct              no upload: call the function with an event and show its answer. If this works and an upload does not,
                        look at the trigger. The event names an object that does not exist
  --dry-run             print every command, run none
  --help

Exit status: 0 MDSS accepted it, 1 it did not or no log line was found, 2 the arguments are wrong and nothing was done.
END
}

region='' relay=mdss-relay log_project='' bucket='' prefix='' suffix=.txt wait=120 every=5 once=false remove=false direct=false

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
        --name) relay=$2 ;;
        --log-project) log_project=$2 ;;
        --bucket) bucket=$2 ;;
        --prefix) prefix=$2 ;;
        --suffix) suffix=$2 ;;
        --wait) wait=$2 ;;
        --every) every=$2 ;;
    esac
}
read_options '--once --remove --direct' '--region --name --log-project --bucket --prefix --suffix --wait --every' "$@"

need_cli
need_region "$region"
need_relay "$relay"
need_bucket --bucket "$bucket"
case $prefix$suffix in *[!0-9A-Za-z._/-]*) mistake "--prefix, --suffix: '$prefix', '$suffix' may hold letters, digits, '.', '_', '-' and '/' only" ;; esac
need_number --wait "$wait" 1 3600
need_number --every "$every" 1 600
stop_on_mistakes
begin
again=''
account
names
object=${prefix}$relay-verify-$(date -u +%Y%m%dT%H%M%SZ)-$$$suffix

if $direct; then
    step "function $relay, called directly"
    printf '{"events":[{"eventName":"ObjectCreated:PutObject","eventSource":"acs:oss","eventTime":"%s","eventVersion":"1.0","oss":{"bucket":{"arn":"acs:oss:%s:%s:%s","name":"%s"},"object":{"key":"%s","size":1},"ossSchemaVersion":"1.0","ruleId":"verify"},"region":"%s"}]}\n' \
        "$(date -u +%Y-%m-%dT%H:%M:%S.000Z)" "$region" "$ACCOUNT_ID" "$bucket" "$bucket" "$object" "$region" | keep event.json
    tell fc POST "$functions/$relay/invocations" --header x-fc-invocation-type=Sync --body-file "$scratch/event.json"
    $dry_run && exit 0
    # shellcheck disable=SC2154 # begin sets it
    cat "$scratch/answer"
    # A failed call has the report as text inside errorMessage.
    jq --exit-status 'has("errorMessage") | not' "$scratch/answer" > /dev/null ||
        stopped 'MDSS did not accept it; the report above says why'
    say "accepted; correlation id $(jq --raw-output '.records[0].correlation_id' "$scratch/answer")"
    exit 0
fi

upload() {
    printf 'mdss-relay verification, %s, %s\n' "$1" "$object" | keep object.txt
    tell oss cp "$scratch/object.txt" "oss://$bucket/$object" --force
}

# Until a line about our object is there that was not shown before, or the time is over.
shown=0
since=$(($(date +%s) - 300))
wait_for_line() {
    waited=0
    while :; do
        set -- sls GetLogs --project "$project" --logstore "$store" --from "$since" --to "$(($(date +%s) + 60))" --line 100 --query "\"$object\"" --region "$region"
        if $dry_run; then
            say "$(shown "$@")"
            say "# every $every seconds, until a line says that MDSS has accepted it, for at most $wait seconds"
            return
        fi
        run "$@"
        # The function's own lines only: the platform's are no JSON.
        jq --compact-output --arg key "$object" '[.[]? | .message | fromjson? | select(.["faas.document.name"] == $key)] | sort_by(.timestamp) | .[]' \
            "$scratch/answer" > "$scratch/lines"
        tail -n +$((shown + 1)) "$scratch/lines" > "$scratch/new"
        if [ -s "$scratch/new" ]; then
            cat "$scratch/new"
            shown=$((shown + $(wc -l < "$scratch/new")))
            if grep -q '"object accepted by MDSS"' "$scratch/new"; then break; fi
            why=$(jq --raw-output '[.["mdss.reason"], .["mdss.detail"]] | map(select(. != null)) | join(": ")' "$scratch/new" | tail -n 1)
            # Function Compute calls again by itself, after a time that it does not document; so this goes on looking.
            grep -q '"mdss.failure_kind":"transient"' "$scratch/new" ||
                stopped "the event reached the function and MDSS did not accept the object: $why"
        fi
        if [ "$waited" -ge "$wait" ]; then
            if [ -n "${why-}" ]; then
                hint='Function Compute calls again by itself. Correct the cause, then run verify.sh again; --wait 900 waits longer'
                stopped "the event reached the function and MDSS did not accept the object yet: $why"
            fi
            hint="this shows the triggers: 'aliyun fc GET $functions/$relay/triggers --region $region'. An upload's answer says in its header
x-oss-event-status whether OSS could announce it. Lines need some seconds to the log. verify.sh --direct tries the half from the
function to MDSS alone"
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
    tell oss rm "oss://$bucket/$object" --force
fi
