#!/bin/sh
# Takes away what deploy.sh made, and nothing else. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=SCRIPTDIR/calls.sh
. "$here/calls.sh"

usage() {
    cat << 'END'
destroy.sh: removes the rule, the logs, the function and the application that deploy.sh made.

  ./destroy.sh --compartment-id OCID --bucket NAME --yes

Objects, buckets, subnets, images and everything in MDSS stay. So does an application with other functions in it, and a log
group with other logs. It skips what is not there any more, so it may be run again after a failure.

  --compartment-id OCID       as given to deploy.sh
  --bucket NAME               as given to deploy.sh (the first suffices): its compartment has the rule; or
  --rule-compartment-id OCID  the rule's compartment itself
  --application, --function, --rule, --log-group, --policy NAME
                              if they were given to deploy.sh
  --with-policy               remove the policy as well
  --emission-off              also switch off object events of every --bucket (which may be repeated); other rules on
                              these buckets then get no events either
  --yes                       do it; without --yes the script asks at the terminal
  --dry-run                   print every command, run none
  --help

Exit status: 0 done, 1 a call failed or the answer was no, 2 the arguments are wrong and nothing was done.
END
}

compartment='' rule_compartment='' buckets=''
application=mdss-relay function=mdss-relay-oci-fn rule=mdss-relay-objects log_group=mdss-relay policy=mdss-relay-events
with_policy=false emission_off=false yes=false
newline='
'

flag() {
    case $1 in
        --with-policy) with_policy=true ;;
        --emission-off) emission_off=true ;;
        --yes) yes=true ;;
    esac
}
option() {
    case $1 in
        --compartment-id) compartment=$2 ;;
        --rule-compartment-id) rule_compartment=$2 ;;
        --bucket) buckets="$buckets$2$newline" ;;
        --application) application=$2 ;;
        --function) function=$2 ;;
        --rule) rule=$2 ;;
        --log-group) log_group=$2 ;;
        --policy) policy=$2 ;;
    esac
}
read_options '--with-policy --emission-off --yes' '--compartment-id --rule-compartment-id --bucket --application --function --rule --log-group --policy' "$@"

need_cli
need_ocid --compartment-id "$compartment" 'ocid1.compartment ocid1.tenancy'
[ -z "$rule_compartment" ] || need_ocid --rule-compartment-id "$rule_compartment" 'ocid1.compartment ocid1.tenancy'
need_name --application "$application"
need_name --function "$function"
need_name --rule "$rule"
need_name --log-group "$log_group"
need_name --policy "$policy"
while IFS= read -r bucket; do
    [ -z "$bucket" ] || need_name --bucket "$bucket"
done << END
$buckets
END
[ -n "$buckets$rule_compartment" ] || mistake '--bucket or --rule-compartment-id: one of them is missing; it says where the rule is'
if $emission_off && [ -z "$buckets" ]; then mistake '--emission-off: --bucket is missing; it names the buckets'; fi
if ! $yes && ! $dry_run && [ ! -t 0 ]; then mistake '--yes: missing, and there is no terminal to ask at'; fi
stop_on_mistakes

if ! $yes && ! $dry_run; then
    printf 'Remove rule %s, function %s and application %s (if nothing else is in it)? Type the name of the application: ' \
        "$rule" "$function" "$application" >&3
    IFS= read -r answer || answer=''
    [ "$answer" = "$application" ] || { say 'not confirmed; nothing was done'; exit 1; }
fi
begin

# The rule first: nobody is to call a function that is about to go.
if [ -z "$rule_compartment" ]; then
    step 'bucket'
    for bucket in $buckets; do break; done
    look_up BUCKET_COMPARTMENT_ID os bucket get --bucket-name "$bucket" --query 'data."compartment-id"' --raw-output
    rule_compartment=$BUCKET_COMPARTMENT_ID
fi

step "rule $rule"
look_up RULE_ID events rule list --compartment-id "$rule_compartment" --display-name "$rule" \
    --query "data[?\"lifecycle-state\"=='ACTIVE' || \"lifecycle-state\"=='INACTIVE'].id | [0]" --raw-output
look_up LOG_GROUP_ID logging log-group list --compartment-id "$compartment" --display-name "$log_group" --query 'data[0].id' --raw-output

# A service's log: service, resource.
log_off() {
    if [ -z "$LOG_GROUP_ID" ] || [ -z "$2" ]; then return 0; fi
    look_up LOG_ID logging log list --log-group-id "$LOG_GROUP_ID" --log-type SERVICE --source-service "$1" --source-resource "$2" \
        --query 'data[0].id' --raw-output
    if is_there "$LOG_ID"; then
        change logging log delete --log-group-id "$LOG_GROUP_ID" --log-id "$LOG_ID" --force \
            --wait-for-state SUCCEEDED --wait-for-state FAILED --query data.status --raw-output
    fi
}

log_off cloudevents "$RULE_ID"
if is_there "$RULE_ID"; then
    # Its last state is read, and a rule that is gone has none: not waited for.
    change events rule delete --rule-id "$RULE_ID" --force
fi

step "application $application"
look_up APPLICATION_ID fn application list --compartment-id "$compartment" --display-name "$application" --lifecycle-state ACTIVE \
    --query 'data[0].id' --raw-output
if is_there "$APPLICATION_ID"; then
    step "function $function"
    look_up FUNCTION_ID fn function list --application-id "$APPLICATION_ID" --display-name "$function" --lifecycle-state ACTIVE \
        --query 'data[0].id' --raw-output
    if is_there "$FUNCTION_ID"; then
        change_fn fn function delete --function-id "$FUNCTION_ID" --force
    fi
    step "application $application"
    look_up OTHER_FUNCTION_ID fn function list --application-id "$APPLICATION_ID" --query "data[?\"lifecycle-state\"!='DELETED'].id | [0]" --raw-output
    if ! $dry_run && [ -n "$OTHER_FUNCTION_ID" ]; then
        say "kept, with its log: $OTHER_FUNCTION_ID is in it"
    else
        if $dry_run; then say '# if that found none:'; fi
        log_off functions "$APPLICATION_ID"
        change_fn fn application delete --application-id "$APPLICATION_ID" --force
    fi
fi

step "log group $log_group"
if is_there "$LOG_GROUP_ID"; then
    look_up OTHER_LOG_ID logging log list --log-group-id "$LOG_GROUP_ID" --query 'data[0].id' --raw-output
    if ! $dry_run && [ -n "$OTHER_LOG_ID" ]; then
        say "kept: $OTHER_LOG_ID is in it"
    else
        if $dry_run; then say '# if that found none:'; fi
        change logging log-group delete --log-group-id "$LOG_GROUP_ID" --force \
            --wait-for-state SUCCEEDED --wait-for-state FAILED --query data.status --raw-output
    fi
fi

if $with_policy; then
    step "policy $policy"
    look_up POLICY_ID iam policy list --compartment-id "$compartment" --name "$policy" --query 'data[0].id' --raw-output
    if is_there "$POLICY_ID"; then change iam policy delete --policy-id "$POLICY_ID" --force; fi
fi

if $emission_off; then
    for bucket in $buckets; do
        step "object events of bucket $bucket"
        change os bucket update --bucket-name "$bucket" --object-events-enabled false --query 'data."object-events-enabled"' --raw-output
    done
fi
