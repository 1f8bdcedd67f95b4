# shellcheck shell=bash
# A tenancy with a bucket, and MDSS with a unit for it.
# shellcheck disable=SC2034 # begin.sh uses it
UNITS=(--unit 0c5454e3-d576-44c5-8ce4-cdc078011d0b=oracle)
mkdir -p /var/lib/oci/{calls,given,things}
printf 'Commands:\n  container-function  Creates a new function.\n' > /var/lib/oci/help
touch /var/lib/oci/{lines,objects}

# Both uploads of verify.sh; and after destroy.sh there is nothing left but the policy of those who deploy.
finally() {
    [ "$(scanned mdss-relay-verify- | wc -l)" -eq 2 ]
    [ "$(find /var/lib/oci/things -type f)" = /var/lib/oci/things/policy/mdss-relay-deployers ]
}
