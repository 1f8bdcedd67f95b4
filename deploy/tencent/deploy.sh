#!/bin/sh
# From nothing to scanning on Tencent Cloud: queue, log, function, retries, the buckets' triggers, alarms. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
deploy.sh: sets up mdss-relay as an SCF event function that COS calls with an event of every new and every overwritten object.

  APIKEY_FILE=~/mdss-key ./deploy.sh --region REGION --bucket NAME-APPID \
      --endpoint https://mdss.example --storage-client-id ID

It may be run again at any time, after a success, a failure or an interruption. The function becomes what the options say;
options marked * keep their value if they are not given again.

Where
  --region REGION             default TENCENTCLOUD_REGION. Buckets and function are in the same region: COS knows no other way
  --name NAME                 default mdss-relay; also the name of the log set, the log topic and the first part of every other name
  --vpc-id ID, --subnet-id ID if MDSS is in a VPC; without them the function reaches public addresses

What
  --zip FILE                  the binary, named bootstrap, x86-64. Default: what `make dist` has left in dist/tencent-scf
  --image URI                 an image of Tencent's registry instead: SCF then calls the port, not the runtime API
  --registry-id ID            with --image, of the enterprise edition; without it, it is the personal one
  --timeout SECONDS           30 to 900, default 300: within one call the relay repeats for 10 seconds less. SCF's own default is 3
  --concurrency COUNT *       0 to 1000, default 20: calls at once. What is above waits up to --max-age; with 0 everything waits

Events that were not taken
  --retries COUNT             0 to 2, default 2: how often SCF repeats a failed call, one minute apart
  --max-age SECONDS           60 to 21600, default 21600: how long an event may wait for a free call, or for SCF itself
  --dead-letters QUEUE|none   default NAME-dead, a queue of TDMQ for CMQ, which is made if there is none. `none` loses what was
                              repeated in vain
  --dead-letter-type TEXT     default CMQ-QUEUE: what SCF calls such a queue
  --dead-letter-retention SECONDS *
                              30 to 1296000, default 43200: a queue of CMQ forgets after that, and after an hour if nobody says it

Configuration. The API key is never an argument. It comes from the file that APIKEY_FILE names, and is a variable of the function.
Without APIKEY_FILE the key that is there stays; if there is none, the script asks for it at the terminal
  --endpoint URL              MDSS's address or webhook URL
  --storage-client-id ID      the storage unit in MDSS that takes every object; or
  --relay-config FILE         a TOML configuration with [[route]]s and all other settings that differ from the defaults;
                              read and checked before, if the tool mdss-relay is on PATH. Secrets in it can be read by
                              whoever may read the function

Events
  --bucket NAME-APPID         the bucket of the objects; may be repeated
  --drop-bucket NAME-APPID    a bucket whose objects are not to be scanned any longer
  --prefix TEXT               only keys that begin with it; may be repeated, and none may begin with another
  --suffix .TEXT              only keys that end with it. Uploaders choose names: an `a.PDF` is not scanned with .pdf

Around it
  --alarm-notice ID           notice channel group of the log service that the alarms go to; without it no alarm is made
  --log-retention DAYS *      1 to 3600, default 30

  --dry-run                   print every command, run none; asks Tencent nothing, so it does not know what is there
  --help

The account is that of tccli: `tccli configure`, TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY, and so on.
Exit status: 0 done, 1 a call failed, 2 the arguments are wrong and nothing was done.
END
}

region='' relay=mdss-relay vpc='' subnet='' zip='' image='' registry='' timeout=300 concurrency=''
retries=2 age=21600 queue='' dead_type=CMQ-QUEUE dead_retention=''
endpoint='' storage='' relay_config='' toml=''
buckets='' dropped='' prefixes='' suffix='' notice='' retention=''
newline='
'

option() {
    case $1 in
        --region) region=$2 ;;
        --name) relay=$2 ;;
        --vpc-id) vpc=$2 ;;
        --subnet-id) subnet=$2 ;;
        --zip) zip=$2 ;;
        --image) image=$2 ;;
        --registry-id) registry=$2 ;;
        --timeout) timeout=$2 ;;
        --concurrency) concurrency=$2 ;;
        --retries) retries=$2 ;;
        --max-age) age=$2 ;;
        --dead-letters) queue=$2 ;;
        --dead-letter-type) dead_type=$2 ;;
        --dead-letter-retention) dead_retention=$2 ;;
        --endpoint) endpoint=$2 ;;
        --storage-client-id) storage=$2 ;;
        --relay-config) relay_config=$2 ;;
        --bucket) buckets="$buckets$2$newline" ;;
        --drop-bucket) dropped="$dropped$2$newline" ;;
        --prefix) prefixes="$prefixes$2$newline" ;;
        --suffix) suffix=$2 ;;
        --alarm-notice) notice=$2 ;;
        --log-retention) retention=$2 ;;
    esac
}
read_options '' '--region --name --vpc-id --subnet-id --zip --image --registry-id --timeout --concurrency --retries --max-age
--dead-letters --dead-letter-type --dead-letter-retention --endpoint --storage-client-id --relay-config --bucket --drop-bucket
--prefix --suffix --alarm-notice --log-retention' "$@"

# --- the arguments -----------------------------------------------------------------------------------------------------

# A prefix or a suffix stands in a trigger's description, where no space may be, and in JSON.
need_part() { # option, value
    case $2 in
        '' | *[[:space:][:cntrl:]]* | *\"* | *\\*) mistake "$1: '$2' may hold neither spaces, quotes nor backslashes: a trigger's description has none" ;;
    esac
}

need_cli
need_region "$region"
need_function "$relay"
case ${vpc:+vpc}${subnet:+subnet} in
    vpc) mistake '--subnet-id: missing beside --vpc-id' ;;
    subnet) mistake '--vpc-id: missing beside --subnet-id' ;;
esac
case $vpc$subnet$registry in *[!0-9a-z-]*) mistake "--vpc-id, --subnet-id, --registry-id: '$vpc', '$subnet', '$registry' are not ids" ;; esac
if [ -n "$image" ]; then
    [ -z "$zip" ] || mistake '--zip and --image: only one of them'
    # The type of a registry decides how SCF signs in to it.
    case $image in
        *[[:space:]]* | [!0-9a-z]*) mistake "--image: '$image' is not DOMAIN/NAMESPACE/NAME:TAG" ;;
        */*/*:*) ;;
        *) mistake "--image: '$image' is not DOMAIN/NAMESPACE/NAME:TAG" ;;
    esac
else
    [ -z "$registry" ] || mistake '--registry-id: only with --image'
    zip=${zip:-$(dirname -- "$(dirname -- "$here")")/dist/tencent-scf/mdss-relay-tencent-scf-amd64.zip}
    if ! [ -f "$zip" ] || ! [ -r "$zip" ]; then
        mistake "--zip: '$zip' is not a file that can be read; 'make dist' makes it"
    elif [ "$(head -c 2 "$zip")" != PK ]; then
        mistake "--zip: '$zip' is not a zip"
    elif [ "$(($(wc -c < "$zip")))" -gt 20000000 ]; then
        mistake "--zip: '$zip' has $(($(wc -c < "$zip"))) bytes; SCF takes 20 MB in a call (\"UpdateFunctionCode\")"
    fi
fi
need_number --timeout "$timeout" 30 900
need_number --concurrency "${concurrency:-20}" 0 1000
# "GetAccount": RetryNumLimit 2, MinMsgTTL 60, MaxMsgTTL 21600. These are seconds: the provider's example of 24 would be below the least.
need_number --retries "$retries" 0 2
case $age in ?????) [ "$age" -le 21600 ] 2> /dev/null || mistake "--max-age: '$age' is not a number from 60 to 21600" ;; *) need_number --max-age "$age" 60 21600 ;; esac
case $dead_retention in
    '' | *[!0-9]* | ????????*) [ -z "$dead_retention" ] || mistake "--dead-letter-retention: '$dead_retention' is not a number from 30 to 1296000" ;;
    *) { [ "$dead_retention" -ge 30 ] && [ "$dead_retention" -le 1296000 ]; } || mistake "--dead-letter-retention: '$dead_retention' is not a number from 30 to 1296000" ;;
esac
queue=${queue:-$relay-dead}
need_name --dead-letters "$queue"
need_name --dead-letter-type "$dead_type"
need_number --log-retention "${retention:-30}" 1 3600
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
    # All variables of a function together may have 4 KB ("Quota Limits"); the others are short.
    size=$(printf '%s' "$toml" | LC_ALL=C wc -c)
    [ "$size" -le 3500 ] || mistake "--relay-config: '$relay_config' has $((size)) bytes; at most 3500 fit into a function beside the other variables"
    relay_tool=$(command -v mdss-relay) || relay_tool=''
    if [ -n "$relay_tool" ]; then
        # Without the variables of this shell, which the function does not have. Files in /var/user are in the zip.
        wrong=$(printf '{"Records":[]}' | env -i "$relay_tool" explain --config "$relay_config" - 2>&1 > /dev/null) || {
            wrong=$(printf '%s\n' "$wrong" | grep -v 'found "/var/user/' | sed -n 's/^- /    /p')
            [ -z "$wrong" ] || mistake "--relay-config: 'mdss-relay explain --config $relay_config' says:
$wrong"
        }
    fi
elif [ -n "$relay_config" ]; then
    mistake "--relay-config: '$relay_config' is not a file that can be read"
fi
[ -n "$buckets" ] || mistake '--bucket: missing'
named=$newline
while IFS= read -r bucket; do
    [ -n "$bucket" ] || continue
    need_bucket '--bucket, --drop-bucket' "$bucket"
    case $named in *"$newline$bucket$newline"*) mistake "--bucket, --drop-bucket: '$bucket' is named twice" ;; esac
    named="$named$bucket$newline"
done << END
$buckets$dropped
END
[ -n "$prefixes" ] || prefixes=$newline
# COS takes one function per event, prefix and suffix, and no two prefixes of which one begins with the other ("COS Trigger Description").
earlier=''
count=0
while IFS= read -r prefix; do
    [ "$prefixes" = "$newline" ] || [ -n "$prefix" ] || continue
    [ -z "$prefix" ] || need_part --prefix "$prefix"
    while IFS= read -r other; do
        [ -n "$other" ] || continue
        case $prefix in "$other"*) mistake "--prefix: '$prefix' begins with '$other', and COS refuses triggers that overlap" ;; esac
        case $other in "$prefix"?*) mistake "--prefix: '$other' begins with '$prefix', and COS refuses triggers that overlap" ;; esac
    done << OTHERS
$earlier
OTHERS
    earlier="$earlier$prefix$newline"
    count=$((count + 1))
    [ "$prefixes" != "$newline" ] || break
done << END
$prefixes
END
case $suffix in '' | .?*) ;; *) mistake "--suffix: '$suffix' does not begin with '.', which COS asks for" ;; esac
[ -z "$suffix" ] || need_part --suffix "$suffix"
# "Quota Limits": ten COS triggers for a function.
triggers=$((count * $(printf '%s' "$buckets" | wc -l)))
[ "$triggers" -le 10 ] || mistake "--bucket, --prefix: $triggers triggers, and SCF takes 10 for a function; routes can filter too, and a second function with --name can have 10 more"
case $notice in *[!0-9A-Za-z-]*) mistake "--alarm-notice: '$notice' is not the id of a notice channel group" ;; esac
if [ -n "${APIKEY_FILE-}" ]; then read_key; fi
stop_on_mistakes
[ -z "${APIKEY-}" ] || say 'note: APIKEY is set in this shell and is not used; shell history and child processes may hold it'
[ "$queue" != none ] || printf '%s: note: --dead-letters none: an event that was repeated in vain is lost, and only a log line is left of it\n' "$me" >&2

# --- the calls ---------------------------------------------------------------------------------------------------------

begin
now() { jq --raw-output "$1 // empty" "$scratch/function.json"; } # of the function as it was found; no function: nothing
# Every member of a call's file is made by this, so that no value can break out of it.
text() {
    case $1 in
        *[!0-9A-Za-z_./:@+-]*) printf '%s' "$1" | json_text ;;
        *) printf '"%s"' "$1" ;; # most of them
    esac
}

step "function $relay, as it is"
fetch function.json scf GetFunction --region "$region" --FunctionName "$relay"
if $dry_run; then
    # shellcheck disable=SC2016 # a name to print
    FUNCTION='$FUNCTION'
else
    [ -s "$scratch/function.json" ] || echo '{}' > "$scratch/function.json"
    FUNCTION=$(now .FunctionName)
fi
fetch_triggers_of_function() { if $dry_run || [ -n "$FUNCTION" ]; then fetch_triggers; else echo '[]' > "$scratch/present.json"; fi; }
fetch_triggers_of_function
if ! $dry_run && [ -n "$FUNCTION" ]; then
    made_of=$(now '.ImageConfig.ImageUri | select(. != "")')
    case ${made_of:+image},${image:+image} in
        image, | ,image) again='' && stopped "SCF cannot make a function of an image out of one of a zip, nor the other way round; deploy the new one under another --name, then remove $relay with destroy.sh. In between objects are announced twice, which does no harm" ;;
    esac
    role=$(now '.Role | select(. != "")')
    [ -z "$role" ] || say "note: the function has the role $role, which the relay does not need: it calls no API of Tencent Cloud. Take it away in the console"
    for host in $(jq --raw-output '.[].host' "$scratch/present.json" | sort -u); do
        known=false
        for bucket in $buckets $dropped; do [ "$(host_of "$bucket")" != "$host" ] || known=true; done
        $known || { again='' && stopped "the function also serves the bucket ${host%%.*}; give --bucket ${host%%.*} too, or --drop-bucket ${host%%.*}"; }
    done
fi
if ! $dry_run && [ -z "$api_key" ]; then
    api_key=$(now '.Environment.Variables[]? | select(.Key == "APIKEY").Value')
    if [ -z "$api_key" ]; then
        if [ -t 0 ]; then
            ask_key
        else
            mistake "APIKEY_FILE: not set, there is no function '$relay' with a key yet, and there is no terminal to ask for the key"
            stop_on_mistakes
        fi
    fi
fi
if $dry_run; then api_key='***'; else keep_masked "$api_key"; fi

if [ "$queue" != none ]; then
    step "queue $queue, which keeps dead letters"
    find_queue
    hint="dead letters need TDMQ for CMQ, which has to be switched on for an account, by a ticket (\"Dead Letter Queue\"). If this account cannot have it,
--dead-letters none goes on without: what is lost then, docs/tencent.md says"
    # shellcheck disable=SC2153 # look_up sets it
    if none_yet "$QUEUE"; then
        change tdmq CreateCmqQueue --region "$region" --QueueName "$queue" --MsgRetentionSeconds "${dead_retention:-43200}"
    fi
    if already && [ -n "$dead_retention" ]; then
        change tdmq ModifyCmqQueueAttribute --region "$region" --QueueName "$queue" --MsgRetentionSeconds "$dead_retention"
    fi
    hint=''
fi

step "log $relay"
find_logset LOGSET_ID
if none_yet "$LOGSET_ID"; then
    change cls CreateLogset --region "$region" --LogsetName "$relay"
    made find_logset LOGSET_ID
fi
if already; then :; fi
find_topic TOPIC_ID
if none_yet "$TOPIC_ID"; then
    change cls CreateTopic --region "$region" --LogsetId "$LOGSET_ID" --TopicName "$relay" --Period "${retention:-30}"
    made find_topic TOPIC_ID
fi
if already && [ -n "$retention" ]; then
    change cls ModifyTopic --region "$region" --TopicId "$TOPIC_ID" --Period "$retention"
fi
# Without an index nothing is found in the log, by alarms neither. A line of JSON becomes one field for each of its members ("Log
# Description", Custom Log Fields); as we do not know what is left of it in SCF_Message, both are indexed.
tokens="@&?|#()='\\\",;:<>[]{}/ \\n\\t\\r\\\\"
{
    printf '{"TopicId":%s,"Status":true,"IncludeInternalFields":false,"Rule":{\n' "$(text "$TOPIC_ID")"
    printf ' "FullText":{"CaseSensitive":true,"Tokenizer":"%s","ContainZH":false},\n "KeyValue":{"CaseSensitive":true,"KeyValues":[' "$tokens"
    between=''
    for field in SCF_Message SCF_RequestId SCF_Type level message mdss.failure_kind mdss.reason faas.document.name; do
        printf '%s\n  {"Key":"%s","Value":{"Type":"text","Tokenizer":"%s","SqlFlag":true,"ContainZH":false}}' "$between" "$field" "$tokens"
        between=,
    done
    for field in SCF_StatusCode SCF_RetryNum SCF_Duration; do printf ',\n  {"Key":"%s","Value":{"Type":"long","SqlFlag":true,"ContainZH":false}}' "$field"; done
    printf ']}}}\n'
} | keep index.json
look_up_or_none INDEX cls DescribeIndex --region "$region" --TopicId "$TOPIC_ID" --filter TopicId --output text
if none_yet "$INDEX"; then change_by_file 'cls CreateIndex' index.json; fi
if already; then change_by_file 'cls ModifyIndex' index.json; fi

step "function $relay"
variable() { printf '%s\n  {"Key":"%s","Value":%s}' "$comma" "$1" "$(text "$2")"; comma=,; }
# What a new function and a present one are told alike. No role: the relay calls no API of Tencent Cloud, so it has no rights and no
# credentials; SCF itself writes the log, as SCF_QcsRole.
settings() {
    printf '"Description":%s,"MemorySize":128,"Timeout":%s,"InitTimeout":%s,\n' "$(text "$about")" "$timeout" "$init"
    printf '"ClsLogsetId":%s,"ClsTopicId":%s,\n' "$(text "$LOGSET_ID")" "$(text "$TOPIC_ID")"
    [ "$queue" = none ] || printf '"DeadLetterConfig":{"Type":%s,"Name":%s},\n' "$(text "$dead_type")" "$(text "$queue")"
    if [ -n "$vpc" ]; then
        printf '"VpcConfig":{"VpcId":%s,"SubnetId":%s},"PublicNetConfig":{"PublicNetStatus":"DISABLE","EipConfig":{"EipStatus":"DISABLE"}},\n' "$(text "$vpc")" "$(text "$subnet")"
    else
        printf '"PublicNetConfig":{"PublicNetStatus":"ENABLE","EipConfig":{"EipStatus":"DISABLE"}},\n'
    fi
    printf '"Environment":{"Variables":['
    comma=''
    variable APIENDPOINT "$endpoint"
    variable APIKEY "$api_key"
    [ -z "$storage" ] || variable STORAGECLIENTID "$storage"
    # A sender's token may be in it, so it is not printed.
    if $dry_run && [ -n "$toml" ]; then variable RELAY_CONFIG_TOML "*** ($relay_config, $((size)) bytes)"; elif [ -n "$toml" ]; then variable RELAY_CONFIG_TOML "$toml"; fi
    variable RELAY_DEADLINE "$((timeout - 10))s"
    printf ']}'
}
code() {
    if [ -n "$image" ]; then
        printf '"ImageConfig":{"ImageType":%s,"ImageUri":%s,"ImagePort":9000' "$(if [ -n "$registry" ]; then echo '"enterprise"'; else echo '"personal"'; fi)" "$(text "$image")"
        [ -z "$registry" ] || printf ',"RegistryId":%s' "$(text "$registry")"
        printf '}'
    elif $dry_run; then
        printf '"ZipFile":"*** (%s, in base64)"' "$(basename -- "$zip")"
    else
        printf '"ZipFile":"%s"' "$(base64 < "$zip" | tr -d '\n')"
    fi
}
if [ -n "$image" ]; then
    init=90 runtime=CustomImage sum=$(printf '%s' "$image" | { sha256sum 2> /dev/null || shasum -a 256; } | cut -c 1-64)
else
    init=30 runtime=CustomRuntime sum=$({ sha256sum -- "$zip" 2> /dev/null || shasum -a 256 -- "$zip"; } | cut -c 1-64)
fi
# A description holds letters, digits, spaces, commas and full stops. The sum says next time whether the code is another one.
about="mdss-relay, code $sum"
hint="'tccli scf GetFunction --region $region --FunctionName $relay' shows the function as it is now"
if none_yet "$FUNCTION"; then
    {
        printf '{"FunctionName":%s,"Type":"Event","Runtime":"%s",' "$(text "$relay")" "$runtime"
        # The handler means nothing here, but its form is looked at.
        [ -n "$image" ] || printf '"Handler":"index.main_handler",'
        printf '"Code":{'
        code
        printf '},\n'
        settings
        printf '}\n'
    } | keep create.json
    change_by_file 'scf CreateFunction' create.json
fi
if already; then
    if $dry_run; then say '# and if its code is another one:'; fi
    if $dry_run || [ "$(now .Description)" != "$about" ]; then
        {
            printf '{"FunctionName":%s,' "$(text "$relay")"
            if [ -n "$image" ]; then printf '"Code":{' && code && printf '}'; else printf '"Handler":"index.main_handler",' && code; fi
            printf '}\n'
        } | keep code.json
        change_by_file 'scf UpdateFunctionCode' code.json
        wait_until_active
    fi
    { printf '{"FunctionName":%s,' "$(text "$relay")" && settings && printf '}\n'; } | keep update.json
    change_by_file 'scf UpdateFunctionConfiguration' update.json
fi
wait_until_active
hint=''
if [ "$queue" != none ]; then
    # A setting that SCF leaves out in silence would lose what nobody looks for.
    look_up DEAD_LETTERS scf GetFunction --region "$region" --FunctionName "$relay" --filter DeadLetterConfig.Name --output text
    $dry_run || [ "$DEAD_LETTERS" = "$queue" ] || stopped "SCF has not taken the queue $queue for dead letters (it names '$DEAD_LETTERS'); if it calls such a queue by another type, give --dead-letter-type"
fi
change scf UpdateFunctionEventInvokeConfig --region "$region" --FunctionName "$relay" \
    --AsyncTriggerConfig "{\"RetryConfig\":[{\"RetryNum\":$retries}],\"MsgTTL\":$age}"
look_up_or_none CONCURRENCY scf GetReservedConcurrencyConfig --region "$region" --FunctionName "$relay" --filter ReservedMem --output text
# In MB of memory. What is above it fails as 432, which SCF repeats every minute until --max-age ("Concurrency Overrun").
# shellcheck disable=SC2153 # look_up sets it
if none_yet "$CONCURRENCY" || [ -n "$concurrency" ]; then
    change scf PutReservedConcurrencyConfig --region "$region" --FunctionName "$relay" --ReservedConcurrencyMem "$((${concurrency:-20} * 128))"
fi

set_triggers() { # bucket, prefixes
    host=$(host_of "$1")
    list='' wanted='['
    while IFS= read -r prefix; do
        [ "$2" = "$newline" ] || [ -n "$prefix" ] || continue
        wanted="$wanted${list:+,}{\"prefix\":$(text "$prefix"),\"suffix\":$(text "$suffix")}"
        list="$list$(described "$prefix" "$suffix")$newline"
        [ "$2" != "$newline" ] || break
    done << END
$2
END
    # SCF has no call that changes a trigger of COS ("UpdateTrigger"), and refuses a new one that overlaps: so the old one goes first.
    remove_triggers "$host" "$wanted]"
    while IFS= read -r description; do
        if [ -z "$description" ]; then continue; fi
        if $dry_run; then
            say '# if there is none like it:'
        elif jq --exit-status --arg host "$host" --argjson want "$description" 'any(.[]; .host == $host and .fires and .event == $want.event and .prefix == $want.filter.Prefix and .suffix == $want.filter.Suffix)' \
            "$scratch/present.json" > /dev/null; then
            say "there already: $description"
            continue
        fi
        hint="COS takes one function for an event, a prefix and a suffix of a bucket. If somebody else's function has it (ResourceInUse, or 'already bound'), take its trigger
away, or give a --prefix that neither begins with its prefix nor the other way round; a bucket of another region cannot have a trigger here"
        change scf CreateTrigger --region "$region" --FunctionName "$relay" --TriggerName "$host" --Type cos --Enable OPEN --TriggerDesc "$description"
        hint=''
    done << END
$list
END
}
for bucket in $buckets; do
    step "triggers of $bucket"
    set_triggers "$bucket" "$prefixes"
done
for bucket in $dropped; do
    step "triggers of $bucket, no longer ours"
    remove_triggers "$(host_of "$bucket")" '[]'
done
step 'triggers, once more'
fetch_triggers
if ! $dry_run; then
    # shellcheck disable=SC2154 # begin sets it
    there=$(jq '[.[] | select(.fires)] | length' "$scratch/present.json")
    [ "$there" -eq "$triggers" ] || stopped "the function has $there triggers that fire, and should have $triggers; 'tccli scf ListTriggers --region $region --FunctionName $relay' shows them"
fi

# --- alarms: searches in the log, because the function's own metrics say nothing of why ------------------------------------

alarm() { # name, minutes in a row, level, SQL condition
    {
        printf '{"Name":%s,"AlarmTargets":[{"TopicId":%s,"LogsetId":%s,"Number":1,"StartTimeOffset":-10,"EndTimeOffset":0,"SyntaxRule":1,\n' \
            "$(text "$relay: $1")" "$(text "$TOPIC_ID")" "$(text "$LOGSET_ID")"
        printf ' "Query":%s}],\n' "$(text "* | select count(*) as found where $4")"
        # shellcheck disable=SC2016 # $1 is the first search, to the log service
        printf '"MonitorTime":{"Type":"Period","Time":5},"TriggerCount":%s,"AlarmPeriod":60,"Condition":"$1.found > 0","AlarmLevel":%s,"Status":true,"AlarmNoticeIds":[%s]' "$2" "$3" "$(text "$notice")"
        [ -z "$ALARM_ID" ] || printf ',"AlarmId":%s' "$(text "$ALARM_ID")"
        printf '}\n'
    } | keep "$1.json"
}
line() { printf "\"mdss.failure_kind\" = '%s' or SCF_Message like '%%\"mdss.failure_kind\":\"%s\"%%'" "$1" "$1"; } # a kind, in either form of a line
condition() {
    case $1 in
        # The last try of a call, as SCF itself reports it: 200 is success, 202 that it runs ("Log structure").
        given-up) echo "2 SCF_Type = 'Platform' and SCF_RetryNum >= $retries and SCF_StatusCode not in (200, 202)" ;;
        must-act) echo "2 $(line config)" ;;
        unusable) echo "0 $(line permanent)" ;;
        not-accepted) echo "0 $(line transient)" ;;
        # "Cloud Function Status Code": the program ended, took too long, or more memory than it has.
        does-not-run) echo '2 SCF_StatusCode in (405, 433, 434, 439)' ;;
    esac
}
if [ -n "$notice" ]; then
    step 'alarms'
    fetch_alarms
    for name in $alarm_names; do
        if $dry_run; then ALARM_ID=''; else ALARM_ID=$(id_of_alarm "$name"); fi
        level_and_condition=$(condition "$name")
        # A quarter of an hour of it, before somebody is woken because MDSS is away.
        in_a_row=1
        [ "$name" != not-accepted ] || in_a_row=3
        alarm "$name" "$in_a_row" "${level_and_condition%% *}" "${level_and_condition#* }"
        if none_yet "$ALARM_ID"; then change_by_file 'cls CreateAlarm' "$name.json"; fi
        if already; then change_by_file 'cls ModifyAlarm' "$name.json"; fi
    done
else
    $dry_run || say 'note: no alarm was made or changed; --alarm-notice ID says whom they wake'
fi

first=${buckets%%"$newline"*} first_prefix=${prefixes%%"$newline"*}
$dry_run || say "done. In MDSS a real-time scan must run on the storage unit, in Event-Based mode. Then try it:
  $here/verify.sh --region $region --name $relay --bucket $first${first_prefix:+ --prefix $first_prefix}${suffix:+ --suffix $suffix}"
