# shellcheck shell=bash
# An account with a bucket, and MDSS with a unit for it.
# shellcheck disable=SC2034 # begin.sh uses it
UNITS=(--unit 0c5454e3-d576-44c5-8ce4-cdc078011d0b=alibaba)
mkdir -p /var/lib/aliyun/{calls,given,buckets,roles,policies,attached,rules,triggers}
printf cn-hangzhou > /var/lib/aliyun/buckets/example-inbox
printf 0 > /var/lib/aliyun/waiting
: > /var/lib/aliyun/log
: > /var/lib/aliyun/lines

# A public authority vouches for the reader's MDSS, to doctor too.
export RELAY_CA_FILE=/root/company-ca.pem

# Both uploads of verify.sh, and the one that EventBridge announced beside the trigger; and after destroy.sh there is nothing left.
finally() {
    [ "$(scanned mdss-relay-verify- | wc -l)" -eq 2 ]
    [ "$(scanned 'a b+c%20中.txt' | wc -l)" -eq 2 ]
    for left in roles policies attached rules triggers; do [ -z "$(ls /var/lib/aliyun/$left)" ]; done
    for left in function queue store project rule rule-queue; do [ ! -e /var/lib/aliyun/$left ]; done
    [ "$(stat -c %a ~/mdss-key)" = 600 ]
}
