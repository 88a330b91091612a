# SPDX-License-Identifier: GPL-2.0-or-later
"""Cables: vde_plug on standard input and output, dpipe between two of them; ours and Debian's in every combination."""
import os
import select
import signal
import struct
import subprocess
import time

import pytest
import vde

MAKERS = {"ours": ("vde_switch", "vde_plug", "dpipe"), "debian": ("/usr/bin/vde_switch", "/usr/bin/vde_plug", "/usr/bin/dpipe")}


def program(maker, name):
    return vde.ours(name) if maker == "ours" else vde.foreign(name)


def environment(maker, library=None):
    return vde.env_ours() if maker == "ours" else vde.env_foreign(library or "debian")


class Stream:
    """A vde_plug whose standard input and output are pipes of ours."""

    def __init__(self, lab, argv, env):
        read, write = os.pipe()
        self.program = lab.start(*argv, env=env, stdout=write)
        os.close(write)
        self.out, self.buffer = read, b""

    def send(self, frame):
        self.program.write(struct.pack("!H", len(frame)) + frame)

    def recv(self):
        while True:
            if len(self.buffer) >= 2:
                length = struct.unpack_from("!H", self.buffer)[0]
                if len(self.buffer) >= 2 + length:
                    frame, self.buffer = self.buffer[2:2 + length], self.buffer[2 + length:]
                    return frame
            if not select.select([self.out], [], [], vde.DEADLINE)[0]:
                pytest.fail("no frame from vde_plug")
            chunk = os.read(self.out, 65536)
            assert chunk, "vde_plug closed its output"
            self.buffer += chunk

    def close(self):
        os.close(self.out)


def wait_ports(switch, count):
    vde.wait_until(lambda: sum(len(port["endpoints"]) for port in switch.ports().values()) == count, f"{count} plugs")


@pytest.mark.parametrize("switch_maker, plug_maker, library", [
    ("ours", "ours", None), ("ours", "debian", "debian"), ("ours", "debian", "ours"), ("debian", "ours", None),
])
def test_vde_plug(lab, switch_maker, plug_maker, library):
    """Frames of many sizes pass both ways; the plug ends with its input, and with the switch."""
    switch = lab.switch(program=program(switch_maker, "vde_switch"), env=environment(switch_maker))
    streams = [Stream(lab, [program(plug_maker, "vde_plug"), switch.socket], environment(plug_maker, library)) for _ in range(2)]
    wait_ports(switch, 2)
    for size in (60, 61, 1000, 1514):
        for a, b, number in ((streams[0], streams[1], 1), (streams[1], streams[0], 2)):
            sent = vde.frame(vde.BROADCAST, vde.mac(number), os.urandom(size - 14), size=size)
            a.send(sent)
            assert b.recv() == sent
    streams[0].program.stdin.close()
    assert streams[0].program.wait() == 0
    wait_ports(switch, 1)
    switch.program.end()
    assert streams[1].program.wait() == 0
    for stream in streams:
        stream.close()


@pytest.mark.parametrize("left, right, pipe", [
    ("ours", "ours", "ours"), ("ours", "debian", "ours"), ("debian", "ours", "ours"), ("ours", "ours", "debian"),
])
def test_cable_between_switches(lab, left, right, pipe):
    """dpipe vde_plug A = vde_plug B, each end on a switch of either maker."""
    switches = [lab.switch(program=program(maker, "vde_switch"), env=environment(maker)) for maker in (left, right)]
    ends = []
    for maker, switch in zip((left, right), switches):
        command = [program(maker, "vde_plug")] if maker == "ours" else vde.foreign_command("vde_plug")
        ends.append([*command, switch.socket])
    env = vde.env_ours()
    cable = lab.start(program(pipe, "dpipe"), *ends[0], "=", *ends[1], env=env, stdin=subprocess.DEVNULL)
    for switch in switches:
        wait_ports(switch, 1)
    a, b = lab.plug(switches[0]), lab.plug(switches[1])
    for number in range(200):
        for source, destination, address in ((a, b, 1), (b, a, 2)):
            sent = vde.frame(vde.mac(3 - address), vde.mac(address), number.to_bytes(4, "big"), size=60 + number * 7)
            source.send(sent)
            assert destination.recv() == sent
    for switch in switches:
        switch.program.end()
    assert cable.wait() is not None


def test_mobility(lab):
    """Two cables on one port of each switch; the first one is killed under a running TCP transfer, which goes on."""
    vde.need_tun()
    taps = [lab.name(), lab.name()]
    switches = [lab.switch("-t", tap) for tap in taps]
    spaces = [lab.namespace(), lab.namespace()]
    for number, space in enumerate(spaces):
        space.add_tap(taps[number], f"10.9.0.{number + 1}/24")

    def cable():
        ends = [[vde.ours("vde_plug"), f"{switch.socket}[10]"] for switch in switches]
        return lab.start(vde.ours("dpipe"), *ends[0], "=", *ends[1], stdin=subprocess.DEVNULL)

    first = cable()
    vde.wait_until(lambda: all(len(switch.ports().get(10, {"endpoints": []})["endpoints"]) == 1 for switch in switches))
    cable()
    vde.wait_until(lambda: all(len(switch.ports()[10]["endpoints"]) == 2 for switch in switches))
    spaces[0].ping("10.9.0.2")
    spaces[1].iperf3_server()
    client = spaces[0].start(vde.need_program("iperf3"), "-c", "10.9.0.2", "-t", "3", "-J")

    def crossed():
        return switches[1].ports()[1]["out"]
    vde.wait_until(lambda: crossed() > 2000, "the transfer to run")
    first.end(signal.SIGTERM)
    vde.wait_until(lambda: all(len(switch.ports()[10]["endpoints"]) == 1 for switch in switches), "the first cable's end")
    before = crossed()
    vde.wait_until(lambda: crossed() > before + 2000, "the transfer to go on")
    assert client.wait(vde.DEADLINE + 10) == 0, client.stdout[-500:]
    spaces[0].ping("10.9.0.2")


def test_plug_on_a_full_switch_does_not_hang(lab):
    """It is told no, in bounded time, with a message and a status."""
    switch = lab.switch("-n", "1")
    lab.plug(switch)
    begun = time.monotonic()
    for name in (switch.socket, f"{switch.socket}[40]"):
        done = lab.run("vde_plug", name)
        assert done.returncode == 1 and switch.socket in done.stderr
    assert time.monotonic() - begun < vde.DEADLINE
    assert [name for name in os.listdir(switch.socket) if name.startswith(".")] == []
    switch.stop()
