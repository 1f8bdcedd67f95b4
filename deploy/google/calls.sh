# shellcheck shell=sh
# How the scripts of this folder call `gcloud`. Sourced by them, never run.

tool=gcloud
# shellcheck source=SCRIPTDIR/../calls.sh
. "${here:?}/../calls.sh"

# Nobody is there to answer.
export CLOUDSDK_CORE_DISABLE_PROMPTS=1

need_cli() {
    $dry_run || command -v gcloud > /dev/null 2>&1 ||
        mistake "gcloud: not found; install Google's command line and log in, or use Cloud Shell"
    $dry_run || command -v jq > /dev/null 2>&1 || mistake 'jq: not found; it reads the notifications of a bucket and log lines'
}

# "Creating and managing projects": 6 to 30 letters, digits and hyphens; older ones have a domain in front.
need_project() {
    case $1 in
        '') mistake '--project: missing' ;;
        *[!0-9a-z:.-]*) mistake "--project: '$1' is not the id of a project" ;;
    esac
}

need_region() {
    case $1 in
        '') mistake '--region: missing' ;;
        *[!0-9a-z-]*) mistake "--region: '$1' is not a region" ;;
    esac
}

# The name of the service, the topics, the subscriptions, and with "-push" and "-run" of service accounts, which have 6 to 30 characters.
need_relay_name() {
    case $1 in
        '' | [!a-z]* | *[!0-9a-z-]* | *-) mistake "--name: '$1' may hold small letters, digits and '-' only, a letter first" ;;
    esac
    if [ "${#1}" -lt 3 ] || [ "${#1}" -gt 25 ]; then mistake "--name: '$1' has ${#1} characters, expected 3 to 25"; fi
}

need_bucket() { # option, value
    case $2 in
        '' | *[!0-9a-z._-]*) mistake "$1: '$2' may hold small letters, digits, '.', '_' and '-' only" ;;
    esac
}

# look_up_or_none NAME words…: a call that complains that there is no such thing has found nothing.
look_up_or_none() {
    absent='NOT_FOUND\|Cannot find\|not found\|does not exist'
    look_up "$@"
    absent=''
}

# What waits in a subscription that nobody pulls from, or nothing. It is not acknowledged, and comes again.
waiting() {
    look_up_or_none "$1" pubsub subscriptions pull "$2" --project "${project:?}" --limit 1 --format 'value(message.messageId)'
}

# our_notifications VARIABLE BUCKET: id and prefix of each notification of the bucket that goes to our topic, one a line.
our_notifications() {
    if $dry_run; then
        say "$(shown storage buckets notifications list "gs://$2" --format json) > \$SCRATCH/answer"
        eval "$1=\\\$$1"
        return
    fi
    run storage buckets notifications list "gs://$2" --format json
    jq --raw-output --arg topic "/projects/$project/topics/${relay:?}" \
        '.[]? | .["Notification Configuration"] // . | select(.topic // "" | endswith($topic)) | "\(.id) \(.object_name_prefix // "")"' \
        "${scratch:?}/answer" > "$scratch/notifications" || stopped 'the answer of notifications list is not JSON'
    eval "$1=\$(cat \"\$scratch/notifications\")"
}

remove_notification() { # bucket, id
    change storage buckets notifications delete "projects/_/buckets/$1/notificationConfigs/$2"
}
