# shellcheck shell=sh
# How the scripts of this folder call `tccli`. Sourced by them, never run.

tool=tccli
# shellcheck source=SCRIPTDIR/../calls.sh
. "${here:?}/../calls.sh"

need_cli() {
    $dry_run || command -v tccli > /dev/null 2>&1 ||
        mistake "tccli: not found; install Tencent Cloud's command line (pip install tccli) and set it up with 'tccli configure'"
    $dry_run || command -v jq > /dev/null 2>&1 || mistake 'jq: not found; it reads the triggers of the function and log lines'
}

# "CreateFunction": letters, digits, '-' and '_', a letter first, neither '-' nor '_' last, 2 to 60 characters. The queue, the log and the
# alarms have the same name; a queue has at most 64 characters with its "-dead".
need_function() {
    case $1 in
        '' | [!A-Za-z]* | *[!0-9A-Za-z_-]* | *[_-]) mistake "--name: '$1' may hold letters, digits, '-' and '_' only, a letter first, a letter or a digit last" ;;
    esac
    if [ "${#1}" -lt 2 ] || [ "${#1}" -gt 59 ]; then mistake "--name: '$1' has ${#1} characters, expected 2 to 59"; fi
}

need_region() {
    region=${1:-${TENCENTCLOUD_REGION-}}
    case $region in
        '') mistake '--region: missing, and TENCENTCLOUD_REGION is not set' ;;
        *[!0-9a-z-]*) mistake "--region: '$region' is not a region" ;;
    esac
}

# Option, value. A bucket's whole name is NAME-APPID, and COS, SCF and MDSS know it by no other.
need_bucket() {
    case $2 in
        '' | *[!0-9a-z-]* | -*) mistake "$1: '$2' may hold small letters, digits and '-' only" ;;
        *-*) case ${2##*-} in '' | *[!0-9]*) mistake "$1: '$2' does not end in -APPID; the console shows the whole name of a bucket" ;; esac ;;
        *) mistake "$1: '$2' does not end in -APPID; the console shows the whole name of a bucket" ;;
    esac
}

# The host under which SCF knows a bucket ("CreateTrigger", TriggerName).
host_of() { printf '%s.cos.%s.myqcloud.com' "$1" "${region:?}"; }

# look_up_or_none NAME words…: a call that complains that there is no such thing has found nothing.
look_up_or_none() {
    absent='ResourceNotFound'
    look_up "$@"
    absent=''
}

# fetch FILE words…: keeps the answer of a call as $scratch/FILE; it may hold the key, and so is no variable. Nothing if there is no such thing.
fetch() {
    kept=$1
    shift
    if $dry_run; then
        say "$(shown "$@") > \$SCRATCH/$kept"
        return
    fi
    absent='ResourceNotFound'
    run "$@"
    absent=''
    # shellcheck disable=SC2154 # begin sets it
    mv "$scratch/answer" "$scratch/$kept"
}

# change_by_file ACTION FILE: the call's arguments stand in $scratch/FILE. tccli drops names in such a file that it does not know without a
# word (tried with 3.1.189), so that a wrong one would look like success; the tests compare each with Tencent's own models.
change_by_file() { change "${1%% *}" "${1#* }" --region "$region" --cli-input-json "file://$scratch/$2"; }

# Until SCF has done what it was asked: it refuses the next change before that.
wait_until_active() {
    waited=0
    while :; do
        look_up STATUS scf GetFunction --region "$region" --FunctionName "${relay:?}" --filter Status --output text
        if $dry_run; then
            say '# until that is Active'
            return
        fi
        # shellcheck disable=SC2153,SC2154 # look_up sets it
        case $STATUS in
            Active) return ;;
            *Failed*) stopped "SCF says $STATUS about the function; 'tccli scf GetFunction --region $region --FunctionName $relay --filter StatusReasons' says why" ;;
        esac
        again_or_stop 180 "the function is '$STATUS', not Active"
    done
}

# The triggers of the function as $scratch/present.json: host, event, prefix, suffix, whether it fires, and the description as it is.
fetch_triggers() {
    fetch triggers.json scf ListTriggers --region "$region" --FunctionName "$relay" --Limit 100 --filter "Triggers[?Type=='cos']" --output json
    $dry_run && return
    [ -s "$scratch/triggers.json" ] || echo '[]' > "$scratch/triggers.json"
    jq --compact-output '[.[]? | (.TriggerDesc | fromjson? // {}) as $d
        | {host: .TriggerName, event: ($d.event // ""), prefix: ($d.filter.Prefix // ""), suffix: ($d.filter.Suffix // ""), fires: (.Enable == 1), text: .TriggerDesc}
        | select(.event | startswith("cos:ObjectRe") | not)]' "$scratch/triggers.json" > "$scratch/present.json" ||
        stopped 'the answer of ListTriggers is not JSON'
}

# A trigger's description: JSON without a space in it, or SCF refuses it ("trigger description", and issue 816 of the Terraform provider).
described() { # prefix, suffix
    printf '{"event":"cos:ObjectCreated:*","filter":{"Prefix":"%s","Suffix":"%s"}}' "$1" "$2"
}

remove_trigger() { # host, description
    change scf DeleteTrigger --region "$region" --FunctionName "$relay" --TriggerName "$1" --Type cos --TriggerDesc "$2"
}

# remove_triggers HOST WANTED: those of ours on a bucket that a list of {prefix, suffix} does not have, or that do not fire as we want.
remove_triggers() {
    if $dry_run; then
        say '# for each that is there and differs:'
        # shellcheck disable=SC2016 # a name to print
        remove_trigger "$1" '$TRIGGER_DESC'
        return
    fi
    jq --raw-output --arg host "$1" --argjson wanted "$2" '.[] | select(.host == $host) | . as $t
        | select(.fires and .event == "cos:ObjectCreated:*" and any($wanted[]; .prefix == $t.prefix and .suffix == $t.suffix) | not) | .text' \
        "$scratch/present.json" > "$scratch/differing"
    while IFS= read -r text; do [ -z "$text" ] || remove_trigger "$1" "$text"; done < "$scratch/differing"
}

# made LOOK NAME: a look-up of something that was just made.
made() {
    waited=0
    while :; do
        "$1" "$2"
        eval "answer=\$$2"
        [ -z "$answer" ] || break
        again_or_stop 60 'it was made, but a look-up does not find it'
    done
    $dry_run || say "made: $answer"
}

find_queue() {
    look_up QUEUE tdmq DescribeCmqQueues --region "$region" --QueueNameList "[\"${queue:?}\"]" --filter "QueueList[?QueueName=='$queue'].QueueName | [0]" --output text
}

find_logset() {
    look_up "$1" cls DescribeLogsets --region "$region" --Filters "[{\"Key\":\"logsetName\",\"Values\":[\"$relay\"]}]" --Limit 100 \
        --filter "Logsets[?LogsetName=='$relay'].LogsetId | [0]" --output text
}

# In the log set that $LOGSET_ID names.
find_topic() {
    look_up "$1" cls DescribeTopics --region "$region" --Filters "[{\"Key\":\"logsetId\",\"Values\":[\"${LOGSET_ID:?}\"]}]" --Limit 100 \
        --filter "Topics[?TopicName=='$relay'].TopicId | [0]" --output text
}

# Their ids and names as $scratch/alarms.json.
fetch_alarms() {
    fetch alarms.json cls DescribeAlarms --region "$region" --Filters "[{\"Key\":\"topicId\",\"Values\":[\"${TOPIC_ID:?}\"]}]" --Limit 100 \
        --filter 'Alarms[].{id: AlarmId, name: Name}' --output json
}

id_of_alarm() { jq --raw-output --arg name "$relay: $1" '[.[]? | select(.name == $name).id][0] // empty' "$scratch/alarms.json"; }

# shellcheck disable=SC2034 # deploy.sh and destroy.sh use it
alarm_names='given-up must-act unusable not-accepted does-not-run'
