"""EAP-SIM, EAP-AKA and EAP-AKA' between two culvertd with the keys of a SIM in their files.

Debian's strongSwan has no SIMs. The sequence numbers outlive the daemons.
"""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness

IMSI, CLIENT, SERVER = "232010000000000", "192.0.2.1", "192.0.2.2"
SIM = f"""
[sim.{IMSI}]
k   = "465b5ce8b199b49faa5f0a2ee238a6bc"
opc = {{ file = "opc" }}
"""
OPC = {"opc": "cd63cb71954a9f4e48a5994e37a02baf\n"}


def client(method, digit):
    return f"""
[tunnel.office]
peer     = "{SERVER}"
psk      = "the server's key"
eap      = "{method}"
eap_user = "{digit}{IMSI}@wlan.example.org"
local    = "10.1.0.0/16"
remote   = "10.2.0.0/16"
{SIM}"""


GATEWAY = f"""
[tunnel.users]
peer   = "any"
psk    = "the server's key"
eap    = ["sim", "aka", "aka-prime"]
local  = "10.2.0.0/16"
remote = "10.1.0.0/16"
{SIM}"""


class Sims(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = harness.World()
        cls.addClassCleanup(cls.world.close)
        ns_client, ns_server = cls.world.ns("client"), cls.world.ns("server")
        cls.world.link(ns_client, f"{CLIENT}/24", ns_server, f"{SERVER}/24")
        ns_client.address("lo", "10.1.0.1/32")
        ns_server.address("lo", "10.2.0.1/32")
        cls.ns = ns_client
        cls.client = cls.world.culvertd(ns_client, client("aka", "0"), files=OPC)
        cls.server = cls.world.culvertd(ns_server, GATEWAY, files=OPC)

    def log_in(self, method, digit):
        self.client.reload(client(method, digit))
        harness.wait_for(lambda: digit + IMSI in self.client.swanctl("--list-conns").stdout, 5,
                         "the new configuration")
        self.client.initiate("office")
        self.assertTrue(self.ns.ping("10.2.0.1", source="10.1.0.1"), "no traffic")
        self.client.terminate("office")

    def test_every_method(self):
        for method, digit in (("sim", "1"), ("aka", "0"), ("aka-prime", "6")):
            with self.subTest(method=method):
                self.log_in(method, digit)
                self.assertIn(IMSI, self.server.log_text())

    def test_numbers_are_kept_over_a_restart(self):
        self.log_in("aka", "0")
        for peer in (self.client, self.server):
            before = self.number(peer)
            self.assertGreater(before, 0)
            peer.stop()
            peer.restart()
            self.log_in("aka", "0")
            # One further, without a resynchronisation.
            self.assertEqual(self.number(peer), before + 1)

    @staticmethod
    def number(peer):
        with open(os.path.join(peer.state_directory, "sim-sequence-numbers"),
                  encoding="ascii") as lines:
            return int(lines.read().splitlines()[-1].split()[0])


if __name__ == "__main__":
    harness.main()
