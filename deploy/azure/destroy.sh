#!/bin/sh
# Takes away what deploy.sh made, and nothing else. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
destroy.sh: removes our event subscription, the system topic if deploy.sh made it, and the relay's resource group.

  ./destroy.sh --resource-group NAME --account NAME --yes

Blobs, the watched account, other event subscriptions and everything in MDSS stay. It stops if events still wait, in the queue, in
the poison queue or as dead letters. It may be run again after a failure. A group that deploy.sh did not make is not removed:
then the ids of what deploy.sh made in it are printed.

  --resource-group NAME       the relay's
  --name NAME                 default mdss-relay
  --account NAME              the storage account of the blobs
  --discard                   remove the queues and the dead letters with the events in them; their blobs stay unscanned
  --purge                     also the deleted vault, which would otherwise keep its name and the key for 7 days; without it
                              deploy.sh cannot use the same group and name in these days
  --yes                       do it; without --yes the script asks at the terminal
  --dry-run                   print every command, run none
  --help

Exit status: 0 done, 1 a call failed or the answer was no, 2 the arguments are wrong and nothing was done.
END
}

group='' relay=mdss-relay account='' discard=false purge=false yes=false

flag() {
    case $1 in
        --discard) discard=true ;;
        --purge) purge=true ;;
        --yes) yes=true ;;
    esac
}
option() {
    case $1 in
        --resource-group) group=$2 ;;
        --name) relay=$2 ;;
        --account) account=$2 ;;
    esac
}
read_options '--discard --purge --yes' '--resource-group --name --account' "$@"
need_cli
need_group "$group"
need_relay_name "$relay"
need_account "$account"
if ! $yes && ! $dry_run && [ ! -t 0 ]; then mistake '--yes: missing, and there is no terminal to ask at'; fi
stop_on_mistakes

if ! $yes && ! $dry_run; then
    printf 'Remove the relay %s with its resource group %s? Type the name of the group: ' "$relay" "$group" >&3
    IFS= read -r answer || answer=''
    [ "$answer" = "$group" ] || { say 'not confirmed; nothing was done'; exit 1; }
fi
begin

step "account $account"
look_up ACCOUNT_ID storage account show --name "$account" --query id --output tsv
find_topic

# The subscription first: nobody is to post to a queue that is about to go.
step "event subscription $relay"
if $dry_run || [ -n "$TOPIC" ]; then
    set -- --name "$relay" --resource-group "$TOPIC_GROUP" --system-topic-name "$TOPIC"
    look_up_or_none 'ResourceNotFound\|not found\|NotFound' SUBSCRIPTION eventgrid system-topic event-subscription show "$@" --query id --output tsv
    if is_there "$SUBSCRIPTION"; then change eventgrid system-topic event-subscription delete "$@" --yes; fi
else
    say 'not there'
fi

step 'events that still wait'
output RELAY_STORAGE storage
output QUEUE_ID queueId
output POISON_QUEUE_ID poisonQueueId
waiting() { # what, id of the queue, what to do
    # The API version, because of the many types below a storage account; the number is a property of the queue itself.
    look_up WAITING resource show --ids "$2" --api-version 2023-05-01 --query properties.approximateMessageCount --output tsv
    if $dry_run || $discard; then return; fi
    case $WAITING in
        '' | 0) ;;
        *) stopped "$WAITING events wait in the $1. $3, or give --discard" ;;
    esac
}
if is_there "$QUEUE_ID"; then
    waiting queue "$QUEUE_ID" 'Wait until the function has taken them'
    waiting 'poison queue' "$POISON_QUEUE_ID" 'Bring them back with redrive.sh'
    if $dry_run || ! $discard; then
        hint='looking into the container needs the role "Storage Blob Data Reader" on the relay'\''s storage account, or give --discard'
        look_up DEAD storage blob list --container-name dead-letters --account-name "$RELAY_STORAGE" --num-results 1 --auth-mode login --query '[0].name' --output tsv
        hint=''
        $dry_run || [ -z "$DEAD" ] || stopped "the container for dead letters is not empty. Bring the events back with redrive.sh, or give --discard"
    fi
fi

step "system topic and alarms of $account"
if $dry_run || [ -n "$TOPIC" ]; then
    for alarm in dead-lettered dropped; do
        look_up_or_none 'ResourceNotFound\|not found\|NotFound' ALARM monitor metrics alert show --name "$relay-$alarm" --resource-group "$TOPIC_GROUP" --query id --output tsv
        # shellcheck disable=SC2153 # look_up sets it
        if is_there "$ALARM"; then change monitor metrics alert delete --name "$relay-$alarm" --resource-group "$TOPIC_GROUP"; fi
    done
fi
if $dry_run; then say "# if its name is $relay-$account, and nobody else has a subscription on it:"; fi
if $dry_run || [ "$TOPIC" = "$relay-$account" ]; then
    look_up OTHERS eventgrid system-topic event-subscription list --resource-group "$TOPIC_GROUP" --system-topic-name "$TOPIC" --query '[].name' --output tsv
    if $dry_run || [ -z "$OTHERS" ]; then
        change eventgrid system-topic delete --name "$TOPIC" --resource-group "$TOPIC_GROUP" --yes
    else
        say "kept: $(printf '%s' "$OTHERS" | tr '\n' ' ') uses it too"
    fi
else
    say 'not ours, or not there'
fi

step "resource group $group"
look_up_or_none ResourceGroupNotFound LOCATION group show --name "$group" --query location --output tsv
if is_there "$LOCATION"; then
    look_up OURS group show --name "$group" --query 'tags."mdss-relay"' --output tsv
    if $dry_run; then say "# if that is $relay:"; fi
    if $dry_run || [ "$OURS" = "$relay" ]; then
        change group delete --name "$group" --yes
    else
        look_up RESOURCES deployment group show --resource-group "$group" --name "$relay" --query 'properties.outputResources[].id' --output tsv
        again=''
        stopped "deploy.sh did not make this group, so it stays. What deploy.sh made in it:
$RESOURCES"
    fi
fi
if $purge; then
    step 'deleted vault'
    # The group and its deployment are gone, so the vault is known by where it was.
    look_up VAULTS keyvault list-deleted --resource-type vault \
        --query "[?contains(properties.vaultId, '/resourceGroups/$group/providers/Microsoft.KeyVault/vaults/relay-')].[name, properties.location]" --output tsv
    # shellcheck disable=SC2016 # names to print
    if $dry_run; then
        say '# for each of them:'
        VAULTS='$VAULT $VAULT_LOCATION'
    fi
    # shellcheck disable=SC2153 # look_up sets it
    while read -r vault place; do
        [ -z "$vault" ] || change keyvault purge --name "$vault" --location "$place"
    done << END
$VAULTS
END
fi
$dry_run || say 'done'
