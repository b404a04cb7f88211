"""Authentication by raw public keys (RFC 7670), with charon in both roles."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from authentication import connection, equip, key_pair
from sites import CHARON, CULVERT, Pair, PairTest

MOON, SUN = "moon.example.org", "sun.example.org"


class RawKeys(PairTest):
    @classmethod
    def setUpClass(cls):
        cls.pair = Pair(strongswan_conf="half_open_timeout = 3")

    @classmethod
    def tearDownClass(cls):
        cls.pair.close()

    def load(self, moon, sun):
        """culvertd is moon, charon is sun; each has a key pair and the other's public key."""
        pair = self.pair
        for peer, here, there, own, other, names in (
                (pair.culvert, pair.here, pair.there, moon, sun, (MOON, SUN)),
                (pair.charon, pair.there, pair.here, sun, moon, (SUN, MOON))):
            equip(peer, key=own[0], public_keys={"own.pub": own[1], "other.pub": other[1]})
            peer.load_all(connection(here, there,
                                     f"auth = pubkey\npubkeys = own.pub\nid = {names[0]}",
                                     f"auth = pubkey\npubkeys = other.pub\nid = {names[1]}"))

    def test_every_kind_that_charon_takes(self):
        for kind in ("rsa", "ecdsa256", "ed25519"):
            self.load(key_pair(kind), key_pair(kind))
            self.from_both_sides(self.assert_tunnel, kind=kind)

    def test_another_key(self):
        moon, sun = key_pair("ecdsa256"), key_pair("ecdsa256")
        self.load(moon, sun)
        stranger = key_pair("ecdsa256")
        equip(self.pair.charon, key=stranger[0],
              public_keys={"own.pub": stranger[1], "other.pub": moon[1]})
        self.pair.charon.load_all()
        self.from_both_sides(self.assert_no_tunnel, "does not fit its key")


class FromToml(unittest.TestCase):
    def test_raw_keys(self):
        moon, sun = key_pair("ed25519"), key_pair("ed25519")
        toml = f"""[tunnel.site]
peer            = "192.0.2.2"
local           = ["10.1.0.0/16"]
remote          = ["10.2.0.0/16"]
public_key      = "own.pub"
key             = "own.key"
peer_public_key = "sun.pub"
local_id        = "{MOON}"
remote_id       = "{SUN}"
"""
        with harness.World() as world:
            culvert_ns, charon_ns = world.ns("cul"), world.ns("cha")
            world.link(culvert_ns, "192.0.2.1/24", charon_ns, "192.0.2.2/24")
            culvert_ns.address("lo", "10.1.0.1/32")
            charon_ns.address("lo", "10.2.0.1/32")
            culvert = world.culvertd(culvert_ns, toml,
                                     files={"own.key": moon[0], "own.pub": moon[1],
                                            "sun.pub": sun[1]})
            charon = world.charon(charon_ns)
            equip(charon, key=sun[0], public_keys={"own.pub": sun[1], "other.pub": moon[1]})
            charon.load_all(connection(CHARON, CULVERT,
                                       f"auth = pubkey\npubkeys = own.pub\nid = {SUN}",
                                       f"auth = pubkey\npubkeys = other.pub\nid = {MOON}"))
            culvert.initiate("site")
            self.assertTrue(culvert_ns.ping("10.2.0.1", source="10.1.0.1"))


if __name__ == "__main__":
    harness.main()
