#!/bin/sh
# From nothing to scanning on OCI: application, function with its configuration, rule, bucket. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
deploy.sh: sets up mdss-relay as an OCI function that gets an event of every new and every overwritten object.

  APIKEY_FILE=~/mdss-key ./deploy.sh --compartment-id OCID --subnet-id OCID --image IMAGE \
      --endpoint https://mdss.example --storage-client-id ID --bucket NAME

It may be run again at any time, after a success, a failure or an interruption: it finds what is there by its name and brings
it to what the options say. It never removes anything, except variables with --replace-config.

Where
  --compartment-id OCID       compartment of the application, the function and the log group
  --subnet-id OCID            subnet of a new application; may be repeated. An existing application keeps its own
  --shape SHAPE               of a new application: GENERIC_X86 (default), GENERIC_ARM, GENERIC_X86_ARM (needs an image of both)
  --application NAME          default mdss-relay
  --function NAME             default mdss-relay-oci-fn

What
  --image IMAGE               the image in the region's own registry, with a tag or a digest
  --memory MB                 128 (default), 256, 512, 1024, 2048, 3072
  --timeout SECONDS           5 to 300, default 60

Configuration. The API key is never an argument: it comes from the file that APIKEY_FILE names, else from the terminal
  --endpoint URL              MDSS's address or webhook URL
  --storage-client-id ID      the storage unit in MDSS that takes every object; or
  --relay-config FILE         a TOML configuration with [[route]]s, for several units
  --set NAME=VALUE            another variable of the relay, such as RELAY_STORAGE_TYPE=s3-compatible; may be repeated
  --keep-config               leave the configuration of an existing function as it is, only bring the rest up to date
  --replace-config            remove variables that the function has and this command does not name, instead of stopping

Events
  --bucket NAME               the bucket of the objects; may be repeated. Its emission of object events is switched on
  --rule NAME                 default mdss-relay-objects. The condition and the actions of an existing rule are replaced
  --rule-compartment-id OCID  of the rule; default: the buckets' own. A rule sees its compartment and those below it

Around it
  --log-group NAME            default mdss-relay; the function's log and the rule's log are switched on in it
  --no-logs                   do not touch logs
  --with-policy               allow the Events service to call functions of the compartment (only if deliveries are refused)
  --policy NAME               default mdss-relay-events

  --dry-run                   print every command, run none
  --help

Account and region are those of oci: ~/.oci/config, OCI_CLI_PROFILE, OCI_CLI_REGION, OCI_CLI_AUTH.
Exit status: 0 done, 1 a call failed, 2 the arguments are wrong and nothing was done.
END
}

# The relay's variables that make sense in a function, but for those with an option of their own.
settable='RELAY_ATTEMPTS RELAY_CA_FILE RELAY_CONCURRENCY RELAY_CONNECT_TIMEOUT RELAY_DEADLINE RELAY_LOG RELAY_ON_PERMANENT
RELAY_SCAN_ID RELAY_STORAGE_TYPE RELAY_TIMEOUT RELAY_TLS_VERIFY RELAY_UNKNOWN_EVENTS'

compartment='' subnets='' shape=GENERIC_X86 application=mdss-relay function=mdss-relay-oci-fn
image='' memory=128 timeout=60
endpoint='' storage='' relay_config='' sets='' keep_config=false replace_config=false
buckets='' rule=mdss-relay-objects rule_compartment=''
log_group=mdss-relay logs=true with_policy=false policy=mdss-relay-events
newline='
'

flag() {
    case $1 in
        --keep-config) keep_config=true ;;
        --replace-config) replace_config=true ;;
        --no-logs) logs=false ;;
        --with-policy) with_policy=true ;;
    esac
}
option() {
    case $1 in
        --compartment-id) compartment=$2 ;;
        --subnet-id) subnets="$subnets$2$newline" ;;
        --shape) shape=$2 ;;
        --application) application=$2 ;;
        --function) function=$2 ;;
        --image) image=$2 ;;
        --memory) memory=$2 ;;
        --timeout) timeout=$2 ;;
        --endpoint) endpoint=$2 ;;
        --storage-client-id) storage=$2 ;;
        --relay-config) relay_config=$2 ;;
        --set) sets="$sets$2$newline" ;;
        --bucket) buckets="$buckets$2$newline" ;;
        --rule) rule=$2 ;;
        --rule-compartment-id) rule_compartment=$2 ;;
        --log-group) log_group=$2 ;;
        --policy) policy=$2 ;;
    esac
}
read_options '--keep-config --replace-config --no-logs --with-policy' '--compartment-id --subnet-id --shape --application --function --image --memory --timeout --endpoint --storage-client-id
--relay-config --set --bucket --rule --rule-compartment-id --log-group --policy' "$@"

# --- the arguments -----------------------------------------------------------------------------------------------------

toml=''

check_set() {
    name=${1%%=*}
    case $1 in
        *=?*) ;;
        *) mistake "--set: '$name' has no value; NAME=VALUE is expected"; return ;;
    esac
    case $name in
        APIKEY) mistake '--set: the key is never an argument; name a file in APIKEY_FILE' ;;
        APIENDPOINT | STORAGECLIENTID | RELAY_CONFIG_TOML) mistake "--set: $name has an option of its own" ;;
        https_proxy | http_proxy | all_proxy | no_proxy)
            case $1 in *@*) mistake "--set: $name: a password in it would be visible in the list of processes" ;; esac ;;
        RELAY_KEYS_?*) ;;
        *)
            case " $(printf '%s' "$settable" | tr '\n' ' ') " in
                *" $name "*) ;;
                *) mistake "--set: '$name' is not a variable of the relay as a function" ;;
            esac ;;
    esac
    case $newline$2 in
        *"$newline$name="*) mistake "--set: $name is given twice" ;;
    esac
}

check_config() {
    need_url --endpoint "$endpoint"
    case $storage,$relay_config in
        ,) mistake '--storage-client-id or --relay-config: one of them is missing' ;;
        ?*,?*) mistake '--storage-client-id and --relay-config: only one of them' ;;
    esac
    case $storage in *[[:space:]]*) mistake '--storage-client-id: has white space inside' ;; esac
    if [ -n "$relay_config" ] && [ -f "$relay_config" ] && [ -r "$relay_config" ]; then
        toml=$(cat -- "$relay_config")
        [ -n "$toml" ] || mistake "--relay-config: '$relay_config' is empty"
    elif [ -n "$relay_config" ]; then
        mistake "--relay-config: '$relay_config' is not a file that can be read"
    fi
    before=''
    while IFS= read -r pair; do
        [ -z "$pair" ] || check_set "$pair" "$before"
        before="$before$pair$newline"
    done << END
$sets
END
    if [ -n "${APIKEY_FILE-}" ]; then
        read_key
    elif ! $dry_run && [ ! -t 0 ]; then
        mistake 'APIKEY_FILE: not set, and there is no terminal to ask for the key; name a file with the key in it'
    fi
}

need_cli
need_ocid --compartment-id "$compartment" 'ocid1.compartment ocid1.tenancy'
[ -z "$rule_compartment" ] || need_ocid --rule-compartment-id "$rule_compartment" 'ocid1.compartment ocid1.tenancy'
for subnet in $subnets; do need_ocid --subnet-id "$subnet" ocid1.subnet; done
case $shape in
    GENERIC_X86 | GENERIC_ARM | GENERIC_X86_ARM) ;;
    *) mistake "--shape: '$shape' is none of GENERIC_X86, GENERIC_ARM, GENERIC_X86_ARM" ;;
esac
need_name --application "$application"
need_name --function "$function"
need_name --rule "$rule"
need_name --log-group "$log_group"
need_name --policy "$policy"
case $image in
    '') mistake '--image: missing' ;;
    *[!0-9A-Za-z._:/@-]*) mistake "--image: '$image' has characters that no image name has" ;;
    */*/*:*) ;; # a digest has a colon too
    *) mistake "--image: '$image' is not REGISTRY/NAMESPACE/REPOSITORY with :TAG or @sha256:DIGEST" ;;
esac
# Sizes and times: "Changing Default Memory and Timeout Settings" (functionscustomizing.htm).
case $memory in
    128 | 256 | 512 | 1024 | 2048 | 3072) ;;
    *) mistake "--memory: '$memory' is none of 128, 256, 512, 1024, 2048, 3072" ;;
esac
need_number --timeout "$timeout" 5 300
[ -n "$buckets" ] || mistake '--bucket: missing'
while IFS= read -r bucket; do
    [ -z "$bucket" ] || need_name --bucket "$bucket"
done << END
$buckets
END
if ! $keep_config; then
    check_config
elif [ -n "$endpoint$storage$relay_config$sets" ] || $replace_config; then
    mistake '--keep-config: keeps the configuration, so no option for it can be given'
fi
stop_on_mistakes

# --- the configuration -------------------------------------------------------------------------------------------------

# Calls $1 with the name and the value of each variable. A function's arguments are nobody else's to see.
each_variable() {
    "$1" APIENDPOINT "$endpoint"
    "$1" APIKEY "$api_key"
    [ -z "$storage" ] || "$1" STORAGECLIENTID "$storage"
    [ -z "$toml" ] || "$1" RELAY_CONFIG_TOML "$toml"
    while IFS= read -r pair; do
        [ -z "$pair" ] || "$1" "${pair%%=*}" "${pair#*=}"
    done << END
$sets
END
}

add_size() { size=$((size + $(printf '%s%s' "$1" "$2" | LC_ALL=C wc -c))); }
add_name() { names="$names $1"; }
print_variable() {
    printf '%s"%s": ' "$comma" "$1"
    printf '%s' "$2" | json_text
    comma=', '
}

begin
if ! $keep_config; then
    $dry_run || ask_key
    [ -z "${APIKEY-}" ] || say 'note: APIKEY is set in this shell and is not used; shell history and child processes may hold it'
    size=0 names='' comma=''
    each_variable add_size
    each_variable add_name
    # "limited to 4KB … the sum of octets necessary to represent each key and value in UTF-8" (oci fn function create --help).
    [ "$size" -le 4096 ] || mistake "the configuration has $size bytes, names and values together; OCI accepts at most 4096"
    # "Values should be limited to printable unicode characters" (the same place).
    case $toml in
        *"$newline"*) say 'note: --relay-config has several lines. Oracle asks for printable characters; if OCI refuses it, write route = [{…}, {…}] in one line' ;;
    esac
    stop_on_mistakes
    if $dry_run; then
        api_key='***'
    else
        keep_masked "$api_key"
    fi
    { printf '{'; each_variable print_variable; printf '}'; } | keep config.json
fi

# --- the calls ---------------------------------------------------------------------------------------------------------

# Logs are changed by work requests, and it is these that are waited for; rules have a state of their own
# (tests/cli-options.json, from the CLI itself). Functions: change_fn in calls.sh.
if ! $dry_run; then
    step 'the command line'
    # Since functions can be made from archives, "create" and "update" are groups. An older CLI would take the words apart
    # differently, so it is asked before anything is made.
    oci fn function create --help < /dev/null 2>&1 | grep -q container-function || {
        mistake "oci: this version has no 'fn function create container-function'; upgrade oci-cli (3.95.1 was tried)"
        stop_on_mistakes
    }
fi

step 'buckets'
compartments=''
for bucket in $buckets; do
    look_up BUCKET_COMPARTMENT_ID os bucket get --bucket-name "$bucket" --query 'data."compartment-id"' --raw-output
    case $newline$compartments in
        *"$newline$BUCKET_COMPARTMENT_ID$newline"*) ;;
        *) compartments="$compartments$BUCKET_COMPARTMENT_ID$newline" ;;
    esac
done
if [ -z "$rule_compartment" ]; then
    rule_compartment=$BUCKET_COMPARTMENT_ID
    [ "$compartments" = "$BUCKET_COMPARTMENT_ID$newline" ] || {
        mistake 'the buckets are in several compartments; name one above all of them in --rule-compartment-id'
        stop_on_mistakes
    }
fi

step "application $application"
set -- fn application list --compartment-id "$compartment" --display-name "$application" --lifecycle-state ACTIVE \
    --query 'data[0].id' --raw-output
look_up APPLICATION_ID "$@"
if none_yet "$APPLICATION_ID"; then
    if [ -n "$subnets" ]; then
        subnets_json=$(for subnet in $subnets; do printf '"%s",' "$subnet"; done)
        change_fn fn application create --compartment-id "$compartment" --display-name "$application" \
            --subnet-ids "[${subnets_json%,}]" --shape "$shape"
        look_up_made APPLICATION_ID "$@"
    elif $dry_run; then
        say '#   stop: a new application needs --subnet-id'
    else
        mistake "--subnet-id: missing; there is no application '$application' yet, and a new one needs it"
        stop_on_mistakes
    fi
else
    already # and its subnets and its shape stay what they are: OCI changes neither (fn application update --help)
fi

step "function $function"
set -- fn function list --application-id "$APPLICATION_ID" --display-name "$function" --lifecycle-state ACTIVE \
    --query 'data[0].id' --raw-output
look_up FUNCTION_ID "$@"
if none_yet "$FUNCTION_ID"; then
    if ! $keep_config; then
        # shellcheck disable=SC2154 # begin sets it
        change_fn fn function create container-function --application-id "$APPLICATION_ID" --display-name "$function" \
            --image "$image" --memory-in-mbs "$memory" --timeout-in-seconds "$timeout" --config "file://$scratch/config.json"
        look_up_made FUNCTION_ID "$@"
    elif $dry_run; then
        say '#   stop: --keep-config needs a function whose configuration can be kept'
    else
        mistake "--keep-config: there is no function '$function' yet whose configuration could be kept"
        stop_on_mistakes
    fi
fi
if already; then
    set -- fn function update container-function --function-id "$FUNCTION_ID" \
        --image "$image" --memory-in-mbs "$memory" --timeout-in-seconds "$timeout" --force
    if ! $keep_config; then
        # An update replaces the whole configuration, also what somebody has added in the console. Names only are asked for.
        # shellcheck disable=SC2016 # JMESPath's quotes
        look_up CONFIG_NAMES fn function get --function-id "$FUNCTION_ID" --query 'join(`" "`, keys(data.config || `{}`))' --raw-output
        unknown=''
        $dry_run || for name in $CONFIG_NAMES; do
            case " $names " in *" $name "*) ;; *) unknown="$unknown $name" ;; esac
        done
        [ -z "$unknown" ] || $replace_config ||
            stopped "the function has variables that this command does not give:$unknown; give them with --set, or remove them with --replace-config"
        set -- "$@" --config "file://$scratch/config.json"
    fi
    change_fn "$@"
fi

# A service's log: display name, service, resource, category.
log_on() {
    set -- "$@" logging log list --log-group-id "$LOG_GROUP_ID" --log-type SERVICE --source-service "$2" --source-resource "$3" \
        --query 'data[0].id' --raw-output
    display=$1 service=$2 resource=$3 category=$4
    shift 4
    look_up LOG_ID "$@"
    if none_yet "$LOG_ID"; then
        sed -e "s/@COMPARTMENT_ID@/$compartment/" -e "s/@SERVICE@/$service/" -e "s/@RESOURCE@/$resource/" -e "s/@CATEGORY@/$category/" \
            "$here/templates/log.json" | keep log.json
        hint="if the log of $resource is switched on already in another group, name that group in --log-group, or give --no-logs"
        change logging log create --log-group-id "$LOG_GROUP_ID" --display-name "$display" --log-type SERVICE --is-enabled true \
            --configuration "file://$scratch/log.json" \
            --wait-for-state SUCCEEDED --wait-for-state FAILED --query data.status --raw-output
        hint=''
        look_up_made LOG_ID "$@"
    else
        already
    fi
}

if $logs; then
    step "log of $application, in log group $log_group"
    set -- logging log-group list --compartment-id "$compartment" --display-name "$log_group" --query 'data[0].id' --raw-output
    look_up LOG_GROUP_ID "$@"
    if none_yet "$LOG_GROUP_ID"; then
        change logging log-group create --compartment-id "$compartment" --display-name "$log_group" \
            --wait-for-state SUCCEEDED --wait-for-state FAILED --query data.status --raw-output
        look_up_made LOG_GROUP_ID "$@"
    fi
    # What the function prints; service and category: "Functions Example" (Logging/Task/functions_eg.htm).
    log_on "$application-invoke" functions "$APPLICATION_ID" invoke
fi

if $with_policy; then
    step "policy $policy"
    case $compartment in
        ocid1.tenancy.*) scope=tenancy ;;
        *) scope="compartment id $compartment" ;;
    esac
    set -- iam policy list --compartment-id "$compartment" --name "$policy" --query 'data[0].id' --raw-output
    look_up POLICY_ID "$@"
    if none_yet "$POLICY_ID"; then
        hint='OCI accepts policies in the home region of a tenancy only: OCI_CLI_REGION chooses it'
        change iam policy create --compartment-id "$compartment" --name "$policy" --description 'Events may call the functions of mdss-relay' \
            --statements "[\"Allow service cloudEvents to use functions-family in $scope\"]" \
            --wait-for-state ACTIVE --query 'data."lifecycle-state"' --raw-output
        hint=''
        look_up_made POLICY_ID "$@"
    else
        already
    fi
fi

step "rule $rule"
# A rule that somebody has switched off is INACTIVE, and still the one.
set -- events rule list --compartment-id "$rule_compartment" --display-name "$rule" \
    --query "data[?\"lifecycle-state\"=='ACTIVE' || \"lifecycle-state\"=='INACTIVE'].id | [0]" --raw-output
look_up RULE_ID "$@"
names=$(for bucket in $buckets; do printf '"%s", ' "$bucket"; done)
# Created *and* updated: an overwritten object is an update, and a rule on "Object - Create" alone never fires for it.
condition=$(sed "s/\"@BUCKET@\"/${names%, }/" "$here/templates/condition.json" | tr -d '\n' | sed 's/  */ /g')
sed "s/@FUNCTION_ID@/$FUNCTION_ID/" "$here/templates/actions.json" | keep actions.json
if none_yet "$RULE_ID"; then
    change events rule create --compartment-id "$rule_compartment" --display-name "$rule" --is-enabled true \
        --description 'New and overwritten objects go to mdss-relay' --condition "$condition" --actions "file://$scratch/actions.json" \
        --wait-for-state ACTIVE --wait-for-state FAILED --query 'data."lifecycle-state"' --raw-output
    look_up_made RULE_ID "$@"
fi
if already; then
    change events rule update --rule-id "$RULE_ID" --is-enabled true --condition "$condition" --actions "file://$scratch/actions.json" \
        --force --wait-for-state ACTIVE --wait-for-state FAILED --query 'data."lifecycle-state"' --raw-output
fi

if $logs; then
    step "log of rule $rule, in log group $log_group"
    # What became of each delivery; service and category as in gotsysdba/oci-bcs-fn-vault, terraform/logging.tf.
    log_on "$rule-deliveries" cloudevents "$RULE_ID" ruleexecutionlog
fi

# The guide's step 5.2. Off by default ("Services that Produce Events", eventsproducers.htm).
for bucket in $buckets; do
    step "object events of bucket $bucket"
    change os bucket update --bucket-name "$bucket" --object-events-enabled true --query 'data."object-events-enabled"' --raw-output
done

$dry_run || say "done. In MDSS a real-time scan must run on the storage unit, in Event-Based mode. Then try it:
  $here/verify.sh --compartment-id $compartment --application $application --function $function --log-group $log_group --bucket ${bucket}"
