"""A client that roams (MOBIKE): other addresses, a NAT on the way, the other family; NATs alone."""

import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness
import roaming


class Roaming(unittest.TestCase):
    def setUp(self):
        self.scene = roaming.Scene()
        self.addCleanup(self.scene.world.close)
        self.scene.connect()

    def test_a_tcp_connection_survives_three_moves_one_of_them_behind_a_nat(self):
        stream = self.scene.stream()
        for move in (self.scene.to_cafe, self.scene.to_mobile, self.scene.to_home):
            before = stream.received()
            move()
            harness.wait_for(lambda: stream.received() > before + 3, 8,
                             lambda: f"TCP goes on after {move.__name__}\n"
                                     + self.scene.client.log_tail())
        self.assertEqual(stream.lost(), 0)
        events = self.scene.client.log_text()
        self.assertEqual(len(re.findall(r"moved from", events)), 3, events)
        self.assertIn("NAT: local side yes", events)

    def test_nothing_leaves_in_clear_while_it_moves(self):
        capture = self.scene.world.capture(self.scene.server_ns, "eth0", "host 10.2.0.1")
        stream = self.scene.stream()
        self.scene.to_cafe()
        self.scene.to_mobile()
        before = stream.received()
        harness.wait_for(lambda: stream.received() > before + 3, 8, self.scene.client.log_tail)
        capture.stop()
        self.assertEqual(capture.packets(), [])

    def test_a_nat_that_forgets_its_mappings_is_followed(self):
        self.scene.to_cafe()
        stream = self.scene.stream()
        harness.wait_for(lambda: stream.received() > 2, 8, self.scene.client.log_tail)
        self.scene.forget_mappings()
        before = stream.received()
        harness.wait_for(lambda: stream.received() > before + 3, 10, self.scene.server.log_tail)

    def test_keepalives_are_sent_from_behind_a_nat_only(self):
        self.scene.to_cafe()
        capture = self.scene.world.capture(self.scene.server_ns, "eth0", "udp[4:2] = 9")
        harness.wait_for(lambda: capture.packets(), 10, "a keepalive of one octet")
        self.assertNotIn("192.0.2.2.4500 >", "\n".join(capture.packets()))


if __name__ == "__main__":
    harness.main()
