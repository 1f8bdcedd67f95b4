#!/bin/sh
# Brings events that were given up back into the queue. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
redrive.sh: puts what is in the poison queue and in the container for dead letters back into the relay's queue, once what kept
MDSS from accepting it has been corrected. Each event is removed from where it was only after it is in the queue.

  ./redrive.sh --resource-group NAME

You need the roles "Storage Queue Data Contributor" and "Storage Blob Data Contributor" on the relay's storage account.

  --resource-group NAME       the relay's
  --name NAME                 default mdss-relay
  --relay-storage NAME        what Terraform calls its output `storage`; otherwise deploy.sh's deployment is asked
  --dry-run                   print every command, run none
  --help

Exit status: 0 done, 1 a call failed, 2 the arguments are wrong and nothing was done.
END
}

group='' relay=mdss-relay RELAY_STORAGE=''

option() {
    case $1 in
        --resource-group) group=$2 ;;
        --name) relay=$2 ;;
        --relay-storage) RELAY_STORAGE=$2 ;;
    esac
}
read_options '' '--resource-group --name --relay-storage' "$@"
need_cli
$dry_run || command -v jq > /dev/null 2>&1 || mistake 'jq: not found; it takes a dead letter apart into its events'
need_group "$group"
need_relay_name "$relay"
[ -z "$RELAY_STORAGE" ] || need_account "$RELAY_STORAGE" --relay-storage
stop_on_mistakes
begin

step "relay $relay"
[ -n "$RELAY_STORAGE" ] || output RELAY_STORAGE storage
[ -n "$RELAY_STORAGE" ] || stopped "the group $group has no finished deployment $relay; after Terraform --relay-storage is needed"

put() { # a message as it is to lie in the queue
    change storage message put --queue-name relay-objects --account-name "$RELAY_STORAGE" --content "$1" --time-to-live -1 --auth-mode login --query id --output tsv
}

step 'poison queue'
count=0
while :; do
    # Hidden from others for five minutes, and there again if this script ends in between.
    look_up MESSAGE storage message get --queue-name relay-objects-poison --account-name "$RELAY_STORAGE" --visibility-timeout 300 --auth-mode login \
        --query '[0].[id, popReceipt, content]' --output tsv
    if $dry_run; then
        # shellcheck disable=SC2016 # names to print
        id='$ID' receipt='$POP_RECEIPT' content='$CONTENT'
        say '# if there is one, with its three words; then the next one:'
    else
        case $MESSAGE in '' | None*) break ;; esac
        # One word a line: that is how az prints a list.
        id=$(printf '%s\n' "$MESSAGE" | sed -n 1p)
        receipt=$(printf '%s\n' "$MESSAGE" | sed -n 2p)
        content=$(printf '%s\n' "$MESSAGE" | sed -n 3p)
        [ -n "$content" ] || stopped 'a message without content'
    fi
    put "$content"
    change storage message delete --queue-name relay-objects-poison --account-name "$RELAY_STORAGE" --id "$id" --pop-receipt "$receipt" --auth-mode login
    count=$((count + 1))
    if $dry_run; then break; fi
done
$dry_run || say "$count messages"

step 'dead letters'
look_up BLOBS storage blob list --container-name dead-letters --account-name "$RELAY_STORAGE" --num-results '*' --auth-mode login --query '[].name' --output tsv
count=0
# shellcheck disable=SC2016 # a name to print
if $dry_run; then BLOBS='$BLOB' && say '# for each of them:'; fi
# shellcheck disable=SC2153 # look_up sets it
for blob in $BLOBS; do # names of Event Grid's: no white space
    # shellcheck disable=SC2154 # begin sets it
    change storage blob download --container-name dead-letters --account-name "$RELAY_STORAGE" --name "$blob" --file "$scratch/dead.json" --no-progress --auth-mode login \
        --query name --output tsv
    if $dry_run; then
        say '# for each event in it, as base64:'
        # shellcheck disable=SC2016 # a name to print
        put '$EVENT'
    else
        # A list of events, or one alone. A message holds one.
        jq --compact-output 'if type == "array" then .[] else . end' "$scratch/dead.json" > "$scratch/events" || stopped "$blob is not JSON"
        while IFS= read -r event; do
            put "$(printf '%s' "$event" | base64 | tr -d '\n')"
            count=$((count + 1))
        done < "$scratch/events"
    fi
    change storage blob delete --container-name dead-letters --account-name "$RELAY_STORAGE" --name "$blob" --auth-mode login
done
$dry_run || say "$count events"
