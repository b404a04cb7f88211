"""A tcpdump on one interface of one namespace, and questions to what it saw."""

import signal

from .process import Process, run


class Capture(Process):
    """Records from construction to stop(); packets() may be asked at any time."""

    _made = 0

    def __init__(self, namespace, interface, expression=""):
        Capture._made += 1
        name = f"{namespace.name}-{interface}-{Capture._made}"
        # Debian confines tcpdump to files that end in .pcap.
        self.file = namespace.world.path(f"{name}.pcap")
        super().__init__(
            namespace.command(["tcpdump", "-Z", "root", "-n", "-i", interface, "-U",
                               "--immediate-mode", "-w", self.file, *expression.split()]),
            namespace.world.path(f"tcpdump-{name}.log"), name=f"tcpdump of {name}")
        namespace.world.own(self)
        self.wait_for_log("listening on")

    def stop(self, timeout=10):
        """SIGINT, so that tcpdump writes what it has."""
        self.signal(signal.SIGINT)
        return super().stop(timeout)

    def packets(self, expression="", verbose=False):
        """What was seen so far, one line of tcpdump's text each. expression narrows it."""
        argv = ["tcpdump", "-n", "-r", self.file, *(["-v"] if verbose else []),
                *expression.split()]
        return run(argv).stdout.splitlines()

    def count(self, expression=""):
        return len(self.packets(expression))
