# shellcheck shell=sh
# How the scripts of this folder call `az`. Sourced by them, never run.

tool=az
# shellcheck source=SCRIPTDIR/../calls.sh
. "${here:?}/../calls.sh"

# shellcheck disable=SC2034 # deploy.sh uses it
newline='
'
set -f # lists of names are taken apart at white space, and none of them is a pattern
# No questions, no colours, no progress bars, no hints at newer versions in what is read here ("Azure CLI configuration").
export AZURE_CORE_NO_COLOR=true AZURE_CORE_ONLY_SHOW_ERRORS=true AZURE_CORE_DISABLE_CONFIRM_PROMPT=true AZURE_EXTENSION_USE_DYNAMIC_INSTALL=no

need_cli() {
    $dry_run || command -v az > /dev/null 2>&1 || mistake 'az: not found; install the Azure command line and sign in with "az login", or use Cloud Shell'
}

# The name goes into that of the app, which has 13 characters and a hyphen besides: beyond 32 characters the host would cut it
# off and could take two apps for one ("Host ID collisions").
need_relay_name() {
    case $1 in
        [!A-Za-z]* | *[!0-9A-Za-z-]* | *-) mistake "--name: '$1' may hold letters, digits and '-' only, a letter first and no '-' last" ;;
    esac
    { [ "${#1}" -ge 3 ] && [ "${#1}" -le 18 ]; } || mistake "--name: '$1' does not have 3 to 18 characters"
}

need_group() {
    case $1 in
        '') mistake '--resource-group: missing' ;;
        *[!0-9A-Za-z._\(\)-]* | *.) mistake "--resource-group: '$1' is not the name of a resource group" ;;
    esac
}

# Names of storage accounts: "Storage account overview".
need_account() { # value, option if it is not --account
    case $1 in
        '') mistake "${2:---account}: missing" ;;
        *[!0-9a-z]*) mistake "${2:---account}: '$1' may hold small letters and digits only" ;;
    esac
}

# look_up_or_none PATTERN NAME words…: a call that fails with a complaint like PATTERN has found nothing.
look_up_or_none() {
    absent=$1
    shift
    look_up "$@"
    absent=''
}

# output NAME KEY: an output of the relay's deployment, or nothing.
output() {
    look_up_or_none 'DeploymentNotFound\|ResourceGroupNotFound' "$1" deployment group show --resource-group "${group:?}" --name "${relay:?}" \
        --query "properties.outputs.$2.value" --output tsv
}

# What a subject begins with, for NAME or NAME/PREFIX/ ("Azure Blob Storage as an Event Grid source").
subject_of() {
    case $1 in
        */*) printf '/blobServices/default/containers/%s/blobs/%s' "${1%%/*}" "${1#*/}" ;;
        *) printf '/blobServices/default/containers/%s/blobs/' "$1" ;;
    esac
}

# The account's system topic, of which there is one at most, as TOPIC, TOPIC_GROUP and TOPIC_IDENTITY; nothing if there is
# none. Ids differ in the case of their letters from answer to answer, so they are compared without it.
find_topic() {
    look_up TOPICS eventgrid system-topic list --query '[].[source, resourceGroup, name, identity.type]' --output tsv
    # shellcheck disable=SC2016 # names to print
    if $dry_run; then
        say '# of these the one whose source is the account:'
        TOPIC='$TOPIC' TOPIC_GROUP='$TOPIC_GROUP' TOPIC_IDENTITY=''
        return
    fi
    # shellcheck disable=SC2153 # look_up sets it
    found=$(printf '%s\n' "$TOPICS" | awk -F '\t' -v id="${ACCOUNT_ID:?}" 'tolower($1) == tolower(id) { print $3, $2, $4; exit }')
    # shellcheck disable=SC2034 # the scripts use them
    TOPIC=${found%% *}
    TOPIC_GROUP=${found#* }
    # shellcheck disable=SC2034 # deploy.sh uses it
    TOPIC_IDENTITY=${TOPIC_GROUP#* }
    TOPIC_GROUP=${TOPIC_GROUP%% *}
}
