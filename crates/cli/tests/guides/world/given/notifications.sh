# shellcheck shell=bash
# The relay is installed; it has a route for the bucket, and an event of it was kept.
/opt/stand-in/package
cat > relay.toml <<'END'
[[source]]
name = "jd"
path = "/jd"
dialect = "jdcloud"
auth = { bearer = { token = "a-token-of-more-than-thirty-two-letters" } }

[[route]]
source = "jd"
bucket = "invoices-eu"
storage_client_id = "0c5454e3-d576-44c5-8ce4-cdc078011d0b"
storage_type = "s3-compatible"
END
sed s/bj-contracts/invoices-eu/ events/jdcloud/create.json > event.json

finally() { grep -q '<Event>s3:ObjectCreated' bucket.xml; }
