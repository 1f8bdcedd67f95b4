# shellcheck shell=bash
# A project with two buckets and EventGrid authorised, and one event that was given up before.
mkdir -p /var/lib/huawei/{calls,given,letters}
: > /var/lib/huawei/printed
: > /var/lib/huawei/lines
jq '{request_context: {request_id: "r-0"}, request_payload: (.data.obs.bucket.name = "example-inbox" | .data.obs.object.key = "given-up" | tojson)}' \
    events/huawei-obs/eventgrid.json > /var/lib/huawei/letters/letter-1

# Both uploads of verify.sh, what was given up, and what came by the server; and after destroy.sh nothing is left but the server's subscription.
finally() {
    [ "$(scanned mdssrelayverify | wc -l)" -eq 2 ]
    scanned given-up
    scanned 'a b+c%20中.txt'
    [ ! -e /var/lib/huawei/letters/letter-1 ] && [ ! -e /var/lib/huawei/function.json ] && [ ! -e ~/mdss-key ]
    [ "$(jq --slurp --raw-output '.[].name' /var/lib/huawei/subscriptions.json)" = mdss-relay-server ]
    ! grep -rl 'test-key' /var/lib/huawei/calls
}
