#!/bin/sh
# Becomes BINARY, confined as the platform confines a function, as far as this machine allows; says on stderr how far.
# FOLDER, for the socket, is all it may write to.
#
# What the platform does: fnproject/fn, api/agent/drivers/docker/cookie.go and docker.go, with the numbers in
# api/agent/config.go: user 1000, no capabilities and none to be gained, a read-only root, 50 processes (threads
# count), 350 open files, 64 KiB of locked memory.
#
# usage: sandbox.sh FOLDER BINARY
set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
folder=$1
binary=$2

# shellcheck disable=SC2016 # the inner shell expands it
read_only='mount --bind "$0" "$0" && mount -o remount,bind,ro / && cd / && exec "$@"'

if command -v prlimit > /dev/null; then
    limits='prlimit --nofile=350 --nproc=50 --memlock=65536'
    confined='350 files, 50 processes, 64 KiB locked memory'
else
    # shellcheck disable=SC3045 # not in POSIX, but in every shell that is somebody's sh
    ulimit -n 350
    limits=
    confined='350 files (no prlimit for more)'
fi

if [ "$(id -u)" -ne 0 ]; then
    echo "sandbox: $confined; not root, so the user and the file system stay as they are" >&2
    # shellcheck disable=SC2086 # words, on purpose
    exec $limits "$binary"
fi
if ! command -v setpriv > /dev/null; then
    echo "sandbox: $confined; no setpriv, so the user and the file system stay as they are" >&2
    # shellcheck disable=SC2086
    exec $limits "$binary"
fi
user='setpriv --reuid 1000 --regid 1000 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all'
confined="$confined, user 1000, no capabilities"

if unshare --mount -- sh -c "$read_only" "$folder" true 2> /dev/null; then
    echo "sandbox: $confined, read-only root" >&2
    # shellcheck disable=SC2086
    exec unshare --mount -- sh -c "$read_only" "$folder" $user $limits "$binary"
fi
echo "sandbox: $confined; no mount namespace, so only the user's rights keep it from writing" >&2
cd /
# shellcheck disable=SC2086
exec $user $limits "$binary"
