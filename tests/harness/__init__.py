"""What the Python tests share: network namespaces, processes, peers, results.

    import os, sys
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    import harness

    class Ping(unittest.TestCase):
        def test_ping(self):
            with harness.World() as world:
                a, b = world.ns("a"), world.ns("b")
                world.link(a, "10.0.0.1/24", b, "10.0.0.2/24")
                self.assertTrue(a.ping("10.0.0.2"))

    if __name__ == "__main__":
        harness.main()

Invariant: a test ends only processes that it started and removes only namespaces that it made,
also after a failure or an interrupt; nothing waits without a limit.
"""

from unittest import SkipTest

from . import world
from .process import Process, run, wait_for
from .program import ROOT, binary, main
from .world import World

__all__ = ["Process", "ROOT", "SkipTest", "World", "binary", "main", "run", "wait_for", "world"]
