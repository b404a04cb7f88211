"""A client roams between networks and families, and behind a NAT; the kernel carries ESP."""

import os
import re
import sys
import unittest

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(FOLDER, ".."), os.path.join(FOLDER, "..", "interop"),
                os.path.join(FOLDER, "..", "netns")]
import harness
import roaming
from sites import Side, site_conf

SERVER = Side("192.0.2.2", "10.2.0.0/16", "10.2.0.1", identity="server.example")
CLIENT = Side("%any", "10.9.0.1/32", "10.9.0.1", identity="phone.example")
QUICK = '[daemon]\nretransmit_timeout = "1s"\n'


class Scene(roaming.Scene):
    """culvertd on one side and charon on the other, both with the kernel's ESP."""

    def __init__(self, culvert_roams):
        super().__init__()
        self._culvert_roams = culvert_roams

    def connect(self):
        self.to_home()
        self.client = self._peer(self.client_ns, CLIENT, SERVER, self._culvert_roams)
        self.server = self._peer(self.server_ns, SERVER, CLIENT, not self._culvert_roams)
        self.client.initiate("net")

    def _peer(self, namespace, here, there, is_culvert):
        peer = (self.world.culvertd(namespace, QUICK, data_plane="kernel") if is_culvert else
                self.world.charon(namespace, kernel_esp=True))
        peer.load_all(site_conf(here, there, local_address="%any",
                                options="mobike = yes\n dpd_delay = 2s"))
        return peer

    def logs(self):
        return self.client.log_tail(40) + "\n" + self.server.log_tail(40)


class Mobike(unittest.TestCase):
    # Of each move: the client's own address, and how the server sees it.
    HOME, MOBILE, CAFE = (("198.51.100.7", "198.51.100.7", "192.0.2.2"),
                          ("2001:db8:7::7", "2001:db8:7::7", "2001:db8:2::2"),
                          ("172.16.0.7", "203.0.113.5", "192.0.2.2"))

    def outer(self, namespace, what):
        """The addresses of the kernel's states or policies there, as a sorted list of pairs."""
        text = namespace.run(["ip", "xfrm", what]).stdout
        return sorted(re.findall(r"src (\S+) dst (\S+)\n\s+proto esp", text))

    def check_kernel(self, scene, place):
        """What moved, or was replaced, leaves nothing: two states, and policies of these only."""
        client, seen_as, server = place
        for namespace, address in ((scene.client_ns, client), (scene.server_ns, seen_as)):
            both = sorted([(address, server), (server, address)])
            seen = lambda: (self.outer(namespace, "state"),
                            sorted(set(self.outer(namespace, "policy"))))
            harness.wait_for(lambda: seen() == (both, both), 30,
                             lambda: f"{both}, not {seen()}\n{scene.logs()}")

    def check(self, culvert_roams):
        scene = Scene(culvert_roams)
        self.addCleanup(scene.world.close)
        scene.connect()
        stream = scene.stream()
        self.check_kernel(scene, self.HOME)
        for move, place in ((scene.to_mobile, self.MOBILE), (scene.to_cafe, self.CAFE),
                            (scene.to_home, self.HOME)):
            before = stream.received()
            move()
            harness.wait_for(lambda: stream.received() > before + 3, 30,
                             lambda: f"TCP goes on after {move.__name__}\n{scene.logs()}")
            self.check_kernel(scene, place)
        self.assertEqual(stream.lost(), 0)
        for peer in (scene.client, scene.server):
            self.assertEqual(len(re.findall("ESTABLISHED", peer.list_sas())), 1)
            self.assertEqual(len(re.findall("INSTALLED", peer.list_sas())), 1)

    def test_culvertd_roams(self):
        self.check(True)

    def test_charon_roams(self):
        self.check(False)


if __name__ == "__main__":
    harness.main()
