# SPDX-License-Identifier: GPL-2.0-or-later
"""Cables to this machine: vde_plug2tap and vde_pcapplug beside Debian's. Processor time of the program under test per frame, at a rate that both deliver.

Frames to the machine: the load generator plays the switch's other ports. Frames from the machine come from a packet socket behind the cable.
"Saturated": as many as the machine can make, and the program under test is the one that cannot follow, or nearly.
"""
import re
import statistics
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


# Whole frames, as a network card receives them: UDP on a veth would come with its checksum left to be finished, which one of the two does.
SENDER = """
import contextlib, socket, sys, time
name, size, seconds, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((name, 0))
data = bytes.fromhex(sys.argv[5]).ljust(size, b"x")
due = time.monotonic()
end = due + seconds
while due < end:
    for _ in range(rate // 1000 or 64):
        with contextlib.suppress(OSError):      # its queue is full
            out.send(data)
    due = due + 0.001 if rate else time.monotonic()
    time.sleep(max(0, due - time.monotonic()) if rate else 0)
"""


def from_machine(bench, kind, size, rate):
    def measure(maker):
        with bench.lab() as lab:
            switch = lab.switch()
            program, space, name = interface(bench, lab, maker, kind, switch)
            number = next(iter(switch.ports()))
            header = (vde.mac(2) + vde.mac(1)).hex() + "88b5"

            def send(seconds):
                space.run("/usr/bin/python3", "-c", SENDER, name, str(size), str(seconds), str(rate or 0), header, deadline=60)
            send(0.3)       # Debian's capture hands frames on in blocks: the first go by before the measurement
            before, cpu = switch.ports()[number]["in"], cpu_ns(program.pid)
            send(bench.milliseconds / 1000)
            return (cpu_ns(program.pid) - cpu) / max(1, switch.ports()[number]["in"] - before)
    return measure


# At a gentle rate frames come one by one, and waking up for each is most of the work, which no program can save.
NEVER_WORSE = 1.0


def round_trip(bench, kind):
    """The median time, in microseconds, of one ping after the other from behind the cable to a tap of the switch."""
    def measure(maker):
        with bench.lab() as lab:
            tap = lab.name()
            switch = lab.switch("-t", tap)
            there = lab.namespace()
            there.add_tap(tap, "10.9.0.2/24")
            _, space, _ = interface(bench, lab, maker, kind, switch)
            space.ping("10.9.0.2")
            out = space.run("ping", "-n", "-A", "-c", "3000", "10.9.0.2", deadline=120).stdout
            return statistics.median(float(time) * 1000 for time in re.findall(r"time=([0-9.]+) ms", out))
    return measure


def rows(bench):
    for kind in ("vde_plug2tap", "vde_pcapplug"):
        for way, measure in (("to", to_machine), ("from", from_machine)):
            # Debian's capture sleeps until a block is full, however late a frame is then (a ping does not come back); ours wakes up for it.
            gentle = None if (kind, way) == ("vde_pcapplug", "from") else NEVER_WORSE
            for size in (64, 1500):
                name = f"{kind}, {way} the machine, {size} bytes"
                yield bench.compare(f"{name}: CPU at {RATE:,}/s", measure(bench, kind, size, RATE), limit=gentle, unit="ns/frame")
                yield bench.compare(f"{name}: CPU saturated", measure(bench, kind, size, None), limit=0.7, unit="ns/frame")
    # ping tells whole microseconds
    yield bench.compare("vde_plug2tap: round trip", round_trip(bench, "vde_plug2tap"), limit=1.1, unit="us")
    yield bench.single("vde_pcapplug: round trip", round_trip(bench, "vde_pcapplug"), unit="us", debian=False)
