#!/bin/sh
# Brings back the events that were given up after their last try. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
redrive.sh: calls the function with each event in the bucket of dead letters, and removes the event from there once MDSS has accepted
its object. An event that fails again stays.

  ./redrive.sh --region REGION --dead-letters NAME

`hcloud obs` reads and removes, and has settings of its own: hcloud obs config -interactive

  --region REGION       default HUAWEICLOUD_REGION
  --name NAME           default mdss-relay
  --dead-letters NAME   the bucket that deploy.sh was given
  --limit N             how many events at most, default 1000
  --dry-run             print every command, run none
  --help

Exit status: 0 all are back, 1 a call failed or an event stayed, 2 the arguments are wrong and nothing was done.
END
}

region='' relay=mdss-relay dead='' limit=1000

option() {
    case $1 in
        --region) region=$2 ;;
        --name) relay=$2 ;;
        --dead-letters) dead=$2 ;;
        --limit) limit=$2 ;;
    esac
}
read_options '' '--region --name --dead-letters --limit' "$@"

need_cli
need_region "$region"
need_relay_name "$relay"
need_name --dead-letters "$dead"
need_number --limit "$limit" 1 1000
stop_on_mistakes
begin
again='what came back is gone from the bucket; the rest is there'
find_project

# How the platform writes down what it gave up: {"request_payload": "the event", …} ("Configuring Asynchronous Execution Notification").
bring_back() { # object
    obs cp "$1" "$scratch/letter.json" -f
    if $dry_run; then
        say "jq '{body: (.request_payload | fromjson)}' \$SCRATCH/letter.json > \$SCRATCH/event.json"
    elif ! jq '{body: (.request_payload | if type == "string" then fromjson else . end | objects)}' "$scratch/letter.json" > "$scratch/event.json" 2> /dev/null ||
        ! [ -s "$scratch/event.json" ]; then
        say "$1: holds no event; it stays"
        return 1
    fi
    alter FunctionGraph InvokeFunction "--function_urn=$(function_urn):latest" --X-CFF-Request-Version=v1 "--cli-jsonInput=$scratch/event.json"
    $dry_run || accepted || {
        say "$1: not accepted; it stays: $(jq --raw-output '.result // ""' "$scratch/answer")"
        return 1
    }
    obs rm "$1" -f
}

step "dead letters in $dead"
if $dry_run; then
    say "$(shown obs ls "obs://$dead/$relay/" -s "-limit=$limit")"
    say '# for each object of it:'
    bring_back "obs://$dead/$relay/OBJECT"
    exit 0
fi
hcloud obs ls "obs://$dead/$relay/" -s "-limit=$limit" > "$scratch/list" 2>&1 < /dev/null || { cat "$scratch/list" >&2 && stopped "'hcloud obs ls' ended with an error"; }
if grep -qi '^error' "$scratch/list"; then cat "$scratch/list" >&2 && stopped "'hcloud obs ls' ended with an error"; fi
back=0 stayed=0
while IFS= read -r letter; do
    case $letter in "obs://$dead/$relay/"?*) ;; *) continue ;; esac
    if bring_back "$letter"; then back=$((back + 1)); else stayed=$((stayed + 1)); fi
done < "$scratch/list"
say "$back came back, $stayed stayed"
[ "$stayed" -eq 0 ]
