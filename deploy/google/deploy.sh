#!/bin/sh
# From nothing to scanning on Google Cloud: topics, service, push subscription, the buckets' notifications. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
deploy.sh: sets up mdss-relay as a Cloud Run service to which Pub/Sub pushes an event of every new and every overwritten object.

  APIKEY_FILE=~/mdss-key ./deploy.sh --project ID --region REGION --image IMAGE \
      --endpoint https://mdss.example --storage-client-id ID --bucket NAME

It may be run again at any time, after a success, a failure or an interruption. What it made becomes what the options say.

Where
  --project ID                of the relay, its topics and its service accounts
  --region REGION             of the service
  --name NAME                 default mdss-relay; the first part of every name, 3 to 25 characters
  --network NAME, --subnet NAME
                              if MDSS is in a VPC: private addresses are reached through it

What
  --image IMAGE               the server's image in Artifact Registry, with a tag or a digest
  --ingress WAY               all (default): the relay's token check stands alone at its door. internal: only Google's own services of
                              this project and the VPC reach it at all
  --min-instances COUNT       1 (default) to 100: these are always warm; 0 is cheaper, and slow after a pause
  --max-instances COUNT       1 to 100, default 3
  --max-attempts COUNT        5 to 100 (default): how often an event is pushed, 10 s to 10 min apart, before it is a dead letter

Configuration. The API key is never an argument. It comes from the file that APIKEY_FILE names and is kept in Secret Manager.
Without APIKEY_FILE the key that is there stays; if there is none, the script asks for it at the terminal
  --endpoint URL              MDSS's address or webhook URL
  --storage-client-id ID      the storage unit in MDSS that takes every object; or
  --relay-config FILE         a TOML configuration with [[route]]s and all other settings that differ from the defaults; the
                              source, named gcs, is added to it
  --secret-name NAME          default NAME-api-key

Events
  --bucket NAME               the bucket of the objects; may be repeated. Its other notifications stay as they are
  --drop-bucket NAME          a bucket whose objects are not to be scanned any longer
  --prefix TEXT               only names that begin with it (routes can do it too)

Around it
  --notification-channel ID   gets the alarms (projects/…/notificationChannels/…); without it they are visible only in the console
  --no-alarms                 make none

  --dry-run                   print every command, run none
  --help

The account is that of gcloud: `gcloud auth list`.
Exit status: 0 done, 1 a call failed, 2 the arguments are wrong and nothing was done.
END
}

project='' region='' relay=mdss-relay network='' subnet=''
image='' ingress=all least=1 most=3 attempts=100
endpoint='' storage='' relay_config='' toml='' secret=''
buckets='' dropped='' prefix='' channel='' alarms=true
newline='
'

flag() { alarms=false; }
option() {
    case $1 in
        --project) project=$2 ;;
        --region) region=$2 ;;
        --name) relay=$2 ;;
        --network) network=$2 ;;
        --subnet) subnet=$2 ;;
        --image) image=$2 ;;
        --ingress) ingress=$2 ;;
        --min-instances) least=$2 ;;
        --max-instances) most=$2 ;;
        --max-attempts) attempts=$2 ;;
        --endpoint) endpoint=$2 ;;
        --storage-client-id) storage=$2 ;;
        --relay-config) relay_config=$2 ;;
        --secret-name) secret=$2 ;;
        --bucket | --drop-bucket)
            need_bucket "$1" "$2"
            case $1 in --bucket) buckets="$buckets$2$newline" ;; *) dropped="$dropped$2$newline" ;; esac ;;
        --prefix) prefix=$2 ;;
        --notification-channel) channel=$2 ;;
    esac
}
read_options '--no-alarms' '--project --region --name --network --subnet --image --ingress --min-instances --max-instances --max-attempts --endpoint
--storage-client-id --relay-config --secret-name --bucket --drop-bucket --prefix --notification-channel' "$@"

# --- the arguments -----------------------------------------------------------------------------------------------------

need_cli
need_project "$project"
need_region "$region"
need_relay_name "$relay"
secret=${secret:-$relay-api-key}
case $secret in *[!0-9A-Za-z_-]*) mistake "--secret-name: '$secret' has characters that no secret's name has" ;; esac
case ${network:+network}${subnet:+subnet} in
    network) mistake '--subnet: missing beside --network' ;;
    subnet) mistake '--network: missing beside --subnet' ;;
esac
case $network$subnet in *[!0-9a-z/.:-]*) mistake "--network, --subnet: '$network', '$subnet' are not names" ;; esac
case $image in
    '') mistake '--image: missing' ;;
    *[!0-9A-Za-z./:@_-]*) mistake "--image: '$image' is not the name of an image" ;;
    *:* | *@*) ;;
    *) mistake "--image: '$image' has neither a tag nor a digest" ;;
esac
case $ingress in all | internal) ;; *) mistake "--ingress: '$ingress' is neither all nor internal" ;; esac
need_number --min-instances "$least" 0 100
need_number --max-instances "$most" 1 100
need_number --max-attempts "$attempts" 5 100
need_url --endpoint "$endpoint"
case $storage,$relay_config in
    ,) mistake '--storage-client-id or --relay-config: one of them is missing' ;;
    ?*,?*) mistake '--storage-client-id and --relay-config: only one of them' ;;
esac
case $storage in *[[:space:]]*) mistake '--storage-client-id: has white space inside' ;; esac
if [ -n "$relay_config" ] && [ -f "$relay_config" ] && [ -r "$relay_config" ]; then
    toml=$(cat -- "$relay_config")
    [ -n "$toml" ] || mistake "--relay-config: '$relay_config' is empty"
    ! printf '%s\n' "$toml" | grep -Eq '^[[:space:]]*(\[\[?[[:space:]]*)?source\>' || mistake "--relay-config: '$relay_config' has a source; this script adds the only one"
elif [ -n "$relay_config" ]; then
    mistake "--relay-config: '$relay_config' is not a file that can be read"
fi
[ -n "$buckets" ] || mistake '--bucket: missing'
case $prefix in *[[:cntrl:]]*) mistake '--prefix: has control characters inside' ;; esac
case $channel in '' | projects/*/notificationChannels/*) ;; *) mistake "--notification-channel: '$channel' is not projects/…/notificationChannels/…" ;; esac
if [ -n "${APIKEY_FILE-}" ]; then read_key; fi
stop_on_mistakes
[ -z "${APIKEY-}" ] || say 'note: APIKEY is set in this shell and is not used; shell history and child processes may hold it'

# --- the calls ---------------------------------------------------------------------------------------------------------

begin
push=$relay-push@$project.iam.gserviceaccount.com
runs=$relay-run@$project.iam.gserviceaccount.com
# Ours, and not the service's address, which changes with the service: both sides are told it here.
audience=mdss-relay/$project/$relay

step "project $project"
look_up PROJECT_NUMBER projects describe "$project" --format 'value(projectNumber)'
[ -n "$PROJECT_NUMBER" ] || stopped 'this account sees no such project'
pubsub_agent=service-$PROJECT_NUMBER@gcp-sa-pubsub.iam.gserviceaccount.com
for bucket in $buckets $dropped; do
    look_up_or_none BUCKET storage buckets describe "gs://$bucket" --format 'value(name)'
    [ -n "$BUCKET" ] || mistake "--bucket, --drop-bucket: there is no bucket $bucket, or this account does not see it"
done
stop_on_mistakes
change services enable run.googleapis.com pubsub.googleapis.com secretmanager.googleapis.com iamcredentials.googleapis.com monitoring.googleapis.com \
    --project "$project"

for account in push run; do
    step "service account $relay-$account"
    look_up_or_none ACCOUNT_EMAIL iam service-accounts describe "$relay-$account@$project.iam.gserviceaccount.com" --project "$project" --format 'value(email)'
    if none_yet "$ACCOUNT_EMAIL"; then
        change iam service-accounts create "$relay-$account" --project "$project" --display-name "mdss-relay: $account"
    fi
    if already; then :; fi
done
# Pub/Sub signs as it; projects of before April 2021 need this ("Authenticate push subscriptions").
hint='an account that was made just now may not be known everywhere yet: wait a minute and give the command again'
change iam service-accounts add-iam-policy-binding "$push" --project "$project" --member "serviceAccount:$pubsub_agent" \
    --role roles/iam.serviceAccountTokenCreator --condition None
hint=''

step "secret $secret"
look_up_or_none SECRET_VERSION secrets versions describe latest --secret "$secret" --project "$project" --format 'value(name.basename())'
if ! $dry_run && [ -z "$SECRET_VERSION$api_key" ]; then
    if [ -t 0 ]; then
        ask_key
    else
        mistake "APIKEY_FILE: not set, there is no secret '$secret' yet, and there is no terminal to ask for the key"
        stop_on_mistakes
    fi
fi
if $dry_run; then api_key='***'; fi
if [ -n "$api_key" ]; then
    printf '%s' "$api_key" | keep key.txt
    $dry_run || keep_masked "$api_key"
fi
look_up_or_none SECRET_NAME secrets describe "$secret" --project "$project" --format 'value(name)'
if none_yet "$SECRET_NAME"; then
    change secrets create "$secret" --project "$project" --replication-policy automatic
fi
# The same key again is no new version, so nothing is deployed for it.
differs() {
    $dry_run && return
    [ -n "$SECRET_VERSION" ] || return 0
    run secrets versions access latest --secret "$secret" --project "$project"
    [ "$(cat "$scratch/answer")" != "$api_key" ]
}
if [ -n "$api_key" ]; then
    if $dry_run; then say '# if it holds another key, or none:'; fi
    if differs; then
        # shellcheck disable=SC2154 # begin sets it
        change secrets versions add "$secret" --project "$project" --data-file "$scratch/key.txt"
    fi
    $dry_run || rm -f "$scratch/answer" # the key was in it
    look_up SECRET_VERSION secrets versions describe latest --secret "$secret" --project "$project" --format 'value(name.basename())'
fi
change secrets add-iam-policy-binding "$secret" --project "$project" --member "serviceAccount:$runs" --role roles/secretmanager.secretAccessor

topic() { # name
    step "topic $1"
    look_up_or_none TOPIC pubsub topics describe "$1" --project "$project" --format 'value(name)'
    if none_yet "$TOPIC"; then
        change pubsub topics create "$1" --project "$project"
    fi
    if already; then :; fi
}
topic "$relay-dead"
# Without one, a dead letter would be published to nobody and be gone.
step "subscription $relay-dead, which keeps dead letters"
look_up_or_none SUBSCRIPTION pubsub subscriptions describe "$relay-dead" --project "$project" --format 'value(name)'
if none_yet "$SUBSCRIPTION"; then
    change pubsub subscriptions create "$relay-dead" --project "$project" --topic "$relay-dead" --ack-deadline 60 --message-retention-duration 31d \
        --expiration-period never
fi
if already; then :; fi
change pubsub topics add-iam-policy-binding "$relay-dead" --project "$project" --member "serviceAccount:$pubsub_agent" --role roles/pubsub.publisher

topic "$relay"
look_up STORAGE_AGENT storage service-agent --project "$project"
change pubsub topics add-iam-policy-binding "$relay" --project "$project" --member "serviceAccount:$STORAGE_AGENT" --role roles/pubsub.publisher

step "service $relay"
variable() { # name, value: YAML reads a text of JSON
    printf '%s: ' "$1"
    printf '%s' "$2" | json_text
    printf '\n'
}
source_of_relay() {
    [ -z "$toml" ] || printf '%s\n\n' "$toml"
    printf '[[source]]\nname = "gcs"\npath = "/gcs"\ndialect = "gcs"\nredelivers = "dead-letters"\n'
    printf 'auth = { jwt = { issuer = "google", audience = "%s", email = "%s", subscriptions = ["projects/%s/subscriptions/%s", "projects/%s/subscriptions/%s-dead"] } }' \
        "$audience" "$push" "$project" "$relay" "$project" "$relay"
}
{
    variable APIENDPOINT "$endpoint"
    variable APIKEY_FILE /run/mdss-relay/api-key
    [ -z "$storage" ] || variable STORAGECLIENTID "$storage"
    [ -z "$storage" ] || variable RELAY_STORAGE_TYPE google
    variable RELAY_CONFIG_TOML "$(source_of_relay)"
} | keep variables.yaml
set -- --project "$project" --region "$region" --image "$image" --service-account "$runs" --ingress "$ingress" --allow-unauthenticated \
    --concurrency 80 --timeout 60 --min-instances "$least" --max-instances "$most" --cpu 1 --memory 512Mi --port 8080 \
    --startup-probe 'httpGet.path=/readyz,httpGet.port=8080,periodSeconds=1,timeoutSeconds=1,failureThreshold=60' \
    --set-secrets "/run/mdss-relay/api-key=$secret:$SECRET_VERSION" --env-vars-file "$scratch/variables.yaml"
if [ -n "$network" ]; then set -- "$@" --network "$network" --subnet "$subnet" --vpc-egress private-ranges-only; fi
hint="the log of the revision says why it did not start: 'gcloud run services logs read $relay --region $region --project $project'. If the organisation
forbids services that admit calls without a token of their own (allUsers), see docs/google.md"
change run deploy "$relay" "$@"
hint=''
look_up URL run services describe "$relay" --project "$project" --region "$region" --format 'value(status.url)'
[ -n "$URL" ] || stopped 'the service exists, but it has no address'

step "subscription $relay, which pushes to it"
set -- --push-endpoint "$URL/gcs" --push-auth-service-account "$push" --push-auth-token-audience "$audience" --ack-deadline 60 \
    --message-retention-duration 7d --expiration-period never --min-retry-delay 10s --max-retry-delay 600s \
    --dead-letter-topic "projects/$project/topics/$relay-dead" --max-delivery-attempts "$attempts"
look_up_or_none SUBSCRIPTION pubsub subscriptions describe "$relay" --project "$project" --format 'value(name)'
hint="to push as $push this account needs iam.serviceAccounts.actAs on it"
if none_yet "$SUBSCRIPTION"; then
    change pubsub subscriptions create "$relay" --project "$project" --topic "$relay" "$@"
fi
if already; then
    change pubsub subscriptions update "$relay" --project "$project" "$@"
fi
hint=''
# Without this nothing is ever moved to the dead letters.
change pubsub subscriptions add-iam-policy-binding "$relay" --project "$project" --member "serviceAccount:$pubsub_agent" --role roles/pubsub.subscriber

for bucket in $buckets; do
    step "notification of $bucket"
    our_notifications NOTIFICATIONS "$bucket"
    found='' others=''
    if ! $dry_run; then
        while read -r id old; do
            if [ -z "$id" ]; then continue; fi
            if [ "$old" = "$prefix" ] && [ -z "$found" ]; then found=$id; else others="$others$id$newline"; fi
        done << END
$NOTIFICATIONS
END
    fi
    if none_yet "$found"; then
        set -- --topic "projects/$project/topics/$relay" --skip-topic-setup --event-types OBJECT_FINALIZE --payload-format json
        [ -z "$prefix" ] || set -- "$@" --object-prefix "$prefix"
        change storage buckets notifications create "gs://$bucket" "$@"
    fi
    if already; then :; fi
    for id in $others; do remove_notification "$bucket" "$id"; done
done
for bucket in $dropped; do
    step "notification of $bucket, no longer ours"
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

alarm() { # name, what it is about, a condition in JSON, whether it is about log lines
    step "alarm $relay: $1"
    {
        printf '{"displayName": "%s: %s", "combiner": "OR", "documentation": {"content": "%s", "mimeType": "text/markdown"},\n' "$relay" "$1" "$2"
        printf ' "conditions": [{"displayName": "%s", %s}],\n' "$1" "$3"
        printf ' "alertStrategy": {"autoClose": "86400s"'
        [ -z "${4-}" ] || printf ', "notificationRateLimit": {"period": "3600s"}'
        printf '}'
        [ -z "$channel" ] || printf ', "notificationChannels": ["%s"]' "$channel"
        printf '}\n'
    } | keep alarm.json
    look_up ALARM alpha monitoring policies list --project "$project" --filter "displayName='$relay: $1'" --format 'value(name)' --limit 1
    if none_yet "$ALARM"; then
        change alpha monitoring policies create --project "$project" --policy-from-file "$scratch/alarm.json"
    fi
    if already; then
        change alpha monitoring policies update "$ALARM" --project "$project" --policy-from-file "$scratch/alarm.json"
    fi
}
threshold() { # metric, subscription, above, for how long
    printf '"conditionThreshold": {"filter": "resource.type = \\"pubsub_subscription\\" AND resource.labels.subscription_id = \\"%s\\" AND metric.type = \\"pubsub.googleapis.com/subscription/%s\\"", "comparison": "COMPARISON_GT", "thresholdValue": %s, "duration": "%s", "aggregations": [{"alignmentPeriod": "300s", "perSeriesAligner": "ALIGN_MAX"}]}' \
        "$2" "$1" "$3" "$4"
}
log_line() { # mdss.failure_kind
    printf '"conditionMatchedLog": {"filter": "resource.type=\\"cloud_run_revision\\" resource.labels.service_name=\\"%s\\" jsonPayload.\\"mdss.failure_kind\\"=\\"%s\\""}' "$relay" "$1"
}
if $alarms; then
    alarm 'dead letters' 'Events were pushed too often and are kept in the subscription of dead letters. docs/google.md says how they come back.' \
        "$(threshold num_undelivered_messages "$relay-dead" 0 0s)"
    alarm 'events wait' 'An event has waited for more than ten minutes: MDSS or the relay is away, or refuses.' \
        "$(threshold oldest_unacked_message_age "$relay" 600 0s)"
    alarm 'somebody must act' 'MDSS refuses for a reason that does not pass by itself; mdss.reason and mdss.detail of the line say which.' \
        "$(log_line config)" log
    alarm 'unusable events' 'An event can never be used; mdss.reason and mdss.detail of the line say why.' "$(log_line permanent)" log
fi

$dry_run || say "done. In MDSS a real-time scan must run on the storage unit, in Event-Based mode. Then try it:
  $here/verify.sh --project $project --name $relay --bucket ${buckets%%"$newline"*}${prefix:+ --prefix $prefix}"
