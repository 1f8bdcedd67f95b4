# shellcheck shell=bash
# A filer of SeaweedFS has its folder.
mkdir -p /etc/seaweedfs

finally() {
    # B2, SeaweedFS, Tigris, NooBaa, Yandex and Volcengine had one object each, and Yandex a dead letter that came back.
    [ "$(scanned 'a b+c%20.txt' | wc -l)" -eq 6 ]
    scanned 'dead letter'
    [ "$(stat -c %a /etc/seaweedfs/notification.toml)" = 600 ]
}
