# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of vde_plug and dpipe share: the vdestream framing, a plug driven by its stdio, a control socket that misbehaves."""
import glob
import os
import socket
import struct
import threading

import vde


def record(frame):
    """A frame as it stands in a vdestream."""
    return struct.pack("!H", len(frame)) + frame


def records(frames):
    return b"".join(map(record, frames))


def parse(stream):
    """The whole frames of a vdestream."""
    frames, at = [], 0
    while at + 2 <= len(stream):
        length = struct.unpack_from("!H", stream, at)[0]
        if at + 2 + length > len(stream):
            break
        frames.append(stream[at + 2:at + 2 + length])
        at += 2 + length
    return frames


def numbered(count, *, size=100, source=1, destination=vde.BROADCAST):
    """Frames that tell their order."""
    return [vde.frame(destination, vde.mac(source), struct.pack("!I", number), size=size) for number in range(count)]


class StreamPlug:
    """A vde_plug (ours, or any program that speaks a vdestream) whose stdin and stdout the test holds."""

    def __init__(self, lab, *argv, **options):
        self.program = lab.start(*argv, **options)

    def send(self, *frames):
        self.program.write(records(frames))

    @property
    def frames(self):
        with open(self.program.stdout_path, "rb") as stream:
            return parse(stream.read())

    def wait_frames(self, wanted):
        """Waits for as many frames, or for these very ones."""
        if isinstance(wanted, int):
            vde.wait_until(lambda: len(self.frames) >= wanted, f"{wanted} frames from {self.program.argv}")
        else:
            vde.wait_until(lambda: self.frames == list(wanted), f"{len(wanted)} frames, in order, from {self.program.argv}")
        return self.frames

    def end_of_input(self):
        self.program.stdin.close()
        return self.program.wait()


def connected(switch, count):
    """Waits until the switch (ours or Debian's) counts this many plugs, and these know it: they have removed their names."""
    def plugs():
        return sum("-- endpoint ID" in line for line in switch.ask("port/allprint"))
    vde.wait_until(lambda: plugs() == count and not glob.glob(switch.socket + "/.*"), f"{count} plugs on the switch")


class Control:
    """A control socket in a directory of its own. behave(connection, request) is called with each request in a thread."""

    def __init__(self, lab, behave):
        self.dir = lab.path(lab.name("c"))
        os.mkdir(self.dir)
        self.requests, self._behave, self._kept = [], behave, []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(os.path.join(self.dir, "ctl"))
        self._listener.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._kept.append(connection)
            request = connection.recv(256)
            self.requests.append(request)
            self._behave(self, connection, request)

    def refuse(self, connection, request):
        connection.shutdown(socket.SHUT_RDWR)

    def ignore(self, connection, request):
        pass

    def answer(self, connection, request):
        """What the smallest servers do: a data socket with a number for a name, connected, and its address as the reply."""
        data = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = os.path.join(self.dir, f"000.{data.fileno()}").encode()
        data.bind(name)
        data.connect(request[14:122].split(b"\0")[0])
        self._kept.append(data)
        self.data = data
        connection.sendall(vde.sockaddr_un(name))

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        for item in [self._listener, *self._kept]:
            item.close()


def reach(a, b, size=300):
    """Sends until both ends hear each other; returns when every way carries frames in order."""
    hello = vde.frame(vde.BROADCAST, vde.mac(99), b"hello")

    def heard():
        for end in (a, b):
            end.send(hello)
        return a.frames and b.frames
    vde.wait_until(heard, "both ends")
    for number, (source, sink) in enumerate(((a, b), (b, a))):
        frames = numbered(20, size=size, source=number + 1)
        source.send(*frames)
        vde.wait_until(lambda: [f for f in sink.frames if f in frames] == frames, "the frames, in order")


def udp_ports(family=socket.AF_INET, count=2):
    """Numbers of ports that are free now."""
    sockets = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(count)]
    for sock in sockets:
        sock.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports
