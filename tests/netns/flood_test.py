"""Strangers by the thousand keep no real peer out, and leave nothing behind.

FLOOD_SECONDS in the environment makes the flood longer than the few seconds of every run.
"""

import os
import re
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness

SECONDS = float(os.environ.get("FLOOD_SECONDS", "15"))
PSK = 'psk = "some key"\n'
WEST = f"""[daemon]
retransmit_timeout = "300ms"
[tunnel.site]
peer = "192.0.2.2"
{PSK}local = "10.1.0.0/16"
remote = "10.2.0.0/16"
"""
EAST = f"""[tunnel.site]
peer = "any"
{PSK}local = "10.2.0.0/16"
remote = "10.1.0.0/16"
"""
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "flood.py")


def resident_kib(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


class Flood(unittest.TestCase):
    def setUp(self):
        self.world = harness.World()
        self.addCleanup(self.world.close)
        west, self.east_host, self.north = (self.world.ns(name) for name in
                                            ("west", "east", "north"))
        self.world.link(west, ["192.0.2.1/24"], self.east_host, ["192.0.2.2/24"])
        self.world.link(self.north, ["203.0.113.2/24"], self.east_host, ["203.0.113.1/24"])
        self.east_host.route("198.18.0.0/16", "203.0.113.2")
        west.address("lo", "10.1.0.1/32")
        self.east_host.address("lo", "10.2.0.1/32")
        self.east = self.world.culvertd(self.east_host, EAST)
        self.west = self.world.culvertd(west, WEST)

    def connect(self):
        """Seconds until a real peer is up; takes it down again."""
        started = time.monotonic()
        self.west.culvert("up", "site")
        seconds = time.monotonic() - started
        self.assertTrue(self.west.namespace.ping("10.2.0.1", source="10.1.0.1"))
        self.west.culvert("down", "site")
        return seconds

    def test_a_real_peer_connects_within_two_seconds_throughout(self):
        quiet = self.connect()
        flood = self.north.start([sys.executable, SCRIPT, "203.0.113.1", "203.0.113.2", SECONDS])
        harness.wait_for(lambda: "must show a cookie" in self.east.log_text(), 10,
                         self.east.log_tail)
        settled, waits, peak = None, [], 0
        began = time.monotonic()
        while flood.running():
            waits.append(self.connect())
            resident = resident_kib(self.east)
            if settled is None and time.monotonic() - began > min(SECONDS / 3, 40):
                settled = resident
            peak = max(peak, resident)
        flood.wait(20)
        print(f"\n{flood.log_text().strip()}; {len(waits)} connections of a real peer: "
              f"{quiet * 1000:.0f} ms before, the slowest "
              f"{[round(wait * 1000) for wait in sorted(waits)[-5:]]} ms during the flood; "
              f"resident {settled} KiB after a third, {peak} KiB at most")
        self.assertGreater(len(waits), SECONDS / 5)
        self.assertLess(max(waits), 2)
        self.assertLess(peak - settled, 4_096, "KiB more resident than after a third of the flood")
        self.assertTrue(self.east.running())


if __name__ == "__main__":
    harness.main()
