# shellcheck shell=bash
# An account with two buckets, in the region that the guide names, and MDSS with a unit for the one whose objects are to be scanned.
# shellcheck disable=SC2034 # begin.sh uses it
UNITS=(--unit 0c5454e3-d576-44c5-8ce4-cdc078011d0b=amazon-s3)
mkdir -p /var/lib/aws/{calls,given,region,notification}
echo eu-west-1 | tee /var/lib/aws/region/example-inbox > /var/lib/aws/region/example-code
echo 0.0 > /var/lib/aws/waiting
: > /var/lib/aws/lines

# A public authority vouches for the reader's MDSS, to doctor too.
export RELAY_CA_FILE=/root/company-ca.pem

# Both uploads of verify.sh; and after destroy.sh there is nothing left but other people's things.
finally() {
    [ "$(scanned mdss-relay-verify- | wc -l)" -eq 2 ]
    [ ! -e /var/lib/aws/parameters ] && [ ! -e /var/lib/aws/secret ]
    grep -qx '{}' /var/lib/aws/notification/example-inbox
    [ "$(stat -c %a ~/mdss-key)" = 600 ]
    # What doctor says on a deployer's machine.
    (APIENDPOINT=$MDSS_URL APIKEY_FILE=~/mdss-key STORAGECLIENTID=$STORAGE_CLIENT_ID RELAY_AUTH=none mdss-relay doctor --json || true) |
        jq --exit-status '.checks | map(select(.id | test("^(network|mdss)[.]")) | .status) | length > 5 and (map(select(. == "fail" or . == "skipped")) == [])'
}
