# shellcheck shell=sh
# How the scripts of this folder call `aliyun`. Sourced by them, never run.

tool=aliyun
# shellcheck source=SCRIPTDIR/../calls.sh
. "${here:?}/../calls.sh"

need_cli() {
    $dry_run || command -v aliyun > /dev/null 2>&1 ||
        mistake 'aliyun: not found; install the Alibaba Cloud command line and run "aliyun configure", or use Cloud Shell'
    $dry_run || command -v jq > /dev/null 2>&1 || mistake 'jq: not found; it reads what aliyun answers'
}

# The letters of a function, its roles, its queue and a log project, all of whose names begin with it. A project's name has at
# most 63 characters, and the account's number (16) and the region stand behind it.
need_relay() {
    case $1 in
        '') mistake '--name: missing' ;;
        [!a-z]* | *[!0-9a-z-]* | *-) mistake "--name: '$1' may hold small letters, digits and '-' only, a letter first and no '-' at its end" ;;
    esac
    [ "${#1}" -le 24 ] || mistake "--name: '$1' is longer than 24 characters"
}

need_region() {
    region=${1:-${ALIBABA_CLOUD_REGION_ID-}}
    case $region in
        '') mistake '--region: missing, and ALIBABA_CLOUD_REGION_ID is not set' ;;
        *[!0-9a-z-]*) mistake "--region: '$region' is not a region" ;;
    esac
}

# "Bucket naming conventions" of OSS.
need_bucket() {
    case $2 in
        '') mistake "$1: missing" ;;
        *[!0-9a-z-]* | -* | *-) mistake "$1: '$2' is not a bucket's name: small letters, digits and '-'" ;;
    esac
}

# Every call names the region: RAM has none, and asks for one all the same.
ask() { look_json "$@" --region "${region:?}"; }
tell() { change "$@" --region "${region:?}"; }

# look_json NAME FILTER words…: the variable becomes what jq's filter takes out of the answer, or nothing.
look_json() {
    variable=$1
    filter=$2
    shift 2
    if $dry_run; then
        say "$variable=\$($(shown "$@") | jq --raw-output '$filter')"
        eval "$variable=\\\$$variable"
        return
    fi
    run "$@"
    answer=$(jq --raw-output "$filter" "$scratch/answer") || stopped 'the answer of aliyun is not JSON'
    case $answer in null) answer='' ;; esac
    eval "$variable=\$answer"
}

# The codes of what is not there are those that Terraform's provider looks for (terraform-provider-alicloud, service_alicloud_*.go).
# ask_or_none PATTERN NAME FILTER words…: a call that fails with a complaint like PATTERN has found nothing.
ask_or_none() {
    absent=$1
    shift
    ask "$@"
    absent=''
}

# tell_unless PATTERN words…: what is gone already need not be removed.
tell_unless() {
    absent=$1
    shift
    tell "$@"
    absent=''
}

account() {
    step account
    ask ACCOUNT_ID .AccountId sts GetCallerIdentity
}

# The names of everything that is made, once the account is known.
# shellcheck disable=SC2034,SC2154 # the scripts use them, and have read the options
names() {
    functions=/2023-03-30/functions
    here_in="$region:${ACCOUNT_ID:?}"
    queue=$relay-dead
    store=function
    project=${log_project:-$relay-$ACCOUNT_ID-$region}
}
