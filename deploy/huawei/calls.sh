# shellcheck shell=sh
# How the scripts of this folder call `hcloud`, Huawei Cloud's KooCLI. Sourced by them, never run.

tool=hcloud
# shellcheck source=SCRIPTDIR/../calls.sh
. "${here:?}/../calls.sh"

need_cli() {
    $dry_run || command -v hcloud > /dev/null 2>&1 ||
        mistake 'hcloud: not found; install KooCLI and set it up (hcloud configure init), or use CloudShell'
    $dry_run || command -v jq > /dev/null 2>&1 || mistake 'jq: not found; it reads the answers of hcloud'
}

need_region() {
    region=${1:-${HUAWEICLOUD_REGION-}}
    case $region in
        '') mistake '--region: missing, and HUAWEICLOUD_REGION is not set' ;;
        *[!0-9a-z-]*) mistake "--region: '$region' is not a region" ;;
    esac
}

# "2 to 60 characters, letters, digits, _ and -; a letter first, a letter or a digit last" (CreateFunction, func_name); an alarm of LTS may
# have 64, with what is put behind. A subscription is called after the function and its bucket, with a dot between, which no function has.
need_relay_name() {
    case $1 in
        '') mistake '--name: missing' ;;
        [!A-Za-z]* | *[!0-9A-Za-z_-]* | *[_-]) mistake "--name: '$1' may hold letters, digits, '_' and '-' only, a letter first, a letter or a digit last" ;;
    esac
    if [ "${#1}" -lt 2 ] || [ "${#1}" -gt 50 ]; then mistake "--name: '$1' has not 2 to 50 characters"; fi
}

need_id() { # option, value: ids of projects, networks and so on
    case $2 in *[!0-9A-Za-z-]*) mistake "$1: '$2' is not an id" ;; esac
}

# EventGrid filters by the event's subject. No page says whether that has the object's name as it is or encoded, as objectKeyEncode asks
# of the key; these characters are the same in both.
need_plain() { # option, value
    case $2 in
        *[!0-9A-Za-z._-]*) mistake "$1: '$2' may hold letters, digits, '.', '_' and '-' only, which read the same however EventGrid encodes a name; with others, use prefix or suffix in a route of the relay" ;;
    esac
}

# KooCLI ends with 0 even if it or the service refused, and says so in its answer: "[USE_ERROR]…", or an object with error_code
# (KooCLI 7.2; huaweicloud/huaweicloud-skills, skills/storage/rds/huawei-cloud-rds-smart-service/scripts/rds_cli.sh).
refused() {
    if grep -q '^\[[A-Z_]*ERROR\]' "$scratch/answer" "$scratch/complaint"; then return 0; fi
    grep -q '"error' "$scratch/answer" || return 1
    jq --exit-status --slurp 'any(.[]; type == "object" and ((.error_code // .errorCode // "") != "" or (.error_msg // "") != "" or (.error | type) == "object"))' \
        "$scratch/answer" > /dev/null 2>&1
}

run() {
    status=0
    "$tool" "$@" > "$scratch/answer" 2> "$scratch/complaint" < /dev/null || status=$?
    if refused; then
        [ "$status" -ne 0 ] || status='0 and an error'
    elif [ "$status" -eq 0 ]; then
        return 0
    fi
    cat "$scratch/answer" "$scratch/complaint" | masked >&2
    stopped "'hcloud $1 $2' ended with status $status"
}

# words FUNCTION SERVICE OPERATION words…: FUNCTION with them, the region, and the project where paths have one.
words() {
    done_with=$1 service=$2 operation=$3
    shift 3
    case $service in
        IAM) ;; # its paths have no project
        *) set -- "--project_id=${PROJECT_ID:?}" "$@" ;;
    esac
    "$done_with" "$service" "$operation" "--cli-region=$region" "$@"
}

# learn NAME FILTER SERVICE OPERATION words…: the variable becomes what the jq filter finds in the answer, or nothing.
learn() {
    variable=$1 filter=$2
    shift 2
    words learn_it "$@"
}
learn_it() {
    if $dry_run; then
        line=$(shown "$@")
        say "$variable=\$($line | jq --raw-output '$filter')"
        eval "$variable=\\\$$variable"
        return
    fi
    run "$@"
    answer=$(jq --raw-output "$filter" "$scratch/answer") || stopped "the answer of 'hcloud $1 $2' is not what it is documented to be"
    case $answer in null) answer='' ;; esac
    eval "$variable=\$answer"
}

# alter SERVICE OPERATION words…: a call that changes something.
alter() { words change "$@"; }

# body FILE: stdin becomes the body of a call, in the file that --cli-jsonInput names. Members of the body are given there and nowhere
# else: KooCLI takes all of one place from one place ("How Do I Use cli-jsonInput?").
body() {
    { printf '{"body": '; cat; printf '}\n'; } | keep "$1"
}

find_project() {
    step "project of $region"
    learn PROJECT ".projects[] | select(.name == \"$region\") | .id + \" \" + .domain_id" IAM KeystoneListProjects "--name=$region"
    if $dry_run; then
        # shellcheck disable=SC2016 # names to print
        PROJECT_ID='$PROJECT_ID' DOMAIN_ID='$DOMAIN_ID'
        say '# PROJECT_ID and DOMAIN_ID are its two words'
    else
        # shellcheck disable=SC2034 # deploy.sh uses the second one
        PROJECT_ID=${PROJECT% *} DOMAIN_ID=${PROJECT#* }
    fi
    [ -n "$PROJECT_ID" ] || stopped "this account has no project in $region, or sees none: is that region enabled?"
}

function_urn() { printf 'urn:fss:%s:%s:function:default:%s' "$region" "$PROJECT_ID" "${relay:?}"; }

find_function() {
    learn FUNCTION ".functions[] | select(.func_name == \"$relay\" and .package == \"default\") | .func_name" FunctionGraph ListFunctions \
        --package_name=default "--func_name=$relay"
}

# Every subscription of the channel in which the events of Huawei's own services are; a copy stays in $scratch/subscriptions.json.
find_subscriptions() {
    learn CHANNEL_ID '.items[0].id' EG ListChannels --provider_type=OFFICIAL
    [ -n "$CHANNEL_ID" ] || stopped 'EventGrid has no official channel here; open EventGrid in the console once, and authorise it'
    learn SUBSCRIPTIONS ".items[] | select(.name | startswith(\"$relay.\")) | .id + \" \" + .name" EG ListSubscriptions "--channel_id=$CHANNEL_ID" --limit=1000
    $dry_run || cp "$scratch/answer" "$scratch/subscriptions.json"
}

# subscription_of BUCKET: its id, or nothing.
subscription_of() {
    if $dry_run; then
        # shellcheck disable=SC2016 # a name to print
        printf '$SUBSCRIPTION_ID'
        return
    fi
    printf '%s\n' "$SUBSCRIPTIONS" | while read -r id name; do
        if [ "$name" = "$relay.$1" ]; then printf '%s' "$id"; fi
    done
}

find_log() {
    learn LOG_GROUP_ID ".log_groups[] | select(.log_group_name == \"$relay\") | .log_group_id" LTS ListLogGroups
}
find_stream() {
    learn LOG_STREAM_ID ".log_streams[] | select(.log_stream_name == \"$relay\") | .log_stream_id" LTS ListLogStream "--log_group_id=$LOG_GROUP_ID"
}

# What the alarms are called.
failures_alarm() { printf '%s-failures' "$relay"; }
lines_alarm() { printf '%s-errors' "$relay"; }

find_alarms() {
    learn ALARM_ID ".alarms[] | select(.name == \"$(failures_alarm)\") | .alarm_id" CES ListAlarmRules "--name=$(failures_alarm)"
    $dry_run || cp "$scratch/answer" "$scratch/alarms.json"
    learn LINES_ALARM_ID ".keywords_alarm_rules[] | select(.keywords_alarm_rule_name == \"$(lines_alarm)\") | .keywords_alarm_rule_id" \
        LTS ListKeywordsAlarmRules
    $dry_run || cp "$scratch/answer" "$scratch/lines-alarms.json"
}

remove_failures_alarm() {
    printf '{"alarm_ids": ["%s"]}' "$ALARM_ID" | body alarm-ids.json
    alter CES BatchDeleteAlarmRules "--cli-jsonInput=$scratch/alarm-ids.json"
}
remove_lines_alarm() { alter LTS DeleteKeywordsAlarmRule "--keywords_alarm_rule_id=$LINES_ALARM_ID"; }

# Whether the call of the function that was answered last had success: a failed one has errorMessage, with the report as its text.
accepted() {
    jq --exit-status '(.status // 200) == 200 and (.result | fromjson | type == "object" and (has("errorMessage") | not))' "$scratch/answer" > /dev/null 2>&1
}

# obsutil inside KooCLI: it says "successfully" of what it has done.
obs() {
    if $dry_run; then say "$(shown obs "$@")"; return; fi
    status=0
    hcloud obs "$@" > "$scratch/answer" 2>&1 < /dev/null || status=$?
    if [ "$status" -eq 0 ] && grep -qi successfully "$scratch/answer"; then return; fi
    cat "$scratch/answer" >&2
    stopped "'hcloud obs $1' ended with status $status; is it set up (hcloud obs config -interactive)?"
}
