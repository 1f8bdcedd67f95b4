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

`hcloud obs` uploads, and has settings of its own: hcloud obs config -interactive

  --region REGION       default HUAWEICLOUD_REGION
  --name NAME           default mdss-relay
  --bucket NAME         where to upload
  --prefix TEXT         put before the object's name, if only a folder is announced or routed; default none
  --suffix TEXT         put behind it
  --wait SECONDS        how long to wait for each line, default 180; LTS shows a line only after some time
  --every SECONDS       how often to look, default 5
  --once                do not overwrite
  --remove              remove the object at the end; it stays by default, so that MDSS can scan it
  --direct              no upload: call the function with an event and show its answer. If this works and an upload does not,
                        look at the subscription. The event names an object that does not exist
  --dry-run             print every command, run none
  --help

Exit status: 0 MDSS accepted it, 1 it did not or no log line was found, 2 the arguments are wrong and nothing was done.
END
}

region='' relay=mdss-relay bucket='' prefix='' suffix='' wait=180 every=5 once=false remove=false direct=false

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
        --bucket) bucket=$2 ;;
        --prefix) prefix=$2 ;;
        --suffix) suffix=$2 ;;
        --wait) wait=$2 ;;
        --every) every=$2 ;;
    esac
}
read_options '--once --remove --direct' '--region --name --bucket --prefix --suffix --wait --every' "$@"

need_cli
need_region "$region"
need_relay_name "$relay"
need_name --bucket "$bucket"
case $prefix$suffix in *[!0-9A-Za-z._/-]*) mistake "--prefix, --suffix: '$prefix', '$suffix' may hold letters, digits, '.', '_', '-' and '/' only" ;; esac
need_number --wait "$wait" 1 3600
need_number --every "$every" 1 600
stop_on_mistakes
begin
again=''
find_project
# One word to LTS, which looks for words: letters and digits alone.
word=mdssrelayverify$(date -u +%Y%m%dT%H%M%SZ)$$
object=$prefix$word$suffix

if $direct; then
    step "function $relay, called directly"
    # As EventGrid sends it, with the name encoded as objectKeyEncode asks for.
    printf '{"id": "verify-%s", "source": "HC.OBS.DWR", "specversion": "1.0", "type": "OBS:DWR:ObjectCreated:PUT", "datacontenttype": "application/json", "time": "%s",\n "data": {"eventVersion": "3.0", "eventSource": "OBS", "eventRegion": "%s", "eventTime": "%s", "eventName": "ObjectCreated:Put",\n  "obs": {"bucket": {"bucket": "%s", "name": "%s"}, "object": {"key": "%s", "size": 0}}}}' \
        "$word" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$region" "$(date -u +%Y-%m-%dT%H:%M:%S.000Z)" "$bucket" "$bucket" "$(printf '%s' "$object" | sed 's,/,%2F,g')" | body event.json
    alter FunctionGraph InvokeFunction "--function_urn=$(function_urn):latest" --X-CFF-Request-Version=v1 "--cli-jsonInput=$scratch/event.json"
    $dry_run && exit 0
    jq --raw-output '.result // ""' "$scratch/answer" > "$scratch/report.json"
    cat "$scratch/report.json"
    accepted || stopped 'MDSS did not accept it; the report above says why'
    say "accepted; correlation id $(jq --raw-output '.records[0].correlation_id' "$scratch/report.json")"
    exit 0
fi

upload() {
    printf 'mdss-relay verification, %s, %s\n' "$1" "$object" | keep object.txt
    obs cp "$scratch/object.txt" "obs://$bucket/$object" -f
}

step "log $relay"
find_log
[ -n "$LOG_GROUP_ID" ] || stopped "there is no log $relay in $region: deploy.sh makes it"
find_stream
[ -n "$LOG_STREAM_ID" ] || stopped "there is no log $relay in $region: deploy.sh makes it"

# Until a line about our object is there that was not there before, or the time is over.
seen=0
since=$(($(date +%s) - 300))000
wait_for_line() {
    waited=0
    while :; do
        # A minute ahead: clocks differ. With the star also what is written behind the word is found.
        printf '{"start_time": "%s", "end_time": "%s", "keywords": "%s*", "limit": 100, "highlight": false, "is_desc": false}' \
            "$since" "$(($(date +%s) + 60))000" "$word" | body query.json
        alter LTS ListLogs "--log_group_id=$LOG_GROUP_ID" "--log_stream_id=$LOG_STREAM_ID" "--cli-jsonInput=$scratch/query.json"
        if $dry_run; then
            say "# every $every seconds, until a line says that MDSS has accepted it, for at most $wait seconds"
            return
        fi
        # The function's own lines only; the platform may write its own words before them.
        jq --compact-output --arg key "$object" '.logs[]? | .content // "" | select(index("{")) | .[index("{"):] | fromjson? | select(.["faas.document.name"] == $key)' \
            "$scratch/answer" > "$scratch/lines"
        tail -n "+$((seen + 1))" "$scratch/lines" > "$scratch/new"
        if [ -s "$scratch/new" ]; then
            cat "$scratch/new"
            seen=$(wc -l < "$scratch/lines")
            if grep -q '"object accepted by MDSS"' "$scratch/new"; then break; fi
            why=$(jq --raw-output '[.["mdss.reason"], .["mdss.detail"]] | map(select(. != null)) | join(": ")' "$scratch/new" | tail -n 1)
            grep -q '"mdss.failure_kind":"transient"' "$scratch/new" ||
                stopped "the event reached the function and MDSS did not accept the object: $why"
            say "not yet: $why; the platform tries again, and after its last try the event is in the bucket of --dead-letters"
        fi
        if [ "$waited" -ge "$wait" ]; then
            hint="without any line the subscription does not call the function: is it enabled, and is its bucket this one? Its failed deliveries are in the console,
under EventGrid, event subscriptions. LTS shows lines only after a while; the same command with --wait 600 waits longer.
verify.sh --direct tries the half from the function to MDSS alone"
            stopped "no log line said within $wait seconds that MDSS accepted $object"
        fi
        sleep "$every"
        waited=$((waited + every))
    done
    say "accepted; correlation id $(jq --raw-output '.["mdss.correlation_id"] // empty' "$scratch/new" | tail -n 1)"
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
    obs rm "obs://$bucket/$object" -f
fi
