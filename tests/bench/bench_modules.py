# SPDX-License-Identifier: GPL-2.0-or-later
"""Plug to plug over the modules of libvdeplug, beside Debian's. Processor time of all programs under test (the two vde_plug, and the process that serves
switch://) per frame that arrived. "Saturated": frames are sent as fast as they are taken. "N/s": at a rate that both makers deliver, in portions, as guests
and streams send, or one by one; there the kernel's share, wake-ups above all, is most of it, and nothing can save that. One by one, both makers
make the same system calls, so that the limit has room for noise; cmd and switch have none there: cmd pays for a pair of sockets in place of Debian's pipes (which
kill a program that writes when the command has ended), switch for a process of its own in place of a thread (so that nodes are served whatever the program does).

Frames go into the first vde_plug's standard input and come out of the second's standard output; at a cmd:// they come from or go to a named pipe. The sizes
make records of 64 and 1024 bytes: Debian's cmd:// loses track of others that a pipe cuts.
"""
import os
import struct
import threading
import time

import vde

RECORDS = (64, 1024)            # bytes, the length in front included
RATE, PORTION = 40000, 40
SINGLE_RATE = 4000
CHUNK = 64000                   # bytes written at once when saturated
LIMIT, NEVER_WORSE, NOISE = 0.7, 1.0, 1.15
SATURATED = 10**9
HERE, THERE = vde.mac(1), vde.mac(2)


def cpu_ns(pid):
    with open(f"/proc/{pid}/schedstat") as line:
        return int(line.read().split()[0])


def record(destination, source, size):
    return struct.pack("!H", size - 2) + vde.frame(destination, source, size=size - 2)


class Counter:
    """Counts the bytes that come from a descriptor."""

    def __init__(self, fd):
        self.received, self._fd = 0, fd
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self):
        while True:
            data = os.read(self._fd, 1 << 16)
            if not data:
                os.close(self._fd)
                return
            self.received += len(data)


class End(Counter):
    """A vde_plug: frames go into its stdin; what it writes is counted."""

    def __init__(self, bench, lab, maker, *words, space=None):
        read_end, write_end = os.pipe()
        words = [bench.program(maker, "vde_plug"), *words]
        self.program = lab.start(*(space.command(*words) if space else words), env=bench.environment(maker), stdout=write_end)
        os.close(write_end)
        super().__init__(read_end)

    def send(self, data):
        self.program.write(data)

    def close(self):
        self.program.kill()                             # Debian's may be deaf to anything else while they write


class Pipe(Counter):
    """What the command of a cmd:// reads or writes."""
    program = None

    def __init__(self, path, flags):
        self._pipe, self._writable = os.open(path, flags), flags != os.O_RDONLY
        if self._writable:
            self.received = 1                           # nothing comes back
        else:
            super().__init__(self._pipe)

    def send(self, data):
        if self._writable:
            os.write(self._pipe, data)

    def close(self):
        if self._writable:
            os.close(self._pipe)


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


def cmd_out(bench, lab, maker):
    path, script = lab.path("pipe"), lab.path("script")
    os.mkfifo(path)
    with open(script, "w") as text:
        text.write(f"#!/bin/sh\ncat >{path}\n")          # not exec: the shell keeps the other way open
    os.chmod(script, 0o700)
    end = End(bench, lab, maker, f"cmd://{script}")
    end.received = 1                                    # nothing comes back
    return end, Pipe(path, os.O_RDONLY)


def cmd_in(bench, lab, maker):
    path = lab.path("pipe")
    os.mkfifo(path)
    end = End(bench, lab, maker, f"cmd://cat {path}")
    return Pipe(path, os.O_WRONLY), end


def switch(bench, lab, maker):
    path = lab.path("switch")
    host = End(bench, lab, maker, f"switch://{path}")
    vde.wait_until(lambda: os.path.exists(path + "/ctl"))
    time.sleep(0.2)                                     # it may not listen yet; and whoever tries it out keeps Debian's busy for ever
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
            processes = {end.program.pid for end in ends if end.program}

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
            figure = (sum(map(cpu_ns, processes)) - cpu) / ((sink.received - before) / size)
            for end in ends:
                end.close()
            return figure
    return run


# name, how, whether everything arrives that is sent as fast as it is taken, the limits in portions and one by one
MODULES = [("ptp", ptp, True, NEVER_WORSE, NOISE), ("udp", udp, False, LIMIT, NOISE), ("vxvde", vxvde, False, LIMIT, NOISE),
           ("cmd, to it", cmd_out, True, NEVER_WORSE, None), ("cmd, from it", cmd_in, True, LIMIT, None),
           ("switch, from its host", switch, True, LIMIT, None), ("switch, to its host", switch_to_host, True, LIMIT, None),
           ("switch, between nodes", switch_of_nodes, True, LIMIT, NOISE)]


def rows(bench):
    for name, make, lossless, _, _ in MODULES:
        for size in RECORDS if lossless else ():
            yield bench.compare(f"{name}: {size - 2} bytes, saturated", measure(bench, make, size, SATURATED, CHUNK // size), limit=LIMIT, unit="ns/frame")
    for name, make, _, limit, _ in MODULES:
        for size in RECORDS:
            yield bench.compare(f"{name}: {size - 2} bytes, {RATE:,}/s in portions of {PORTION}", measure(bench, make, size, RATE, PORTION), limit=limit,
                                unit="ns/frame")
    for name, make, _, _, limit in MODULES:
        yield bench.compare(f"{name}: 62 bytes, {SINGLE_RATE:,}/s one by one", measure(bench, make, 64, SINGLE_RATE, 1), limit=limit, unit="ns/frame")
