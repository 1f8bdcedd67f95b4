#!/bin/sh
# From nothing to scanning on Azure: the function with its queue, its code, the account's event subscription. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
deploy.sh: sets up mdss-relay as a function app behind a queue that gets an event of every new and every overwritten blob.

  APIKEY_FILE=~/mdss-key ./deploy.sh --resource-group NAME --location REGION --zip mdss-relay-azure-functions.zip \
      --endpoint https://mdss.example --storage-client-id ID --account NAME --container NAME

It may be run again at any time, after a success, a failure or an interruption. What it made becomes what the options say.

Where
  --resource-group NAME       of the relay; made if it is not there. Give the relay a group of its own: destroy.sh removes it whole
  --location REGION           of a new group, and so of all that is in it
  --name NAME                 default mdss-relay; the first part of every name, 3 to 18 characters
  --subnet-id ID              if MDSS is in a virtual network: a subnet with a way to it, delegated to Microsoft.App/environments

What
  --zip FILE                  made by `make dist`: host.json, the functions and the binary
  --max-tries COUNT           5 to 2016, default 288: how often an event is tried, five minutes apart, before the poison queue
  --storage-sku SKU           of the relay's own storage: Standard_ZRS (default), or Standard_LRS where a region has no zones

Configuration. The API key is never an argument. It comes from the file that APIKEY_FILE names and is kept in a Key Vault.
Without APIKEY_FILE the key that is there stays; if there is none, the script asks for it at the terminal
  --endpoint URL              MDSS's address or webhook URL
  --storage-client-id ID      the storage unit in MDSS that takes every blob; or
  --relay-config FILE         a TOML configuration with [[route]]s and all other settings that differ from the defaults

Events
  --account NAME              the storage account of the blobs, in this subscription
  --container NAME[/PREFIX/]  a container whose blobs are announced, or a folder in it; may be repeated, 22 times at most
  --drop-container NAME[/PREFIX/]
                              one whose blobs are not to be scanned any longer
  --events WAY                queue (default): Event Grid puts events into a queue that the function reads.
                              direct: Event Grid calls the function, and repeats for a day at growing intervals

Around it
  --action-group ID           gets the alarms; without it they are visible only in the portal
  --log-retention DAYS        30 (default) to 730

  --dry-run                   print every command, run none
  --help

The subscription is that of az: `az account show`.
Exit status: 0 done, 1 a call failed, 2 the arguments are wrong and nothing was done.
END
}

group='' location='' relay=mdss-relay subnet=''
zip='' tries=288 sku=Standard_ZRS
endpoint='' storage='' relay_config='' toml=''
account='' containers='' dropped='' events=queue action_group='' retention=30

option() {
    case $1 in
        --resource-group) group=$2 ;;
        --location) location=$2 ;;
        --name) relay=$2 ;;
        --subnet-id) subnet=$2 ;;
        --zip) zip=$2 ;;
        --max-tries) tries=$2 ;;
        --storage-sku) sku=$2 ;;
        --endpoint) endpoint=$2 ;;
        --storage-client-id) storage=$2 ;;
        --relay-config) relay_config=$2 ;;
        --account) account=$2 ;;
        --container | --drop-container)
            case $2 in *[[:space:]]*) mistake "$1: '$2' has white space inside"; return ;; esac
            if [ "$1" = --container ]; then containers="$containers$2$newline"; else dropped="$dropped$2$newline"; fi ;;
        --events) events=$2 ;;
        --action-group) action_group=$2 ;;
        --log-retention) retention=$2 ;;
    esac
}
read_options '' '--resource-group --location --name --subnet-id --zip --max-tries --storage-sku --endpoint --storage-client-id --relay-config --account
--container --drop-container --events --action-group --log-retention' "$@"

# --- the arguments -----------------------------------------------------------------------------------------------------

need_id() { # option, value, type in small letters: ids differ in the case of theirs from answer to answer
    case $(printf '%s' "$2" | tr '[:upper:]' '[:lower:]') in
        '' | /subscriptions/*/providers/"$3"/*) ;;
        *) mistake "$1: '$2' is not the id of a resource of $3" ;;
    esac
}

need_one_of() { # option, value, what it may be
    case " $3 " in *" $2 "*) ;; *) mistake "$1: '$2' is none of $3" ;; esac
}

# Names of containers: "Naming and referencing containers"; $web and $root are containers too.
need_container() { # option, value
    # shellcheck disable=SC2016 # that is their name
    case ${2%%/*} in
        '$web' | '$root') ;;
        '' | [!0-9a-z]* | *[!0-9a-z-]*) mistake "$1: '${2%%/*}' may hold small letters, digits and '-' only" ;;
    esac
    case $2 in
        */) ;;
        */*) mistake "$1: '$2': the prefix has to end in a slash, because '${2##*/}' would take names that only begin like it" ;;
    esac
}

need_cli
need_group "$group"
case $location in *[!0-9a-z]*) mistake "--location: '$location' may hold small letters and digits only, as in westeurope" ;; esac
need_relay_name "$relay"
need_id --subnet-id "$subnet" microsoft.network
need_id --action-group "$action_group" microsoft.insights
if [ -z "$zip" ]; then
    mistake '--zip: missing'
elif ! [ -f "$zip" ] || ! [ -r "$zip" ]; then
    mistake "--zip: '$zip' is not a file that can be read; 'make dist' makes it"
elif [ "$(head -c 2 "$zip")" != PK ]; then
    mistake "--zip: '$zip' is not a zip"
elif command -v unzip > /dev/null 2>&1; then
    # The host sets no execute bit, and without it every start fails.
    case $(unzip -Z "$zip" 2> /dev/null | awk '$NF == "mdss-relay-azure-functions" { print $1 }') in
        '' | -rwx*) ;;
        *) mistake "--zip: in '$zip' the binary has no execute bit; 'make dist' sets it" ;;
    esac
fi
need_number --max-tries "$tries" 5 2016
need_one_of --storage-sku "$sku" 'Standard_LRS Standard_ZRS Standard_GRS Standard_GZRS'
need_one_of --events "$events" 'queue direct'
need_number --log-retention "$retention" 30 730
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
need_account "$account"
[ -n "$containers" ] || mistake '--container: missing'
count=0
for container in $containers $dropped; do need_container '--container, --drop-container' "$container"; done
for container in $containers; do count=$((count + 1)); done
# "25 filter values across all the filters per event subscription" ("Event filtering for Event Grid subscriptions"); three are taken.
[ "$count" -le 22 ] || mistake "--container: $count of them; an event subscription takes 22 at most. Use a second relay with another --name"
if [ -n "${APIKEY_FILE-}" ]; then read_key; fi
stop_on_mistakes
[ -z "${APIKEY-}" ] || say 'note: APIKEY is set in this shell and is not used; shell history and child processes may hold it'

# --- the calls ---------------------------------------------------------------------------------------------------------

begin
step "account $account"
look_up ACCOUNT_ID storage account show --name "$account" --query id --output tsv
look_up ACCOUNT_KIND storage account show --ids "$ACCOUNT_ID" --query kind --output tsv
look_up ACCOUNT_LOCATION storage account show --ids "$ACCOUNT_ID" --query primaryLocation --output tsv
# "Only storage accounts of kind StorageV2, BlockBlobStorage and BlobStorage support event integration" (storage-blob-event-overview).
case $ACCOUNT_KIND in
    StorageV2 | BlockBlobStorage | BlobStorage | '$'*) ;;
    *)
        mistake "--account: $account is of kind $ACCOUNT_KIND, which has no events; upgrade it to StorageV2"
        stop_on_mistakes ;;
esac
for container in $containers; do
    # A filter on a container that does not exist is no error to Event Grid: nothing would ever come.
    look_up_or_none ContainerNotFound CONTAINER storage container-rm show --storage-account "$ACCOUNT_ID" --name "${container%%/*}" --query name --output tsv
    [ -n "$CONTAINER" ] || mistake "--container: $account has no container ${container%%/*}"
done
stop_on_mistakes

step "event subscription $relay, as it is"
# Looked at first: what would be lost by changing it is said before anything is changed.
find_topic
if $dry_run || [ -n "$TOPIC" ]; then
    look_up_or_none 'ResourceNotFound\|not found\|NotFound' PRESENT eventgrid system-topic event-subscription show --name "$relay" --resource-group "$TOPIC_GROUP" \
        --system-topic-name "$TOPIC" --query "filter.advancedFilters[?key=='subject'].values[]" --output tsv
    if ! $dry_run; then
        asked=$newline
        for container in $containers $dropped; do asked="$asked$(subject_of "$container")$newline"; done
        for subject in $PRESENT; do
            case $asked in
                *"$newline$subject$newline"*) ;;
                *)
                    old=${subject#/blobServices/default/containers/}
                    old=${old%%/*}/${old#*/blobs/}
                    old=${old%/}
                    case $subject in */blobs/) ;; *) old=$old/ ;; esac
                    again='' && stopped "the event subscription also takes $old; give --container $old too, or --drop-container $old" ;;
            esac
        done
    fi
    # Event Grid delivers with the topic's own identity; another one's topic is not changed in passing.
    case $dry_run,$TOPIC_IDENTITY in
        true,* | *SystemAssigned*) ;;
        *)
            again=''
            stopped "the account's system topic $TOPIC has no identity of its own. Give it one:
az eventgrid system-topic update --name $TOPIC --resource-group $TOPIC_GROUP --mi-system-assigned" ;;
    esac
fi
make_topic=true
if [ -z "$TOPIC" ]; then
    TOPIC=$relay-$account
    TOPIC_GROUP=$(printf '%s' "$ACCOUNT_ID" | cut -d / -f 5)
elif ! $dry_run && [ "$TOPIC" != "$relay-$account" ]; then
    make_topic=false # somebody else's; ours, from an earlier run, is made again as it is
fi

step "resource group $group"
look_up_or_none ResourceGroupNotFound GROUP group show --name "$group" --query location --output tsv
# shellcheck disable=SC2153 # look_up sets it
if none_yet "$GROUP"; then
    [ -n "$location" ] || { mistake "--location: missing, and there is no resource group '$group' yet"; stop_on_mistakes; }
    # destroy.sh removes a group only if it has this tag.
    change group create --name "$group" --location "$location" --tags "mdss-relay=$relay" --query properties.provisioningState --output tsv
fi
if already; then :; fi

step 'API key'
output VAULT vault
if ! $dry_run && [ -z "$VAULT$api_key" ]; then
    if [ -t 0 ]; then
        ask_key
    else
        mistake "APIKEY_FILE: not set, there is no vault with a key yet, and there is no terminal to ask for it"
        stop_on_mistakes
    fi
fi
if $dry_run; then api_key='***'; fi
[ -n "$api_key" ] || say "there already, in the vault $VAULT"
if [ -n "$api_key" ] && ! $dry_run; then keep_masked "$api_key"; fi

step "function app, without code; this takes some minutes"
parameter() { # name, value, of a text
    printf '%s"%s": {"value": ' "$comma" "$1"
    printf '%s' "$2" | json_text
    printf '}'
    comma=",$newline  "
}
bare_parameter() { # name, value, of everything else
    printf '%s"%s": {"value": %s}' "$comma" "$1" "$2"
    comma=",$newline  "
}
parameters() { # what $1 prints, as a file of parameters
    # shellcheck disable=SC2016 # the schema's own name
    printf '{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#", "contentVersion": "1.0.0.0", "parameters": {\n  '
    comma=''
    "$1"
    printf '\n}}\n'
}
of_relay() {
    parameter name "$relay"
    parameter endpoint "$endpoint"
    # Both always, so that one takes the other's place.
    parameter storageClientId "$storage"
    parameter relayConfigToml "$toml"
    [ -z "$api_key" ] || parameter apiKey "$api_key"
    parameter subnetId "$subnet"
    bare_parameter maxTries "$tries"
    parameter storageSku "$sku"
    bare_parameter logRetention "$retention"
    parameter actionGroupId "$action_group"
}
parameters of_relay | keep relay.json
hint="'az deployment operation group list --resource-group $group --name $relay' says why. If a vault of this name waits in the deleted
state, 'az keyvault list-deleted' shows it and 'az keyvault purge --name NAME' makes room"
# shellcheck disable=SC2154 # begin sets it
change deployment group create --resource-group "$group" --name "$relay" --template-file "$here/relay.bicep" --parameters "@$scratch/relay.json" \
    --query properties.provisioningState --output tsv
hint=''
$dry_run || rm -f "$scratch/relay.json" # the key was in it
output APP app
output APP_ID appId
output RELAY_STORAGE_ID storageId
[ -n "$APP" ] || stopped 'the deployment exists, but its outputs name no app'

step "code in $APP"
change functionapp deployment source config-zip --resource-group "$group" --name "$APP" --src "$zip" --query status --output tsv
case $events in queue) function=ScanQueue ;; *) function=ScanEvent ;; esac
# Until the host has read host.json and its folders; an event subscription before that would be refused.
look_up_made FUNCTION functionapp function list --resource-group "$group" --name "$APP" --query "[?ends_with(name, '/$function')].name | [0]" --output tsv

step "event subscription $relay of $account"
of_events() {
    parameter name "$relay"
    parameter accountId "$ACCOUNT_ID"
    parameter location "$ACCOUNT_LOCATION"
    parameter topicName "$TOPIC"
    bare_parameter makeTopic "$make_topic"
    subjects=''
    for container in $containers; do subjects="$subjects${subjects:+, }$(subject_of "$container" | json_text)"; done
    bare_parameter subjects "[$subjects]"
    parameter way "$events"
    parameter relayStorageId "$RELAY_STORAGE_ID"
    parameter appId "$APP_ID"
    parameter actionGroupId "$action_group"
}
parameters of_events | keep events.json
hint="'az deployment operation group list --resource-group $TOPIC_GROUP --name $relay-events' says why. Rights that were given just now may not be in force
yet: wait a minute and give the command again"
change deployment group create --resource-group "$TOPIC_GROUP" --name "$relay-events" --template-file "$here/events.bicep" \
    --parameters "@$scratch/events.json" --query properties.provisioningState --output tsv
hint=''

first=${containers%%"$newline"*}
$dry_run || say "done. In MDSS a real-time scan must run on the storage unit, in Event-Based mode. Then try it:
  $here/verify.sh --resource-group $group${relay:+ --name $relay} --account $account --container $first"
