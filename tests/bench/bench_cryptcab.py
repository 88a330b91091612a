#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The encrypted cable's speed: TCP through two switches that it joins on loopback, beside the same cable through ssh (dpipe and vde_plug) and beside
Debian's vde_cryptcab with -x (it cannot encrypt); then the processor time that sealing and opening costs per frame.

VDE_BIN and VDE_LIB say which programs are measured. Needs root."""
import argparse
import contextlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))
import vde  # noqa: E402
import vde_ssh  # noqa: E402

FLOOR_SSH, FLOOR_DEBIAN, CEILING_US, FLOOR_FLOOD = 3.0, 1.0, 6.0, 0.9


class Bench:
    def __init__(self, lab, mtu=1500):
        self.lab, self.sides = lab, []
        for number in (1, 2):
            tap, namespace = lab.name("cb"), lab.namespace()
            switch = lab.switch("-t", tap)
            namespace.add_tap(tap, f"10.77.0.{number}/24", mtu)
            self.sides.append((switch, namespace))
        self.port = vde_ssh.free_port()
        self.key = lab.path("key")
        with open(os.open(self.key, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as key:
            key.write(os.urandom(32))
        self.environment = vde.env_ours(XDG_RUNTIME_DIR=lab.dir)

    def ours(self, *options):
        """Both ends of our cable; returns their programs."""
        server = self.lab.start("vde_cryptcab", "-s", self.sides[0][0].socket, "-p", self.port, *options, env=self.environment)
        client = self.lab.start("vde_cryptcab", "-s", self.sides[1][0].socket, "-c", f"127.0.0.1:{self.port}", *options,
                                env=self.environment)
        return [server, client]

    def debian(self):
        """Without encryption it copies a key all the same: its scp is a cp here."""
        program, scp = vde.foreign("vde_cryptcab"), self.lab.path("bin", "scp")
        os.mkdir(os.path.dirname(scp))
        with open(os.open(scp, os.O_WRONLY | os.O_CREAT, 0o755), "w", encoding="ascii") as script:
            script.write('#!/bin/sh\nexec cp "$1" "${2#*:}"\n')
        shared = {"env": vde.env_foreign(PATH=f"{os.path.dirname(scp)}:/usr/bin:/bin")}
        return [self.lab.start(program, "-x", "-s", self.sides[0][0].socket, "-p", self.port, **shared),
                self.lab.start(program, "-x", "-s", self.sides[1][0].socket, "-p", vde_ssh.free_port(), "-c", f"127.0.0.1:{self.port}",
                               **shared)]

    def ssh(self):
        daemon = vde_ssh.Sshd(self.lab)
        return [self.lab.start("dpipe", "vde_plug", self.sides[0][0].socket, "=", vde.need_program("ssh"), *daemon.options,
                               "127.0.0.1", "vde_plug", self.sides[1][0].socket, env=self.environment)]

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

    def connect(self):
        self.sides[0][1].ping("10.77.0.2")

    def tcp(self, seconds):
        server = self.sides[1][1].iperf3_server()
        report = self.sides[0][1].iperf3("10.77.0.2", seconds=seconds)
        server.wait()
        return vde.received_bits_per_second(report) / 1e6

    def cpu_per_frame(self, programs, seconds, rate):
        """Microseconds of both ends together per 1500 byte frame, at a rate that leaves the machine air."""
        server = self.sides[1][1].iperf3_server()
        before = sum(program.cpu_seconds() for program in programs)
        report = self.sides[0][1].iperf3("10.77.0.2", "-u", "-l", "1458", "-b", rate, seconds=seconds)
        used = sum(program.cpu_seconds() for program in programs) - before
        server.wait()
        total = report["end"]["sum"]
        return 1e6 * used / max(1, total["packets"]), total["lost_percent"]


def measure(variant, args, mtu=1500):
    lab = vde.Lab()
    try:
        bench = Bench(lab, mtu)
        programs = variant(bench)
        bench.connect()
        speeds = sorted(bench.tcp(args.seconds) for _ in range(args.rounds))
        cpu = bench.cpu_per_frame(programs, args.seconds, args.rate) if len(programs) == 2 else (None, None)
        for program in programs:
            program.kill(15)
        return speeds[len(speeds) // 2], cpu
    finally:
        lab.close()


def flood(args):
    """The same cable by turns in peace and under a flood: the share of its speed that remains."""
    lab = vde.Lab()
    try:
        bench = Bench(lab)
        bench.ours("-P", bench.key)
        bench.connect()
        peace, war = [], []
        for _ in range(args.rounds):
            peace.append(bench.tcp(args.seconds))
            with bench.strangers():
                war.append(bench.tcp(args.seconds))
        return sorted(war)[len(war) // 2] / sorted(peace)[len(peace) // 2]
    finally:
        lab.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3, help="the median counts")
    parser.add_argument("--rate", default="300M", help="of the constant stream for processor time")
    parser.add_argument("--only", help="one variant by name")
    args = parser.parse_args()
    vde.become_subreaper()
    variants = {
        "sealed": (lambda bench: bench.ours("-P", bench.key), 1500),
        "unencrypted": (lambda bench: bench.ours("-x"), 1500),
        "ethernet-path": (lambda bench: bench.ours("-P", bench.key, "--mtu", "1500"), 1500),
        "jumbo": (lambda bench: bench.ours("-P", bench.key), 9000),
        "ssh": (lambda bench: bench.ssh(), 1500),
        "ssh-jumbo": (lambda bench: bench.ssh(), 9000),
        "debian-x": (lambda bench: bench.debian(), 1500),
    }
    results = {}
    for name, (variant, mtu) in variants.items():
        if args.only and args.only != name:
            continue
        speed, (cpu, lost) = measure(variant, args, mtu)
        results[name] = speed, cpu
        print(f"{name:15} {speed:8.0f} Mbit/s" + (f"  {cpu:6.2f} us/frame both ends ({lost:.1f} % lost)" if cpu is not None else ""),
              flush=True)
    if args.only:
        return 0
    extra = results["sealed"][1] - results["unencrypted"][1]
    checks = [("sealed / ssh", results["sealed"][0] / results["ssh"][0], FLOOR_SSH, True),
              ("sealed / Debian's -x", results["sealed"][0] / results["debian-x"][0], FLOOR_DEBIAN, True),
              ("us per frame for the seal", extra, CEILING_US, False),
              ("speed left under a flood", flood(args), FLOOR_FLOOD, True)]
    for name, value, bound, floor in checks:
        good = value >= bound if floor else value < bound
        print(f"{name:28} {value:6.2f}  ({'at least' if floor else 'under'} {bound:g}) {'ok' if good else 'MISSED'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
