#!/bin/sh
# Proves that an object in the bucket reaches MDSS, and shows what the function says about it. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
verify.sh: uploads a small object, waits for the function's log line about it, and shows the line and MDSS's correlation id.
Then it overwrites the object and waits for the second line, because overwriting is an event of its own.

  ./verify.sh --compartment-id OCID --bucket NAME

  --compartment-id OCID       of the application, as given to deploy.sh
  --bucket NAME               where to upload
  --prefix TEXT               put before the object's name, if only a folder is routed; default none
  --application, --function, --log-group NAME
                              if they were given to deploy.sh
  --wait SECONDS              how long to wait for each line, default 300; logs come minutes late
  --every SECONDS             how often to look, default 10
  --once                      do not overwrite
  --remove                    remove the object at the end; it stays by default, so that MDSS can scan it
  --direct                    no upload: call the function with an event and show its answer. If this works and an upload
                              does not, look at rule, emission and policy. The event names an object that does not exist
  --dry-run                   print every command, run none
  --help

Exit status: 0 MDSS accepted it, 1 it did not or no log line was found, 2 the arguments are wrong and nothing was done.
END
}

compartment='' bucket='' prefix='' wait=300 every=10 once=false remove=false direct=false
application=mdss-relay function=mdss-relay-oci-fn log_group=mdss-relay

flag() {
    case $1 in
        --once) once=true ;;
        --remove) remove=true ;;
        --direct) direct=true ;;
    esac
}
option() {
    case $1 in
        --compartment-id) compartment=$2 ;;
        --bucket) bucket=$2 ;;
        --prefix) prefix=$2 ;;
        --application) application=$2 ;;
        --function) function=$2 ;;
        --log-group) log_group=$2 ;;
        --wait) wait=$2 ;;
        --every) every=$2 ;;
    esac
}
read_options '--once --remove --direct' '--compartment-id --bucket --prefix --application --function --log-group --wait --every' "$@"

need_cli
need_ocid --compartment-id "$compartment" 'ocid1.compartment ocid1.tenancy'
need_name --bucket "$bucket"
case $prefix in *[!0-9A-Za-z._/-]*) mistake "--prefix: '$prefix' may hold letters, digits, '.', '_', '-' and '/' only" ;; esac
need_name --application "$application"
need_name --function "$function"
need_name --log-group "$log_group"
need_number --wait "$wait" 1 3600
need_number --every "$every" 1 600
stop_on_mistakes
begin
again=''

object=${prefix}mdss-relay-verify-$(date -u +%Y%m%dT%H%M%SZ)-$$.txt
began=$(date -u +%Y-%m-%dT%H:%M:%SZ)

step "application $application"
look_up APPLICATION_ID fn application list --compartment-id "$compartment" --display-name "$application" --lifecycle-state ACTIVE \
    --query 'data[0].id' --raw-output
[ -n "$APPLICATION_ID" ] || stopped "this compartment has no such application"

if $direct; then
    step "function $function, called directly"
    look_up FUNCTION_ID fn function list --application-id "$APPLICATION_ID" --display-name "$function" --lifecycle-state ACTIVE \
        --query 'data[0].id' --raw-output
    [ -n "$FUNCTION_ID" ] || stopped "this application has no such function"
    look_up NAMESPACE os bucket get --bucket-name "$bucket" --query data.namespace --raw-output
    event="{\"eventType\":\"com.oraclecloud.objectstorage.createobject\",\"cloudEventsVersion\":\"0.1\",\"eventTypeVersion\":\"2.0\",\
\"source\":\"ObjectStorage\",\"eventTime\":\"$began\",\"contentType\":\"application/json\",\"eventID\":\"$object\",\
\"data\":{\"resourceName\":\"$object\",\"resourceId\":\"/n/$NAMESPACE/b/$bucket/o/$object\",\
\"additionalDetails\":{\"bucketName\":\"$bucket\",\"namespace\":\"$NAMESPACE\"}}}"
    hint='the platform drops the body of a failed call; the reason is in the log of the function'
    look_up REPORT fn function invoke --function-id "$FUNCTION_ID" --body "$event" --file -
    $dry_run && exit 0
    printf '%s\n' "$REPORT"
    hint=''
    printf '%s' "$REPORT" | grep -q '"result": *"accepted"' || stopped 'MDSS did not accept it; the report above says why'
    say "accepted; correlation id $(printf '%s' "$REPORT" | sed -n 's/.*"correlation_id": *"\([^"]*\)".*/\1/p')"
    exit 0
fi

step "log group $log_group"
look_up LOG_GROUP_ID logging log-group list --compartment-id "$compartment" --display-name "$log_group" --query 'data[0].id' --raw-output
[ -n "$LOG_GROUP_ID" ] || stopped "there is no such log group; deploy.sh makes it unless --no-logs is given. --direct needs no log"
look_up LOG_ID logging log list --log-group-id "$LOG_GROUP_ID" --log-type SERVICE --source-service functions --source-resource "$APPLICATION_ID" \
    --query 'data[0].id' --raw-output
[ -n "$LOG_ID" ] || stopped "the log group has no log of the application"

upload() {
    printf 'mdss-relay verification, %s, %s\n' "$1" "$object" | keep object.txt
    change os object put --bucket-name "$bucket" --name "$object" --file "$scratch/object.txt" --content-type text/plain --force
}

# The lines about our object, one a line, newest last, as the function printed them.
lines() {
    # "logContent = '*text*'" is a search for a part of any value ("Logging Query Language Specification").
    look_up LOG_ENTRIES logging-search search-logs \
        --search-query "search \"$compartment/$LOG_GROUP_ID/$LOG_ID\" | where logContent = '*$object*' | sort by datetime asc" \
        --time-start "$began" --time-end "$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ 2> /dev/null || date -u -v+1H +%Y-%m-%dT%H:%M:%SZ)"
    # The answer is indented JSON, the function's line a string in it.
    if $dry_run; then return; fi
    printf '%s\n' "$LOG_ENTRIES" | grep -F "$object" | sed -n 's/^ *"message": *"\(.*\)",\{0,1\}$/\1/p' | sed 's/\\"/"/g; s/\\\\/\\/g' > "$scratch/lines" || true
}

# wait_for EVENT: until a line speaks of this event type, or the time is over.
wait_for() {
    waited=0
    while :; do
        lines
        if $dry_run; then
            say "# every $every seconds, until there is a line about $object and $1, for at most $wait seconds"
            return
        fi
        if grep -F "\"com.oraclecloud.objectstorage.$1\"" "$scratch/lines" > "$scratch/found"; then break; fi
        if [ "$waited" -ge "$wait" ]; then
            [ ! -s "$scratch/lines" ] || { say 'log lines about this object:'; cat "$scratch/lines" >&3; }
            hint="look in this order: if the rule's log is empty too, look at the rule and the bucket's emission. If it shows a failed delivery, try deploy.sh --with-policy.
If verify.sh --direct works, the fault is in rule or policy. Log lines may also come later than --wait"
            stopped "no line about '$1' of $object within $wait seconds"
        fi
        sleep "$every"
        waited=$((waited + every))
    done
    cat "$scratch/found"
    if grep -q '"object accepted by MDSS"' "$scratch/found"; then
        say "accepted; correlation id $(sed -n 's/.*"mdss.correlation_id":"\([^"]*\)".*/\1/p' "$scratch/found" | head -n 1)"
    else
        stopped 'the event reached the function and MDSS did not accept the object; mdss.reason and mdss.detail above say why'
    fi
}

step "upload $object"
upload first
wait_for createobject
if ! $once; then
    step "overwrite $object"
    upload second
    wait_for updateobject
fi
if $remove; then
    step "remove $object"
    change os object delete --bucket-name "$bucket" --object-name "$object" --force
fi
