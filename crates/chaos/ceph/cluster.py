"""The smallest Ceph that tells of uploads: a monitor, a manager, one OSD in memory and a gateway, on loopback, without systemd.

Seen with 16.2.15 of Debian 12: 13 s until the gateway answers, about 450 MB resident, of which the manager has 300. With cephx,
because without it the first start of an OSD is sometimes refused (`wrong fsid`): it asks before it has the monitor's map.
"""

import os
import subprocess
import time
import uuid

from processes import Failed, answers, free_port, wait

CONFIGURATION = """
[global]
fsid = {fsid}
mon initial members = a
mon host = v1:127.0.0.1:{mon}
ms bind msgr2 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = {folder}/keyring
run dir = {folder}
admin socket = {folder}/$name.asok
log file = {folder}/$name.log
pid file = {folder}/$name.pid
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
mon data avail warn = 1
mon data avail crit = 1
mon data = {folder}/mon
mgr data = {folder}/mgr
osd data = {folder}/osd
rgw data = {folder}/rgw
mgr initial modules =
[osd]
osd objectstore = memstore
memstore device bytes = 1073741824
osd memory target = 1073741824
osd op num shards = 2
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:{http} ssl_endpoint=127.0.0.1:{https} ssl_certificate={certificate} ssl_private_key={key}
rgw thread pool size = 32
rgw dns name = localhost
"""

# Who may do what in it.
CAPABILITIES = {
    "mon.": ["mon", "allow *"],
    "client.admin": ["mon", "allow *", "osd", "allow *", "mgr", "allow *"],
    "mgr.x": ["mon", "allow profile mgr", "osd", "allow *"],
    "osd.0": ["mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *"],
    "client.rgw.a": ["mon", "allow rw", "osd", "allow rwx"],
}


class Cluster:
    """Started by `start`; its processes end with `processes`."""

    def __init__(self, folder, processes):
        self.folder, self.processes = folder, processes
        self.http, self.https = free_port(), free_port()
        self.certificate = os.path.join(folder, "gateway.pem")
        self.file = os.path.join(folder, "ceph.conf")

    def run(self, *command, limit=60):
        done = subprocess.run(list(map(str, command)), env={**os.environ, "CEPH_CONF": self.file}, text=True, timeout=limit,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise Failed(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.strip()

    def daemon(self, name, *command):
        self.processes.start(name, *command, "-c", self.file, "-f")

    def start(self):
        for name in ("mon", "mgr", "osd", "rgw"):
            os.mkdir(os.path.join(self.folder, name))
        fsid, mon, key = uuid.uuid4(), free_port(), os.path.join(self.folder, "gateway.key")
        self.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                 "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", self.certificate)
        with open(self.file, "w") as file:
            file.write(CONFIGURATION.format(fsid=fsid, mon=mon, folder=self.folder, http=self.http, https=self.https,
                                            certificate=self.certificate, key=key))
        keyring, monmap = os.path.join(self.folder, "keyring"), os.path.join(self.folder, "monmap")
        for number, (name, capabilities) in enumerate(CAPABILITIES.items()):
            pairs = [word for at in range(0, len(capabilities), 2) for word in ("--cap", *capabilities[at:at + 2])]
            self.run("ceph-authtool", keyring, *(["--create-keyring"] if number == 0 else []), "--gen-key", "-n", name, *pairs)
        self.run("monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", f"[v1:127.0.0.1:{mon}]", monmap)
        self.run("ceph-mon", "-c", self.file, "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        self.daemon("mon", "ceph-mon", "-i", "a")
        wait("the monitor", lambda: self.tried("-s"))
        self.daemon("mgr", "ceph-mgr", "-i", "x")
        osd = uuid.uuid4()
        number = self.run("ceph", "osd", "new", osd)
        self.run("ceph-osd", "-c", self.file, "-i", number, "--mkfs", "--osd-uuid", osd)
        self.daemon("osd", "ceph-osd", "-i", number)
        wait("the OSD", lambda: "1 up" in (self.tried("osd", "stat") or ""))
        self.daemon("rgw", "radosgw", "-n", "client.rgw.a")
        wait("the gateway", lambda: self.alive() and answers(f"http://127.0.0.1:{self.http}/"))

    def tried(self, *command):
        try:
            return self.run("ceph", *command, limit=10)
        except (Failed, subprocess.TimeoutExpired):
            return None

    def alive(self):
        """Whether the gateway still runs; a sentence that says how it ended, if not."""
        status = self.processes.running["rgw"].poll()
        if status is not None:
            raise Failed(f"radosgw has ended with {status}; the end of what it printed:\n{self.processes.printed('rgw')[-2000:]}")
        return True

    def user(self, access, secret):
        self.run("radosgw-admin", "user", "create", "--uid=lab", "--display-name=lab", f"--access-key={access}", f"--secret-key={secret}")

    def topics(self):
        return self.run("radosgw-admin", "topic", "list", "--uid=lab")

    def version(self):
        return self.run("radosgw", "--version").split()[2]

    def resident(self):
        """Megabytes that all of it has in memory."""
        kilobytes = 0
        for name in ("mon", "mgr", "osd", "rgw"):
            with open(f"/proc/{self.processes.running[name].pid}/status") as status:
                kilobytes += next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
        return kilobytes // 1024
