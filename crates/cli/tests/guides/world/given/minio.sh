# shellcheck shell=bash
# A MinIO server runs as a service, with MinIO's own unit, and `mc` knows it as myminio.
useradd --create-home minio-user
cat > /usr/local/bin/minio <<'END'
#!/bin/bash
env > /run/minio.env
exec sleep infinity
END
chmod +x /usr/local/bin/minio
printf 'MINIO_VOLUMES=/mnt/minio\n' > /etc/default/minio
cat > /usr/lib/systemd/system/minio.service <<'END'
[Service]
User=minio-user
EnvironmentFile=-/etc/default/minio
ExecStart=/usr/local/bin/minio server $MINIO_VOLUMES
END
: > /run/minio.env
chown minio-user /run/minio.env
systemctl start minio

finally() {
    scanned 'a b+c%20.txt'
    # Nobody but root reads what holds a secret.
    for file in /etc/mdss-relay/{api-key,minio-token} /etc/default/minio; do [ "$(stat -c %a "$file")" = 600 ]; done
}
