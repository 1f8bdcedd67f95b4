# shellcheck shell=bash
# A project with a bucket, and MDSS with a unit for it.
# shellcheck disable=SC2034 # begin.sh uses it
UNITS=(--unit 0c5454e3-d576-44c5-8ce4-cdc078011d0b=google)
mkdir -p /var/lib/gcloud/{calls,given,there,buckets}
echo '[]' > /var/lib/gcloud/buckets/example-inbox
touch /var/lib/gcloud/{rights,lines}

# Both uploads of verify.sh; and after destroy.sh there is nothing left.
finally() {
    [ "$(scanned mdss-relay-verify- | wc -l)" -eq 2 ]
    [ -z "$(ls /var/lib/gcloud/there)" ] && [ ! -e /var/lib/gcloud/secret ]
    [ "$(jq length /var/lib/gcloud/buckets/example-inbox)" -eq 0 ]
}
