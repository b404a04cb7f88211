"""A phone-like client and its server: three networks to roam between, and a TCP connection.

    home    198.51.100.7 ----------+
    mobile  2001:db8::7 -----------+-- internet -- server 192.0.2.2, 2001:db8::2 (10.2.0.1 behind)
    cafe    172.16.0.7 -- NAT -----+               and the client is 10.9.0.1 inside of the tunnel
"""

import re

import harness

PSK = "a key of the two"

SERVER_TOML = f"""[daemon]
nat_keepalive = "2s"
[tunnel.phone]
peer = "any"
psk = "{PSK}"
local = ["10.2.0.0/16"]
remote = ["10.9.0.1/32"]
local_id = "server.example"
remote_id = "phone.example"
"""

CLIENT_TOML = f"""[daemon]
nat_keepalive = "2s"
retransmit_timeout = "1s"
[tunnel.phone]
peer = "192.0.2.2"
psk = "{PSK}"
local = ["10.9.0.1/32"]
remote = ["10.2.0.0/16"]
local_id = "phone.example"
remote_id = "server.example"
dpd = "2s"
keep = "up"
"""

# A numbered line every 50 ms over one TCP connection.
TALK = """import socket, sys, time
with socket.create_connection(("10.2.0.1", 7000), source_address=("10.9.0.1", 0)) as stream:
    for number in range(100000):
        stream.sendall(b"%d\\n" % number)
        time.sleep(0.05)
"""
LISTEN = """import socket
with socket.create_server(("10.2.0.1", 7000)) as server:
    print("listening", flush=True)
    stream, _ = server.accept()
    for line in stream.makefile():
        print(line, end="", flush=True)
"""


class Stream:
    """What the server has read of it."""

    def __init__(self, listener):
        self._listener = listener

    def numbers(self):
        return [int(line) for line in re.findall(r"^\d+$", self._listener.log_text(), re.M)]

    def received(self):
        return len(self.numbers())

    def lost(self):
        numbers = self.numbers()
        return sum(number != place for place, number in enumerate(numbers))


class Scene:
    def __init__(self):
        self.world = world = harness.World()
        self.server_ns, self.client_ns = world.ns("server"), world.ns("client")
        self.internet, self.cafe = world.ns("internet"), world.ns("cafe")
        self.internet.forward()
        world.link(self.server_ns, ["192.0.2.2/30", "2001:db8:2::2/64"],
                   self.internet, ["192.0.2.1/30", "2001:db8:2::1/64"])
        self.home = world.link(self.client_ns, [], self.internet, "198.51.100.1/24")[0]
        self.mobile = world.link(self.client_ns, [], self.internet, "2001:db8:7::1/64")[0]
        self.wifi = world.link(self.client_ns, [], self.cafe, "172.16.0.1/24")[0]
        self.outside = world.link(self.cafe, "203.0.113.5/24", self.internet, "203.0.113.1/24")[0]
        self.cafe.route("default", "203.0.113.1")
        world.nat(self.cafe, self.outside, random_ports=True)
        self.server_ns.route("default", "192.0.2.1")
        self.server_ns.route("default", "2001:db8:2::1")
        self.server_ns.address("lo", "10.2.0.1/32")
        self.client_ns.address("lo", "10.9.0.1/32")
        for device in (self.home, self.mobile, self.wifi):
            self.client_ns.run(["ip", "link", "set", device, "down"])

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        self.world.__exit__(kind, error, traceback)

    def connect(self):
        self.server = self.world.culvertd(self.server_ns, SERVER_TOML)
        self.to_home()
        self.client = self.world.culvertd(self.client_ns, CLIENT_TOML)
        harness.wait_for(lambda: self.client.has_child("phone"), 10, self.client.log_tail)

    def stream(self):
        listener = self.server_ns.start(["python3", "-c", LISTEN], name="listener")
        listener.wait_for_log("listening")
        self.client_ns.start(["python3", "-c", TALK], name="talker")
        stream = Stream(listener)
        harness.wait_for(lambda: stream.received() > 1, 8, self.client.log_tail)
        return stream

    def to_home(self):
        self._attach(self.home, "198.51.100.7/24", "198.51.100.1")

    def to_mobile(self):
        self._attach(self.mobile, "2001:db8:7::7/64", "2001:db8:7::1")

    def to_cafe(self):
        self._attach(self.wifi, "172.16.0.7/24", "172.16.0.1")

    def forget_mappings(self):
        """The cafe's provider gives its router another address, and its mappings are gone."""
        self.cafe.run(["ip", "address", "flush", "dev", self.outside])
        self.cafe.address(self.outside, "203.0.113.6/24")
        self.cafe.route("default", "203.0.113.1")

    def _attach(self, device, address, router):
        """Off the old network, onto the new one."""
        for other in (self.home, self.mobile, self.wifi):
            if other != device:
                self.client_ns.run(["ip", "address", "flush", "dev", other])
                self.client_ns.run(["ip", "link", "set", other, "down"])
        self.client_ns.run(["ip", "link", "set", device, "up"])
        self.client_ns.address(device, address)
        self.client_ns.route("default", router)
