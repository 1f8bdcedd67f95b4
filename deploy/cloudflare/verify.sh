#!/bin/sh
# Proves that an object in the bucket reaches MDSS, and shows what the Worker says about it. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
verify.sh: listens to the Worker's log, uploads a small object, waits for the line that says the relay has taken it, and shows the
line with MDSS's correlation id. Then it overwrites the object and waits for the second line.

  ./verify.sh --bucket NAME

  --bucket NAME         where to upload
  --prefix TEXT         put before the object's name, if only a folder is announced or routed; default none
  --jurisdiction NAME   of the bucket, if it has one
  --name NAME           of the Worker, default mdss-relay
  --wait SECONDS        how long to wait for each line, default 120
  --every SECONDS       how often to look, default 2
  --once                do not overwrite
  --remove              remove the object at the end; it stays by default, so that MDSS can scan it
  --dry-run             print every command, run none
  --help

Exit status: 0 the relay took it, 1 it did not or no line was seen, 2 the arguments are wrong and nothing was done.
END
}

bucket='' prefix='' jurisdiction='' worker=mdss-relay wait=120 every=2 once=false remove=false

flag() {
    case $1 in
        --once) once=true ;;
        --remove) remove=true ;;
    esac
}
option() {
    case $1 in
        --bucket) bucket=$2 ;;
        --prefix) prefix=$2 ;;
        --jurisdiction) jurisdiction=$2 ;;
        --name) worker=$2 ;;
        --wait) wait=$2 ;;
        --every) every=$2 ;;
    esac
}
read_options '--once --remove' '--bucket --prefix --jurisdiction --name --wait --every' "$@"

need_cli
$dry_run || command -v jq > /dev/null 2>&1 || mistake 'jq: not found; it takes the lines out of the log'
need_name --bucket "$bucket"
case $prefix in *[!0-9A-Za-z._/-]*) mistake "--prefix: '$prefix' may hold letters, digits, '.', '_', '-' and '/' only" ;; esac
case $jurisdiction in *[!a-z-]*) mistake "--jurisdiction: '$jurisdiction' may hold small letters and '-' only" ;; esac
need_worker "$worker"
need_number --wait "$wait" 1 3600
need_number --every "$every" 1 600
stop_on_mistakes
begin
again=''
object=${prefix}mdss-relay-verify-$(date -u +%Y%m%dT%H%M%SZ)-$$.txt

step "log of $worker"
if $dry_run; then
    say "$(shown tail "$worker" --format json) > \$SCRATCH/tail &"
else
    wrangler tail "$worker" --format json > "$scratch/tail" 2> "$scratch/complaint" < /dev/null &
    listener=$!
    trap 'kill "$listener" 2> /dev/null; leave' EXIT
    sleep "$every" # until it listens; nothing says when it does
    kill -0 "$listener" 2> /dev/null || {
        cat "$scratch/complaint" >&2
        stopped "'wrangler tail' has ended"
    }
fi

upload() {
    printf 'mdss-relay verification, %s, %s\n' "$1" "$object" | keep object.txt
    set --
    [ -z "$jurisdiction" ] || set -- --jurisdiction "$jurisdiction"
    change r2 object put "$bucket/$object" --file "$scratch/object.txt" --content-type text/plain --remote "$@"
}

# wait_for COUNT: until so many lines say that the relay took our object, or the time is over.
wait_for() {
    waited=0
    while :; do
        if $dry_run; then
            say "# every $every seconds, until $1 lines in it say that the relay has taken the event, for at most $wait seconds"
            return
        fi
        # The last piece may be half written yet.
        jq --compact-output --arg key "$object" '.logs[]?.message[]? | fromjson? | select(.key == $key)' "$scratch/tail" > "$scratch/lines" 2> /dev/null || true
        grep '"event taken by the relay"' "$scratch/lines" > "$scratch/taken" || true
        if [ "$(wc -l < "$scratch/taken")" -ge "$1" ]; then break; fi
        if [ "$waited" -ge "$wait" ]; then
            [ ! -s "$scratch/lines" ] || { say "the Worker's lines about this object:"; cat "$scratch/lines" >&3; }
            hint="no line at all: 'wrangler r2 bucket notification list $bucket' shows whether the bucket announces. Lines with another status than
2xx: the relay's log says why. docs/cloudflare.md has a table"
            stopped "no line said within $wait seconds that the relay took $object"
        fi
        sleep "$every"
        waited=$((waited + every))
    done
    sed -n "$1p" "$scratch/taken" | tee "$scratch/line" >&3
    id=$(jq --raw-output '.answer | fromjson? | .records[0].correlation_id // empty' "$scratch/line")
    say "taken; ${id:+correlation id }${id:-no correlation id: the relay has it on disk, and its own log says when MDSS accepts it}"
}

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
    set --
    [ -z "$jurisdiction" ] || set -- --jurisdiction "$jurisdiction"
    change r2 object delete "$bucket/$object" --remote "$@"
fi
