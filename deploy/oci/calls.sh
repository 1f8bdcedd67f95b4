# shellcheck shell=sh
# How the scripts of this folder call `oci`. Sourced by them, never run.

tool=oci
# shellcheck source=SCRIPTDIR/../calls.sh
. "${here:?}/../calls.sh"

# name of the option, what was given, what it must begin with
need_ocid() {
    case $2 in
        '') mistake "$1: missing" ;;
        *[!0-9A-Za-z._-]*) mistake "$1: '$2' has characters that no OCID has" ;;
        *) case " $3 " in *" $(printf '%s' "$2" | cut -d . -f 1,2) "*) ;; *) mistake "$1: '$2' does not begin with one of: $3" ;; esac ;;
    esac
}

need_cli() {
    $dry_run || command -v oci > /dev/null 2>&1 ||
        mistake "oci: not found; install Oracle's command line (oci-cli) and set it up, or use Cloud Shell"
}

# change, for the Functions service, whose --wait-for-state is of no use: it says "Unable to wait for the work request", does
# not wait and ends with 0 (oci-cli 3.95.1: the client it asks has no get_work_request). So its work requests are asked here.
change_fn() {
    set -- "$@" --query '"opc-work-request-id"' --raw-output
    look_up WORK_REQUEST_ID "$@"
    if [ -z "$WORK_REQUEST_ID" ]; then return; fi # an API of before work requests has done it at once
    waited=0
    while :; do
        look_up WORK_STATUS fn work-request get --work-request-id "$WORK_REQUEST_ID" --query data.status --raw-output
        if $dry_run; then
            say '# again every few seconds, until it is SUCCEEDED'
            return
        fi
        case $WORK_STATUS in
            SUCCEEDED) return ;;
            FAILED | CANCELED | NEEDS_ATTENTION)
                # shellcheck disable=SC2016 # JMESPath's quotes
                look_up WHY fn work-request-error list --work-request-id "$WORK_REQUEST_ID" --query 'join(`"; "`, data.items[].message)' --raw-output
                stopped "OCI accepted the call and reports that its work failed: $(printf '%s' "$WHY" | masked)" ;;
        esac
        again_or_stop 600 "the work request $WORK_REQUEST_ID is $WORK_STATUS"
    done
}
