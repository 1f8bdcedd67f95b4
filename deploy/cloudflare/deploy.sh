#!/bin/sh
# From nothing to scanning on Cloudflare R2: queues, Worker, secret, the bucket's rule. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
deploy.sh: sets up a Worker that posts every new and every overwritten object of an R2 bucket to mdss-relay-http, signed.

  RELAY_SECRET_FILE=~/relay-secret ./deploy.sh --url https://relay.example/r2 --bucket NAME

It may be run again at any time, after a success, a failure or an interruption. What it made becomes what the options say.

  --url URL             where the relay listens in public: https://, with the path of its source
  --bucket NAME         the bucket of the objects
  --prefix TEXT         only keys that begin with it; routes of the relay can do it too
  --jurisdiction NAME   of the bucket, if it has one
  --name NAME           default mdss-relay: the Worker; its queues are NAME-objects and NAME-dead
  --dry-run             print every command, run none
  --help

The secret is never an argument: it comes from the file that RELAY_SECRET_FILE names, has 16 characters or more, and is the one
of the relay's `secret_file`. Without RELAY_SECRET_FILE the secret that the Worker has stays; if it has none, the script asks for
it at the terminal. ALERT_URL_FILE names a file with an https URL that gets a JSON text when events are given up: a chat's
incoming webhook, for instance.

The account is that of wrangler: `wrangler login`, or CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID.
Exit status: 0 done, 1 a call failed, 2 the arguments are wrong and nothing was done.
END
}

url='' bucket='' prefix='' jurisdiction='' worker=mdss-relay alert_url=''

option() {
    case $1 in
        --url) url=$2 ;;
        --bucket) bucket=$2 ;;
        --prefix) prefix=$2 ;;
        --jurisdiction) jurisdiction=$2 ;;
        --name) worker=$2 ;;
    esac
}
read_options '' '--url --bucket --prefix --jurisdiction --name' "$@"

need_cli
need_url --url "$url"
case $url in
    http://*) mistake "--url: '$url' does not begin with https://; the events would be readable on their way" ;;
    *[\"\\\'\|]*) mistake "--url: has quotes or '|' inside" ;;
esac
need_name --bucket "$bucket"
case $prefix in *[[:cntrl:]]*) mistake '--prefix: has control characters inside' ;; esac
case $jurisdiction in *[!a-z-]*) mistake "--jurisdiction: '$jurisdiction' may hold small letters and '-' only" ;; esac
need_worker "$worker"
if [ -n "${RELAY_SECRET_FILE-}" ]; then
    read_key
    # The relay takes none that is shorter.
    [ -z "$api_key" ] || [ "${#api_key}" -ge 16 ] || mistake 'the file that RELAY_SECRET_FILE names: has less than 16 characters'
fi
if [ -n "${ALERT_URL_FILE-}" ]; then
    if [ -f "$ALERT_URL_FILE" ] && [ -r "$ALERT_URL_FILE" ]; then
        alert_url=$(tr -d '\r' < "$ALERT_URL_FILE")
        case $alert_url in
            *[[:space:]]*) mistake 'the file that ALERT_URL_FILE names: has white space inside' ;;
            https://?*) ;;
            *) mistake 'the file that ALERT_URL_FILE names: does not begin with https://' ;;
        esac
    else
        mistake "ALERT_URL_FILE: '$ALERT_URL_FILE' is not a file that can be read"
    fi
fi
stop_on_mistakes

# --- the calls ---------------------------------------------------------------------------------------------------------

begin
set -- # what every call about the bucket has besides
[ -z "$jurisdiction" ] || set -- --jurisdiction "$jurisdiction"
step "bucket $bucket"
look_up BUCKET r2 bucket info "$bucket" --json "$@"

for queue in "$worker-objects" "$worker-dead"; do
    step "queue $queue"
    look_up_or_none 'does not exist' QUEUE queues info "$queue"
    # The longest there is: an event that is older is deleted unseen. The default is four days.
    # shellcheck disable=SC2153 # look_up sets it
    if none_yet "${QUEUE:+$queue}"; then change queues create "$queue" --message-retention-period-secs 1209600; fi
    if already; then change queues update "$queue" --message-retention-period-secs 1209600; fi
done

step "Worker $worker"
look_up_or_none . SECRETS secret list --name "$worker"
if ! $dry_run && [ -z "$api_key" ]; then
    case $SECRETS in
        *'"RELAY_SECRET"'*) say 'it has a secret, which stays' ;;
        *)
            if [ -t 0 ]; then
                ask_key
                [ "${#api_key}" -ge 16 ] || mistake 'the secret: has less than 16 characters'
            else
                mistake "RELAY_SECRET_FILE: not set, the Worker has no secret yet, and there is no terminal to ask for it"
            fi
            stop_on_mistakes ;;
    esac
fi
if $dry_run; then api_key='***'; fi
$dry_run || keep_masked "$api_key" "$alert_url"
# The names of wrangler.toml become ours, and the Worker is found from the other folder.
sed -e "s|mdss-relay|$worker|g" -e "s|^RELAY_URL = .*|RELAY_URL = \"$(printf '%s' "$url" | sed 's/&/\\&/g')\"|" -e "s|^main = .*|main = \"$here/worker.js\"|" "$here/wrangler.toml" | keep wrangler.toml
# shellcheck disable=SC2154 # begin sets it
change deploy --config "$scratch/wrangler.toml"

if [ -n "$api_key$alert_url" ]; then
    step "secrets of $worker"
    {
        printf '{'
        [ -z "$api_key" ] || { printf '"RELAY_SECRET": '; printf '%s' "$api_key" | json_text; }
        [ -z "$api_key" ] || [ -z "$alert_url" ] || printf ', '
        [ -z "$alert_url" ] || { printf '"ALERT_URL": '; if $dry_run; then printf '"***"'; else printf '%s' "$alert_url" | json_text; fi; }
        printf '}\n'
    } | keep secrets.json
    change secret bulk "$scratch/secrets.json" --name "$worker"
    $dry_run || rm -f "$scratch/secrets.json"
fi

# Last, so that no event comes before there is somebody to take it.
step "rule of $bucket"
# A bucket without rules may be an error to the command or an empty list; which was not found out. Where the look-up fails for
# another reason, creating the rule fails as well, and says why.
look_up_or_none . RULES r2 bucket notification list "$bucket" "$@"
if $dry_run; then
    say "# if none of them is of the queue $worker-objects and this prefix:"
    theirs=''
else
    # Blocks of "name:  value", an empty line between them.
    theirs=$(printf '%s\n' "$RULES" | awk -v queue="$worker-objects" -v prefix="${prefix:-(all prefixes)}" '
        /^rule_id:/ { mine = 0 }
        /^queue_name:/ { mine = $2 == queue }
        /^prefix:/ { sub(/^prefix: */, ""); if (mine && $0 == prefix) print "there" }')
fi
if $dry_run || [ -z "$theirs" ]; then
    [ -z "$prefix" ] || set -- "$@" --prefix "$prefix"
    hint="Cloudflare refuses a rule whose prefix overlaps with another one's: 'wrangler r2 bucket notification list $bucket' shows them"
    change r2 bucket notification create "$bucket" --event-type object-create --queue "$worker-objects" "$@"
    hint=''
else
    say 'there already'
fi

$dry_run || say "done. In MDSS a real-time scan must run on the storage unit, in Event-Based mode. Then try it:
  $here/verify.sh --bucket $bucket --name $worker"
