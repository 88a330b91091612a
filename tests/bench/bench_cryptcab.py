# SPDX-License-Identifier: GPL-2.0-or-later
"""The encrypted cable between two switches of ours, on loopback.

"TCP": iperf3 between taps of the two switches, Mbit/s; beside the same cable through ssh (dpipe and vde_plug; that figure stands in the
other column) and beside Debian's vde_cryptcab -x, since it cannot encrypt. "Seal": what sealing and opening cost, both ends together, more than -x; at a rate that
keeps the processors busy, and, without a limit, at one where each frame wakes both ends up and finds the caches cold.
"""
import contextlib
import os

import vde
import vde_ssh


class Cable:
    """Two switches, with taps in namespaces when `mtu` is given, and one of the cables between them."""

    def __init__(self, lab, mtu=None):
        self.lab, self.switches, self.guests = lab, [], []
        for number in (1, 2):
            tap = lab.name("cb") if mtu else None
            self.switches.append(lab.switch(*(["-t", tap] if tap else [])))
            if tap:
                guest = lab.namespace()
                guest.add_tap(tap, f"10.77.0.{number}/24", mtu)
                self.guests.append(guest)
        self.port = vde_ssh.free_port()
        self.key = lab.path("key")
        with open(os.open(self.key, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as key:
            key.write(os.urandom(32))
        self.environment = vde.env_ours(XDG_RUNTIME_DIR=lab.dir)
        self.programs = []

    def _ends(self, program, environment, server, client):
        near, far = self.switches
        self.programs = [self.lab.start(program, "-s", near.socket, "-p", self.port, *server, env=environment)]
        vde.wait_until(self._is_served, "the server")          # Debian's client asks once only
        self.programs.append(self.lab.start(program, "-s", far.socket, "-c", f"127.0.0.1:{self.port}", *client, env=environment))

    def _is_served(self):
        tables = (open(f"/proc/net/{name}", encoding="ascii").read() for name in ("udp", "udp6"))
        return any(f":{int(self.port):04X} " in table for table in tables)

    def sealed(self, *options):
        self._ends("vde_cryptcab", self.environment, ["-P", self.key, *options], ["-P", self.key, *options])

    def ethernet(self):
        """As over a path of 1500 bytes: full size frames go in two pieces."""
        self.sealed("--mtu", "1500")

    def unencrypted(self):
        self._ends("vde_cryptcab", self.environment, ["-x"], ["-x"])

    def debian(self):
        """It copies a key with scp even without encryption: a cp here."""
        scp = self.lab.path("bin", "scp")
        os.mkdir(os.path.dirname(scp))
        with open(os.open(scp, os.O_WRONLY | os.O_CREAT, 0o755), "w", encoding="ascii") as script:
            script.write('#!/bin/sh\nexec cp "$1" "${2#*:}"\n')
        self._ends(vde.foreign("vde_cryptcab"), vde.env_foreign(PATH=f"{os.path.dirname(scp)}:/usr/bin:/bin"),
                   ["-x"], ["-x", "-p", str(vde_ssh.free_port())])

    def ssh(self):
        daemon = vde_ssh.Sshd(self.lab)
        near, far = self.switches
        self.programs = [self.lab.start("dpipe", "vde_plug", near.socket, "=", vde.need_program("ssh"), *daemon.options, "127.0.0.1",
                                        "vde_plug", far.socket, env=self.environment)]

    @contextlib.contextmanager
    def strangers(self, rate=10000):
        """So many datagrams a second from one who has no secret, a third of them INITs."""
        code = ("import os,socket,sys,time\n"
                "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.connect(('127.0.0.1',int(sys.argv[1])))\n"
                "letters=[bytes([k,0,0,0])+os.urandom(n-4) for k,n in ((1,100),(4,200),(4,1400))]\n"
                "start=time.monotonic(); sent=0\n"
                "while True:\n"
                "  while sent<(time.monotonic()-start)*float(sys.argv[2]): s.send(letters[sent%3]); sent+=1\n"
                "  time.sleep(0.001)\n")
        program = self.lab.start("/usr/bin/python3", "-c", code, self.port, rate, env=vde.env_foreign())
        try:
            yield
        finally:
            program.end()

    def tcp(self, milliseconds):
        self.guests[0].ping("10.77.0.2")
        server = self.guests[1].iperf3_server()
        report = self.guests[0].iperf3("10.77.0.2", seconds=max(1, milliseconds // 1000))
        server.wait()
        return vde.received_bits_per_second(report) / 1e6


def tcp(bench, ours, other, mtu=1500):
    def measure(maker):
        with bench.lab() as lab:
            cable = Cable(lab, mtu)
            (ours if maker == "ours" else other)(cable)
            return cable.tcp(bench.milliseconds)
    return measure


def carried(bench, cable, figure, *args):
    """The load generator through the cable: the figure counts both ends' processor time."""
    near, far = cable.switches
    plug, peer = cable.lab.plug(near), cable.lab.plug(far)

    def arrives():
        plug.send(vde.frame(vde.BROADCAST, vde.mac(1), b"up?", size=60))
        return any(b"up?" in got for got in peer.recv_now())
    vde.wait_until(arrives, "the cable")
    plug.close()
    peer.close()
    return bench.load(near.socket, "--to", far.socket, *args, pids=[program.pid for program in cable.programs])[figure]


def load(bench, kind, figure, *args):
    with bench.lab() as lab:
        cable = Cable(lab)
        kind(cable)
        return carried(bench, cable, figure, *args)


def seal_cost(bench, *args):
    """Microseconds per frame, both ends: sealed less unencrypted."""
    figures = [load(bench, kind, "cpu_ns_per_delivered", *args) / 1000 for kind in (Cable.sealed, Cable.unencrypted)]
    return figures[0] - figures[1]


def under_flood(bench):
    with bench.lab() as lab:
        cable = Cable(lab, 1500)
        cable.sealed()
        cable.guests[0].ping("10.77.0.2")
        with cable.strangers():
            return cable.tcp(bench.milliseconds)


def rows(bench):
    peace = tcp(bench, Cable.sealed, None)
    yield bench.compare("cryptcab: TCP, sealed / ssh, 1500 bytes", tcp(bench, Cable.sealed, Cable.ssh), limit=3, better="more", unit="Mbit/s")
    yield bench.compare("cryptcab: TCP, sealed / ssh, 9000 bytes", tcp(bench, Cable.sealed, Cable.ssh, 9000), limit=3, better="more", unit="Mbit/s")
    yield bench.compare("cryptcab: TCP, sealed / Debian's -x", tcp(bench, Cable.sealed, Cable.debian), limit=1, better="more", unit="Mbit/s")
    yield bench.compare("cryptcab: TCP, sealed, in two pieces / Debian's -x", tcp(bench, Cable.ethernet, Cable.debian), better="more", unit="Mbit/s")
    for size in (64, 1500):
        yield bench.compare(f"cryptcab: saturated, sealed / Debian's -x, {size} bytes",
                            lambda maker, size=size: load(bench, Cable.sealed if maker == "ours" else Cable.debian, "per_second", "--size", size),
                            limit=1, better="more", unit="frames/s")
    yield bench.compare("cryptcab: CPU at 30,000/s, sealed / Debian's -x, 1500 bytes",
                        lambda maker: load(bench, Cable.sealed if maker == "ours" else Cable.debian, "cpu_ns_per_delivered", "--size", 1500,
                                           "--rate", 30000), unit="ns/frame")
    for rate, limit in ((70000, 6), (30000, None)):
        yield bench.single(f"cryptcab: seal and open, both ends, 1500 bytes, {rate:,}/s", lambda maker, rate=rate: seal_cost(bench, "--size", 1500, "--rate", rate),
                           limit=limit, unit="us/frame", debian=False)
    yield bench.within("cryptcab: TCP under 10,000 strangers' datagrams/s / in peace", lambda maker: under_flood(bench), peace, limit=0.9,
                       better="more", unit="", debian=False)
