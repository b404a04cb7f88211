"""Certificates for the tests, made by Debian's pki, and swanctl configurations that use them."""

import os

from harness.process import run

KEYS = {  # as pki --gen takes them
    "rsa": ["--type", "rsa", "--size", "2048"],
    "ecdsa256": ["--type", "ecdsa", "--size", "256"],
    "ecdsa384": ["--type", "ecdsa", "--size", "384"],
    "ecdsa521": ["--type", "ecdsa", "--size", "521"],
    "ed25519": ["--type", "ed25519"],
    "ed448": ["--type", "ed448"],
}


def _pki(*arguments, stdin=None):
    return run(["pki", *arguments], stdin=stdin).stdout


class Authority:
    """A CA, in a directory of its own. Everything is PEM.

    above: the Authority that vouches for it; None: it does so itself.
    """

    def __init__(self, directory, name="Culvert Test CA", kind="ecdsa256", above=None):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        key = _pki("--gen", *KEYS[kind], "--outform", "pem")
        self._file("ca.key", key)
        if above:
            self.certificate = above.certify(key, name, ["--ca"])
        else:
            self.certificate = _pki("--self", "--ca", "--dn", f"O=Culvert, CN={name}", "--in",
                                    self.path("ca.key"), "--outform", "pem")
        self._file("ca.pem", self.certificate)

    def issue(self, name, kind="ecdsa256", sans=None, options=()):
        """The key and certificate of `name`; sans: by default the name."""
        key = _pki("--gen", *KEYS[kind], "--outform", "pem")
        names = [part for san in (sans or [name]) for part in ("--san", san)]
        return key, self.certify(key, name, [*names, *options])

    def certify(self, key, name, options):
        public = _pki("--pub", "--outform", "pem", stdin=key)
        return _pki("--issue", "--cacert", self.path("ca.pem"), "--cakey", self.path("ca.key"),
                    "--dn", f"O=Culvert, CN={name}", *options, "--outform", "pem", stdin=public)

    def path(self, name):
        return os.path.join(self.directory, name)

    def _file(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as output:
            output.write(text)


def key_pair(kind):
    """A private key and its public key, PEM."""
    key = _pki("--gen", *KEYS[kind], "--outform", "pem")
    return key, _pki("--pub", "--outform", "pem", stdin=key)


def equip(peer, key=None, certificate=None, authorities=(), public_keys=()):
    """Puts them where swanctl looks, and loads them, in place of what was there.

    public_keys: {file name: PEM}, for `pubkeys`.
    """
    for folder in ("x509", "x509ca", "private", "pubkey"):
        os.makedirs(peer.path(folder), exist_ok=True)
        for old in os.listdir(peer.path(folder)):
            os.unlink(os.path.join(peer.path(folder), old))
    contents = {"private/own.key": key, "x509/own.pem": certificate}
    for number, authority in enumerate(authorities):
        contents[f"x509ca/{number}.pem"] = authority
    contents |= {f"pubkey/{name}": text for name, text in dict(public_keys).items()}
    for name, text in contents.items():
        if text:
            with open(peer.path(name), "w", encoding="ascii") as output:
                output.write(text)
            os.chmod(peer.path(name), 0o600)
    peer.swanctl("--load-creds", "--clear", "--noprompt")


def connection(here, there, local, remote, options="", child_options=""):
    """A swanctl connection. local, remote: the lines of these sections."""
    return f"""connections {{
  site {{
    version = 2
    local_addrs = {here.address}
    remote_addrs = {there.address}
    proposals = aes128gcm16-prfsha256-x25519
    {options}
    local {{
      {local}
    }}
    remote {{
      {remote}
    }}
    children {{
      net {{
        local_ts = {here.net}
        remote_ts = {there.net}
        esp_proposals = aes128gcm16
        {child_options}
      }}
    }}
  }}
}}
"""
