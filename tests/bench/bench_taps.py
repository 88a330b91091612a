# SPDX-License-Identifier: GPL-2.0-or-later
"""Cables to this machine: vde_plug2tap and vde_pcapplug beside Debian's. Processor time of the program under test per frame, at a rate that both deliver.

Frames to the machine: the load generator plays the switch's other ports, and sends to an address that is behind the cable. Frames from the machine: UDP from
a namespace, counted by the interface.
"""
import subprocess

import vde

RATE = 20000


def cpu_ns(pid):
    with open(f"/proc/{pid}/schedstat") as line:
        return int(line.read().split()[0])


def interface(bench, lab, maker, kind, switch):
    """Starts the cable; returns (program, namespace behind it, its interface)."""
    space = lab.namespace()
    if kind == "vde_plug2tap":
        near = lab.name()
        program = lab.start(bench.program(maker, kind), "-s", switch.socket, near, env=bench.environment(maker))
        space.add_tap(near, "10.9.0.1/24")
    else:
        near, behind = lab.name(), "eth0"
        subprocess.run(["ip", "link", "add", near, "type", "veth", "peer", "name", behind, "netns", space.name], check=True)
        lab.keep_tap(near)
        subprocess.run(["ip", "link", "set", near, "up"], check=True)
        space.up(behind, "10.9.0.1/24")
        program = lab.start(bench.program(maker, kind), "-s", switch.socket, near, env=bench.environment(maker))
        near = behind
    vde.wait_until(switch.ports, "the plug")
    return program, space, near


def received(space, interface_name, direction="rx"):
    return int(space.run("cat", f"/sys/class/net/{interface_name}/statistics/{direction}_packets").stdout)


def to_machine(bench, kind, size, rate):
    """Frames of one more plug, flooded: all reach the cable. rate None: as fast as they go."""
    def measure(maker):
        with bench.lab() as lab:
            switch = lab.switch("--hub")
            program, space, name = interface(bench, lab, maker, kind, switch)
            plug = lab.plug(switch)
            plug.send(vde.frame(vde.BROADCAST, vde.mac(1)))
            vde.wait_until(lambda: received(space, name) > 0, "the first frame")
            before, cpu = received(space, name), cpu_ns(program.pid)
            bench.load(switch, *(["--rate", rate] if rate else []), "--size", size)
            vde.wait_until(lambda: received(space, name) - before > 1000)
            return (cpu_ns(program.pid) - cpu) / (received(space, name) - before)
    return measure


SENDER = """
import socket, sys, time
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
data, end, tick, rate = b"x" * (int(sys.argv[1]) - 42), time.monotonic() + float(sys.argv[2]), 0.001, int(sys.argv[3])
due = time.monotonic()
while not rate and time.monotonic() < end:
    for _ in range(64):
        out.sendto(data, ("10.9.0.2", 9))
while rate and due < end:
    for _ in range(int(rate * tick)):
        out.sendto(data, ("10.9.0.2", 9))
    due += tick
    time.sleep(max(0, due - time.monotonic()))
"""


def from_machine(bench, kind, size, rate):
    def measure(maker):
        with bench.lab() as lab:
            switch = lab.switch()
            program, space, name = interface(bench, lab, maker, kind, switch)
            space.ip("neigh", "add", "10.9.0.2", "lladdr", vde.mac_text(vde.mac(2)), "dev", name)
            number = next(iter(switch.ports()))
            command = ["/usr/bin/python3", "-c", SENDER, str(size), str(bench.milliseconds / 1000), str(rate or 0)]
            # Debian's capture hands frames on in blocks: the first go by before the measurement
            space.run(*command[:-2], "0.3", str(rate or 0))
            before, cpu = switch.ports()[number]["in"], cpu_ns(program.pid)
            space.run(*command, deadline=60)
            return (cpu_ns(program.pid) - cpu) / max(1, switch.ports()[number]["in"] - before)
    return measure


def rows(bench):
    for kind in ("vde_plug2tap", "vde_pcapplug"):
        for size in (64, 1500):
            yield bench.compare(f"{kind}, to the machine, {size} bytes, CPU at {RATE:,}/s", to_machine(bench, kind, size), limit=0.7, unit="ns/frame")
            yield bench.compare(f"{kind}, from the machine, {size} bytes, CPU at {RATE:,}/s", from_machine(bench, kind, size), limit=0.7,
                                unit="ns/frame")
