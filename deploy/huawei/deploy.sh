#!/bin/sh
# Puts the function, its log, its alarms and the subscriptions of the buckets into a project of Huawei Cloud. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
deploy.sh: makes or changes the function, and has EventGrid call it for every new object of the buckets.

  APIKEY_FILE=key deploy.sh --region REGION --bucket NAME --dead-letters NAME --endpoint URL --storage-client-id ID

It may be run again after a success, a failure or an interruption. Everything is set anew, so options that are left out get their
defaults.

Where
  --region REGION             default HUAWEICLOUD_REGION; the project of that name
  --name NAME                 the function's, default mdss-relay; its log, its alarms and its subscriptions are called after it
  --vpc-id ID --subnet-id ID  if MDSS is reached through a VPC; the agency then needs VPC rights

The function
  --zip FILE                  default: the one that `make dist` made
  --image NAME                instead of a zip: an image in SWR, swr.REGION.myhuaweicloud.com/…
  --timeout SECONDS           3 to 900, default 60: one call's time
  --memory MB                 default 128
  --max-instances N           1 to 1000, default 10: calls at once; what is above waits
  --retries N                 0 to 3, default 3: further tries after a failed call
  --event-age SECONDS         1 to 86400, default 86400: how long an event is kept for its tries
  --dead-letters BUCKET       takes what was given up, under NAME/. Not one of the buckets below
  --agency NAME               as what the platform writes there, default NAME of the function

MDSS
  APIKEY_FILE                 variable: names a file with the API key. Without it the script asks for it at the terminal
  --endpoint URL              MDSS's address or webhook URL
  --storage-client-id ID      the storage unit in MDSS that takes every object; or
  --relay-config FILE         a TOML configuration with [[route]]s and all other settings that differ from the defaults
  --variables WAY             encrypted (default): the API key and --relay-config are variables that the console does not show.
                              plain: they are shown there. Only if the function's log says that APIKEY is missing

Events
  --bucket NAME               the bucket of the objects; may be repeated
  --drop-bucket NAME          a bucket whose objects are not to be scanned any longer
  --prefix TEXT, --suffix TEXT  only names that begin, that end with it
  --eg-agency NAME            as what EventGrid calls the function, default EG_TARGET_AGENCY

Around it
  --log-retention DAYS        1 to 365, default 30; of a log that is made now
  --alarm-topic URN           SMN topic that gets the alarm about failed calls
  --alarm-action-rule NAME    AOM's alarm action rule for the alarm about lines of level ERROR
  --no-alarms                 make none

  --dry-run                   print every command, run none; asks Huawei Cloud nothing, so it does not know what is there
  --help

The account is that of hcloud: hcloud configure init, or --cli-profile's default.
Exit status: 0 done, 1 a call failed, 2 the arguments are wrong and nothing was done.
END
}

region='' relay=mdss-relay vpc='' subnet='' zip='' image='' timeout=60 memory=128 instances=10 retries=3 age=86400 dead='' agency=''
endpoint='' storage='' relay_config='' toml='' variables=encrypted buckets='' dropped='' prefix='' suffix='' eg_agency=EG_TARGET_AGENCY
retention=30 topic='' action_rule='' alarms=true
newline='
'

flag() { alarms=false; }
option() {
    case $1 in
        --region) region=$2 ;;
        --name) relay=$2 ;;
        --vpc-id) vpc=$2 ;;
        --subnet-id) subnet=$2 ;;
        --zip) zip=$2 ;;
        --image) image=$2 ;;
        --timeout) timeout=$2 ;;
        --memory) memory=$2 ;;
        --max-instances) instances=$2 ;;
        --retries) retries=$2 ;;
        --event-age) age=$2 ;;
        --dead-letters) dead=$2 ;;
        --agency) agency=$2 ;;
        --endpoint) endpoint=$2 ;;
        --storage-client-id) storage=$2 ;;
        --relay-config) relay_config=$2 ;;
        --variables) variables=$2 ;;
        --bucket | --drop-bucket)
            need_bucket "$1" "$2"
            case $1 in --bucket) buckets="$buckets$2$newline" ;; *) dropped="$dropped$2$newline" ;; esac ;;
        --prefix) prefix=$2 ;;
        --suffix) suffix=$2 ;;
        --eg-agency) eg_agency=$2 ;;
        --log-retention) retention=$2 ;;
        --alarm-topic) topic=$2 ;;
        --alarm-action-rule) action_rule=$2 ;;
    esac
}

need_bucket() { # option, name
    case $2 in *[!0-9a-z.-]*) mistake "$1: '$2' may hold small letters, digits, '.' and '-' only" ;; esac
    case "$newline$buckets$dropped" in *"$newline$2$newline"*) mistake "$1: $2 is given twice" ;; esac
}
need_one_of() { # option, value, what it may be
    case " $3 " in *" $2 "*) ;; *) mistake "$1: '$2' is none of $3" ;; esac
}
need_agency() { # option, name: "Agency name", 1 to 64 characters
    case $2 in '' | *[!0-9A-Za-z_.-]*) mistake "$1: '$2' may hold letters, digits, '_', '.' and '-' only" ;; esac
}

read_options '--no-alarms' '--region --name --vpc-id --subnet-id --zip --image --timeout --memory --max-instances --retries --event-age --dead-letters
--agency --endpoint --storage-client-id --relay-config --variables --bucket --drop-bucket --prefix --suffix --eg-agency --log-retention
--alarm-topic --alarm-action-rule' "$@"

# --- the arguments -----------------------------------------------------------------------------------------------------

need_cli
need_region "$region"
need_relay_name "$relay"
agency=${agency:-$relay}
need_agency --agency "$agency"
need_agency --eg-agency "$eg_agency"
case ${vpc:+vpc}${subnet:+subnet} in
    vpc) mistake '--subnet-id: missing beside --vpc-id' ;;
    subnet) mistake '--vpc-id: missing beside --subnet-id' ;;
esac
need_id --vpc-id "$vpc"
need_id --subnet-id "$subnet"
if [ -n "$image" ]; then
    [ -z "$zip" ] || mistake '--zip and --image: only one of them'
    case $image in
        *[!0-9A-Za-z./:@_-]*) mistake "--image: '$image' is not the name of an image" ;;
        swr.*:* | swr.*@*) ;;
        *) mistake "--image: '$image' is not swr.REGION.myhuaweicloud.com/ORGANISATION/NAME with a tag or a digest" ;;
    esac
else
    zip=${zip:-$(dirname -- "$(dirname -- "$here")")/dist/huawei-functiongraph/mdss-relay-huawei-functiongraph-amd64.zip}
    if ! [ -f "$zip" ] || ! [ -r "$zip" ]; then
        mistake "--zip: '$zip' is not a file that can be read; 'make dist' makes it"
    elif [ "$(head -c 2 "$zip")" != PK ]; then
        mistake "--zip: '$zip' is not a zip"
    # A file for --cli-jsonInput has 5 MB at most, and the zip is in it as base64.
    elif [ "$(wc -c < "$zip")" -gt 3700000 ]; then
        mistake "--zip: '$zip' is larger than 3.7 MB, which KooCLI does not send"
    fi
fi
need_number --timeout "$timeout" 3 900
need_one_of --memory "$memory" '128 256 512 768 1024'
need_number --max-instances "$instances" 1 1000
need_number --retries "$retries" 0 3
need_number --event-age "$age" 1 86400
need_number --log-retention "$retention" 1 365
need_one_of --variables "$variables" 'encrypted plain'
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
    # All variables of a function together may have 4 KB (CreateFunction, user_data); the others are short.
    size=$(printf '%s' "$toml" | LC_ALL=C wc -c)
    [ "$size" -le 3500 ] || mistake "--relay-config: '$relay_config' has $((size)) bytes; at most 3500 fit into a function beside the other variables"
    ! printf '%s\n' "$toml" | grep -Eq '^[[:space:]]*(\[\[?[[:space:]]*)?source\>' || mistake "--relay-config: '$relay_config' has a source; no request reaches this function"
elif [ -n "$relay_config" ]; then
    mistake "--relay-config: '$relay_config' is not a file that can be read"
fi
[ -n "$buckets" ] || mistake '--bucket: missing'
case $dead in
    '') mistake '--dead-letters: missing; without it the platform drops an event after its last try' ;;
    *[!0-9a-z.-]*) mistake "--dead-letters: '$dead' may hold small letters, digits, '.' and '-' only" ;;
esac
case "$newline$buckets" in *"$newline$dead$newline"*) mistake "--dead-letters: $dead is a bucket whose objects are scanned; what is given up there would call the function again" ;; esac
need_plain --prefix "$prefix"
need_plain --suffix "$suffix"
case $topic in '' | urn:smn:*) ;; *) mistake "--alarm-topic: '$topic' is not the URN of an SMN topic" ;; esac
case $action_rule in *[!0-9A-Za-z_-]*) mistake "--alarm-action-rule: '$action_rule' may hold letters, digits, '_' and '-' only" ;; esac
if ! $alarms && [ -n "$topic$action_rule" ]; then mistake '--no-alarms: beside --alarm-topic or --alarm-action-rule'; fi
if [ -n "${APIKEY_FILE-}" ]; then
    read_key
elif ! $dry_run && [ ! -t 0 ]; then
    mistake 'APIKEY_FILE: not set, and there is no terminal to ask for the key; an encrypted variable cannot be read back, so each run sets it anew'
fi
stop_on_mistakes
[ -z "${APIKEY-}" ] || say 'note: APIKEY is set in this shell and is not used; shell history and child processes may hold it'

# --- the calls ---------------------------------------------------------------------------------------------------------

begin
if $dry_run; then
    api_key='***'
else
    ask_key
    # A function's variables are a text of JSON inside a file of JSON.
    keep_masked "$api_key" "$(printf '%s' "$api_key" | json_text | sed 's/^"//; s/"$//')"
fi
find_project
urn=$(function_urn)

step 'subscriptions, as they are'
find_subscriptions
if ! $dry_run; then
    for bucket in $buckets; do
        rivals=$(jq --raw-output --from-file "$here/rivals.jq" --arg bucket "$bucket" --arg ours "$relay.$bucket" --arg prefix "$prefix" --arg suffix "$suffix" \
            "$scratch/subscriptions.json") || stopped 'the answer of ListSubscriptions is not what it is documented to be'
        [ -z "$rivals" ] || mistake "--bucket: new objects of $bucket go to somebody already, and EventGrid takes no second subscription for the same names:
$rivals
    --prefix or --suffix with other names than theirs does"
    done
    stop_on_mistakes
    while read -r id name; do
        [ -n "$id" ] || continue
        case "$newline$buckets$dropped" in
            *"$newline${name#"$relay".}$newline"*) ;;
            *) again='' && stopped "the function also serves the bucket ${name#"$relay".}; give --bucket ${name#"$relay".} too, or --drop-bucket ${name#"$relay".}" ;;
        esac
    done << END
$SUBSCRIPTIONS
END
fi

step "log $relay"
find_log
if none_yet "$LOG_GROUP_ID"; then
    printf '{"log_group_name": "%s", "ttl_in_days": %s}' "$relay" "$retention" | body log-group.json
    alter LTS CreateLogGroup "--cli-jsonInput=$scratch/log-group.json"
    find_log
fi
if already; then :; fi
find_stream
if none_yet "$LOG_STREAM_ID"; then
    printf '{"log_stream_name": "%s"}' "$relay" | body log-stream.json
    alter LTS CreateLogStream "--log_group_id=$LOG_GROUP_ID" "--cli-jsonInput=$scratch/log-stream.json"
    find_stream
fi
if already; then :; fi

step "function $relay"
pair() { # name, value; printf is the shell's own, so nobody sees its arguments
    printf '%s"%s": %s' "$comma" "$1" "$(printf '%s' "$2" | json_text)"
    comma=', '
}
private() {
    pair APIKEY "$api_key"
    # A sender's token may be in it, so it is not printed.
    if [ -n "$toml" ]; then if $dry_run; then pair RELAY_CONFIG_TOML '***'; else pair RELAY_CONFIG_TOML "$toml"; fi; fi
}
public() {
    pair APIENDPOINT "$endpoint"
    [ -z "$storage" ] || pair STORAGECLIENTID "$storage"
    # What the subscription asks EventGrid for, below.
    pair RELAY_KEYS_HUAWEI_OBS form
}
# A text of JSON with what these functions give.
text_of() {
    {
        comma=''
        printf '{'
        for part in "$@"; do "$part"; done
        printf '}'
    } | json_text
}
# What both making and changing take.
about() {
    printf '"func_name": "%s", "timeout": %s, "memory_size": %s, "xrole": "%s",\n' "$relay" "$timeout" "$memory" "$agency"
    if [ -n "$image" ]; then
        printf ' "runtime": "Custom Image", "handler": "-", "custom_image": {"enabled": true, "image": "%s"},\n' "$image"
    else
        # The handler must have a dot, and the custom runtime does not look at it.
        printf ' "runtime": "Custom", "handler": "bootstrap.main",\n'
    fi
    # Both always: what an earlier run put into the other one would stay.
    if [ "$variables" = encrypted ]; then
        printf ' "user_data": %s,\n "encrypted_user_data": %s' "$(text_of public)" "$(text_of private)"
    else
        printf ' "user_data": %s,\n "encrypted_user_data": "{}"' "$(text_of public private)"
    fi
    if [ -n "$vpc" ]; then printf ',\n "func_vpc": {"vpc_id": "%s", "subnet_id": "%s"}' "$vpc" "$subnet"; fi
    printf ',\n "enable_lts_log": true, "log_config": {"group_id": "%s", "group_name": "%s", "stream_id": "%s", "stream_name": "%s"}' \
        "$LOG_GROUP_ID" "$relay" "$LOG_STREAM_ID" "$relay"
}
code() {
    printf '"code_type": "zip", "code_filename": "%s.zip", "func_code": {"file": "' "$relay"
    if $dry_run; then printf '*** (%s as base64)' "$zip"; else base64 < "$zip" | tr -d '\n'; fi
    printf '"}'
}
find_function
if none_yet "$FUNCTION"; then
    {
        printf '{"package": "default", "type": "v2", '
        about
        printf ',\n '
        if [ -n "$image" ]; then printf '"code_type": "Custom-Image-Swr"'; else code; fi
        printf '}'
    } | body function.json
    hint="if the agency '$agency' is not known, an administrator has to make it (docs/huawei.md)"
    alter FunctionGraph CreateFunction "--cli-jsonInput=$scratch/function.json"
    hint=''
fi
if already; then
    if [ -z "$image" ]; then
        { printf '{'; code; printf '}'; } | body code.json
        alter FunctionGraph UpdateFunctionCode "--function_urn=$urn" "--cli-jsonInput=$scratch/code.json"
    fi
    { printf '{'; about; printf '}'; } | body config.json
    alter FunctionGraph UpdateFunctionConfig "--function_urn=$urn" "--cli-jsonInput=$scratch/config.json"
fi
if [ -z "$image" ]; then
    # A function can be made without any code, and then fails every event.
    learn CODE_SIZE .code_size FunctionGraph ShowFunctionConfig "--function_urn=$urn"
    $dry_run || [ "${CODE_SIZE:-0}" -gt 0 ] 2> /dev/null || stopped 'the function has no code; the zip did not arrive'
fi
printf '{"max_instance_num": %s}' "$instances" | body instances.json
alter FunctionGraph UpdateFunctionMaxInstanceConfig "--function_urn=$urn" "--cli-jsonInput=$scratch/instances.json"

step 'tries, and where an event goes after the last one'
letters() { printf '{"bucket": "%s", "prefix": "%s/", "expires": 0}' "$dead" "$relay"; }
{
    printf '{"max_async_retry_attempts": %s, "max_async_event_age_in_seconds": %s,\n "destination_config": {"on_failure": {"destination": "OBS", "param": ' \
        "$retries" "$age"
    letters | json_text
    printf '}}}'
} | body async.json
alter FunctionGraph UpdateFunctionAsyncInvokeConfig "--function_urn=$urn:latest" "--cli-jsonInput=$scratch/async.json"
# Without it nobody would notice that events are dropped, so it is looked at before the first event comes.
learn ON_FAILURE '.destination_config.on_failure.destination' FunctionGraph ShowFunctionAsyncInvokeConfig "--function_urn=$urn:latest"
$dry_run || [ "$ON_FAILURE" = OBS ] || stopped "the function has no destination for failed calls ('$ON_FAILURE'), so their events would be dropped"

condition() { # op, value
    printf '%s{"op": "%s", "values": ["%s"]}' "$between" "$1" "$2"
    between=', '
}
sources_and_targets() { # bucket
    # objectKeyEncode and RELAY_KEYS_HUAWEI_OBS=form belong together.
    printf '"sources": [{"name": "HC.OBS.DWR", "provider_type": "OFFICIAL", "detail": {"bucket": "%s", "objectKeyEncode": true},\n' "$1"
    printf '  "filter": {"source": [{"op": "StringIn", "values": ["HC.OBS.DWR"]}],\n'
    printf '   "type": [{"op": "StringIn", "values": ["OBS:DWR:ObjectCreated:PUT", "OBS:DWR:ObjectCreated:POST", "OBS:DWR:ObjectCreated:COPY", "OBS:DWR:ObjectCreated:CompleteMultipartUpload"]}],\n'
    if [ -n "$prefix$suffix" ]; then
        printf '   "subject": {"and": ['
        between=''
        [ -z "$prefix" ] || condition StringStartsWith "$prefix"
        [ -z "$suffix" ] || condition StringEndsWith "$suffix"
        printf ']},\n'
    fi
    printf '   "data": {"obs": {"bucket": {"name": [{"op": "StringIn", "values": ["%s"]}]}}}}}],\n' "$1"
    printf ' "targets": [{"name": "HC.FunctionGraph", "provider_type": "OFFICIAL", "retry_times": 16,\n'
    printf '  "detail": {"urn": "%s:latest", "invoke_type": "ASYNC", "agency_name": "%s"},\n  "transform": {"type": "ORIGINAL", "value": ""}}]}' "$urn" "$eg_agency"
}
for bucket in $buckets; do
    step "subscription of $bucket"
    found=$(subscription_of "$bucket")
    hint="if the agency '$eg_agency' is not known, open EventGrid in the console once and authorise it (docs/huawei.md)"
    if none_yet "$found"; then
        { printf '{"name": "%s", "channel_id": "%s",\n ' "$relay.$bucket" "$CHANNEL_ID"; sources_and_targets "$bucket"; } | body subscription.json
        alter EG CreateSubscription "--cli-jsonInput=$scratch/subscription.json"
    fi
    if already; then
        { printf '{'; sources_and_targets "$bucket"; } | body subscription.json
        alter EG UpdateSubscription "--subscription_id=$found" "--cli-jsonInput=$scratch/subscription.json"
    fi
    hint=''
done
for bucket in $dropped; do
    step "subscription of $bucket, no longer ours"
    found=$(subscription_of "$bucket")
    if is_there "$found"; then alter EG DeleteSubscription "--subscription_id=$found"; fi
done

notifications() { # name
    [ -z "$topic" ] || printf ', "%s": [{"type": "notification", "notification_list": ["%s"]}]' "$1" "$topic"
}
policy() { # metric
    printf '{"metric_name": "%s", "period": 300, "filter": "sum", "comparison_operator": ">=", "value": 1, "unit": "Count", "count": 1, "suppress_duration": 3600, "level": 2}' "$1"
}
failures() {
    printf '{"name": "%s", "description": "Calls of the function failed or were refused: MDSS is away, or somebody must act",\n' "$(failures_alarm)"
    printf ' "namespace": "SYS.FunctionGraph", "type": "MULTI_INSTANCE", "enabled": true, "notification_enabled": %s,\n' "$([ -z "$topic" ] && echo false || echo true)"
    printf ' "resources": [[{"name": "package-functionname", "value": "default-%s"}]],\n "policies": [%s, %s]%s%s}' "$relay" \
        "$(policy failcount)" "$(policy rejectcount)" "$(notifications alarm_notifications)" "$(notifications ok_notifications)"
}
lines() {
    printf '{"keywords_alarm_rule_name": "%s", "keywords_alarm_rule_description": "Somebody must act; mdss.reason of the line says why",\n' "$(lines_alarm)"
    printf ' "keywords_requests": [{"log_group_id": "%s", "log_group_name": "%s", "log_stream_id": "%s", "log_stream_name": "%s",\n' "$LOG_GROUP_ID" "$relay" "$LOG_STREAM_ID" "$relay"
    printf '  "keywords": "ERROR", "condition": ">", "number": 0, "search_time_range": 5, "search_time_range_unit": "minute"}],\n'
    printf ' "frequency": {"type": "FIXED_RATE", "fixed_rate": 5, "fixed_rate_unit": "minute"}, "keywords_alarm_level": "MAJOR", "domain_id": "%s",\n "notification_frequency": 60' "$DOMAIN_ID"
    [ -z "$action_rule" ] || printf ', "alarm_action_rule_name": "%s"' "$action_rule"
    printf '}'
}
if $alarms; then
    step 'alarms'
    find_alarms
    if ! $dry_run; then
        # Whom they tell is all that a run may change.
        if [ -n "$ALARM_ID" ]; then
            told=$(jq --raw-output --arg id "$ALARM_ID" 'first(.alarms[] | select(.alarm_id == $id) | .alarm_notifications[]?.notification_list[]?) // ""' "$scratch/alarms.json")
            if [ "$told" != "$topic" ]; then remove_failures_alarm && ALARM_ID=''; fi
        fi
        if [ -n "$LINES_ALARM_ID" ]; then
            told=$(jq --raw-output --arg id "$LINES_ALARM_ID" 'first(.keywords_alarm_rules[] | select(.keywords_alarm_rule_id == $id) | .alarm_action_rule_name // "")' "$scratch/lines-alarms.json")
            if [ "$told" != "$action_rule" ]; then remove_lines_alarm && LINES_ALARM_ID=''; fi
        fi
    fi
    if none_yet "$ALARM_ID"; then
        failures | body alarm.json
        alter CES CreateAlarmRules "--cli-jsonInput=$scratch/alarm.json"
    fi
    if already; then :; fi
    if none_yet "$LINES_ALARM_ID"; then
        lines | body lines.json
        alter LTS CreateKeywordsAlarmRule "--cli-jsonInput=$scratch/lines.json"
    fi
    if already; then :; fi
fi

$dry_run || say "done. In MDSS a real-time scan must run on the storage unit, in Event-Based mode. Then try it:
  $here/verify.sh --region $region --name $relay --bucket ${buckets%%"$newline"*}${prefix:+ --prefix $prefix}${suffix:+ --suffix $suffix}"
