"""culvertd and charon, each in a namespace, both driven by Debian's swanctl over vici.

Invariant: everything that a peer reads or writes (configuration, socket, logs, keys) stands in a
directory of its own under its World's; nothing of /etc or /run is used.
"""

import os
import re
import shutil
import signal
import unittest

from .process import Process, run, wait_for
from .program import binary

_SWANCTL_CONF = "swanctl { load = pem pkcs1 pkcs8 x509 pubkey openssl random }\n"

# In this order: the first of the kernel-* plugins carries ESP, the second routes and addresses.
_CHARON_PLUGINS = (
    "random nonce openssl pem pkcs1 pkcs8 x509 revocation constraints pubkey aes sha1 sha2 hmac "
    "xcbc cmac ctr ccm gcm chapoly curve25519 kdf kernel-libipsec kernel-netlink socket-default "
    "vici updown eap-identity eap-md5 eap-mschapv2 eap-gtc eap-tls eap-ttls md5 counters")


def _debian_program(name):
    for folder in ("/usr/sbin", "/usr/bin", "/usr/lib/ipsec"):
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK):
            return path
    raise unittest.SkipTest(f"{name} is not installed")


def _write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as output:
        output.write(text)
    os.chmod(path, 0o600)


class ViciPeer(Process):
    """What culvertd and charon have in common. vici: the URI of the control socket."""

    def __init__(self, namespace, kind, files):
        self.namespace = namespace
        self.directory = _fresh_directory(namespace, kind)
        self.vici = f"unix://{self.directory}/vici.sock"
        self._swanctl = self._copy_of(_debian_program("swanctl"))
        _write(self.path("swanctl-strongswan.conf"), _SWANCTL_CONF)
        for name, text in files.items():
            _write(self.path(name), text)

    def start(self, argv, env, ready_timeout=10):
        log = self.namespace.world.path(os.path.basename(self.directory) + ".log")
        Process.__init__(self, self.namespace.command(argv), log, env=env,
                         name=os.path.basename(self.directory))
        self.namespace.world.own(self)
        wait_for(self._answers, ready_timeout, lambda: f"{self.name} answers\n{self.log_tail()}")

    def path(self, name):
        """A file of this name in the peer's directory."""
        return os.path.join(self.directory, name)

    def swanctl(self, *arguments, check=True, timeout=20):
        """swanctl ARGUMENTS against this peer: the CompletedProcess."""
        return run([self._swanctl, *arguments, "--uri", self.vici], check=check, timeout=timeout,
                   env={"STRONGSWAN_CONF": self.path("swanctl-strongswan.conf"),
                        "SWANCTL_DIR": self.directory})

    def load_all(self, swanctl_conf=None, check=True):
        """swanctl --load-all of this text; the directory may hold x509ca/, private/ … (files)."""
        if swanctl_conf is not None:
            _write(self.path("swanctl.conf"), swanctl_conf)
        return self.swanctl("--load-all", "--noprompt", check=check)

    def initiate(self, child, timeout=15, check=True):
        """Brings up the CHILD SA of this name; timeout in seconds."""
        return self.swanctl("--initiate", "--child", child, "--timeout", timeout, check=check,
                            timeout=timeout + 5)

    def terminate(self, ike, timeout=10, check=True):
        return self.swanctl("--terminate", "--ike", ike, "--timeout", timeout, check=check,
                            timeout=timeout + 5)

    def list_sas(self, raw=False):
        """swanctl --list-sas as text."""
        return self.swanctl("--list-sas", *(["--raw"] if raw else [])).stdout

    def has_child(self, child):
        """Whether an installed CHILD SA of this name is listed."""
        return re.search(rf"^\s+{re.escape(child)}: #\d+.* INSTALLED,", self.list_sas(),
                         re.MULTILINE) is not None

    def _answers(self):
        if not self.running():
            raise AssertionError(f"{self.name} ended with status {self.status}\n{self.log_tail()}")
        return self.swanctl("--version", "--daemon", check=False).returncode == 0

    def _copy_of(self, program):
        """Debian's AppArmor profiles go by path, and would keep it out of our directory."""
        return shutil.copy(program, self.path(os.path.basename(program)))


def _fresh_directory(namespace, kind):
    for number in range(1, 100):
        path = namespace.world.path(f"{namespace.name}-{kind}{number if number > 1 else ''}")
        if not os.path.exists(path):
            os.mkdir(path, 0o700)
            return path
    raise AssertionError("100 peers in one namespace")


class Culvertd(ViciPeer):
    """A running culvertd; without toml vici alone drives it.

    state_directory outlives the process, so that restart() finds it. data_plane: set in [daemon];
    "auto" leaves the text, or its absence, as it is.
    """

    def __init__(self, namespace, toml, files, arguments, data_plane):
        self._data_plane = data_plane
        toml = self._with_plane(toml)
        program = binary("culvertd")
        super().__init__(namespace, "culvertd", files)
        self.state_directory = self.path("state")
        os.mkdir(self.state_directory, 0o700)
        self.config = self.path("culvert.toml") if toml is not None else None
        if toml is not None:
            _write(self.config, toml)
        self._argv = [program, "--vici", self.vici, "--state-dir", self.state_directory]
        self._argv += ["--config", self.config] if self.config else []
        self._argv += arguments
        self.restart()

    def restart(self):
        """Starts it with the same arguments; the log goes on. It must not be running."""
        self.start(self._argv, env={})

    def culvert(self, *arguments, check=True, timeout=20):
        """culvert ARGUMENTS against this daemon: the CompletedProcess."""
        return run([binary("culvert"), "--uri", self.vici, *arguments], check=check,
                   timeout=timeout)

    def _with_plane(self, toml):
        if self._data_plane == "auto":
            return toml
        setting = f'data_plane = "{self._data_plane}"\n'
        if toml and "[daemon]\n" in toml:
            return toml.replace("[daemon]\n", "[daemon]\n" + setting, 1)
        return (toml or "") + "\n[daemon]\n" + setting

    def write_config(self, toml):
        """Replaces the TOML file."""
        _write(self.config, self._with_plane(toml))

    def reload(self, toml):
        """Replaces the TOML file and sends SIGHUP."""
        self.write_config(toml)
        self.signal(signal.SIGHUP)


class Charon(ViciPeer):
    """A running charon. strongswan_conf: lines for the charon { } section.

    kernel_esp: ESP is the kernel's, instead of the userspace one of kernel-libipsec.
    """

    def __init__(self, namespace, swanctl_conf, strongswan_conf, files, kernel_esp):
        program = _debian_program("charon-systemd")
        self._kernel_esp = kernel_esp
        super().__init__(namespace, "charon", files)
        _write(self.path("strongswan.conf"), self._settings(strongswan_conf))
        self.start([self._copy_of(program)],
                   env={"STRONGSWAN_CONF": self.path("strongswan.conf")})
        if swanctl_conf:
            self.load_all(swanctl_conf)

    def _settings(self, extras):
        return f"""
charon-systemd {{
  load = {self._plugins()}
  journal {{ default = -1 }}
  filelog {{
    log {{ path = {self.path("charon.log")}
      default = 1
      flush_line = yes
      time_format = %T
      time_add_ms = yes
    }}
  }}
  plugins {{ vici {{ socket = {self.vici} }} }}
  retransmit_tries = 3
  retransmit_timeout = 1.0
  {extras}
}}
"""

    def _plugins(self):
        return _CHARON_PLUGINS.replace("kernel-libipsec ", "" if self._kernel_esp
                                       else "kernel-libipsec ")

    def log_text(self):
        """charon's own log after what it wrote to its streams."""
        text = super().log_text()
        if os.path.exists(self.path("charon.log")):
            with open(self.path("charon.log"), encoding="utf-8", errors="replace") as log:
                text += log.read()
        return text
