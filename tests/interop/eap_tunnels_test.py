"""EAP methods with TLS behind IKE_AUTH, with charon in both roles."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from authentication import Authority, connection, equip
from sites import Pair, PairTest

SERVER, USER, PASSWORD = "vpn.example.org", "carol@example.org", "Ar3etTnp"
SECRET = f'secrets {{\n eap-carol {{\n id = {USER}\n secret = "{PASSWORD}"\n }}\n}}\n'


class Tunnels(PairTest):
    @classmethod
    def setUpClass(cls):
        cls.pair = Pair(strongswan_conf="plugins { eap-ttls { phase2_method = mschapv2 } }")
        cls.authority = Authority(cls.pair.world.path("ca"))
        cls.stranger = Authority(cls.pair.world.path("strangers"), "Strangers")

    @classmethod
    def tearDownClass(cls):
        cls.pair.close()

    def load(self, client, method, user=None, server=None, trusted=None, server_method=None,
             client_lines="", alone=False):
        """`client` logs in at the other one; user, server: (key, certificate)."""
        pair, root = self.pair, [trusted or self.authority.certificate]
        sides = ((pair.culvert, pair.here, pair.there), (pair.charon, pair.there, pair.here))
        proof = f"eap-{method}" if alone else "pubkey"
        for peer, here, there in sides:
            if peer is client:
                equip(peer, *(user or self.authority.issue(USER)), root)
                text = connection(here, there, f"auth = eap-{method}\nid = {USER}\n{client_lines}",
                                  f"auth = {proof}\nid = {SERVER}")
            else:
                equip(peer, *(server or self.authority.issue(SERVER)),
                      [self.authority.certificate])
                text = connection(here, there, f"auth = {proof}\nid = {SERVER}",
                                  f"auth = eap-{server_method or method}\neap_id = %any")
            peer.load_all(text + SECRET)

    def in_both_roles(self, method, **options):
        for client in (self.pair.culvert, self.pair.charon):
            with self.subTest(client=client.name):
                self.load(client, method, **options)
                self.assert_tunnel(client)

    def test_tls(self):
        self.in_both_roles("tls")

    def test_ttls(self):
        self.in_both_roles("ttls")

    def test_tls_for_both_sides(self):
        """RFC 5998."""
        self.in_both_roles("tls", alone=True)

    def test_a_user_of_another_ca(self):
        for client, word in ((self.pair.culvert, "the server refuses"),
                             (self.pair.charon, "no trusted CA")):
            with self.subTest(client=client.name):
                self.load(client, "tls", user=self.stranger.issue(USER))
                self.assert_no_tunnel(client, "EAP-TLS", word)

    def test_a_user_with_anothers_certificate(self):
        self.load(self.pair.charon, "tls", user=self.authority.issue("dave@example.org", sans=[
            "dave@example.org"]))
        self.assert_no_tunnel(self.pair.charon, "EAP-TLS", "did not")


if __name__ == "__main__":
    harness.main()
