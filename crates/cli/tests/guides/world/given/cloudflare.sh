# shellcheck shell=bash
# An account with the bucket inbox, and nothing else in it.
mkdir -p /var/lib/cloudflare/{calls,given,queues}

# Both uploads of verify.sh.
finally() { [ "$(scanned mdss-relay-verify- | wc -l)" -eq 2 ]; }
