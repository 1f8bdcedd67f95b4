# shellcheck shell=bash
# A filer of SeaweedFS has its folder.
mkdir -p /etc/seaweedfs

finally() {
    # B2, SeaweedFS, Tigris and NooBaa had one object each.
    [ "$(scanned 'a b+c%20.txt' | wc -l)" -eq 4 ]
    [ "$(stat -c %a /etc/seaweedfs/notification.toml)" = 600 ]
}
