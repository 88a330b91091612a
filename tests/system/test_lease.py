# SPDX-License-Identifier: GPL-2.0-or-later
"""vdens --dhcp with a server that lends for seconds: the lease is renewed, given up when it is taken back, and nothing remains."""
import os
import re
import signal
import socket
import struct
import subprocess

import pytest
import vde
from test_vdens import namespaces   # noqa: F401  a fixture

DISCOVER, OFFER, REQUEST, ACK, NAK, RELEASE = 1, 2, 3, 5, 6, 7
SECONDS = 16            # udhcpc takes no shorter lease; and of a short one it waits for nearly the end, unless SIGUSR1 tells it to renew
LONG = 4 * SECONDS


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Server:
    """10.8.0.1, on a plug of the test. To be pumped."""

    def __init__(self, lab, switch):
        self.network, self.plug, self.mac, self.own = switch.socket, lab.plug(switch), vde.mac(77), socket.inet_aton("10.8.0.1")
        self.lends, self.speaks, self.renewals, self.released = "10.8.0.50", True, 0, []

    def pump(self):
        for frame in self.plug.recv_now():
            if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] == self.own:
                self.plug.send(frame[6:12] + self.mac + frame[12:20] + b"\0\2" + self.mac + self.own + frame[22:32])
            elif frame[12:14] == b"\x08\0" and frame[23] == 17 and frame[36:38] == b"\0\x43":
                self.message(frame[42:], frame[6:12])

    def message(self, bootp, client):
        kind, held = re.search(rb"\x35\x01(.)", bootp[240:], re.DOTALL)[1][0], socket.inet_ntoa(bootp[12:16])
        if kind == RELEASE:
            self.released.append(held)
        if not self.speaks or kind not in (DISCOVER, REQUEST):
            return
        self.renewals += held != "0.0.0.0"
        refused = held not in ("0.0.0.0", self.lends)
        answer = OFFER if kind == DISCOVER else NAK if refused else ACK
        options = bytes([53, 1, answer, 54, 4]) + self.own
        if not refused:
            options += bytes([51, 4]) + struct.pack("!I", SECONDS) + bytes([1, 4, 255, 255, 255, 0, 3, 4]) + self.own
            options += bytes([6, 4, 192, 0, 2, 53])
        given = bytes(4) if refused else socket.inet_aton(self.lends)
        payload = struct.pack("!BBBB4sHH4s4s4s4s16s", 2, 1, 6, 0, bootp[4:8], 0, 0x8000, bytes(4), given, self.own, bytes(4), bootp[28:44])
        payload = (payload + bytes(192) + bytes.fromhex("63825363") + options + b"\xff").ljust(300, b"\0")
        udp = struct.pack("!HHHH", 67, 68, 8 + len(payload), 0) + payload
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, self.own, b"\xff" * 4)
        self.plug.send(vde.BROADCAST + self.mac + b"\x08\0" + ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + udp)


class Inside:
    """A shell in a vdens, with nothing in its PATH but the client and what the tests ask with."""

    def __init__(self, lab, server, client):
        self.lab, self.server, self.prefix = lab, server, lab.name("l")
        os.mkdir(lab.path("bin"))
        for program in (client, "sh", "ip", "cat"):
            os.symlink(vde.need_program(program), lab.path("bin", program))
        self.program = lab.start(vde.ours("vdens"), "--iface", self.prefix, "--addr", "10.8.1.1/24", "--dhcp", server.network, "sh",
                                 env=vde.env_ours(PATH=lab.path("bin")))
        self.asked = 0

    def until(self, condition, what):
        def pumped():
            self.server.pump()
            return condition()
        vde.wait_until(pumped, what, LONG * vde.PATIENCE)

    def ask(self, command):
        """What a command says."""
        self.asked += 1
        self.program.write(f"{command}; echo end-{self.asked}\n")
        self.until(lambda: f"end-{self.asked}\n" in self.program.stdout, "the command's answer")
        return self.program.stdout.split(f"end-{self.asked - 1}\n")[-1]

    def addresses(self):
        return re.findall(r"inet ([\d.]+)/24", self.ask(f"ip -4 addr show dev {self.prefix}0"))

    def seconds_left(self):
        return int(re.search(r"10\.8\.0\.50/24.*\n +valid_lft (\d+)sec", self.ask(f"ip -4 addr show dev {self.prefix}0"))[1])

    def hurry(self):
        if os.path.exists(self.lab.path("bin", "busybox")):
            for pid in self.clients():
                os.kill(int(pid), signal.SIGUSR1)

    def clients(self):
        return subprocess.run(["pgrep", "-f", f"dhc.*{self.prefix}0"], stdout=subprocess.PIPE, check=False).stdout.split()


@pytest.fixture(params=["busybox", "dhclient"])
def inside(request, lab, switch):
    return Inside(lab, Server(lab, switch), request.param)


def test_renewed(inside):
    """Again and again; a lease that is taken back is given up for another one. The address that the user added stays."""
    server = inside.server
    assert inside.addresses() == ["10.8.1.1", "10.8.0.50"]
    inside.until(lambda: inside.seconds_left() <= SECONDS - 2, "some of the time")
    inside.hurry()
    inside.until(lambda: server.renewals >= 1, "the first renewal")
    inside.until(lambda: inside.seconds_left() > SECONDS - 2, "the time of the second lease")
    assert "nameserver 192.0.2.53" in inside.ask("cat /etc/resolv.conf") and "default via 10.8.0.1" in inside.ask("ip route")
    server.lends = "10.8.0.51"
    inside.hurry()
    inside.until(lambda: inside.addresses() == ["10.8.1.1", "10.8.0.51"], "the other address")
    assert "default via 10.8.0.1" in inside.ask("ip route")
    end_of(inside)


def test_server_that_falls_silent(inside):
    """The address ends with the lease, and the command goes on."""
    server = inside.server
    assert inside.addresses() == ["10.8.1.1", "10.8.0.50"]
    server.speaks = False
    inside.until(lambda: inside.addresses() == ["10.8.1.1"], "the end of the lease")


@pytest.mark.parametrize("inside", ["busybox"], indirect=True)
def test_client_that_dies(inside):
    """It is told, and the system takes the address back in time."""
    assert inside.addresses() == ["10.8.1.1", "10.8.0.50"]
    for pid in inside.clients():
        os.kill(int(pid), signal.SIGKILL)
    inside.program.expect("is not renewed", "stderr")
    inside.until(lambda: inside.addresses() == ["10.8.1.1"], "the end of the lease")
    end_of(inside)


@pytest.mark.parametrize("inside", ["busybox"], indirect=True)
def test_vdens_that_dies(inside):
    """Not even then a client remains."""
    assert inside.addresses() == ["10.8.1.1", "10.8.0.50"]
    assert inside.clients()
    inside.program.kill()
    vde.wait_until(lambda: not inside.clients(), "the client's end")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ended_while_asking(lab, switch, number):
    """A signal ends it at once, though nobody answers."""
    prefix, running = lab.name("l"), lambda: subprocess.run(["pgrep", "-f", f"dhc.*{prefix}0 "], stdout=subprocess.PIPE, check=False).stdout
    program = lab.start("vdens", "--iface", prefix, "--dhcp", switch.socket, "true", new_session=True)
    vde.wait_until(running, "the client")
    program.kill(number)
    assert program.wait() == 128 + number and not running()


def end_of(inside):
    """The command's end is the client's. udhcpc gives the lease back, if it has one."""
    had = inside.clients()
    inside.program.stdin.close()
    inside.until(lambda: inside.program.status is not None, "the end")
    assert inside.program.status == 0
    assert not inside.clients()
    if had and os.path.exists(inside.lab.path("bin", "busybox")):
        inside.until(lambda: inside.server.released, "the lease, given back")
        assert inside.server.released == [inside.server.lends]
