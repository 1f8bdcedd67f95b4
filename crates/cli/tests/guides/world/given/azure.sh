# shellcheck shell=bash
# A subscription with a storage account and a container, and MDSS with a unit for it. A public authority vouches for the reader's addresses.
# shellcheck disable=SC2034 # begin.sh uses it
UNITS=(--unit 0c5454e3-d576-44c5-8ce4-cdc078011d0b=azure-blob)
mkdir -p /var/lib/az/{calls,given,queue,poison,dead,waiting,alarms}
echo examplestorage > /var/lib/az/account
echo StorageV2 > /var/lib/az/kind
echo inbox > /var/lib/az/containers
echo 0 | tee /var/lib/az/waiting/queue > /var/lib/az/waiting/poison
touch /var/lib/az/lines
export CURL_CA_BUNDLE=/root/company-ca.pem SSL_CERT_FILE=/root/company-ca.pem RELAY_DEPLOY_PAUSE=0

# Both uploads of verify.sh, and the dead letter that was sent again; and after destroy.sh there is nothing left.
finally() {
    [ "$(scanned mdss-relay-verify- | wc -l)" -eq 2 ]
    [ ! -e /var/lib/az/group ] && [ ! -e /var/lib/az/events.json ] && [ ! -e /var/lib/az/deleted ]
    grep -q '"object accepted by MDSS"' /var/lib/az/server.log
}
mdss-relay() { if [ "$1" = replay ]; then command mdss-relay "$@" --ca-file /root/company-ca.pem; else command mdss-relay "$@"; fi; }
