# shellcheck shell=sh
# How the scripts of this folder call `oci`. Sourced by them, never run.
#
# One path serves the real run and --dry-run: a script says what it looks up and what it changes, and either that is done
# or the very same words are printed. In print, what an earlier look-up finds stays a variable: "$FUNCTION_ID".
#
# Secrets reach `oci` in files of mode 0600 in a folder that is removed at the end, because every argument of every
# process can be read by everybody on the machine. What `oci` prints is not passed on: its answer to "create function"
# repeats the whole configuration. Its complaints are, with the key blotted out.

set -eu
set +x # a trace would show the key

me=${0##*/}
dry_run=false
mistakes=''
step=''
hint=''
again='nothing is undone; once this is mended, give the same command again, it goes on from here'
was_there=''
scratch=''
tty_state=''
pause=${RELAY_DEPLOY_PAUSE:-3} # seconds between two looks at something that takes its time; tests do not wait
exec 3>&1 # where progress goes, also from inside $(…)

say() { printf '%s\n' "$*" >&3; }

step() {
    step=$1
    say "== $step"
}

# --- what is wrong with the arguments, all of it at once ---------------------------------------------------------------

mistake() { mistakes="$mistakes  $*
"; }

stop_on_mistakes() {
    [ -n "$mistakes" ] || return 0
    printf '%s: nothing was done:\n%s%s --help explains the options\n' "$me" "$mistakes" "$me" >&2
    exit 2
}

# name of the option, what was given, what it must begin with
need_ocid() {
    case $2 in
        '') mistake "$1: missing" ;;
        *[!0-9A-Za-z._-]*) mistake "$1: '$2' has characters no OCID has" ;;
        *) case " $3 " in *" $(printf '%s' "$2" | cut -d . -f 1,2) "*) ;; *) mistake "$1: '$2' does not begin with one of: $3" ;; esac ;;
    esac
}

# Names go into queries, file names and JSON, so only characters that mean nothing there are taken.
need_name() {
    case $2 in
        '') mistake "$1: missing" ;;
        *[!0-9A-Za-z._-]*) mistake "$1: '$2' may hold letters, digits, '.', '_' and '-' only" ;;
    esac
}

# option, value, smallest, largest
need_number() {
    case $2 in
        '' | *[!0-9]* | ???????*) mistake "$1: '$2' is not a number from $3 to $4" ;;
        *) if [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then mistake "$1: '$2' is not a number from $3 to $4"; fi ;;
    esac
}

need_cli() {
    $dry_run || command -v oci > /dev/null 2>&1 ||
        mistake "oci: not found; install Oracle's command line (oci-cli) and set it up, or use Cloud Shell"
}

# --- the folder for files that oci reads -------------------------------------------------------------------------------

leave() {
    [ -z "$tty_state" ] || stty "$tty_state" || true
    case $scratch in '' | '$'*) ;; *) rm -rf "$scratch" ;; esac
}

begin() {
    if $dry_run; then
        # shellcheck disable=SC2016 # a name to print
        scratch='$SCRATCH'
        return
    fi
    trap leave EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    umask 077
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/mdss-relay.XXXXXX")
}

# Keeps stdin as $scratch/NAME.
keep() {
    if $dry_run; then
        say "# \$SCRATCH/$1, mode 0600, removed at the end:"
        sed 's/^/#   /' >&3
        printf '\n' >&3
    else
        cat > "$scratch/$1"
    fi
}

# Stdin as one JSON string. The key comes this way, so: a pipe, no arguments.
json_text() {
    tab=$(printf '\t')
    printf '"'
    LC_ALL=C sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e "s/$tab/\\\\t/g" | LC_ALL=C awk 'NR > 1 { printf "\\n" } { printf "%s", $0 }'
    printf '"'
}

# --- calls -------------------------------------------------------------------------------------------------------------

# The words as one would type them; a word with a variable in it keeps it.
shown() {
    line=oci
    for word in "$@"; do
        case $word in
            *'$'[A-Z]*) word="\"$(printf '%s' "$word" | sed 's/["\\`]/\\&/g')\"" ;;
            '' | *[!0-9A-Za-z_./:=@%+,-]*) word="'$(printf '%s' "$word" | sed "s/'/'\\\\''/g")'" ;;
        esac
        line="$line $word"
    done
    printf '%s' "$line"
}

# The key out of a text; both as it is and as JSON writes it.
masked() {
    if [ -s "$scratch/key" ]; then
        LC_ALL=C awk '
            NR == FNR { keys[++n] = $0; next }
            { for (k = 1; k <= n; k++) {
                  out = ""
                  while ((at = index($0, keys[k])) > 0) { out = out substr($0, 1, at - 1) "***"; $0 = substr($0, at + length(keys[k])) }
                  $0 = out $0
              }
              print }' "$scratch/key" -
    else
        cat
    fi
}

run() {
    status=0
    oci "$@" > "$scratch/answer" 2> "$scratch/complaint" < /dev/null || status=$?
    if [ "$status" -ne 0 ]; then
        masked < "$scratch/complaint" >&2
        command=oci
        for word in "$@"; do
            case $word in -*) break ;; *) command="$command $word" ;; esac
        done
        stopped "'$command' ended with status $status"
    fi
}

stopped() {
    printf '%s: %s: %s\n' "$me" "$step" "$1" >&2
    [ -z "$hint" ] || printf '%s: %s\n' "$me" "$hint" >&2
    [ -z "$again" ] || printf '%s: %s\n' "$me" "$again" >&2
    exit 1
}

# look_up NAME words…: the variable becomes what the call prints, or nothing.
look_up() {
    variable=$1
    shift
    if $dry_run; then
        say "$variable=\$($(shown "$@"))"
        eval "$variable=\\\$$variable"
        return
    fi
    run "$@"
    answer=$(cat "$scratch/answer")
    # "Query returned empty result" goes to stderr, and an empty list prints nothing at all (oci-cli 3.95.1, cli_util.render).
    case $answer in null | '[]') answer='' ;; esac
    eval "$variable=\$answer"
}

# look_up, of something that was just made.
look_up_made() {
    waited=0
    while :; do
        look_up "$@"
        eval "answer=\$$1"
        [ -z "$answer" ] || break
        again_or_stop 60 "it was made, and a look-up does not find it"
    done
    $dry_run || say "made: $answer"
}

# Seconds at most, and what to say then.
again_or_stop() {
    [ "$waited" -lt "$1" ] || stopped "$2, for $1 seconds now"
    sleep "$pause"
    waited=$((waited + pause + 1)) # the call itself takes a second and more
}

# change words…: a call that changes something. Asked to wait, oci ends with 0 when the work has ended, well or badly;
# so its answer, of which the callers ask for the state alone, has to be read.
change() {
    if $dry_run; then
        say "$(shown "$@")"
        return
    fi
    run "$@"
    case $(cat "$scratch/answer") in
        FAILED | CANCELED) stopped "OCI took the call and reports that the work has failed; the console's work requests say why" ;;
    esac
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
                stopped "OCI took the call and reports that the work has failed: $(printf '%s' "$WHY" | masked)" ;;
        esac
        again_or_stop 600 "the work request $WORK_REQUEST_ID is $WORK_STATUS"
    done
}

# What follows is done if the look-up found nothing; both ways are shown by --dry-run.
none_yet() {
    was_there=$1
    if $dry_run; then say '# if there is none:'; else [ -z "$1" ]; fi
}

already() {
    if $dry_run; then
        say '# if there is one:'
    elif [ -n "$was_there" ]; then
        say "there already: $was_there"
    else
        return 1
    fi
}

is_there() {
    if $dry_run; then
        say '# if there is one:'
    elif [ -z "$1" ]; then
        say 'not there'
        return 1
    fi
}
