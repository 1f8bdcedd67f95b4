# shellcheck shell=bash
# A MinIO server runs as a service, with MinIO's own unit, and `mc` knows it as myminio.
useradd --create-home minio-user
printf 'MINIO_VOLUMES=/mnt/minio\n' > /etc/default/minio
cat > /usr/lib/systemd/system/minio.service <<'END'
[Service]
User=minio-user
EnvironmentFile=-/etc/default/minio
ExecStartPre=/bin/sh -c "env > /run/minio.env"
ExecStart=/bin/sleep infinity
END
: > /run/minio.env
chown minio-user /run/minio.env
systemctl start minio

finally() {
    scanned 'a b+c%20.txt'
    # Nobody but root reads what holds a secret.
    for file in /etc/mdss-relay/{api-key,minio-token} /etc/default/minio; do [ "$(stat -c %a "$file")" = 600 ]; done
}
