# shellcheck shell=bash
# The relay runs as a service in spooled mode, and has had a bad day: everything that an alert's command looks for is in its log and its
# spool. MDSS is not there yet, so that something waits.
mkdir -p dist/packages && touch dist/packages/mdss-relay_0.1.0_amd64.deb
/opt/stand-in/package
install -m 0600 /dev/stdin /etc/mdss-relay/api-key <<< test-key
install -m 0644 ~/company-ca.pem /etc/mdss-relay/
cat > /etc/mdss-relay/relay.toml <<'END'
[mdss]
endpoint = "https://mdss.example"
ca_file = "/etc/mdss-relay/company-ca.pem"

[ledger]
mode = "on"

[[source]]
name = "minio"
path = "/minio"
auth = { path_secret = { secret = "a-secret-of-this-test" } }

[[source]]
name = "open"
path = "/open"
auth = "none"

[[route]]
source = "minio"
bucket = "invoices"
prefix = "in/"
storage_client_id = "0c5454e3-d576-44c5-8ce4-cdc078011d0b"
storage_type = "s3-compatible"

[[route]]
source = "open"
bucket = "invoices"
storage_client_id = "0c5454e3-d576-44c5-8ce4-cdc078011d0b"
storage_type = "s3-compatible"
END
systemctl start mdss-relay-http
post() { curl --silent --show-error --retry 9 --retry-delay 1 --retry-connrefused --data-binary @- --output /dev/null "http://127.0.0.1:8080$1"; }
event() { printf '{"Records":[{"eventSource":"minio:s3","eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"%s"},"object":{"key":"%s"}}}]}' "$1" "$2"; }
known=/minio/a-secret-of-this-test
event unknown-bucket a.pdf | post "$known"      # held, and the first item
event invoices in%2F1.pdf | post "$known"       # waits for MDSS
event invoices out%2F1.pdf | post "$known"      # not selected
echo 'not JSON' | post "$known"                 # parked
echo 'not JSON' | post /open                    # unusable
event invoices in%2F2.pdf | post /minio/a-secret-of-nobody
sed -i.good 's/^prefix/prefiks/' /etc/mdss-relay/relay.toml
systemctl reload mdss-relay-http
timeout 20 bash -c 'until grep -q "new configuration is not used" /var/log/mdss-relay-http.journal; do sleep 0.02; done'
mv /etc/mdss-relay/relay.toml.good /etc/mdss-relay/relay.toml

# `retry --all` makes it due; MDSS is there by then.
finally() { timeout 20 bash -c 'until grep -q in/1.pdf /opt/stand-in/accepted; do sleep 0.05; done'; }
