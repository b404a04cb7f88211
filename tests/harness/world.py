"""Network namespaces, the links, routers and captures between them, and the peers inside.

Invariant: every namespace of a World carries its prefix, and goes with it; devices, routes and
nftables rules live in namespaces only and go with those. The machine's own network is not touched.
"""

import json
import os
import shutil
import tempfile
import unittest

from .capture import Capture
from .peers import Charon, Culvertd
from .process import Process, run

_made = 0


def _next_prefix():
    global _made
    _made += 1
    return f"cv{os.getpid()}x{_made}"


class Namespace:
    """One host. Made by World.ns(); `name` is the test's word for it, `full_name` the kernel's."""

    def __init__(self, world, name):
        self.world = world
        self.name = name
        self.full_name = f"{world.prefix}-{name}"
        self.interfaces = []

    def create(self):
        run(["ip", "netns", "add", self.full_name])
        self.run(["ip", "link", "set", "lo", "up"])
        # Addresses serve at once: no duplicate address detection on wires that we laid ourselves.
        for scope in ("all", "default"):
            self.sysctl(f"net.ipv6.conf.{scope}.accept_dad", 0)

    def command(self, argv):
        """argv as it runs inside."""
        return ["ip", "netns", "exec", self.full_name, *argv]

    def run(self, argv, **options):
        """harness.run() inside."""
        return run(self.command(argv), **options)

    def start(self, argv, name=None, env=None):
        """A Process inside; its log is a file of the World. Ends with the World at the latest."""
        name = name or os.path.basename(str(argv[0]))
        process = Process(self.command(argv), self.world.path(f"{self.name}-{name}.log"),
                          env=env, name=f"{name} in {self.name}")
        return self.world.own(process)

    def sysctl(self, key, value):
        self.run(["sysctl", "-q", "-w", f"{key}={value}"])

    def forward(self):
        """Makes it a router."""
        self.sysctl("net.ipv4.ip_forward", 1)
        self.sysctl("net.ipv6.conf.all.forwarding", 1)

    def address(self, interface, address):
        """One more address, "10.0.0.9/24"."""
        self.run(["ip", "address", "add", address, "dev", interface])

    def route(self, prefix, via):
        """prefix: "10.2.0.0/16", "fd02::/64", "default"; via: the next hop's address."""
        family = "-6" if ":" in via else "-4"
        self.run(["ip", family, "route", "add", prefix, "via", via])

    def ping(self, address, count=1, timeout=2, size=56, source=None, dont_fragment=False):
        """Whether every one of `count` echo requests is answered within `timeout` seconds."""
        argv = ["ping", "-n", "-q", "-c", count, "-i", "0.2", "-W", timeout, "-s", size]
        argv += ["-I", source] if source else []
        argv += ["-M", "do"] if dont_fragment else []
        done = self.run([*argv, address], check=False, timeout=timeout + count + 5)
        return f" {count} received" in done.stdout

    def tcp_throughput(self, server, address, seconds=2, reverse=False):
        """Bits per second of one iperf3 TCP stream from here to `address` in namespace `server`."""
        listener = server.start(["iperf3", "-s", "-1", "-B", address, "--forceflush"],
                                name="iperf3-server")
        listener.wait_for_log("Server listening")
        done = self.run(["iperf3", "-J", "-c", address, "-t", seconds,
                         *(["-R"] if reverse else [])], timeout=seconds + 20)
        listener.wait(10)
        return received_bits_per_second(done.stdout)


def received_bits_per_second(report):
    return json.loads(report)["end"]["sum_received"]["bits_per_second"]


class World:
    """One test's network. Use it as a context manager, or call close()."""

    def __init__(self):
        if os.geteuid() != 0:
            raise unittest.SkipTest("network namespaces need root")
        for tool in ("ip", "sysctl"):
            if shutil.which(tool) is None:
                raise unittest.SkipTest(f"{tool} is not installed")
        self.prefix = _next_prefix()
        self.directory = tempfile.mkdtemp(prefix=f"{self.prefix}-")
        self._namespaces = []
        self._processes = []

    def __enter__(self):
        return self

    def __exit__(self, kind, _error, _traceback):
        if kind is not None and kind is not unittest.SkipTest:
            self._print_logs()
        self.close()

    def path(self, name):
        """A file of this name in the World's directory, which goes with it."""
        return os.path.join(self.directory, name)

    def own(self, process):
        """close() will stop it."""
        self._processes.append(process)
        return process

    def ns(self, name):
        """A new, empty host: loopback only."""
        namespace = Namespace(self, name)
        self._namespaces.append(namespace)  # first: close() must find it when create() fails
        namespace.create()
        return namespace

    def link(self, ns_a, addresses_a, ns_b, addresses_b, mtu=1500):
        """A wire between two hosts. addresses: "10.0.0.1/24", or a list of such, IPv4 or IPv6.

        The names of the two interfaces, which count up in each host: eth0, eth1 …
        """
        ends = []
        for namespace in (ns_a, ns_b):
            ends.append(f"eth{len(namespace.interfaces)}")
            namespace.interfaces.append(ends[-1])
        run(["ip", "link", "add", "name", ends[0], "netns", ns_a.full_name, "mtu", mtu, "type",
             "veth", "peer", "name", ends[1], "netns", ns_b.full_name, "mtu", mtu])
        for namespace, end, given in ((ns_a, ends[0], addresses_a), (ns_b, ends[1], addresses_b)):
            for address in [given] if isinstance(given, str) else given:
                namespace.address(end, address)
            namespace.run(["ip", "link", "set", end, "up"])
        return ends[0], ends[1]

    def nat(self, namespace, outside, random_ports=False):
        """Makes it a router that hides what leaves through `outside` (nftables masquerade).

        random_ports: it also gives every flow another source port, as home routers do.
        """
        namespace.forward()
        how = "masquerade random" if random_ports else "masquerade"
        namespace.run(["nft", "-f", "-"], stdin=(
            "table inet culvert_nat {\n chain out {\n"
            "  type nat hook postrouting priority srcnat; policy accept;\n"
            f'  oifname "{outside}" {how}\n }}\n}}\n'))

    def capture(self, namespace, interface, expression=""):
        """A running tcpdump; see Capture. expression: what to keep, in tcpdump's words."""
        return Capture(namespace, interface, expression)

    def culvertd(self, namespace, toml=None, files=None, arguments=(), data_plane="userspace"):
        """A running culvertd; see Culvertd. files: name -> text, beside the TOML file."""
        return Culvertd(namespace, toml, files or {}, arguments, data_plane)

    def charon(self, namespace, swanctl_conf="", strongswan_conf="", files=None,
               kernel_esp=False):
        """A running charon with userspace ESP (kernel-libipsec) unless kernel_esp; see Charon."""
        return Charon(namespace, swanctl_conf, strongswan_conf, files or {}, kernel_esp)

    def close(self):
        """Ends the processes, newest first, and removes the namespaces and the directory."""
        while self._processes:
            self._processes.pop().stop()
        while self._namespaces:
            run(["ip", "netns", "delete", self._namespaces.pop().full_name], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _print_logs(self):
        for entry in sorted(os.listdir(self.directory)):
            if entry.endswith(".log"):
                with open(self.path(entry), encoding="utf-8", errors="replace") as log:
                    print(f"--- {entry} (end)\n" + "".join(log.readlines()[-60:]), flush=True)
