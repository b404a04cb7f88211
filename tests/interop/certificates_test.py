"""Authentication by certificates of a common CA, with charon in both roles."""

import base64
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from authentication import KEYS, Authority, connection, equip
from sites import CHARON, CULVERT, Pair, PairTest

MOON, SUN = "moon.example.org", "sun.example.org"


class Certificates(PairTest):
    @classmethod
    def setUpClass(cls):
        cls.pair = Pair(strongswan_conf="half_open_timeout = 3")
        cls.authority = Authority(cls.pair.world.path("ca"))

    @classmethod
    def tearDownClass(cls):
        cls.pair.close()

    def load(self, moon=MOON, sun=SUN, remote=f"auth = pubkey\nid = {SUN}", options=""):
        """culvertd is moon, charon is sun."""
        pair = self.pair
        pair.culvert.load_all(connection(pair.here, pair.there, f"auth = pubkey\nid = {moon}",
                                         remote, options=options))
        pair.charon.load_all(connection(pair.there, pair.here, f"auth = pubkey\nid = {sun}",
                                        f"auth = pubkey\nid = {moon}", options=options))

    def equip(self, kind="ecdsa256", **sun):
        moon = self.authority.issue(MOON, kind)
        equip(self.pair.culvert, *moon, [self.authority.certificate])
        equip(self.pair.charon, *sun.get("own", self.authority.issue(SUN, kind)),
              [self.authority.certificate])

    def assert_works(self, **subject):
        self.from_both_sides(self.assert_tunnel, **subject)

    def assert_refused(self, *sentences):
        self.from_both_sides(self.assert_no_tunnel, *sentences)

    def test_every_kind_of_key(self):
        for kind in KEYS:
            self.equip(kind)
            self.load()
            self.assert_works(kind=kind)

    def test_without_an_id_the_certificate_gives_it(self):
        self.equip()
        pair = self.pair
        for here, there, name, peer in ((pair.here, pair.there, "culvert", SUN),
                                        (pair.there, pair.here, "charon", MOON)):
            getattr(pair, name).load_all(
                connection(here, there, "auth = pubkey\ncerts = own.pem",
                           f"auth = pubkey\nid = \"O=Culvert, CN={peer}\""))
        self.assert_works()

    def test_the_older_methods_where_the_peer_knows_no_other(self):
        pair = Pair(strongswan_conf="signature_authentication = no")
        try:
            for kind in ("rsa", "ecdsa256", "ecdsa384", "ecdsa521"):
                self.__class__.pair, kept = pair, self.pair
                try:
                    self.equip(kind)
                    self.load()
                    self.assert_works(kind=kind)
                finally:
                    self.__class__.pair = kept
        finally:
            pair.close()

    def test_any_peer_of_the_ca(self):
        self.equip()
        self.load(remote="auth = pubkey")
        self.assert_works()

    def test_an_intermediate_ca_is_sent(self):
        middle = Authority(self.pair.world.path("middle"), name="Middle", above=self.authority)
        root = self.authority.certificate
        equip(self.pair.culvert, *middle.issue(MOON), [root, middle.certificate])
        equip(self.pair.charon, *middle.issue(SUN), [root, middle.certificate])
        self.load()
        self.assert_works()

    def test_an_unknown_ca(self):
        other = Authority(self.pair.world.path("other"), name="Another CA")
        self.equip(own=other.issue(SUN))
        self.load()
        self.assert_refused("Another CA")

    def test_an_expired_certificate(self):
        past = ["--not-before", "01.01.20 00:00:00", "--not-after", "01.01.21 00:00:00"]
        self.equip(own=self.authority.issue(SUN, options=past))
        self.load()
        self.assert_refused("expired")

    def test_another_identity_of_the_certificate(self):
        self.equip(own=self.authority.issue(SUN, sans=["mars.example.org"]))
        self.load(remote="auth = pubkey\nid = mars.example.org", sun="mars.example.org")
        self.assert_works()

    def test_no_certificate_of_our_own(self):
        self.equip()
        equip(self.pair.culvert, None, None, [self.authority.certificate])
        self.pair.culvert.swanctl("--load-creds", "--clear")
        self.load()
        self.assert_refused("private key")


class FromTheFile(unittest.TestCase):
    """culvertd configured by its TOML file."""

    TOML = """
[tunnel.site]
peer   = "192.0.2.2"
cert   = "own.pem"
key    = "own.key"
ca     = "ca.pem"
remote_id = "sun.example.org"
local  = "10.1.0.0/16"
remote = "10.2.0.0/16"
ike    = "aes128gcm16-prfsha256-x25519"
esp    = "aes128gcm16"
"""

    def setUp(self):
        self.world = harness.World()
        self.addCleanup(self.world.__exit__, None, None, None)
        self.authority = Authority(self.world.path("ca"))

    def files(self, key, certificate):
        return {"own.key": key, "own.pem": certificate, "ca.pem": self.authority.certificate}

    def test_certificates(self):
        culvert_ns, charon_ns = self.world.ns("cul"), self.world.ns("cha")
        self.world.link(culvert_ns, "192.0.2.1/24", charon_ns, "192.0.2.2/24")
        culvert_ns.address("lo", "10.1.0.1/32")
        charon_ns.address("lo", "10.2.0.1/32")
        culvert = self.world.culvertd(culvert_ns, self.TOML,
                                      files=self.files(*self.authority.issue(MOON)))
        charon = self.world.charon(charon_ns)
        equip(charon, *self.authority.issue(SUN), [self.authority.certificate])
        charon.load_all(connection(CHARON, CULVERT, f"auth = pubkey\nid = {SUN}",
                                   f"auth = pubkey\nid = {MOON}"))
        culvert.initiate("site")
        self.assertTrue(culvert_ns.ping("10.2.0.1", source="10.1.0.1"))
        # The process that faces the network has no trace of the private key.
        with open(culvert.path("own.key"), encoding="ascii") as file:
            text = "".join(line.strip() for line in file if not line.startswith("-----"))
        der = base64.b64decode(text)  # SEC 1: 32 octets from the seventh on are the secret
        self.assertEqual(der[5:7], b"\x04\x20")
        self.assertFalse(memory_has(culvert.pid, der[7:39]))
        self.assertFalse(memory_has(culvert.pid, text[12:50].encode()))
        self.assertTrue(memory_has(culvert.pid, b"sun.example.org"))  # the search does find

    def test_a_key_that_is_no_key(self):
        namespace = self.world.ns("cul")
        files = self.files("nothing", self.authority.issue(MOON)[1])
        with self.assertRaises(AssertionError) as failed:
            self.world.culvertd(namespace, self.TOML, files=files)
        self.assertIn("own.key", str(failed.exception))


def memory_has(pid, octets):
    """Whether the writable memory of the process holds them."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, \
            open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            place, rights = line.split()[:2]
            if "w" not in rights or line.rstrip().endswith(("[vvar]", "[vsyscall]")):
                continue
            first, last = (int(number, 16) for number in place.split("-"))
            memory.seek(first)
            try:
                if octets in memory.read(last - first):
                    return True
            except OSError:
                continue
    return False


if __name__ == "__main__":
    harness.main()
