"""FreeRADIUS in a namespace, with a configuration of the test's own.

Invariant: it reads and writes only its directory under the World's (and the modules and
dictionaries of its Debian package); nothing of /etc/freeradius or /var is used.
"""

import os
import re
import shutil
import signal
import unittest

from .process import Process, run, wait_for

_RADIUSD_CONF = """
prefix = /usr
name = radiusd
confdir = {directory}
raddbdir = {directory}
logdir = {directory}
run_dir = {directory}
db_dir = {directory}
libdir = /usr/lib/freeradius
pidfile = {directory}/radiusd.pid
max_request_time = 30
cleanup_delay = 2
max_requests = 16384
hostname_lookups = no
proxy_requests = no
log {{
  auth = yes
}}
security {{
  max_attributes = 200
  reject_delay = 0
  status_server = yes
  allow_vulnerable_openssl = yes
}}
client tests {{
  ipaddr = 0.0.0.0/0
  secret = {secret}
  require_message_authenticator = yes
}}
clients radsec {{
  client tests {{
    ipaddr = 0.0.0.0/0
    proto = tls
    secret = radsec
  }}
}}
thread pool {{
  start_servers = 2
  max_servers = 4
  min_spare_servers = 1
  max_spare_servers = 2
  max_requests_per_server = 0
}}
modules {{
  files {{
    usersfile = {directory}/users
  }}
  pap {{
  }}
  mschap {{
    use_mppe = yes
  }}
  detail {{
    filename = {directory}/detail
    header = "%t"
  }}
  exec hold {{
    wait = yes
    program = "/bin/sh {directory}/hold.sh"
    timeout = 20
  }}
  eap {{
    default_eap_type = {default_eap}
    timer_expire = 60
    max_sessions = 4096
    tls-config tls-common {{
      private_key_file = {directory}/server.key
      certificate_file = {directory}/server.pem
      ca_file = {directory}/ca.pem
      tls_min_version = "1.2"
      tls_max_version = "{tls_max_version}"
    }}
    md5 {{
    }}
    gtc {{
      auth_type = PAP
    }}
    mschapv2 {{
    }}
    tls {{
      tls = tls-common
    }}
    ttls {{
      tls = tls-common
      default_eap_type = md5
      virtual_server = inner
    }}
    peap {{
      tls = tls-common
      default_eap_type = mschapv2
      virtual_server = inner
    }}
  }}
}}
server default {{
  listen {{
    type = auth
    ipaddr = *
    port = 1812
  }}
  listen {{
    type = acct
    ipaddr = *
    port = 1813
  }}
  {radsec}
  {policy}
  accounting {{
    detail
  }}
}}
server inner {{
  {policy}
}}
"""

_POLICY = """
  authorize {
    eap {
      ok = return
    }
    mschap
    files
    pap
  }
  authenticate {
    Auth-Type PAP {
      pap
    }
    Auth-Type MS-CHAP {
      mschap
    }
    mschap
    eap
  }
"""

# A request in the middle of a login leaves the file `held`, and waits while there is a file `hold`.
_HOLD_POLICY = _POLICY.replace(
    "authorize {", "authorize {\n    if (&State) {\n      hold\n    }", 1)
_HOLD = """
cd "$(dirname "$0")"
touch held
while [ -e hold ]; do sleep 0.05; done
"""

_RADSEC = """
  listen {{
    type = auth+acct
    proto = tcp
    ipaddr = *
    port = 2083
    clients = radsec
    tls {{
      private_key_file = {directory}/server.key
      certificate_file = {directory}/server.pem
      ca_file = {directory}/ca.pem
      tls_min_version = "1.2"
      tls_max_version = "1.2"
      require_client_cert = yes
    }}
  }}
"""


def _write(path, text):
    with open(path, "w", encoding="utf-8") as output:
        output.write(text)
    os.chmod(path, 0o600)


def make_certificates(directory):
    """ca.pem, and server and client (.pem, .key), in `directory`: ECDSA P-256."""
    def openssl(*words):
        run(["openssl", *words], timeout=30)

    def path(name):
        return os.path.join(directory, name)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", path("ca.key"), "-out", path("ca.pem"), "-days", "30",
            "-subj", "/O=Culvert tests/CN=RADIUS test CA")
    for name, usage in (("server", "serverAuth"), ("client", "clientAuth")):
        _write(path(f"{name}.ext"), f"extendedKeyUsage={usage}\n"
                                    f"subjectAltName=DNS:{name}.example.org\n")
        openssl("req", *key, "-keyout", path(f"{name}.key"), "-out", path(f"{name}.csr"),
                "-subj", f"/O=Culvert tests/CN={name}.example.org")
        openssl("x509", "-req", "-in", path(f"{name}.csr"), "-CA", path("ca.pem"),
                "-CAkey", path("ca.key"), "-CAcreateserial", "-days", "30",
                "-extfile", path(f"{name}.ext"), "-out", path(f"{name}.pem"))


class FreeRadius(Process):
    """A running server on ports 1812 and 1813 of its namespace.

    users: text of its users file. secret: of every client. default_eap: the method it asks for
    first. radsec: it listens on port 2083, too. Its directory has ca.pem, client.pem and
    client.key for those who talk TLS with it (make_certificates), unless `certificates` names
    another directory with such files. hold: it waits in the middle of logins while there is a
    file `hold` in its directory.
    """

    def __init__(self, namespace, users, secret="testing123", default_eap="md5", radsec=False,
                 certificates=None, tls_max_version="1.2", hold=False):
        program = shutil.which("freeradius", path="/usr/sbin:/usr/bin")
        if program is None:
            raise unittest.SkipTest("freeradius is not installed")
        self.namespace = namespace
        self.secret = secret
        self.directory = namespace.world.path(f"{namespace.name}-freeradius")
        os.mkdir(self.directory, 0o700)
        if certificates is None:
            make_certificates(self.directory)
        else:
            for name in ("ca.pem", "server.pem", "server.key"):
                shutil.copy(os.path.join(certificates, name), self.directory)
        _write(self.path("users"), users)
        _write(self.path("hold.sh"), _HOLD)
        _write(self.path("dictionary"), "$INCLUDE /usr/share/freeradius/dictionary\n")
        _write(self.path("radiusd.conf"), _RADIUSD_CONF.format(
            directory=self.directory, secret=secret, default_eap=default_eap,
            policy=_HOLD_POLICY if hold else _POLICY,
            tls_max_version=tls_max_version,
            radsec=_RADSEC.format(directory=self.directory) if radsec else ""))
        self._argv = [program, "-f", "-l", "stdout", "-d", self.directory, "-n", "radiusd"]
        self.restart()

    def restart(self):
        """Starts it with the same configuration. It must not be running."""
        super().__init__(self.namespace.command(self._argv),
                         self.namespace.world.path(f"{self.namespace.name}-freeradius.log"),
                         name=f"freeradius in {self.namespace.name}")
        self.namespace.world.own(self)
        self.wait_for_log("Ready to process requests", timeout=30)

    def path(self, name):
        return os.path.join(self.directory, name)

    def pause(self):
        """It hears nothing until resume()."""
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def stop(self, timeout=10):
        self.resume()  # SIGTERM waits for that
        return super().stop(timeout)

    def records(self):
        """The accounting records so far, in order: a dictionary of attributes each."""
        if not os.path.exists(self.path("detail")):
            return []
        with open(self.path("detail"), encoding="utf-8", errors="replace") as detail:
            blocks = detail.read().split("\n\n")
        pairs = [re.findall(r'^\t(\S+) = "?(.*?)"?$', block, re.MULTILINE) for block in blocks]
        return [dict(found) for found in pairs if found]

    def wait_for_records(self, count, timeout=10):
        """The records, once there are `count`."""
        return wait_for(lambda: self.records() if len(self.records()) >= count else None, timeout,
                        lambda: f"{count} accounting records, not {self.records()}")

    def wait_for_record(self, kind, timeout=30):
        """The first record whose Acct-Status-Type is `kind`, once there is one."""
        return wait_for(lambda: next((record for record in self.records()
                                      if record["Acct-Status-Type"] == kind), None), timeout,
                        lambda: f"an accounting record {kind}, not only {self.records()}")

    def radclient(self, command, address, attributes, port=3799, secret=None, check=True):
        """radclient COMMAND (disconnect, coa, auth …) from this namespace: its output.

        attributes: lines "Name = value"; Message-Authenticator is added. check: a NAK, or no
        answer, raises.
        """
        done = self.namespace.run(
            ["radclient", "-x", "-r", "1", "-t", "3", f"{address}:{port}", command,
             secret or self.secret],
            stdin="\n".join([*attributes, "Message-Authenticator = 0x00"]) + "\n", check=check)
        return done.stdout
