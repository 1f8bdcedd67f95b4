#!/bin/sh
# Proves that an object in the bucket reaches MDSS, and shows what the service says about it. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
verify.sh: uploads a small object, waits for the service's log line about it, and shows the line and MDSS's correlation id.
Then it overwrites the object and waits for the second line, because overwriting is an event of its own.

  ./verify.sh --project ID --bucket NAME

  --project ID          of the relay
  --name NAME           default mdss-relay
  --bucket NAME         where to upload
  --prefix TEXT         put before the object's name, if only a folder is announced or routed; default none
  --wait SECONDS        how long to wait for each line, default 120
  --every SECONDS       how often to look, default 5
  --once                do not overwrite
  --remove              remove the object at the end; it stays by default, so that MDSS can scan it
  --topic               no upload: publish a message to the topic, as the bucket would. If this works and an upload does not, look
                        at the notification. It names an object that does not exist, and has no payload, so that a
                        route with a condition skips it
  --dry-run             print every command, run none
  --help

Exit status: 0 MDSS accepted it, 1 it did not or no log line was found, 2 the arguments are wrong and nothing was done.
END
}

project='' relay=mdss-relay bucket='' prefix='' wait=120 every=5 once=false remove=false topic=false

flag() {
    case $1 in
        --once) once=true ;;
        --remove) remove=true ;;
        --topic) topic=true ;;
    esac
}
option() {
    case $1 in
        --project) project=$2 ;;
        --name) relay=$2 ;;
        --bucket) bucket=$2 ;;
        --prefix) prefix=$2 ;;
        --wait) wait=$2 ;;
        --every) every=$2 ;;
    esac
}
read_options '--once --remove --topic' '--project --name --bucket --prefix --wait --every' "$@"

need_cli
need_project "$project"
need_relay_name "$relay"
need_bucket --bucket "$bucket"
case $prefix in *[!0-9A-Za-z._/-]*) mistake "--prefix: '$prefix' may hold letters, digits, '.', '_', '-' and '/' only" ;; esac
need_number --wait "$wait" 1 3600
need_number --every "$every" 1 600
stop_on_mistakes
begin
again=''
object=${prefix}mdss-relay-verify-$(date -u +%Y%m%dT%H%M%SZ)-$$.txt
began=$(date -u +%Y-%m-%dT%H:%M:%SZ)

# wait_for COUNT: until so many lines say that MDSS has accepted our object, or the time is over.
wait_for() {
    waited=0
    set -- "$1" "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"$relay\" AND timestamp>=\"$began\" AND jsonPayload.\"faas.document.name\"=\"$object\""
    while :; do
        if $dry_run; then
            say "$(shown logging read "$2" --project "$project" --order asc --limit 100 --format json)"
            say "# every $every seconds, until $1 lines say that MDSS has accepted it, for at most $wait seconds"
            return
        fi
        run logging read "$2" --project "$project" --order asc --limit 100 --format json
        # shellcheck disable=SC2154 # begin sets it
        jq --compact-output '.[] | .jsonPayload // empty' "$scratch/answer" > "$scratch/lines" || stopped 'the answer of logging read is not JSON'
        accepted=$(grep -c '"object accepted by MDSS"' "$scratch/lines" || true)
        if [ "$accepted" -ge "$1" ]; then break; fi
        # Not accepted yet: Pub/Sub brings it again.
        if grep -v '"object accepted by MDSS"' "$scratch/lines" | grep -v '"mdss.failure_kind":"transient"' | grep -q '"mdss.failure_kind"'; then
            cat "$scratch/lines" >&3
            stopped 'the event reached the service and MDSS did not accept the object; mdss.reason and mdss.detail above say why'
        fi
        # Pub/Sub does not bring a skipped event again. A duplicate is one whose first delivery has its own line.
        if grep '"event skipped"' "$scratch/lines" | grep -qv '"mdss.reason":"duplicate"'; then
            cat "$scratch/lines" >&3
            stopped 'the event reached the service, which skipped the object; mdss.reason and mdss.detail above say why'
        fi
        if [ "$waited" -ge "$wait" ]; then
            [ ! -s "$scratch/lines" ] || { say 'log lines about this object:'; cat "$scratch/lines" >&3; }
            hint="verify.sh --topic tries the way from the topic to MDSS alone. If that works, look at the notification: 'gcloud storage buckets notifications
list gs://$bucket'. If it does not, look at the log of the service for refusals (401), and at the subscription's push requests in the console"
            stopped "no log line said within $wait seconds that MDSS accepted $object"
        fi
        sleep "$every"
        waited=$((waited + every))
    done
    grep '"object accepted by MDSS"' "$scratch/lines" | sed -n "$1p" >&3
    say "accepted; correlation id $(grep '"object accepted by MDSS"' "$scratch/lines" | sed -n "$1p" | jq --raw-output '.["mdss.correlation_id"] // empty')"
}

if $topic; then
    step "message about $object, into the topic"
    change pubsub topics publish "$relay" --project "$project" \
        --attribute "bucketId=$bucket,objectId=$object,eventType=OBJECT_FINALIZE,eventTime=$began,objectGeneration=$(date +%s)000000,payloadFormat=NONE"
    wait_for 1
    exit 0
fi

upload() {
    printf 'mdss-relay verification, %s, %s\n' "$1" "$object" | keep object.txt
    change storage cp "$scratch/object.txt" "gs://$bucket/$object" --content-type text/plain
}

step "upload $object"
upload first
wait_for 1
if ! $once; then
    step "overwrite $object"
    upload second
    wait_for 2
fi
if $remove; then
    step "remove $object"
    change storage rm "gs://$bucket/$object"
fi
