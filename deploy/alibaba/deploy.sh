#!/bin/sh
# From nothing to scanning on Alibaba Cloud: log, dead letters, roles, function, the buckets' triggers, alarms. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
deploy.sh: sets up mdss-relay as a function of Function Compute 3.0 that OSS calls for every new and every overwritten object.

  APIKEY_FILE=~/mdss-key ./deploy.sh --region REGION --endpoint https://mdss.example --storage-client-id ID --bucket NAME

It may be run again at any time, after a success, a failure or an interruption. What it made becomes what the options say.

Where
  --region REGION             default ALIBABA_CLOUD_REGION_ID. Buckets and function are in the same region
  --name NAME                 default mdss-relay; the function's name, and the first part of all others; at most 24 characters
  --vpc-id ID                 if MDSS is in a VPC, with --vswitch-id (may be repeated) and --security-group-id
  --vswitch-id ID
  --security-group-id ID

What
  --zip FILE                  the binary, named bootstrap. Default: what `make dist` has left in dist/alibaba-fc, beside deploy/
  --timeout SECONDS           30 to 600, default 60: the longest that one call may take
  --retries COUNT             0 to 8 (default): how often a failed call is repeated before its event is a dead letter
  --event-age SECONDS         60 to 604800 (default, seven days): how long an event may wait
  --concurrency COUNT         1 to 300: calls at once, reserved for this function; without it, as many as the account may have

Configuration. The API key is never an argument. It comes from the file that APIKEY_FILE names and becomes a variable of the
function. Without APIKEY_FILE the key that is there stays; if there is none, the script asks for it at the terminal
  --endpoint URL              MDSS's address or webhook URL
  --storage-client-id ID      the storage unit in MDSS that takes every object; or
  --relay-config FILE         a TOML configuration with [[route]]s and all other settings that differ from the defaults;
                              read and checked before, if the tool mdss-relay is on PATH. Secrets in it, and the key, can be
                              read by whoever may read the function (fc:GetFunction)

Events
  --bucket NAME               the bucket of the objects; may be repeated
  --drop-bucket NAME          a bucket whose objects are not to be scanned any longer
  --prefix TEXT, --suffix TEXT
                              only keys that begin, or end, with it. OSS takes no two triggers of one bucket for the same event whose
                              prefixes and suffixes overlap
  --events LIST               event names with commas between them; default ObjectCreated:PutObject, :PostObject, :CopyObject,
                              :CompleteMultipartUpload and :AppendObject, ObjectReplication:ObjectCreated and :ObjectModified

Around it
  --contact-group NAME        CloudMonitor's contact group that gets the alarms; without it none are made
  --log-project NAME          default NAME-ACCOUNT-REGION; of Simple Log Service, where names are unique among all customers
  --log-retention DAYS        1 to 3650, default 30

  --dry-run                   print every command, run none; asks Alibaba nothing, so it does not know what is there
  --help

The account is that of aliyun: `aliyun configure list`.
Exit status: 0 done, 1 a call failed, 2 the arguments are wrong and nothing was done.
END
}

region='' relay=mdss-relay vpc='' vswitches='' group=''
zip='' timeout=60 retries=8 age=604800 concurrency=''
endpoint='' storage='' relay_config='' toml=''
buckets='' dropped='' prefix='' suffix=''
events=ObjectCreated:PutObject,ObjectCreated:PostObject,ObjectCreated:CopyObject,ObjectCreated:CompleteMultipartUpload
events=$events,ObjectCreated:AppendObject,ObjectReplication:ObjectCreated,ObjectReplication:ObjectModified
contacts='' log_project='' retention=30
newline='
'

option() {
    case $1 in
        --region) region=$2 ;;
        --name) relay=$2 ;;
        --vpc-id) vpc=$2 ;;
        --vswitch-id) vswitches="$vswitches,$2" ;;
        --security-group-id) group=$2 ;;
        --zip) zip=$2 ;;
        --timeout) timeout=$2 ;;
        --retries) retries=$2 ;;
        --event-age) age=$2 ;;
        --concurrency) concurrency=$2 ;;
        --endpoint) endpoint=$2 ;;
        --storage-client-id) storage=$2 ;;
        --relay-config) relay_config=$2 ;;
        --bucket) need_bucket "$1" "$2" && buckets="$buckets$2$newline" ;;
        --drop-bucket) need_bucket "$1" "$2" && dropped="$dropped$2$newline" ;;
        --prefix) prefix=$2 ;;
        --suffix) suffix=$2 ;;
        --events) events=$2 ;;
        --contact-group) contacts=$2 ;;
        --log-project) log_project=$2 ;;
        --log-retention) retention=$2 ;;
    esac
}
read_options '' '--region --name --vpc-id --vswitch-id --security-group-id --zip --timeout --retries --event-age --concurrency
--endpoint --storage-client-id --relay-config --bucket --drop-bucket --prefix --suffix --events --contact-group --log-project
--log-retention' "$@"

# --- the arguments -----------------------------------------------------------------------------------------------------

need_cli
need_region "$region"
need_relay "$relay"
case ${vpc:+v}${vswitches:+s}${group:+g} in '' | vsg) ;; *) mistake '--vpc-id, --vswitch-id and --security-group-id: give all three or none' ;; esac
case $vpc$vswitches$group in *[!0-9a-z,-]*) mistake '--vpc-id, --vswitch-id, --security-group-id: that are no ids' ;; esac
# Function Compute runs x86-64 alone (custom.debian12).
zip=${zip:-$(dirname -- "$(dirname -- "$here")")/dist/alibaba-fc/mdss-relay-alibaba-fc-amd64.zip}
if ! [ -f "$zip" ] || ! [ -r "$zip" ]; then
    mistake "--zip: '$zip' is not a file that can be read; 'make dist' makes it, on an x86-64 machine"
elif [ "$(head -c 2 "$zip")" != PK ]; then
    mistake "--zip: '$zip' is not a zip"
fi
case $zip in *-arm64.zip) mistake "--zip: by its name the zip '$zip' is for arm64, and Function Compute runs x86-64 alone" ;; esac
need_number --timeout "$timeout" 30 600
# PutAsyncInvokeConfigInput: [0,8] and [1,604800].
need_number --retries "$retries" 0 8
need_number --event-age "$age" 60 604800
[ -z "$concurrency" ] || need_number --concurrency "$concurrency" 1 300
need_number --log-retention "$retention" 1 3650
case $log_project in '') ;; *[!0-9a-z-]* | -* | *-) mistake "--log-project: '$log_project' may hold small letters, digits and '-' only" ;; esac
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
    # All variables of a function together may have 4 KB; the others are short.
    size=$(printf '%s' "$toml" | LC_ALL=C wc -c)
    [ "$size" -le 3500 ] || mistake "--relay-config: '$relay_config' has $((size)) bytes; at most 3500 fit into a function beside the other variables"
    tool_here=$(command -v mdss-relay) || tool_here=''
    if [ -n "$tool_here" ]; then
        # Without the variables of this shell, which the function does not have. Files in /code are in the zip.
        wrong=$(printf '{"events":[]}' | env -i "$tool_here" explain --config "$relay_config" - 2>&1 > /dev/null) || {
            wrong=$(printf '%s\n' "$wrong" | grep -v 'found "/code/' | sed -n 's/^- /    /p')
            [ -z "$wrong" ] || mistake "--relay-config: 'mdss-relay explain --config $relay_config' says:
$wrong"
        }
    fi
elif [ -n "$relay_config" ]; then
    mistake "--relay-config: '$relay_config' is not a file that can be read"
fi
[ -n "$buckets" ] || mistake '--bucket: missing'
for event in $(printf '%s' "$events" | tr ',' ' '); do
    case $event in
        # "Event types" of OSS: these announce what is no object yet.
        ObjectCreated:InitiateMultipartUpload | ObjectCreated:UploadPart | ObjectCreated:UploadPartCopy)
            mistake "--events: '$event' announces no object: its parts are not one before CompleteMultipartUpload" ;;
        ObjectCreated:\*) mistake "--events: '$event' takes a call for every part of an upload, and names that OSS will add; list the names" ;;
        *[!0-9A-Za-z:]*) mistake "--events: '$event' is not an event's name" ;;
        ObjectCreated:?* | ObjectReplication:?*) ;;
        *) mistake "--events: '$event': expected ObjectCreated:… or ObjectReplication:…, without 'oss:'" ;;
    esac
done
case $prefix$suffix in *[[:cntrl:]]*) mistake '--prefix, --suffix: have control characters inside' ;; esac
if [ -n "${APIKEY_FILE-}" ]; then read_key; fi
stop_on_mistakes
[ -z "${APIKEY-}" ] || say 'note: APIKEY is set in this shell and is not used; shell history and child processes may hold it'

# --- bodies -------------------------------------------------------------------------------------------------------------

# text NAME VALUE, plain NAME JSON: one member, and a comma before all but the first.
text() {
    printf '%s"%s": ' "$comma" "$1"
    printf '%s' "$2" | json_text
    comma=', '
}
plain() {
    printf '%s"%s": %s' "$comma" "$1" "$2"
    comma=', '
}
list() { # words with commas between them
    comma=''
    printf '['
    for word in $(printf '%s' "$1" | tr ',' ' '); do
        printf '%s' "$comma"
        printf '%s%s' "${2-}" "$word" | json_text
        comma=', '
    done
    printf ']'
}
object() { # a function that prints members, in a shell of its own: commas within do not reach what is around
    comma=''
    printf '{'
    "$@"
    printf '}'
}

log_members() { text project "$project" && text logstore "$store" && text logBeginRule None; }
vpc_members() { text vpcId "$vpc" && plain vSwitchIds "$(list "${vswitches#,}")" && text securityGroupId "$group"; }
variable_members() {
    text APIENDPOINT "$endpoint"
    text APIKEY "$api_key"
    [ -z "$storage" ] || text STORAGECLIENTID "$storage"
    # A sender's token may be in it, so it is not printed.
    if $dry_run && [ -n "$toml" ]; then toml="*** ($relay_config, $((size)) bytes)"; fi
    [ -z "$toml" ] || text RELAY_CONFIG_TOML "$toml"
    # The answer is given before the platform ends the call.
    text RELAY_DEADLINE "$((timeout - 5))s"
}
code_members() {
    if $dry_run; then text zipFile "*** ($zip, in base64)"; else plain zipFile "\"$(base64 < "$zip" | tr -d '\n')\""; fi
}
function_members() {
    [ "$1" = changed ] || text functionName "$relay"
    text description 'mdss-relay: OSS events to MetaDefender Storage Security'
    text runtime custom.debian12
    # Asked for, and without meaning: the platform starts bootstrap.
    text handler bootstrap
    plain customRuntimeConfig '{"command": ["/code/bootstrap"], "port": 9000}'
    plain code "$(object code_members)"
    # "The ratio of cpu to memorySize (in GB) must be between 1:1 and 1:4" (CreateFunctionInput).
    plain cpu 0.1
    plain memorySize 128
    plain diskSize 512
    plain timeout "$timeout"
    plain instanceConcurrency 1
    # The program calls no API of Alibaba's, so it gets no credentials of the role, neither as variables nor in headers.
    text disableInjectCredentials All
    plain internetAccess true
    text role "acs:ram::$ACCOUNT_ID:role/$relay-run"
    plain logConfig "$(object log_members)"
    plain environmentVariables "$(object variable_members)"
    [ -z "$vpc" ] || plain vpcConfig "$(object vpc_members)"
}
async_members() {
    plain maxAsyncRetryAttempts "$retries"
    plain maxAsyncEventAgeInSeconds "$age"
    plain destinationConfig "{\"onFailure\": {\"destination\": \"acs:mns:$here_in:/queues/$queue/messages\"}}"
}
key_members() { text prefix "$prefix" && text suffix "$suffix"; }
config_members() { plain events "$(list "$events" oss:)" && plain filter "{\"key\": $(object key_members)}"; }
trigger_members() { # bucket
    text triggerName "oss-$1"
    text triggerType oss
    text qualifier LATEST
    text description 'mdss-relay'
    text sourceArn "acs:oss:$here_in:$1"
    text invocationRole "acs:ram::$ACCOUNT_ID:role/$relay-trigger"
    # Opaque to the API: text, and not an object.
    text triggerConfig "$(object config_members)"
}
# A trigger that is there takes only these.
change_members() {
    text invocationRole "acs:ram::$ACCOUNT_ID:role/$relay-trigger" && text triggerConfig "$(object config_members)"
}

# --- the calls ---------------------------------------------------------------------------------------------------------

begin
account
names

step buckets
for bucket in $buckets; do
    hint="this is about --bucket $bucket: does this account ($ACCOUNT_ID) have a bucket of that name in $region?"
    if $dry_run; then
        say "$(shown oss stat "oss://$bucket" --region "$region")"
    else
        run oss stat "oss://$bucket" --region "$region"
        location=$(sed -n 's/^Location *: *oss-//p' "$scratch/answer")
        [ "$location" = "$region" ] || mistake "--bucket: $bucket is in ${location:-no region that aliyun names}, not in $region"
    fi
    hint=''
done
stop_on_mistakes

step "function $relay, as it is"
ask_or_none FunctionNotFound FUNCTION .functionName fc GET "$functions/$relay"
if ! $dry_run && [ -n "$FUNCTION" ] && [ -z "$api_key" ]; then
    api_key=$(jq --raw-output '.environmentVariables.APIKEY // empty' "$scratch/answer")
fi
rm -f "$scratch/answer" # the key was in it
if ! $dry_run && [ -z "$api_key" ]; then
    if [ -t 0 ]; then
        ask_key
    else
        mistake "APIKEY_FILE: not set, there is no function '$relay' with a key yet, and there is no terminal to ask for the key"
        stop_on_mistakes
    fi
fi
if $dry_run; then api_key='***'; else keep_masked "$api_key"; fi
ask_or_none FunctionNotFound TRIGGERS '[.triggers[]? | select(.triggerType == "oss") | .triggerName] | join(" ")' fc GET "$functions/$relay/triggers" --limit 100
if ! $dry_run; then
    for trigger in $TRIGGERS; do
        case "$newline$buckets$dropped" in
            *"$newline${trigger#oss-}$newline"*) ;;
            *) again='' && stopped "the function also serves the bucket ${trigger#oss-}; give --bucket ${trigger#oss-} too, or --drop-bucket ${trigger#oss-}" ;;
        esac
    done
fi

step "log project $project"
ask_or_none ProjectNotExist PROJECT_NAME .projectName sls GetProject --project "$project"
if none_yet "$PROJECT_NAME"; then
    printf '{"projectName": "%s", "description": "mdss-relay"}' "$project" | keep project.json
    hint='names of projects are unique among all customers of Alibaba; --log-project NAME takes another one'
    tell sls CreateProject --body-file "$scratch/project.json"
    hint=''
fi
already || true
# A project that was just made answers for its logs some seconds later.
hint='a new project needs some seconds; give the command again'
ask_or_none LogStoreNotExist TTL .ttl sls GetLogStore --project "$project" --logstore "$store"
printf '{"logstoreName": "%s", "ttl": %s, "shardCount": 1, "autoSplit": true, "maxSplitShard": 8}' "$store" "$retention" | keep store.json
if none_yet "$TTL"; then tell sls CreateLogStore --project "$project" --body-file "$scratch/store.json"; fi
if already && { $dry_run || [ "$TTL" != "$retention" ]; }; then
    if $dry_run; then say '# and if it keeps lines for another number of days:'; fi
    tell sls UpdateLogStore --project "$project" --logstore "$store" --body-file "$scratch/store.json"
fi
ask_or_none IndexConfigNotExist INDEX '.ttl // "there"' sls GetIndex --project "$project" --logstore "$store"
if none_yet "$INDEX"; then
    # Words of every line, and of the fields that Function Compute sends along; without an index nobody can search.
    words='[",", " ", "\"", ":", "{", "}", "\n", "\t", "\r"]'
    {
        printf '{"line": {"token": %s, "caseSensitive": true, "chn": false}, "keys": {' "$words"
        comma=''
        for field in message functionName requestID; do plain "$field" "{\"type\": \"text\", \"token\": $words, \"caseSensitive\": true}"; done
        printf '}}'
    } | keep index.json
    tell sls CreateIndex --project "$project" --logstore "$store" --body-file "$scratch/index.json"
fi
already || true
hint=''

step "dead letters $queue"
ask_or_none QueueNotExist QUEUE_NAME .Data.QueueName mns-open GetQueueAttributes --force --QueueName "$queue"
if none_yet "$QUEUE_NAME"; then
    # The longest that MNS keeps a message: seven days.
    tell mns-open CreateQueue --force --QueueName "$queue" --MessageRetentionPeriod 604800 --VisibilityTimeout 300
fi
already || true

# role PART SERVICE DOCUMENT: a role that one service may take, and what it may do with it.
role() {
    step "role $relay-$1"
    ask_or_none EntityNotExist.Role ROLE .Role.Arn ram GetRole --RoleName "$relay-$1"
    if none_yet "$ROLE"; then
        tell ram CreateRole --RoleName "$relay-$1" --Description 'mdss-relay' --AssumeRolePolicyDocument \
            "{\"Version\":\"1\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"sts:AssumeRole\",\"Principal\":{\"Service\":[\"$2\"]}}]}"
    fi
    already || true
    ask_or_none EntityNotExist.Policy POLICY .DefaultPolicyVersion.PolicyDocument ram GetPolicy --PolicyType Custom --PolicyName "$relay-$1"
    if none_yet "$POLICY"; then
        tell ram CreatePolicy --PolicyName "$relay-$1" --Description 'mdss-relay' --PolicyDocument "$3"
    fi
    if already && { $dry_run || ! printf '%s\n%s' "$POLICY" "$3" | jq --slurp --exit-status '.[0] == .[1]' > /dev/null; }; then
        if $dry_run; then say '# and if it says something else:'; fi
        tell ram CreatePolicyVersion --PolicyName "$relay-$1" --SetAsDefault true \
            --RotateStrategy DeleteOldestNonDefaultVersionWhenLimitExceeded --PolicyDocument "$3"
    fi
    ask ATTACHED "[.Policies.Policy[]? | select(.PolicyName == \"$relay-$1\") | .PolicyName] | first" ram ListPoliciesForRole --RoleName "$relay-$1"
    if none_yet "$ATTACHED"; then
        tell ram AttachPolicyToRole --PolicyType Custom --PolicyName "$relay-$1" --RoleName "$relay-$1"
    fi
}
called="acs:fc:$here_in:functions/$relay"
role trigger oss.aliyuncs.com \
    "{\"Version\":\"1\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"fc:InvokeFunction\",\"Resource\":[\"$called\",\"$called/*\"]}]}"
# Function Compute takes this role to write lines and dead letters; the program never has it.
rights="{\"Effect\":\"Allow\",\"Action\":\"log:PostLogStoreLogs\",\"Resource\":\"acs:log:$here_in:project/$project/logstore/$store\"}"
rights="$rights,{\"Effect\":\"Allow\",\"Action\":\"mns:SendMessage\",\"Resource\":\"acs:mns:$here_in:/queues/$queue/messages\"}"
if [ -n "$vpc" ]; then
    # What the system policy AliyunECSNetworkInterfaceManagementAccess has, which "Configure network settings" asks for.
    rights="$rights,{\"Effect\":\"Allow\",\"Action\":[\"ecs:CreateNetworkInterface\",\"ecs:DeleteNetworkInterface\",\"ecs:DescribeNetworkInterfaces\",\"ecs:CreateNetworkInterfacePermission\",\"ecs:DescribeNetworkInterfacePermissions\",\"ecs:DeleteNetworkInterfacePermission\",\"vpc:DescribeVSwitchAttributes\"],\"Resource\":\"*\"}"
fi
role run fc.aliyuncs.com "{\"Version\":\"1\",\"Statement\":[$rights]}"

step "function $relay"
hint='a role that was just made is known everywhere some seconds later; give the command again'
if none_yet "$FUNCTION"; then
    object function_members new | keep function.json
    tell fc POST "$functions" --body-file "$scratch/function.json"
fi
if already; then
    # The same without the name.
    if ! $dry_run; then object function_members changed | keep function.json; fi
    tell fc PUT "$functions/$relay" --body-file "$scratch/function.json"
fi
rm -f "$scratch/function.json" # the key was in it
hint=''
object async_members | keep async.json
tell fc PUT "$functions/$relay/async-invoke-config" --qualifier LATEST --body-file "$scratch/async.json"
if [ -n "$concurrency" ]; then
    printf '{"reservedConcurrency": %s}' "$concurrency" | keep concurrency.json
    tell fc PUT "$functions/$relay/concurrency" --body-file "$scratch/concurrency.json"
fi

# Who calls comes last: retries and dead letters are set before the first event.
for bucket in $buckets; do
    step "trigger of $bucket"
    ask_or_none TriggerNotFound TRIGGER_CONFIG .triggerConfig fc GET "$functions/$relay/triggers/oss-$bucket"
    hint="if it says that prefixes and suffixes overlap: another trigger of $bucket takes the same events. 'aliyun fc GET $functions' lists the functions.
--prefix and --suffix keep ours apart from it, or an EventBridge rule announces the objects beside it (docs/alibaba.md)"
    if none_yet "$TRIGGER_CONFIG"; then
        object trigger_members "$bucket" | keep trigger.json
        tell fc POST "$functions/$relay/triggers" --body-file "$scratch/trigger.json"
    fi
    if already && { $dry_run || ! printf '%s\n%s' "$TRIGGER_CONFIG" "$(object config_members)" | jq --slurp --exit-status '.[0] == .[1]' > /dev/null; }; then
        if $dry_run; then say '# and if it takes other events:'; fi
        object change_members | keep change.json
        tell fc PUT "$functions/$relay/triggers/oss-$bucket" --body-file "$scratch/change.json"
    fi
    hint=''
done
for bucket in $dropped; do
    step "trigger of $bucket, no longer ours"
    tell_unless TriggerNotFound fc DELETE "$functions/$relay/triggers/oss-$bucket"
done

# alarm PART NAMESPACE METRIC STATISTIC DIMENSION: above 0 within five minutes.
alarm() {
    tell cms PutResourceMetricRule --RuleId "$relay-$1" --RuleName "$relay: $1" --Namespace "$2" --MetricName "$3" \
        --Resources "[{\"userId\":\"$ACCOUNT_ID\",\"region\":\"$region\",$5}]" --ContactGroups "$contacts" --Period 300 --Interval 300 \
        --SilenceTime 3600 --NoDataPolicy KEEP_LAST_STATE --Escalations.Critical.Statistics "$4" \
        --Escalations.Critical.ComparisonOperator GreaterThanThreshold --Escalations.Critical.Threshold 0 --Escalations.Critical.Times 1
}
if [ -n "$contacts" ]; then
    step alarms
    # Names and statistics: CloudMonitor, "Metrics of Function Compute" (statistic Value) and "Message Service - queue".
    alarm dead-letters acs_mns_new ActiveMessages Maximum "\"queue\":\"$queue\""
    alarm failed-calls acs_fc FunctionFunctionErrors Value "\"functionName\":\"$relay\""
    alarm dropped-events acs_fc FunctionAsyncEventExpiredDropped Value "\"functionName\":\"$relay\""
    alarm lost-dead-letters acs_fc FunctionDestinationErrors Value "\"functionName\":\"$relay\""
fi

if ! $dry_run; then
    [ -n "$contacts" ] || say 'note: no alarms were made, so nobody hears of dead letters; --contact-group NAME makes them'
    say "done. In MDSS a real-time scan must run on the storage unit, in Event-Based mode. Then try it:
  $here/verify.sh --region $region --name $relay --bucket ${buckets%%"$newline"*}${prefix:+ --prefix $prefix}${suffix:+ --suffix $suffix}"
fi
