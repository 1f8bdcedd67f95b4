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

  ./verify.sh --region REGION --bucket NAME-APPID

  --region REGION       default TENCENTCLOUD_REGION
  --name NAME           of the function, default mdss-relay
  --bucket NAME-APPID   where to upload
  --prefix TEXT         put before the object's name, if only a folder is announced or routed; default none
  --suffix .TEXT        put behind it, if only such names are announced; default .txt
  --wait SECONDS        how long to wait for each line, default 180: the log service shows a line some seconds later
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

region='' relay=mdss-relay bucket='' prefix='' suffix=.txt wait=180 every=5 once=false remove=false direct=false

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
need_function "$relay"
need_bucket --bucket "$bucket"
case $prefix$suffix in *[!0-9A-Za-z._/-]*) mistake "--prefix, --suffix: '$prefix', '$suffix' may hold letters, digits, '.', '_', '-' and '/' only" ;; esac
need_number --wait "$wait" 1 3600
need_number --every "$every" 1 600
stop_on_mistakes
begin
again=''
object=${prefix}$relay-verify-$(date -u +%Y%m%dT%H%M%SZ)-$$$suffix

if $direct; then
    step "function $relay, called directly"
    # As COS writes it ("COS Trigger Description"): the key has the account's and the bucket's name in front.
    event=$(printf '{"Records":[{"cos":{"cosSchemaVersion":"1.0","cosObject":{"url":"http://%s/%s","meta":{},"vid":"","key":"/%s/%s/%s","size":0},"cosBucket":{"region":"%s","name":"%s","appid":"%s"},"cosNotificationId":"unkown"},"event":{"eventName":"cos:ObjectCreated:Put","eventVersion":"1.0","eventTime":%s,"eventSource":"qcs::cos","requestParameters":{"requestSourceIP":"127.0.0.1","requestHeaders":{}},"eventQueue":"","reservedInfo":"","reqid":0}}]}' \
        "$(host_of "$bucket")" "$object" "${bucket##*-}" "${bucket%-*}" "$object" "$region" "${bucket%-*}" "${bucket##*-}" "$(date +%s)")
    look_up RESULT scf InvokeFunction --region "$region" --FunctionName "$relay" --Event "$event" --LogType None --filter Result --output json
    $dry_run && exit 0
    # shellcheck disable=SC2154 # look_up sets it
    report=$(printf '%s' "$RESULT" | jq --raw-output '.RetMsg // empty')
    say "$report"
    # A failed call has the report as text inside errorMessage.
    printf '%s' "$report" | jq --exit-status '.records[0].result == "accepted"' > /dev/null 2>&1 || {
        printf '%s' "$RESULT" | jq --raw-output '.ErrMsg // empty' >&2
        stopped 'MDSS did not accept it; the report above says why'
    }
    say "accepted; correlation id $(printf '%s' "$report" | jq --raw-output '.records[0].correlation_id // empty')"
    exit 0
fi

# The object commands of tccli end with 0 whatever happened, and say it in words (tried with 3.1.189).
did_it() {
    $dry_run && return
    # shellcheck disable=SC2154 # begin sets it
    if grep -q '^Error:' "$scratch/answer"; then
        cat "$scratch/answer" >&2
        stopped "$1"
    fi
}

upload() {
    printf 'mdss-relay verification, %s, %s\n' "$1" "$object" | keep object.txt
    change cos upload --region "$region" --bucket "$bucket" --local_path "$scratch/object.txt" --cos_key "$object" --content_type text/plain
    did_it "the upload into $bucket failed"
}

# Until COUNT lines say that MDSS has accepted our object, or the time is over.
since=$(($(date +%s) - 300))000
wait_for() {
    waited=0
    while :; do
        # To the future, because clocks differ. A phrase, in whatever field of the line it stands.
        set -- "$1" cls SearchLog --region "$region" --TopicId "$TOPIC_ID" --From "$since" --To "$(($(date +%s) + 300))000" --QuerySyntax 1 --QueryString "\"$object\"" \
            --Sort asc --Limit 100 --filter 'Results[].LogJson' --output json
        count=$1
        shift
        if $dry_run; then
            say "$(shown "$@")"
            say "# every $every seconds, until $count lines say that MDSS has accepted it, for at most $wait seconds"
            return
        fi
        run "$@"
        set -- "$count"
        # A line of JSON is either the record itself, or the text in SCF_Message.
        jq --compact-output --arg key "$object" '.[]? | fromjson? | (if has("faas.document.name") then . else (.SCF_Message // "" | fromjson? // {}) end)
            | select(.["faas.document.name"]? == $key)' "$scratch/answer" > "$scratch/lines" || stopped 'the answer of SearchLog is not JSON'
        accepted=$(grep -c '"object accepted by MDSS"' "$scratch/lines" || true)
        if [ "$accepted" -ge "$count" ]; then break; fi
        if grep -v '"object accepted by MDSS"' "$scratch/lines" | grep -v '"mdss.failure_kind":"transient"' | grep -q '"mdss.failure_kind":"'; then
            cat "$scratch/lines" >&3
            stopped 'the event reached the function and MDSS did not accept the object; mdss.reason and mdss.detail above say why'
        fi
        if grep '"event skipped"' "$scratch/lines" | grep -qv '"mdss.reason":"duplicate"'; then
            cat "$scratch/lines" >&3
            stopped 'the event reached the function, which skipped the object; mdss.reason and mdss.detail above say why'
        fi
        if [ "$waited" -ge "$wait" ]; then
            if [ -s "$scratch/lines" ]; then
                say 'log lines about this object:'
                cat "$scratch/lines" >&3
                stopped "the event reached the function and MDSS did not accept the object within $wait seconds; SCF repeats the call a minute after it failed"
            fi
            hint="verify.sh --direct tries the half from the function to MDSS alone. If that works, look at the trigger:
  tccli scf ListTriggers --region $region --FunctionName $relay
If it does not, look at the function's log in the console"
            stopped "no log line said within $wait seconds that MDSS accepted $object"
        fi
        sleep "$every"
        waited=$((waited + every))
    done
    grep '"object accepted by MDSS"' "$scratch/lines" | sed -n "$1p" >&3
    say "accepted; correlation id $(grep '"object accepted by MDSS"' "$scratch/lines" | sed -n "$1p" | jq --raw-output '.["mdss.correlation_id"] // empty')"
}

step "log of $relay"
look_up_or_none TOPIC_ID scf GetFunction --region "$region" --FunctionName "$relay" --filter ClsTopicId --output text
[ -n "$TOPIC_ID" ] || stopped "there is no function $relay in $region, or it writes no log"
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
    change cos delete --region "$region" --bucket "$bucket" --cos_key "$object"
    did_it "the object $object was not removed"
fi
