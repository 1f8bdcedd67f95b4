# shellcheck shell=bash
# A registry that takes images of whoever is logged in, and the user as which pods run.
echo registry.example > ~/.docker-registry

finally() {
    scanned hello.txt
    [ "$(cat /var/lib/stand-in-cluster/namespaces/mdss-relay/label)" = pod-security.kubernetes.io/enforce=restricted ]
}
