# shellcheck shell=sh
# What the scripts of every provider share: how they say what they do, stop, keep secrets and call the provider's tool.
# Sourced by the calls.sh of each, which sets $tool; never run.
#
# One path serves the real run and --dry-run: a script says what it looks up and what it changes, and either that is done
# or the very same words are printed. In print, what an earlier look-up finds stays a variable: "$FUNCTION_ID".
#
# Secrets reach the tool in files of mode 0600 in a folder that is removed at the end, because every argument of every
# process can be read by everybody on the machine. What the tool prints is not passed on, because some answers repeat what
# was sent. Its complaints are, with the key blotted out.

set -eu
set +x # a trace would show the key

me=${0##*/}
dry_run=false
mistakes=''
step=''
hint=''
again='nothing was undone; correct this and give the same command again, it goes on from here'
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

# --- the words of the command line -------------------------------------------------------------------------------------------

unknown_option() {
    case $1 in
        *api*key* | --key | --key=* | --secret | --secret=*) mistake "${1%%=*}: the key is never an argument; name a file in $key_variable" ;;
        --*=*) mistake "${1%%=*}: give the value as the next word" ;;
        *) mistake "'$1': not an option" ;;
    esac
}

# read_options FLAGS VALUED words…: calls `flag NAME` for each word of FLAGS, and `option NAME VALUE` for each of VALUED, of which
# those with a question mark may be without one; what else there is becomes a mistake. The script has both functions, and `usage`.
read_options() {
    flags=" $1 "
    valued=" $(printf '%s' "$2" | tr '\n' ' ') "
    shift 2
    while [ $# -gt 0 ]; do
        name=$1
        shift
        case $name in
            --dry-run) dry_run=true; continue ;;
            --help | -h) usage; exit 0 ;;
        esac
        kind=unknown
        case $name in
            *[[:space:]]* | '') ;;
            *)
                case $flags in *" $name "*) flag "$name"; continue ;; esac
                case $valued in *" $name "*) kind=valued ;; *" $name? "*) kind=either ;; esac ;;
        esac
        if [ "$kind" = unknown ]; then
            unknown_option "$name"
            # What follows is the key, which must not be shown as another word that is not known.
            case $name in *=*) ;; *api*key* | --key | --secret) [ $# -eq 0 ] || shift ;; esac
            continue
        fi
        value=${1-}
        case $value in
            --*) value='' ;;
            *) [ $# -eq 0 ] || shift ;;
        esac
        case $value,$kind in
            ,valued) mistake "$name: its value is missing" ;;
            *"
"*) mistake "$name: more than one line" ;;
            *) option "$name" "$value" ;;
        esac
    done
}

# --- what is wrong with the arguments, all of it at once ---------------------------------------------------------------

mistake() { mistakes="$mistakes  $*
"; }

stop_on_mistakes() {
    [ -n "$mistakes" ] || return 0
    printf '%s: nothing was done:\n%s%s --help explains the options\n' "$me" "$mistakes" "$me" >&2
    exit 2
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

# A run with the values that the guides print would end well and send every object nowhere. The names below `example` exist nowhere (RFC 2606).
note_example() { # option, what was given
    case $2 in
        *://*.example | *://*.example[:/]* | 0c5454e3-d576-44c5-8ce4-cdc078011d0b)
            printf "%s: note: %s: '%s' is the example of the guide; give your own\n" "$me" "$1" "$2" >&2 ;;
    esac
}

# option, what was given
need_url() {
    note_example "$1" "$2"
    case $2 in
        '') mistake "$1: missing" ;;
        *[[:space:]]*) mistake "$1: has white space inside" ;;
        *://*@*) mistake "$1: a URL with a user or a password is not accepted" ;;
        http://?* | https://?*) ;;
        *) mistake "$1: '$2' does not begin with https:// or http://" ;;
    esac
}

# --- the API key of MDSS, or another secret; never an argument -------------------------------------------------------------

api_key=''
key_variable=APIKEY_FILE # names the file
key_called='API key of MDSS'

check_key() {
    case $api_key in
        '') mistake "$1: is empty" ;;
        *[[:space:][:cntrl:]]*) mistake "$1: has white space or control characters inside" ;;
    esac
}

# From the file that the variable names.
read_key() {
    key_file=
    eval "key_file=\$$key_variable"
    if [ -f "$key_file" ] && [ -r "$key_file" ]; then
        # Editors end a file with a line break, some of them with two characters.
        api_key=$(tr -d '\r' < "$key_file")
        check_key "the file that $key_variable names"
    else
        mistake "$key_variable: '$key_file' is not a file that can be read"
    fi
}

ask_key() {
    [ -z "$api_key" ] || return 0
    tty_state=$(stty -g)
    stty -echo
    printf '%s, not shown: ' "$key_called" >&3
    IFS= read -r api_key || true
    stty "$tty_state"
    tty_state=''
    say ''
    check_key 'the key'
    stop_on_mistakes
}

# What masked() takes out of complaints: each of the words that is not empty.
keep_masked() {
    for hidden in "$@"; do
        [ -z "$hidden" ] || { printf '%s\n' "$hidden"; printf '%s' "$hidden" | json_text | sed 's/^"//; s/"$//'; printf '\n'; }
    done | keep key
}

# --- the folder for files that the tool reads ---------------------------------------------------------------------------

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
    line=${tool:?}
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

# What a complaint says if it means that there is no such thing; '' if no complaint means that.
absent=''

run() {
    status=0
    "$tool" "$@" > "$scratch/answer" 2> "$scratch/complaint" < /dev/null || status=$?
    if [ "$status" -ne 0 ] && [ -n "$absent" ] && grep -q "$absent" "$scratch/complaint"; then
        : > "$scratch/answer" # some tools print their name even then
    elif [ "$status" -ne 0 ]; then
        masked < "$scratch/complaint" >&2
        command=$tool
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
    case $answer in null | None | '[]') answer='' ;; esac # None: aws
    eval "$variable=\$answer"
}

# look_up, of something that was just made.
look_up_made() {
    waited=0
    while :; do
        look_up "$@"
        eval "answer=\$$1"
        [ -z "$answer" ] || break
        again_or_stop 60 "it was made, but a look-up does not find it"
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
# so its answer, of which its callers ask for the state alone, has to be read.
change() {
    if $dry_run; then
        say "$(shown "$@")"
        return
    fi
    run "$@"
    case $(cat "$scratch/answer") in
        FAILED | CANCELED) stopped "OCI accepted the call, and its work failed; the console's work requests say why" ;;
    esac
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
