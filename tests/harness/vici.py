"""A vici client of few lines: for what swanctl does not show.

Messages are dicts; sections are dicts in them, lists are lists.
"""

import socket
import struct
import threading

_REQUEST, _RESPONSE, _REGISTER, _CONFIRM, _UNKNOWN_EVENT, _EVENT = 0, 1, 3, 5, 6, 7


def _encode(message):
    out = b""
    for key, value in message.items():
        name = bytes([len(key)]) + key.encode()
        if isinstance(value, dict):
            out += b"\1" + name + _encode(value) + b"\2"
        elif isinstance(value, list):
            out += b"\4" + name
            out += b"".join(b"\5" + struct.pack("!H", len(item)) + item.encode() for item in value)
            out += b"\6"
        else:
            out += b"\3" + name + struct.pack("!H", len(value)) + value.encode()
    return out


class _Reader:
    def __init__(self, octets):
        self.octets = octets
        self.at = 0

    def take(self, count):
        self.at += count
        return self.octets[self.at - count:self.at]

    def name(self):
        return self.take(self.take(1)[0]).decode()

    def value(self):
        return self.take(struct.unpack("!H", self.take(2))[0]).decode(errors="replace")

    def section(self):
        message = {}
        while self.at < len(self.octets):
            kind = self.take(1)[0]
            if kind == 2:
                return message
            key = self.name()
            if kind == 1:
                message[key] = self.section()
            elif kind == 3:
                message[key] = self.value()
            else:
                message[key] = []
                while self.take(1)[0] == 5:
                    message[key].append(self.value())
        return message


class Vici:
    """One connection to a control socket. events: (name, message) of those registered, in order."""

    def __init__(self, uri, events=()):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._socket.connect(uri.removeprefix("unix://"))
        self.events = []
        self.unknown = []
        for name in events:
            self._send(bytes([_REGISTER, len(name)]) + name.encode())
            if self._receive()[0] == _UNKNOWN_EVENT:
                self.unknown.append(name)

    def request(self, command, message=None):
        """The response, as a dict; events that come before it are kept."""
        self._send(bytes([_REQUEST, len(command)]) + command.encode() + _encode(message or {}))
        while True:
            packet = self._receive()
            if packet[0] != _EVENT:
                return _Reader(packet[1:]).section() if packet[0] == _RESPONSE else None
            self._keep(packet)

    def listen(self):
        """From now on a thread collects events; no request may follow."""
        self._socket.settimeout(None)
        threading.Thread(target=self._collect, daemon=True).start()

    def named(self, name):
        """The messages of the events of this name so far."""
        return [message for event, message in list(self.events) if event == name]

    def close(self):
        self._socket.close()

    def _collect(self):
        try:
            while True:
                self._keep(self._receive())
        except (OSError, struct.error):
            return

    def _keep(self, packet):
        reader = _Reader(packet[1:])
        name = reader.name()
        self.events.append((name, reader.section()))

    def _send(self, packet):
        self._socket.sendall(struct.pack("!I", len(packet)) + packet)

    def _receive(self):
        return self._exactly(struct.unpack("!I", self._exactly(4))[0])

    def _exactly(self, count):
        octets = b""
        while len(octets) < count:
            chunk = self._socket.recv(count - len(octets))
            if not chunk:
                raise OSError("closed")
            octets += chunk
        return octets
