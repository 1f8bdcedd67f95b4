# shellcheck shell=bash
# The relay has had the bad day of docs/operation.md.
# shellcheck source=/dev/null
. /opt/stand-in/given/operation.sh
