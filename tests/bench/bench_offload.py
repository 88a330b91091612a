# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP through taps: processor time per megabyte that arrived, of the switch and of vde_plug2tap beside Debian's pair; and round trips, which must not pay for it.

"tap to plug": a tap of the switch sends, a vde_plug2tap of the same maker receives; "plug to tap": the other way.
"""
import re

import vde


def cpu_ns(pid):
    with open(f"/proc/{pid}/schedstat") as line:
        return int(line.read().split()[0])


def pair(bench, lab, maker, far):
    """A switch with a tap, and a tap of its own or a vde_plug2tap; returns (programs, namespaces)."""
    names = [lab.name(), lab.name()]
    switch = bench.switch(lab, maker, "-t", names[0], *(["-t", names[1]] if far == "tap" else []))
    programs = {"switch": switch.pid}
    if far == "plug":
        programs["plug2tap"] = lab.start(bench.program(maker, "vde_plug2tap"), "-s", switch.socket, names[1], env=bench.environment(maker)).pid
        vde.wait_until(lambda: len(switch.ports()) == 2, "the plug")
    spaces = [lab.namespace(), lab.namespace()]
    for number, space in enumerate(spaces):
        space.add_tap(names[number], f"10.9.0.{number + 1}/24")
    spaces[0].ping("10.9.0.2")
    return programs, spaces


def tcp(bench, far, program, *words):
    """Nanoseconds of `program` for each kilobyte: microseconds for each megabyte."""
    def measure(maker):
        with bench.lab() as lab:
            programs, spaces = pair(bench, lab, maker, far)
            spaces[1].iperf3_server()
            before = cpu_ns(programs[program])
            report = spaces[0].iperf3("10.9.0.2", *words, seconds=max(1, bench.milliseconds // 1000))
            return (cpu_ns(programs[program]) - before) / 1000 / (report["end"]["sum_received"]["bytes"] / 1e6)
    return measure


def round_trip(bench, figure):
    def measure(maker):
        with bench.lab() as lab:
            programs, spaces = pair(bench, lab, maker, "tap")
            before, count = cpu_ns(programs["switch"]), 10000
            text = spaces[0].run("ping", "-n", "-f", "-q", "-c", count, "10.9.0.2", deadline=60).stdout
            return (cpu_ns(programs["switch"]) - before) / (2 * count) if figure == "cpu" else float(re.search(r"= [\d.]+/([\d.]+)/", text)[1]) * 1000
    return measure


def rows(bench):
    yield bench.compare("TCP tap to tap, CPU of the switch", tcp(bench, "tap", "switch"), limit=0.4, unit="us/MB")
    for direction, words in (("tap to plug", ()), ("plug to tap", ("-R",))):
        for program in ("switch", "plug2tap"):
            yield bench.compare(f"TCP {direction}, CPU of the {program}", tcp(bench, "plug", program, *words), limit=0.6, unit="us/MB")
    yield bench.compare("ping tap to tap, CPU of the switch", round_trip(bench, "cpu"), limit=1.1, unit="ns/frame")
    yield bench.compare("ping tap to tap, round trip", round_trip(bench, "time"), limit=1.2, unit="us")
