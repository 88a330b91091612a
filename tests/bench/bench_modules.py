# SPDX-License-Identifier: GPL-2.0-or-later
"""Plug to plug over the modules of libvdeplug, beside Debian's. Processor time of all programs under test (the two vde_plug, and the process that serves
switch://) per frame that arrived, at a rate that both makers deliver: in portions, as guests and streams send, and one by one.

Frames go into the first vde_plug's standard input and come out of the second's standard output. The sizes make records of 64 and 1024 bytes: Debian's cmd://
loses track of others that a pipe cuts.
"""
import os
import struct
import threading
import time

import vde

RECORDS = (64, 1024)            # bytes, the length in front included
BURST_RATE, BURST = 40000, {64: 40, 1024: 20}       # frames a second, and at once
SINGLE_RATE = 4000
LIMIT, NEVER_WORSE = 0.7, 1.0
HERE, THERE = vde.mac(1), vde.mac(2)


def cpu_ns(pid):
    with open(f"/proc/{pid}/schedstat") as line:
        return int(line.read().split()[0])


def record(destination, source, size):
    return struct.pack("!H", size - 2) + vde.frame(destination, source, size=size - 2)


class End:
    """A vde_plug: frames go into its stdin; what it writes is counted."""

    def __init__(self, bench, lab, maker, *words, space=None):
        read_end, write_end = os.pipe()
        words = [bench.program(maker, "vde_plug"), *words]
        self.program = lab.start(*(space.command(*words) if space else words), env=bench.environment(maker), stdout=write_end)
        os.close(write_end)
        self.received, self._fd = 0, read_end
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self):
        while True:
            data = os.read(self._fd, 1 << 16)
            if not data:
                os.close(self._fd)
                return
            self.received += len(data)

    def send(self, data):
        self.program.write(data)


def ptp(bench, lab, maker):
    path = lab.path("ptp")
    first = End(bench, lab, maker, f"ptp://{path}")
    vde.wait_until(lambda: os.path.exists(path))
    return first, End(bench, lab, maker, f"ptp://{path}")


def udp(bench, lab, maker):
    space = lab.namespace()
    return (End(bench, lab, maker, "udp://127.0.0.1:5001->127.0.0.1:5002", space=space),
            End(bench, lab, maker, "udp://127.0.0.1:5002->127.0.0.1:5001", space=space))


def vxvde(bench, lab, maker):
    space = lab.namespace()
    space.ip("route", "add", "224.0.0.0/4", "dev", "lo")
    return tuple(End(bench, lab, maker, "vxvde://239.1.2.3", space=space) for _ in range(2))


def cmd(bench, lab, maker):
    end = End(bench, lab, maker, "cmd://cat")
    return end, end


def switch(bench, lab, maker):
    path = lab.path("switch")
    host = End(bench, lab, maker, f"switch://{path}")
    vde.wait_until(lambda: os.path.exists(path + "/ctl"))
    return host, End(bench, lab, maker, f"vde://{path}")


def switch_to_host(bench, lab, maker):
    return switch(bench, lab, maker)[::-1]


def switch_of_nodes(bench, lab, maker):
    host, node = switch(bench, lab, maker)
    return node, End(bench, lab, maker, f"vde://{lab.path('switch')}"), host


def paced(send, data, rate, count, seconds):
    """Sends `count` at a time."""
    start, portions = time.monotonic(), 0
    while (now := time.monotonic()) < start + seconds:
        due = start + portions * count / rate
        if due > now:
            time.sleep(due - now)
        send(data * count)
        portions += 1
    return portions * count


def measure(bench, make, size, rate, count):
    def run(maker):
        with bench.lab() as lab:
            ends = make(bench, lab, maker)
            source, sink = ends[:2]
            processes = {end.program.pid for end in ends}

            def acquainted():
                source.send(record(vde.BROADCAST, HERE, 64))
                sink.send(record(vde.BROADCAST, THERE, 64))
                return source.received and sink.received
            vde.wait_until(acquainted, "both ends")
            time.sleep(0.1)
            for pid in vde.children():
                if "vdeplug_lan" in vde._command_line(pid):
                    processes.add(pid)
            before, cpu = sink.received, sum(map(cpu_ns, processes))
            paced(source.send, record(THERE, HERE, size), rate, count, bench.milliseconds / 1000)
            last = -1
            while sink.received != last:
                last = sink.received
                time.sleep(0.05)
            return (sum(map(cpu_ns, processes)) - cpu) / ((sink.received - before) / size)
    return run


MODULES = [("ptp", ptp), ("udp", udp), ("vxvde", vxvde), ("cmd", cmd), ("switch, from its host", switch), ("switch, to its host", switch_to_host),
           ("switch, between nodes", switch_of_nodes)]


def rows(bench):
    for name, make in MODULES:
        for size in RECORDS:
            yield bench.compare(f"{name}: {size - 2} bytes, {BURST_RATE:,}/s in portions of {BURST[size]}",
                                measure(bench, make, size, BURST_RATE, BURST[size]), limit=LIMIT, unit="ns/frame")
    for name, make in MODULES:
        yield bench.compare(f"{name}: {RECORDS[0] - 2} bytes, {SINGLE_RATE:,}/s one by one", measure(bench, make, RECORDS[0], SINGLE_RATE, 1),
                            limit=NEVER_WORSE, unit="ns/frame")
