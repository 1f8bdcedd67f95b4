# shellcheck shell=bash
# An account with a bucket, and MDSS with a unit for it.
mkdir -p /var/lib/tccli/{calls,given}
echo '{"buckets": ["example-inbox-1250000000"]}' > /var/lib/tccli/account.json
echo 0 > /var/lib/tccli/waiting
: > /var/lib/tccli/lines

# A public authority vouches for the reader's MDSS, to doctor too.
export RELAY_CA_FILE=/root/company-ca.pem

# Both uploads of verify.sh; the policy and the group that an administrator made; and after destroy.sh nothing else is left.
finally() {
    [ "$(scanned mdss-relay-verify- | wc -l)" -eq 2 ]
    jq --exit-status '[.functions, .queues, .logsets, .topics, .alarms] | all(. == {})' /var/lib/tccli/account.json
    [ -e /var/lib/tccli/attached ] && [ -e /var/lib/tccli/notice ]
    # The ledger got a line of each, as the log service gives it back.
    [ "$(wc -l < function-log.jsonl)" -eq 2 ]
    # What the uploader signed with reached the function, and no line of it.
    grep -q made-up-secret /var/lib/tccli/event.json
    ! grep -q made-up-secret /var/lib/tccli/lines
    [ "$(stat -c %a ~/mdss-key)" = 600 ]
}
