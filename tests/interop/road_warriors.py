"""A server of remote users as `culvert init server` makes it; two connect from two networks.

    ann 198.51.100.9 ---- 198.51.100.1 +--------+
                                       | server | 10.1.0.1 ---- 10.1.0.2 host
    bob 203.0.113.9 ----- 203.0.113.1  +--------+

The host knows no way to the clients' addresses: it sees the server's.
"""

import os
import re
import shutil
import signal

import harness

SERVER = "198.51.100.1"
DNS = "10.1.0.2"
# Where charon is, its resolv.conf is in place of the machine's, and so it is for culvertd.
_OWN_RESOLV_CONF = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'

_CHARON_CMD_CONF = """charon-cmd {
  load = random nonce openssl pem pkcs1 pkcs8 x509 pubkey constraints aes sha1 sha2 hmac gcm kdf \
curve25519 kernel-libipsec kernel-netlink socket-default resolve eap-identity eap-mschapv2
  plugins { resolve { file = /etc/resolv.conf } }
}
"""


class Scene(harness.World):
    def __init__(self):
        super().__init__()
        self.server, self.host = self.ns("server"), self.ns("host")
        self.link(self.server, "10.1.0.1/16", self.host, "10.1.0.2/16")
        self.clients = {}
        for name, net in (("ann", "198.51.100"), ("bob", "203.0.113")):
            client = self.clients[name] = self.ns(name)
            self.link(self.server, f"{net}.1/24", client, f"{net}.9/24")
            client.route("default", f"{net}.1")
            self._write(f"{name}.resolv.conf", "nameserver 192.0.2.53\n")
        self.daemon = None

    def _write(self, name, text):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def culvert(self, *words, check=True, uri=None):
        option = ["--uri", uri] if uri else []
        return harness.run([harness.binary("culvert"), *option, *words], check=check, timeout=60)

    def init(self, *words):
        """What `culvert init server` says; a culvertd runs with what it made."""
        folder = self.path("etc")
        said = self.culvert("init", "server", "--name", SERVER, "--dns", DNS, "--dir", folder,
                            *words).stdout
        files = {}
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                files[name] = file.read()
        self.daemon = self.culvertd(self.server, files.pop("culvert.toml"), files)
        return said

    def user(self, command, *words, check=True):
        return self.daemon.culvert("user", command, "--config", self.daemon.config, *words,
                                   check=check)

    def add(self, name):
        """Adds a user; what that says. The password stands in a file, ready for a client."""
        said = self.user("add", name).stdout
        self._write(f"{name}.password", re.search(r"password: (\S+)", said).group(1) + "\n")
        return said

    def profile(self, name, device="culvert"):
        path = self.path(f"{name}.{device}")
        self.culvert("profile", name, "--for", device, "--config", self.daemon.config, "-o", path)
        return path

    def client_profile(self, name):
        """As the user gets it, but for the data plane, which is the same wherever this runs."""
        path = self.profile(name)
        with open(path, "a", encoding="utf-8") as file:
            file.write('\n[daemon]\ndata_plane = "userspace"\n')
        return path

    def _start(self, name, argv, program, env=None):
        return self.clients[name].start(
            ["sh", "-c", _OWN_RESOLV_CONF, self.path(f"{name}.resolv.conf"), *argv], name=program,
            env=env)

    def connect(self, name, profile, password=None):
        """A running `culvert connect`."""
        return self._start(name, [harness.binary("culvert"), "connect", profile,
                                  "--password-file", password or self.path(f"{name}.password"),
                                  "--run-dir", self.path("run")], "connect")

    def charon_cmd(self, name):
        """A running charon-cmd, which reads the password from its standard input."""
        program = shutil.copy("/usr/sbin/charon-cmd", self.path("charon-cmd"))
        conf = self._write("charon-cmd.conf", _CHARON_CMD_CONF)
        ca = os.path.join(os.path.dirname(self.daemon.config), "ca.pem")
        command = (f'exec stdbuf -oL {program} --host {SERVER} --identity {name} --cert {ca} '
                   f'--profile ikev2-eap < {self.path(name + ".password")}')
        return self._start(name, ["sh", "-c", command], "charon-cmd",
                           env={"STRONGSWAN_CONF": conf})

    def name_servers(self, name):
        with open(self.path(f"{name}.resolv.conf"), encoding="utf-8") as file:
            return re.findall(r"^nameserver (\S+)", file.read(), re.MULTILINE)

    def leave(self, process):
        """Ctrl-C; the exit status."""
        process.signal(signal.SIGINT)
        return process.wait(20)
