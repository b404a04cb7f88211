"""Users who log in by EAP, with charon in both roles: as the users' client, and as their server."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from authentication import Authority, connection, equip
from sites import Pair, PairTest

SERVER, USER, PASSWORD = "vpn.example.org", "carol@example.org", "Ar3etTnp"
METHODS = ("md5", "mschapv2", "gtc")


def secret(password=PASSWORD, user=USER):
    return f'secrets {{\n eap-carol {{\n id = {user}\n secret = "{password}"\n }}\n}}\n'


class Eap(PairTest):
    @classmethod
    def setUpClass(cls):
        cls.pair = Pair()
        cls.authority = Authority(cls.pair.world.path("ca"))
        for peer in (cls.pair.culvert, cls.pair.charon):
            equip(peer, *cls.authority.issue(SERVER), [cls.authority.certificate])

    @classmethod
    def tearDownClass(cls):
        cls.pair.close()

    def load(self, client, method="mschapv2", password=PASSWORD, client_method=None, eap_id="",
             server_eap_id=""):
        """`client` logs in at the other one."""
        pair = self.pair
        sides = ((pair.culvert, pair.here, pair.there), (pair.charon, pair.there, pair.here))
        for peer, here, there in sides:
            if peer is client:
                auth = f"eap-{client_method}" if client_method else "eap"
                text = connection(here, there, f"auth = {auth}\nid = {USER}\n{eap_id}",
                                  f"auth = pubkey\nid = {SERVER}")
                text += secret(password)
            else:
                text = connection(here, there, f"auth = pubkey\nid = {SERVER}",
                                  f"auth = eap-{method}\nid = {USER}\n{server_eap_id}")
                text += secret()
            peer.swanctl("--load-creds", "--clear", check=False)
            peer.load_all(text)

    def test_every_method_in_both_roles(self):
        for client in (self.pair.culvert, self.pair.charon):
            # As a server, charon leaves the passwords of GTC to PAM.
            for method in METHODS if client is self.pair.charon else METHODS[:2]:
                with self.subTest(client=client.name, method=method):
                    named = method if method == "gtc" else None
                    self.load(client, method, client_method=named)
                    self.assert_tunnel(client)

    def test_the_user_is_asked_for(self):
        for client in (self.pair.culvert, self.pair.charon):
            with self.subTest(client=client.name):
                self.load(client, server_eap_id="eap_id = %any")
                self.assert_tunnel(client)

    def test_a_site_with_a_key_stands_beside_the_users(self):
        self.load(self.pair.charon)
        users = connection(self.pair.here, self.pair.there, f"auth = pubkey\nid = {SERVER}",
                           "auth = eap-mschapv2\neap_id = %any").replace("site {", "users {")
        site = connection(self.pair.here, self.pair.there, f"auth = psk\nid = {SERVER}",
                          f"auth = psk\nid = {USER}")
        self.pair.culvert.load_all(site + users + secret())
        self.assert_tunnel(self.pair.charon)
        self.assertIn("users[", self.pair.culvert.log_text())

    def test_a_wrong_password(self):
        for client in (self.pair.culvert, self.pair.charon):
            with self.subTest(client=client.name):
                self.load(client, password="not it")
                self.assertNotEqual(client.initiate("net", check=False).returncode, 0)
                why = self.pair.culvert.culvert("why", "site").stdout
                self.assertIn("refuses" if client is self.pair.culvert else "password", why)
                harness.wait_for(self.pair.empty, 5, "all SAs are gone on both sides")

    def test_no_such_user(self):
        self.load(self.pair.charon)
        self.pair.culvert.swanctl("--load-creds", "--clear")
        self.pair.culvert.load_all(self.pair_text_without_user())
        self.assertNotEqual(self.pair.charon.initiate("net", check=False).returncode, 0)
        self.assertIn("no such user", self.pair.culvert.culvert("why", "site").stdout)

    def pair_text_without_user(self):
        pair = self.pair
        return connection(pair.here, pair.there, f"auth = pubkey\nid = {SERVER}",
                          f"auth = eap-mschapv2\nid = {USER}") + secret(user="dave@example.org")

    def test_a_method_that_the_peer_declines(self):
        self.load(self.pair.charon, method="md5", client_method="mschapv2")
        self.assertNotEqual(self.pair.charon.initiate("net", check=False).returncode, 0)
        self.assertIn("EAP-M", self.pair.culvert.culvert("why", "site").stdout)


if __name__ == "__main__":
    harness.main()
