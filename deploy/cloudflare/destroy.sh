#!/bin/sh
# Takes away what deploy.sh made, and nothing else. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
destroy.sh: takes our rules out of the bucket; with --discard also the Worker and the queues.

  ./destroy.sh --bucket NAME --yes            the bucket announces nothing to us any longer; what waits is still delivered
  ./destroy.sh --bucket NAME --discard --yes  and the rest, with the events that still wait

wrangler cannot count what waits in a queue. So give the first command, look at the backlog of both queues in the dashboard, and
give the second one when it is 0. Objects, the bucket, its other rules and everything in MDSS stay. It may be run again after a
failure.

  --bucket NAME         the bucket of the objects
  --jurisdiction NAME   of the bucket, if it has one
  --name NAME           of the Worker, default mdss-relay
  --discard             remove the Worker and the queues; the objects of events in them stay unscanned
  --yes                 do it; without --yes the script asks at the terminal
  --dry-run             print every command, run none
  --help

Exit status: 0 done, 1 a call failed or the answer was no, 2 the arguments are wrong and nothing was done.
END
}

bucket='' jurisdiction='' worker=mdss-relay discard=false yes=false

flag() {
    case $1 in
        --discard) discard=true ;;
        --yes) yes=true ;;
    esac
}
option() {
    case $1 in
        --bucket) bucket=$2 ;;
        --jurisdiction) jurisdiction=$2 ;;
        --name) worker=$2 ;;
    esac
}
read_options '--discard --yes' '--bucket --jurisdiction --name' "$@"
need_cli
need_name --bucket "$bucket"
case $jurisdiction in *[!a-z-]*) mistake "--jurisdiction: '$jurisdiction' may hold small letters and '-' only" ;; esac
need_worker "$worker"
if ! $yes && ! $dry_run && [ ! -t 0 ]; then mistake '--yes: missing, and there is no terminal to ask at'; fi
stop_on_mistakes

if ! $yes && ! $dry_run; then
    printf 'Remove the rules of %s%s? Type the name of the Worker: ' "$worker" "$($discard && printf ', the Worker and its queues')" >&3
    IFS= read -r answer || answer=''
    [ "$answer" = "$worker" ] || { say 'not confirmed; nothing was done'; exit 1; }
fi
begin
set --
[ -z "$jurisdiction" ] || set -- --jurisdiction "$jurisdiction"

step "rules of $bucket"
look_up_or_none . RULES r2 bucket notification list "$bucket" "$@"
ours=$(printf '%s\n' "$RULES" | awk -v queue="$worker-objects" '/^queue_name:/ && $2 == queue { print queue; exit }')
if $dry_run || is_there "$ours"; then
    # All rules of this queue.
    change r2 bucket notification delete "$bucket" --queue "$worker-objects" "$@"
fi
if ! $discard && ! $dry_run; then
    say "the Worker and the queues stay, and deliver what waits. When the backlog of both queues is 0, give --discard"
    exit 0
fi

if $dry_run; then say '# with --discard:'; fi
# The Worker first: a queue with a consumer cannot be removed.
step "Worker $worker"
look_up_or_none . SECRETS secret list --name "$worker"
if is_there "$SECRETS"; then change delete "$worker" --force; fi
for queue in "$worker-objects" "$worker-dead"; do
    step "queue $queue"
    look_up_or_none 'does not exist' QUEUE queues info "$queue"
    # shellcheck disable=SC2153 # look_up sets it
    if is_there "$QUEUE"; then change queues delete "$queue"; fi
done
$dry_run || say 'done'
