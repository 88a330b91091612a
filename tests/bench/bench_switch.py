# SPDX-License-Identifier: GPL-2.0-or-later
"""The switch: processor time per frame, frames a second, round trips, table sizes, memory, taps, cables.

"CPU at N/s": both switches are offered the same N frames a second in portions of half a millisecond, and everything is delivered; the figure is
the switch's processor time per frame offered. "Saturated": a process for each plug sends or receives one frame per call as fast as it can, as
virtual machines do; delivered frames count.
"""
import subprocess

import vde


def switch_load(bench, figure, *args, switch_args=()):
    def measure(maker):
        with bench.lab() as lab:
            return bench.load(bench.switch(lab, maker, *switch_args), *args)[figure]
    return measure


# At a gentle rate a switch meets frames one by one, and the kernel's share of the work, which no switch can save, is most of it.
NEVER_WORSE = 1.0

# name, what the generator does, the gentle rate, the limit of processor time when saturated
SHAPES = [
    ("64 bytes", ["--size", 64], 60000, 0.60),
    ("1500 bytes", ["--size", 1500], 40000, 0.65),
    ("4 senders, 4 receivers, 64 bytes", ["--size", 64, "--senders", 4, "--receivers", 4], 60000, 0.60),
    ("broadcast to 8, 64 bytes", ["--size", 64, "--receivers", 8, "--broadcast"], 10000, 0.80),
]


def resident(maker, bench):
    with bench.lab() as lab:
        return bench.switch(lab, maker, "-n", "65535").program.resident_kib()


def taps(bench):
    def measure(maker):
        with bench.lab() as lab:
            names = [lab.name(), lab.name()]
            bench.switch(lab, maker, "-t", names[0], "-t", names[1])
            spaces = [lab.namespace(), lab.namespace()]
            for number, space in enumerate(spaces):
                space.add_tap(names[number], f"10.9.0.{number + 1}/24")
            spaces[0].ping("10.9.0.2")
            spaces[1].iperf3_server()
            return vde.received_bits_per_second(spaces[0].iperf3("10.9.0.2", seconds=max(1, bench.milliseconds // 1000))) / 1e6
    return measure


def cable(bench, *args):
    def measure(maker):
        with bench.lab() as lab:
            near, far = bench.switch(lab, maker), bench.switch(lab, maker)
            plug = bench.program(maker, "vde_plug")
            try:
                dpipe = bench.program(maker, "dpipe")
            except BaseException:                       # not built yet: the pipe itself costs nothing
                dpipe = vde.foreign("dpipe")
            lab.start(dpipe, plug, near.socket, "=", plug, far.socket, env=bench.environment(maker), stdin=subprocess.DEVNULL)
            for switch in (near, far):
                vde.wait_until(lambda: switch.ports())
            return bench.load(near, "--to", far.socket, *args)["per_second"]
    return measure


def rows(bench):
    for name, args, rate, _ in SHAPES:
        yield bench.compare(f"CPU at {rate:,}/s: {name}", switch_load(bench, "cpu_ns_per_sent", "--rate", rate, *args), limit=NEVER_WORSE,
                            unit="ns/frame")
    for name, args, _, limit in SHAPES:
        yield bench.compare(f"CPU saturated: {name}", switch_load(bench, "cpu_ns_per_delivered", "--processes", *args), limit=limit, unit="ns/delivered")
    for name, args, _, _ in SHAPES:
        yield bench.compare(f"delivered: {name}", switch_load(bench, "per_second", "--processes", *args), limit=1.2, better="more", unit="frames/s")
    yield bench.compare("round trip, 64 bytes", switch_load(bench, "median_ns", "--round-trips", 20000), limit=1.0, unit="ns")
    few, many = (["--rate", 50000, "--receivers", 4, "--addresses", count] for count in (100, 60000))
    yield bench.within("60,000 learned addresses against 100, CPU at 50,000/s", switch_load(bench, "cpu_ns_per_sent", *many),
                       switch_load(bench, "cpu_ns_per_sent", *few), limit=1.2, unit="ratio", debian=False)
    ports = ("-n", "1100")
    yield bench.within("1000 idle endpoints against none, CPU at 60,000/s",
                       switch_load(bench, "cpu_ns_per_sent", "--rate", 60000, "--idle", 1000, switch_args=ports),
                       switch_load(bench, "cpu_ns_per_sent", "--rate", 60000, switch_args=ports), limit=1.03, unit="ratio", debian=False)
    yield bench.compare("TCP from tap to tap", taps(bench), limit=2, better="more", unit="Mbit/s")
    yield bench.compare("cable of two vde_plug, 64 bytes, delivered", cable(bench, "--size", 64), limit=1.2, better="more", unit="frames/s")
    yield bench.compare("cable of two vde_plug, 1500 bytes, delivered", cable(bench, "--size", 1500), limit=1.2, better="more",
                        unit="frames/s")
    yield bench.single("resident with -n 65535", lambda maker: resident(maker, bench), limit=10240, unit="KiB")
