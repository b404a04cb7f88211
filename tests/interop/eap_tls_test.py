#!/usr/bin/env python3
"""Our EAP-TLS, EAP-TTLS and PEAP, as the peer, against FreeRADIUS: both derive the same keys."""

import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness
from harness.freeradius import FreeRadius, make_certificates

PEER, SERVER = "10.9.1.2", "10.9.1.1"
USERS = """
anne Cleartext-Password := "correcthorse"
"""
INNER = {"ttls": ("pap", "mschapv2", "eap-md5", "eap-mschapv2"),
         "peap": ("eap-mschapv2", "eap-gtc", "eap-md5")}
YEAR = 365 * 86_400


class Tunnels(unittest.TestCase):
    """One FreeRADIUS for all tests, which keeps nothing of a login."""

    @classmethod
    def setUpClass(cls):
        cls.world = harness.World()
        cls.addClassCleanup(cls.world.close)
        cls.peer, aaa = cls.world.ns("peer"), cls.world.ns("aaa")
        cls.world.link(cls.peer, f"{PEER}/24", aaa, f"{SERVER}/24")
        cls.server = FreeRadius(aaa, USERS, tls_max_version="1.3")
        cls.strangers = cls.world.path("strangers")
        os.mkdir(cls.strangers)
        make_certificates(cls.strangers)

    def login(self, method, certificate=None, **settings):
        """What eap_driver says; `certificate` is the directory of the client's."""
        words = {"server": f"{SERVER},{self.server.secret}", "method": method, "user": "anne",
                 "password": "correcthorse", "ca": self.server.path("ca.pem"), **settings}
        if certificate:
            words |= {"certificate": os.path.join(certificate, "client.pem"),
                      "key": os.path.join(certificate, "client.key")}
        done = self.peer.run([harness.binary("eap_driver"),
                              *(f"{name}={value}" for name, value in words.items())], timeout=40)
        return done.stdout.strip()

    def assert_succeeds(self, *arguments, **settings):
        self.assertEqual(self.login(*arguments, **settings), "succeeded msk=equal")

    def test_tls(self):
        for version in ("1.2", "1.3"):
            for fragment in (200, 1_024):
                with self.subTest(version=version, fragment=fragment):
                    self.assert_succeeds("tls", self.server.directory, tls=version,
                                         fragment=fragment)

    def test_tunnelled(self):
        for version in ("1.2", "1.3"):
            for method, inner in ((m, i) for m, all_inner in INNER.items() for i in all_inner):
                with self.subTest(version=version, method=method, inner=inner):
                    self.assert_succeeds(method, tls=version, inner=inner)

    def test_wrong_password(self):
        for method, all_inner in INNER.items():
            for inner in all_inner:
                with self.subTest(method=method, inner=inner):
                    said = self.login(method, inner=inner, password="battery")
                    self.assertRegex(said, r"^failed the server refuses")

    def test_certificates(self):
        for version in ("1.2", "1.3"):
            with self.subTest(version=version):
                own = self.server.directory
                # FreeRADIUS 3.2 keeps its alerts to itself.
                for certificate in (self.strangers, None):
                    self.assertRegex(self.login("tls", certificate, tls=version),
                                     r"^failed the server refuses")
                self.assertRegex(self.login("tls", own, tls=version,
                                            ca=os.path.join(self.strangers, "ca.pem")),
                                 r"unable to get local issuer certificate .*unknown_ca sent")
                self.assertRegex(self.login("peap", inner="eap-mschapv2", tls=version,
                                            clock=int(time.time()) + YEAR),
                                 r"certificate has expired .*certificate_expired sent")


if __name__ == "__main__":
    harness.main()
