# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks of bridges under watch: cables that can be cut and mended, and stations that all the time broadcast probes and count what arrives.

A probe that goes through a cable the same way a third time, or that a station hears a third time, was in a circle. (A second time it may come that
was on its way while the tree changed: it went out by the old tree and comes back by the new one. Every spanning tree has that.) A cable
carries such a probe no further, so that a circle shows in the count and does not melt the machine down.
"""
import fcntl
import os
import selectors
import struct
import subprocess
import threading
import time

import vde

PROBE = 0x88b6
TIMES = 2                       # that a probe may come
PERIOD = 0.02                   # seconds between two probes of a station
TUNSETIFF, TUNSETCARRIER = 0x400454ca, 0x400454e2


class Tap:
    """A tap interface in a namespace, as an end of a cable to what has no plug: a kernel bridge, Open vSwitch."""

    def __init__(self, lab, namespace):
        self.name = lab.name("vf")
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", self.name.encode(), 0x1002))
        namespace.add_tap(self.name)

    def fileno(self):
        return self.fd

    def carrier(self, up):
        fcntl.ioctl(self.fd, TUNSETCARRIER, struct.pack("i", up))

    def send(self, data):
        try:
            os.write(self.fd, data)
        except OSError:
            pass                # down, or full: lost

    def recv_now(self):
        frames = []
        while True:
            try:
                frames.append(os.read(self.fd, 70000))
            except OSError:
                return frames

    def close(self):
        os.close(self.fd)


class PlugEnd:
    """An end of a cable in a switch of ours or Debian's. Cut: the endpoint leaves, as when its program ends."""

    def __init__(self, lab, switch, port):
        self.lab, self.switch, self.port, self.plug = lab, switch, port, None

    def carrier(self, up):
        if up and not self.plug:
            self.plug = self.lab.plug(self.switch, port=self.port)
        elif not up and self.plug:
            plug, self.plug = self.plug, None
            plug.close()

    def fileno(self):
        return self.plug.data.fileno()

    def send(self, data):
        try:
            self.plug.data.send(data)
        except (OSError, AttributeError):
            pass

    def recv_now(self):
        try:
            return self.plug.recv_now()
        except OSError:
            return []

    def close(self):
        self.carrier(False)


class Cable:
    def __init__(self, fabric, ends):
        self.fabric, self.ends, self.up, self.seen, self.bpdus = fabric, ends, False, {}, []
        self.mend()

    def cut(self):
        with self.fabric.lock:
            for end in self.ends:
                if self.up:
                    self.fabric.selector.unregister(end)
                end.carrier(False)
            self.up = False

    def mend(self):
        with self.fabric.lock:
            for end in self.ends:
                end.carrier(True)
                end.recv_now()
            for index, end in enumerate(self.ends):
                if not self.up:
                    self.fabric.selector.register(end, selectors.EVENT_READ, (self, index))
            self.up = True

    def receive(self, index):
        for data in self.ends[index].recv_now():
            if data[:6] == bytes.fromhex("0180c2000000"):
                self.bpdus.append((index, data))
            elif data[12:14] == struct.pack("!H", PROBE):
                times = self.seen[index, data[6:26]] = self.seen.get((index, data[6:26]), 0) + 1
                if times > TIMES:
                    self.fabric.duplicate(data)
                    continue
            if self.up:
                self.ends[1 - index].send(data)


class Station:
    def __init__(self, fabric, end, number):
        self.fabric, self.end, self.number, self.heard, self.last = fabric, end, number, {}, {}
        end.carrier(True)
        fabric.selector.register(end, selectors.EVENT_READ, (self, 0))

    def receive(self, _):
        for data in self.end.recv_now():
            if data[12:14] != struct.pack("!H", PROBE):
                continue
            sender, serial = struct.unpack("!II", data[14:22])
            self.heard[sender, serial] = self.heard.get((sender, serial), 0) + 1
            self.last[sender] = max(self.last.get(sender, 0), serial)
            if self.heard[sender, serial] > TIMES:
                self.fabric.duplicate(data)


class Fabric:
    def __init__(self, lab):
        self.lab, self.lock, self.selector = lab, threading.RLock(), selectors.DefaultSelector()
        self.cables, self.stations, self.duplicates, self.serial = [], [], [], 0
        self.started, self.running = time.monotonic(), True
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def duplicate(self, data):
        self.duplicates.append((time.monotonic(), struct.unpack("!II", data[14:22])))

    def _end(self, what, port):
        return what if isinstance(what, Tap) else PlugEnd(self.lab, what, port)

    def cable(self, a, b, ports=(0, 0)):
        with self.lock:
            cable = Cable(self, [self._end(a, ports[0]), self._end(b, ports[1])])
            self.cables.append(cable)
        return cable

    def station(self, where, port=0):
        with self.lock:
            station = Station(self, self._end(where, port), len(self.stations) + 1)
            self.stations.append(station)
        return station

    def _probe(self):
        self.serial += 1
        for station in self.stations:
            payload = struct.pack("!II", station.number, self.serial)
            station.end.send(vde.frame(vde.BROADCAST, vde.mac(0xfab00 + station.number), payload, type=PROBE))

    def _run(self):
        due = time.monotonic()
        while self.running:
            for key, _ in self.selector.select(max(0, min(PERIOD, due - time.monotonic()))):
                with self.lock:
                    thing, index = key.data
                    if key.fd in self.selector.get_map():
                        thing.receive(index)
            if time.monotonic() >= due:
                with self.lock:
                    self._probe()
                due = time.monotonic() + PERIOD

    def reached(self, since):
        """Has every station heard every other's probes later than `since`?"""
        with self.lock:
            return all(a.last.get(b.number, 0) > since for a in self.stations for b in self.stations if a is not b)

    def connected(self, what="a path between all stations", deadline=vde.DEADLINE):
        """Waits until every station hears every other; returns how many seconds it took."""
        since, begin = self.serial, time.monotonic()
        vde.wait_until(lambda: self.reached(since), what, deadline)
        return time.monotonic() - begin

    def no_duplicates(self, since=0.0):
        with self.lock:
            bad = [f"{when - self.started:.3f} s: probe {probe}" for when, probe in self.duplicates if when >= since]
        assert not bad, (len(bad), bad[:10])

    def close(self):
        self.running = False
        self.thread.join()
        for cable in self.cables:
            for end in cable.ends:
                end.close()
        for station in self.stations:
            station.end.close()
        self.selector.close()
