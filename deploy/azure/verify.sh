#!/bin/sh
# Proves that a blob in the container reaches MDSS, and shows what the function says about it. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
verify.sh: uploads a small blob, waits for the function's log line about it, and shows the line and MDSS's correlation id.
Then it overwrites the blob and waits for the second line, because overwriting is an event of its own.

  ./verify.sh --resource-group NAME --account NAME --container NAME

You need the role "Storage Blob Data Contributor" on the container, and "Log Analytics Reader" on the relay's group.

  --resource-group NAME         the relay's
  --name NAME                   default mdss-relay
  --account NAME                the storage account of the blobs
  --container NAME[/PREFIX/]    where to upload
  --wait SECONDS                how long to wait for each line, default 600: log lines come minutes late
  --every SECONDS               how often to look, default 15
  --once                        do not overwrite
  --remove                      remove the blob at the end; it stays by default, so that MDSS can scan it
  --queue                       no upload: put an event into the relay's queue. If this works and an upload does not, look at the
                                event subscription. The event names a blob that does not exist. You need the role "Storage Queue
                                Data Message Sender" on the relay's storage account
  --workspace ID                what Terraform calls its output `workspace`; otherwise deploy.sh's deployment is asked
  --relay-storage NAME          for --queue, what Terraform calls its output `storage`
  --dry-run                     print every command, run none
  --help

Exit status: 0 MDSS accepted it, 1 it did not or no log line was found, 2 the arguments are wrong and nothing was done.
END
}

group='' relay=mdss-relay account='' container='' wait=600 every=15 once=false remove=false queue=false
WORKSPACE='' RELAY_STORAGE=''

flag() {
    case $1 in
        --once) once=true ;;
        --remove) remove=true ;;
        --queue) queue=true ;;
    esac
}
option() {
    case $1 in
        --resource-group) group=$2 ;;
        --name) relay=$2 ;;
        --account) account=$2 ;;
        --container) container=$2 ;;
        --wait) wait=$2 ;;
        --every) every=$2 ;;
        --workspace) WORKSPACE=$2 ;;
        --relay-storage) RELAY_STORAGE=$2 ;;
    esac
}
read_options '--once --remove --queue' '--resource-group --name --account --container --wait --every --workspace --relay-storage' "$@"

need_cli
$dry_run || command -v jq > /dev/null 2>&1 || mistake 'jq: not found; it takes the lines out of the answer'
need_group "$group"
need_relay_name "$relay"
need_account "$account"
# shellcheck disable=SC2016 # that is their name
case $container in
    '') mistake '--container: missing' ;;
    *[!0-9A-Za-z._/\$-]*) mistake "--container: '$container' may hold letters, digits, '.', '_', '-' and '/' only" ;;
    */) ;;
    */*) mistake "--container: '$container': the prefix has to end in a slash" ;;
esac
need_number --wait "$wait" 1 3600
need_number --every "$every" 1 600
[ -z "$WORKSPACE" ] || need_name --workspace "$WORKSPACE"
[ -z "$RELAY_STORAGE" ] || need_account "$RELAY_STORAGE" --relay-storage
stop_on_mistakes
begin
again=''
prefix=''
case $container in */*) prefix=${container#*/} container=${container%%/*} ;; esac
object=${prefix}mdss-relay-verify-$(date -u +%Y%m%dT%H%M%SZ)-$$.txt
began=$(date -u +%Y-%m-%dT%H:%M:%SZ)

step "relay $relay"
[ -n "$WORKSPACE" ] || output WORKSPACE workspace
[ -n "$WORKSPACE" ] || stopped "the group $group has no finished deployment $relay; deploy.sh makes it, and after Terraform --workspace is needed"
if $queue; then
    [ -n "$RELAY_STORAGE" ] || output RELAY_STORAGE storage
    [ -n "$RELAY_STORAGE" ] || stopped "the group $group has no finished deployment $relay; after Terraform --relay-storage is needed"
fi

upload() {
    printf 'mdss-relay verification, %s, %s\n' "$1" "$object" | keep object.txt
    hint='uploading needs the role "Storage Blob Data Contributor" on the container; a role that was given just now needs some minutes'
    # shellcheck disable=SC2154 # begin sets it
    change storage blob upload --account-name "$account" --container-name "$container" --name "$object" --file "$scratch/object.txt" \
        --content-type text/plain --overwrite true --auth-mode login --no-progress --query etag --output tsv
    hint=''
}

# The lines about our blob, as the function printed them, oldest first. With Log Analytics' own API, because the commands for it
# are an extension that has to be installed.
# shellcheck disable=SC2154 # begin sets it
lines() {
    printf '{"query": "AppTraces | where TimeGenerated > datetime(%s) - 5m | where Message contains \\"%s\\" | order by TimeGenerated asc | project Message"}' \
        "$began" "$object" > "$scratch/query.json"
    run rest --method post --url "https://api.loganalytics.io/v1/workspaces/$WORKSPACE/query" --resource https://api.loganalytics.io \
        --body "@$scratch/query.json" --output json
    # The function's own lines only: the host's are no JSON.
    jq --compact-output --arg key "$object" '.tables[0].rows[] | .[0] | fromjson? | select(.["faas.document.name"] == $key)' "$scratch/answer" > "$scratch/lines"
}

# wait_for COUNT: until so many lines say that MDSS has accepted our blob, or the time is over.
wait_for() {
    waited=0
    while :; do
        if $dry_run; then
            say "$(shown rest --method post --url "https://api.loganalytics.io/v1/workspaces/$WORKSPACE/query" --resource https://api.loganalytics.io --body "@$scratch/query.json" --output json)"
            say "# every $every seconds, until $1 lines say that MDSS has accepted it, for at most $wait seconds"
            return
        fi
        lines
        accepted=$(grep -c '"object accepted by MDSS"' "$scratch/lines" || true)
        if [ "$accepted" -ge "$1" ]; then break; fi
        # Not accepted yet: the queue brings a transient failure again after five minutes.
        if grep -v '"object accepted by MDSS"' "$scratch/lines" | grep -v '"mdss.failure_kind":"transient"' | grep -q '"mdss.failure_kind"'; then
            cat "$scratch/lines" >&3
            stopped 'the event reached the function and MDSS did not accept the blob; mdss.reason and mdss.detail above say why'
        fi
        if [ "$waited" -ge "$wait" ]; then
            [ ! -s "$scratch/lines" ] || { say 'log lines about this blob:'; cat "$scratch/lines" >&3; }
            hint="verify.sh --queue tries the half from the queue to MDSS alone. If that works, look at the event subscription: its delivery metrics in
the portal, or 'az eventgrid system-topic event-subscription show'. If it does not, look at the function's log for its start"
            stopped "no log line said within $wait seconds that MDSS accepted $object"
        fi
        sleep "$every"
        waited=$((waited + every))
    done
    grep '"object accepted by MDSS"' "$scratch/lines" | sed -n "$1p" >&3
    say "accepted; correlation id $(grep '"object accepted by MDSS"' "$scratch/lines" | sed -n "$1p" | jq --raw-output '.["mdss.correlation_id"] // empty')"
}

if $queue; then
    step "event about $object, into the queue"
    event=$(printf '{"specversion":"1.0","id":"%s","source":"/subscriptions/verify/resourceGroups/verify/providers/Microsoft.Storage/storageAccounts/%s","type":"Microsoft.Storage.BlobCreated","subject":"/blobServices/default/containers/%s/blobs/%s","time":"%s","data":{"api":"PutBlob","contentLength":0,"blobType":"BlockBlob","url":"https://%s.blob.core.windows.net/%s/%s"}}' \
        "$object" "$account" "$container" "$object" "$began" "$account" "$container" "$object" | base64 | tr -d '\n')
    hint='putting a message needs the role "Storage Queue Data Message Sender" on the relay'\''s storage account'
    change storage message put --queue-name relay-objects --account-name "$RELAY_STORAGE" --content "$event" --auth-mode login --query id --output tsv
    hint=''
    wait_for 1
    exit 0
fi

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
    change storage blob delete --account-name "$account" --container-name "$container" --name "$object" --auth-mode login
fi
