"""Two gateways: culvertd in one namespace, charon in another, each with a net behind it.

Both are driven by swanctl with the same text, seen from its own side.
"""

import unittest

import harness

PSK = "a key that both sides know"

# Gives a silent peer up after some 10 seconds.
IMPATIENT = "[daemon]\nretransmit_timeout = \"1s\"\nretransmit_tries = 3\n"


class Side:
    """What one gateway is called and what lies behind it."""

    def __init__(self, address, net, host, identity=None):
        self.address = address
        self.net = net
        self.host = host
        self.identity = identity


CULVERT = Side("192.0.2.1", "10.1.0.0/16", "10.1.0.1")
CHARON = Side("192.0.2.2", "10.2.0.0/16", "10.2.0.1")
CULVERT6 = Side("2001:db8::1", "fd01::/64", "fd01::1")
CHARON6 = Side("2001:db8::2", "fd02::/64", "fd02::1")

IKE = "aes128gcm16-prfsha256-x25519"
ESP = "aes128gcm16"


def connection(here, there, ike=IKE, esp=ESP, children=None, options="", child_options="",
               remote_address=None, local_address=None, name="site", ah=None):
    """A swanctl connection. children: name -> (local_ts, remote_ts). ah: instead of esp."""
    proposals = f"ah_proposals = {ah}" if ah else f"esp_proposals = {esp}"
    children = children or {"net": (here.net, there.net)}
    identity = lambda side: f"id = \"{side.identity}\"" if side.identity else ""
    child_texts = "\n".join(f"""
      {child} {{
        local_ts = {local}
        remote_ts = {remote}
        {proposals}
        {child_options}
      }}""" for child, (local, remote) in children.items())
    return f"""
  {name} {{
    version = 2
    local_addrs = {local_address or here.address}
    remote_addrs = {remote_address or there.address}
    proposals = {ike}
    {options}
    local {{
      auth = psk
      {identity(here)}
    }}
    remote {{
      auth = psk
      {identity(there)}
    }}
    children {{{child_texts}
    }}
  }}"""


def swanctl_conf(*connections, secret=PSK):
    """A whole swanctl.conf: these connections, and one key for everybody."""
    return f"""connections {{{"".join(connections)}
}}
secrets {{
  ike-all {{
    secret = "{secret}"
  }}
}}
"""


def site_conf(here, there, secret=PSK, **options):
    return swanctl_conf(connection(here, there, **options), secret=secret)


class Pair:
    """A World with one culvertd and one charon on one wire.

    culvertd has no TOML file, unless culvert_toml gives one.
    """

    def __init__(self, culvert=CULVERT, charon=CHARON, strongswan_conf="", culvert_toml=None,
                 kernel_esp=False):  # both sides
        self.world = harness.World()
        try:
            self._build(culvert, charon, strongswan_conf, culvert_toml, kernel_esp)
        except BaseException:
            self.world.__exit__(RuntimeError, None, None)
            raise

    def _build(self, culvert, charon, strongswan_conf, culvert_toml, kernel_esp):
        self.here, self.there = culvert, charon
        self.ns_culvert, self.ns_charon = self.world.ns("cul"), self.world.ns("cha")
        self.world.link(self.ns_culvert, ["192.0.2.1/24", "2001:db8::1/64"],
                        self.ns_charon, ["192.0.2.2/24", "2001:db8::2/64"])
        for address in ("10.1.0.1/32", "10.11.0.1/32", "fd01::1/128"):
            self.ns_culvert.address("lo", address)
        for address in ("10.2.0.1/32", "10.12.0.1/32", "fd02::1/128"):
            self.ns_charon.address("lo", address)
        self.culvert = self.world.culvertd(self.ns_culvert, culvert_toml,
                                           data_plane="kernel" if kernel_esp else "userspace")
        self.charon = self.world.charon(self.ns_charon, strongswan_conf=strongswan_conf,
                                        kernel_esp=kernel_esp)

    def load(self, culvert_options=None, charon_options=None, **both):
        """The site on both sides; each side may differ from `both`."""
        here, there = {**both, **(culvert_options or {})}, {**both, **(charon_options or {})}
        self.culvert.load_all(site_conf(self.here, self.there, **here))
        self.charon.load_all(site_conf(self.there, self.here, **there))

    def ping(self, source=None, target=None, **options):
        """From the host behind culvertd to the one behind charon."""
        return self.ns_culvert.ping(target or self.there.host, source=source or self.here.host,
                                    **options)

    def ping_back(self, **options):
        return self.ns_charon.ping(self.here.host, source=self.there.host, **options)

    def empty(self):
        """Whether neither side has an SA."""
        return not self.culvert.list_sas().strip() and not self.charon.list_sas().strip()

    def close(self, failed=False):
        self.world.__exit__(RuntimeError if failed else None, None, None)


class PairTest(unittest.TestCase):
    """What tests of `pair`, a Pair, look for; `starter` is its culvertd or its charon."""

    def assert_tunnel(self, starter):
        """It comes up from there, carries packets both ways, and goes without a trace."""
        starter.initiate("net")
        self.assertTrue(self.pair.ping() and self.pair.ping_back(), "no traffic")
        starter.terminate("site")
        harness.wait_for(self.pair.empty, 5, "all SAs are gone on both sides")

    def assert_no_tunnel(self, starter, *sentences):
        """It does not come up, and culvertd says why."""
        self.assertNotEqual(starter.initiate("net", check=False).returncode, 0)
        why = self.pair.culvert.culvert("why", "site").stdout
        for sentence in sentences:
            self.assertIn(sentence, why)
        self.assertEqual(self.pair.culvert.list_sas().strip(), "")
        harness.wait_for(self.pair.empty, 15, "charon has given up too")

    def from_both_sides(self, check, *arguments, **subject):
        for starter in (self.pair.culvert, self.pair.charon):
            with self.subTest(initiator=starter.name, **subject):
                check(starter, *arguments)
