"""libreswan's pluto and OpenIKED's iked, each in a namespace, unpacked by tools/vm.

Invariant: they run in a guest only, whose root is forgotten: iked wants a user and folders in /etc.
"""

import glob
import os
import re
import unittest

import harness
from harness.process import Process, run, wait_for
from sites import PSK

# What both sides propose here, in Culvert's words.
IKE = "aes128-sha256-x25519"


def package(name):
    """The folder that tools/vm has unpacked this Debian package into."""
    folder = os.environ.get("CULVERT_VM_PACKAGES")
    if folder is None:
        raise unittest.SkipTest("runs only in the guest of tools/vm")
    if not os.path.isdir(os.path.join(folder, name)):
        raise unittest.SkipTest(f"{name} could not be fetched")
    return os.path.join(folder, name)


class Daemon(Process):
    """here, there: the Sides (sites.py) of this daemon and of culvertd."""

    def __init__(self, namespace, here, there, package_name):
        self.namespace, self.here, self.there = namespace, here, there
        self.root = package(package_name)
        self.directory = namespace.world.path(f"{namespace.name}-{package_name}")
        os.makedirs(self.directory, 0o700, exist_ok=True)
        libraries = glob.glob(os.path.join(self.root, "usr/lib/*-linux-gnu"))
        self._environment = {"LD_LIBRARY_PATH": ":".join(libraries)}
        self.start()

    def start(self):
        """Starts it (anew); returns when it takes commands and has the tunnel `net` loaded."""
        raise NotImplementedError

    def configure(self, active=False):
        """The tunnel anew; active: it brings it up itself, also after the peer was silent."""
        raise NotImplementedError

    def sas(self):
        """How many IKE SAs and CHILD SAs are established."""
        raise NotImplementedError

    def run_program(self, argv):
        name = os.path.basename(argv[0])
        log = self.namespace.world.path(f"{self.namespace.name}-{name}.log")
        Process.__init__(self, self.namespace.command(argv), log, env=self._environment, name=name)
        self.namespace.world.own(self)

    def ask(self, *argv, check=True, timeout=20):
        """Runs one of the package's programs inside."""
        return run(self.namespace.command(argv), env=self._environment, check=check,
                   timeout=timeout)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as output:
            output.write(text)
        os.chmod(self.path(name), 0o600)
        return self.path(name)


class Pluto(Daemon):
    """libreswan's IKE daemon, commanded with whack."""

    notices_silence = True
    esp = "aes128gcm16"

    def __init__(self, namespace, here, there):
        self.active = False
        super().__init__(namespace, here, there, "libreswan")

    def start(self):
        self._programs = "/usr/libexec/ipsec"  # where pluto itself looks for its helpers
        if not os.path.exists(self._programs):
            os.symlink(os.path.join(self.root, "usr/libexec/ipsec"), self._programs)
        self.write("ipsec.secrets", f': PSK "{PSK}"\n')
        if not os.path.isdir(self.path("nss")):
            os.mkdir(self.path("nss"))
            self.ask(os.path.join(self.root, "usr/bin/certutil"), "-N", "-d",
                     f"sql:{self.path('nss')}", "--empty-password")
        self._write_config()
        self.run_program([os.path.join(self._programs, "pluto"), "--nofork", "--stderrlog",
                          "--no-dnssec", "--config", self.path("ipsec.conf"),
                          "--secretsfile", self.path("ipsec.secrets"),
                          "--rundir", self.directory, "--ipsecdir", self.directory,
                          "--nssdir", self.path("nss")])
        wait_for(lambda: self._whack("--status", check=False).returncode == 0, 20,
                 lambda: f"pluto answers\n{self.log_tail()}")
        self._whack("--listen")
        self._add()

    def _add(self):
        self.ask(os.path.join(self._programs, "addconn"), "--config", self.path("ipsec.conf"),
                 "--ctlsocket", self.path("pluto.ctl"), "net")

    def configure(self, active=False):
        self.active = active
        self._write_config()
        self._add()
        if active:
            self._whack("--initiate", "--name", "net", "--asynchronous")

    def sas(self):
        states = self._whack("--showstates").stdout
        return tuple(len(re.findall(rf"STATE_V2_ESTABLISHED_{kind}_SA ", states))
                     for kind in ("IKE", "CHILD"))

    def _write_config(self):
        self.write("ipsec.conf", f"""
config setup
conn net
  ikev2 = insist
  left = {self.here.address}
  leftsubnet = {self.here.net}
  leftupdown = %disabled
  right = {self.there.address}
  rightsubnet = {self.there.net}
  authby = secret
  ike = aes128-sha2_256-dh31
  esp = aes_gcm128
  pfs = no
  dpddelay = 2
  dpdaction = {"restart" if self.active else "clear"}
  retransmit-timeout = 8s
  retransmit-interval = 1000
""")

    def _whack(self, *words, **options):
        return self.ask(os.path.join(self._programs, "whack"), "--rundir", self.directory, *words,
                        **options)

    def initiate(self):
        self._whack("--initiate", "--name", "net")

    def terminate(self):
        self._whack("--terminate", "--name", "net", check=False)

    def rekey_child(self):
        self._whack("--rekey-ipsec", "--name", "net")

    def rekey_ike(self):
        self._whack("--rekey-ike", "--name", "net")


class Iked(Daemon):
    """OpenIKED. It has no command to initiate or to rekey: the configuration says both."""

    # Without the kernel's word of when an SA was used last, it checks a peer after five minutes.
    notices_silence = False

    # On Linux it has no AEADs in ESP, and SHA-256 only with PF_KEY's old length of 96 bits.
    esp = "aes128-sha512"

    def __init__(self, namespace, here, there):
        _make_user()
        self.active = False
        self.lifetimes = ""
        super().__init__(namespace, here, there, "openiked")

    def start(self):
        self._write_config()
        self.run_program([os.path.join(self.root, "usr/sbin/iked"), "-d", "-v", "-f",
                          self.path("iked.conf"), "-s", self.path("iked.sock")])
        wait_for(lambda: self._ikectl("show", "sa", check=False).returncode == 0, 20,
                 lambda: f"iked answers\n{self.log_tail()}")

    def _write_config(self):
        self.write("iked.conf", f"""
set dpd_check_interval 2
set enforcesingleikesa
ikev2 "net" {"active" if self.active else "passive"} esp \\
  from {self.here.net} to {self.there.net} \\
  local {self.here.address} peer {self.there.address} \\
  ikesa enc aes-128 prf hmac-sha2-256 auth hmac-sha2-256 group curve25519 \\
  childsa enc aes-128 auth hmac-sha2-512 \\
  srcid {self.here.address} dstid {self.there.address} \\
  {self.lifetimes} psk "{PSK}"
""")

    def _ikectl(self, *words, **options):
        return self.ask(os.path.join(self.root, "usr/sbin/ikectl"), "-s", self.path("iked.sock"),
                        *words, **options)

    def configure(self, active=False, lifetimes=""):
        """It starts anew. lifetimes: "lifetime 10 …"."""
        self.stop()
        self.active, self.lifetimes = active, lifetimes
        self.start()

    def sas(self):
        shown = self._ikectl("show", "sa").stdout
        return (len(re.findall(r"^iked_sas: .* ESTABLISHED ", shown, re.MULTILINE)),
                len(re.findall(r"^\s+sa_childsas: .* out ", shown, re.MULTILINE)))

    def initiate(self):
        self.configure(active=True, lifetimes=self.lifetimes)

    def terminate(self):
        self._ikectl("reset", "sa", check=False)


def _make_user():
    """As the package's installation does, which is not done to unpack it."""
    package("openiked")
    for path, line in (("/etc/passwd", "_iked:x:950:950::/var/empty-iked:/usr/sbin/nologin"),
                       ("/etc/group", "_iked:x:950:")):
        with open(path, "r+", encoding="utf-8") as file:
            if not re.search("^_iked:", file.read(), re.MULTILINE):
                file.write(line + "\n")
    for folder in ("/var/empty-iked", "/etc/iked/ca", "/etc/iked/certs", "/etc/iked/crls",
                   "/etc/iked/private", "/etc/iked/pubkeys/ipv4"):
        os.makedirs(folder, exist_ok=True)
    key = "/etc/iked/private/local.key"
    if not os.path.exists(key):
        harness.run(["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", key])
        harness.run(["openssl", "ec", "-in", key, "-pubout", "-out", "/etc/iked/local.pub"])
