#!/bin/sh
# Takes away what deploy.sh made, and nothing else. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
destroy.sh: removes our notifications from the buckets, then the subscriptions, the topics, the service, its accounts, the alarms.

  ./destroy.sh --project ID --region REGION --bucket NAME --yes

Objects, buckets, their other notifications and everything in MDSS stay. It stops if dead letters are kept. It may be run again
after a failure.

  --project ID
  --region REGION       of the service
  --name NAME           default mdss-relay
  --bucket NAME         whose notification is ours; may be repeated. A bucket that is left out goes on publishing to a topic that is gone
  --discard             remove the dead letters, too; their objects stay unscanned
  --with-secret         also the secret with the API key
  --secret-name NAME    default NAME-api-key
  --yes                 do it; without --yes the script asks at the terminal
  --dry-run             print every command, run none
  --help

Exit status: 0 done, 1 a call failed or the answer was no, 2 the arguments are wrong and nothing was done.
END
}

project='' region='' relay=mdss-relay buckets='' discard=false with_secret=false secret='' yes=false
newline='
'

flag() {
    case $1 in
        --discard) discard=true ;;
        --with-secret) with_secret=true ;;
        --yes) yes=true ;;
    esac
}
option() {
    case $1 in
        --project) project=$2 ;;
        --region) region=$2 ;;
        --name) relay=$2 ;;
        --bucket) need_bucket "$1" "$2"; buckets="$buckets$2$newline" ;;
        --secret-name) secret=$2 ;;
    esac
}
read_options '--discard --with-secret --yes' '--project --region --name --bucket --secret-name' "$@"

need_cli
need_project "$project"
need_region "$region"
need_relay_name "$relay"
secret=${secret:-$relay-api-key}
[ -n "$buckets" ] || mistake '--bucket: missing'
if ! $yes && ! $dry_run && [ ! -t 0 ]; then mistake '--yes: missing, and there is no terminal to ask at'; fi
stop_on_mistakes
if ! $yes && ! $dry_run; then
    printf 'Remove the relay %s of project %s? Type its name: ' "$relay" "$project" >&3
    IFS= read -r answer || answer=''
    [ "$answer" = "$relay" ] || { say 'not confirmed; nothing was done'; exit 1; }
fi
begin

# The dead letters first: nothing is taken away while somebody still has to look at them.
step "dead letters in $relay-dead"
waiting DEAD_LETTER "$relay-dead"
if ! $dry_run && [ -n "$DEAD_LETTER" ] && ! $discard; then
    stopped 'dead letters are kept there. Bring them back as docs/google.md says, or give --discard'
fi

# Then the buckets: nobody is to publish to a topic that is about to go.
for bucket in $buckets; do
    step "notification of $bucket"
    our_notifications NOTIFICATIONS "$bucket"
    if $dry_run; then
        say '# for each of them:'
        remove_notification "$bucket" ID
    else
        while read -r id _; do [ -z "$id" ] || remove_notification "$bucket" "$id"; done << END
$NOTIFICATIONS
END
    fi
done

# what it is, its name, and the words that look for it, before and behind the name
gone() {
    step "$1"
    kind=$2 name=$3
    shift 3
    # shellcheck disable=SC2086 # words
    look_up_or_none FOUND $kind describe "$name" "$@" --format 'value(name)'
    # shellcheck disable=SC2153 # look_up sets it
    if is_there "$FOUND"; then
        # shellcheck disable=SC2086 # words
        change $kind delete "$name" "$@"
    fi
}
gone "subscription $relay" 'pubsub subscriptions' "$relay" --project "$project"
gone "subscription $relay-dead" 'pubsub subscriptions' "$relay-dead" --project "$project"
gone "topic $relay" 'pubsub topics' "$relay" --project "$project"
gone "topic $relay-dead" 'pubsub topics' "$relay-dead" --project "$project"
gone "service $relay" 'run services' "$relay" --project "$project" --region "$region"
gone "service account $relay-push" 'iam service-accounts' "$relay-push@$project.iam.gserviceaccount.com" --project "$project"
gone "service account $relay-run" 'iam service-accounts' "$relay-run@$project.iam.gserviceaccount.com" --project "$project"
if $with_secret; then gone "secret $secret" secrets "$secret" --project "$project"; fi

for about in 'dead letters' 'events wait' 'somebody must act' 'unusable events'; do
    step "alarm $relay: $about"
    look_up ALARM alpha monitoring policies list --project "$project" --filter "displayName='$relay: $about'" --format 'value(name)' --limit 1
    if is_there "$ALARM"; then change alpha monitoring policies delete "$ALARM" --project "$project"; fi
done
$dry_run || say 'done'
