# shellcheck shell=bash
# The shell in which a guide is typed. It begins in the repository, as root, with MDSS at https://mdss.example and a proxy that takes
# https://relay.example to port 8080.
set -euo pipefail

at() { printf '\n### %s\n' "$1"; }
at 'before the guide'
cd /root/mdss-relay
ip link set lo up

# What the guide's programs ask for is typed: MDSS's API key.
export TYPED=/opt/stand-in/typed
echo test-key > "$TYPED"

# Which units MDSS has; a page may have others.
UNITS=(--unit 0c5454e3-d576-44c5-8ce4-cdc078011d0b=s3-compatible)
# Says whether MDSS was told of an object, by its key.
scanned() { grep -F -- "$1" /opt/stand-in/accepted || { echo "MDSS was not told of $1; it knows:"; cat /opt/stand-in/accepted; return 1; }; }
# What must have come of it, once the guide was followed.
finally() { :; }
# shellcheck source=/dev/null
if [ -e "/opt/stand-in/given/$PAGE.sh" ]; then . "/opt/stand-in/given/$PAGE.sh"; fi

: > /opt/stand-in/accepted
/opt/built/mdss-sim --listen 127.0.0.2:443 --tls-cert /opt/stand-in/certificate.pem --tls-key /opt/stand-in/key.pem \
    --journal /opt/stand-in/accepted "${UNITS[@]}" --port-file /opt/stand-in/port > /opt/stand-in/mdss.log 2>&1 &
tls-proxy 127.0.0.3:443 127.0.0.1:8080 /opt/stand-in/certificate.pem /opt/stand-in/key.pem /opt/stand-in/proxy &
for file in port proxy; do timeout 20 bash -c "until [ -e /opt/stand-in/$file ]; do sleep 0.02; done"; done
disown -a

# shellcheck source=/dev/null
. /opt/stand-in/guide.sh
at 'after the guide'
finally
