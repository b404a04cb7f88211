"""The unit tests of the kernel's data plane that need a kernel with ESP, in a guest."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness


class Sas(unittest.TestCase):
    def test_the_kernel_takes_what_the_plane_says(self):
        done = harness.run([harness.binary("test_xfrm"), "--gtest_filter=KernelPlane*"],
                           check=False, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertNotIn("[  SKIPPED ]", done.stdout)


if __name__ == "__main__":
    harness.main()
