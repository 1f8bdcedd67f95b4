# shellcheck shell=bash
# The bucket has no rules yet, and OSS answers at its address. Its secret key is what the reader types, as is MDSS's API key.
mkdir -p /var/lib/stand-in-store/oss
echo '<NotificationConfiguration/>' > /var/lib/stand-in-store/oss/rules.xml
SSL_CERT_FILE=/root/company-ca.pem OSS_SECRET_KEY=$(cat "$TYPED") \
    python3 deploy/jdcloud/tests/oss.py /var/lib/stand-in-store/oss > /opt/stand-in/oss-port 2> /opt/stand-in/oss.log &
timeout 20 bash -c 'until [ -s /opt/stand-in/oss-port ]; do sleep 0.02; done'
tls-proxy 127.0.0.4:443 "127.0.0.1:$(cat /opt/stand-in/oss-port)" /opt/stand-in/certificate.pem /opt/stand-in/key.pem /opt/stand-in/oss-ready &
timeout 20 bash -c 'until [ -e /opt/stand-in/oss-ready ]; do sleep 0.02; done'
# A public authority vouches for JD's addresses.
export CURL_CA_BUNDLE=/root/company-ca.pem

finally() { scanned 'a b+c%20中.txt'; }
