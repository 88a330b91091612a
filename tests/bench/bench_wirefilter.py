# SPDX-License-Identifier: GPL-2.0-or-later
"""wirefilter in the same cable as Debian's: between two switches of ours, from a plug in the one to a plug in the other. "Plugs": it holds
both (-v A:B). "dpipe": it stands between two vde_plug of ours.

"CPU at N/s": both are offered the same N frames a second in portions of half a millisecond, and everything is delivered; the figure is the filter's processor
time per frame. "Saturated": as many as go; what comes out at the far switch counts. Where everything shares a few processors,
the frames delivered tell about the whole cable, of which the filter is one of four or six programs.
"""
import subprocess

import vde


def filter_of(dpipe):
    """The process of the pipe's filter."""
    children = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(dpipe.pid)], stdout=subprocess.PIPE, text=True, check=False).stdout
    found = [line.split()[0] for line in children.splitlines() if line.split()[1] == "wirefilter"]
    return int(found[0]) if found else None


def between_plugs(bench, lab, maker, near, far, options):
    return lab.start(bench.program(maker, "wirefilter"), *options, "-v", f"{near.socket}:{far.socket}", env=bench.environment(maker)).pid


def in_a_dpipe(bench, lab, maker, near, far, options):
    plug = vde.ours("vde_plug")
    pipe = lab.start(vde.ours("dpipe"), plug, near.socket, "=", bench.program(maker, "wirefilter"), *options, "=", plug, far.socket,
                     env=bench.environment("ours"), stdin=subprocess.DEVNULL)
    return vde.wait_until(lambda: filter_of(pipe), "the filter")


def through(bench, figure, cable, options, *args):
    def measure(maker):
        with bench.lab() as lab:
            near, far = bench.switch(lab, "ours"), bench.switch(lab, "ours")
            pid = cable(bench, lab, maker, near, far, options)
            vde.wait_until(lambda: near.ports() and far.ports(), "the cable")
            return bench.load(near.socket, "--to", far.socket, *args, pids=[pid])[figure]
    return measure


IMPAIRMENTS = [("nothing set", [], 0.6), ("delay 50", ["-d", "50"], 0.8)]


def rows(bench):
    for name, options, limit in IMPAIRMENTS:
        for size, rate in ((64, 60000), (1500, 40000)):
            yield bench.compare(f"wirefilter, {name}: CPU at {rate:,}/s, {size} bytes",
                                through(bench, "cpu_ns_per_delivered", between_plugs, options, "--size", size, "--rate", rate), limit=limit,
                                unit="ns/frame")
    for where, cable in (("plugs", between_plugs), ("dpipe", in_a_dpipe)):
        for name, options, limit in IMPAIRMENTS:
            for size in (64, 1500):
                yield bench.compare(f"wirefilter, {where}, {name}: CPU saturated, {size} bytes",
                                    through(bench, "cpu_ns_per_delivered", cable, options, "--size", size), limit=limit, unit="ns/delivered")
    for name, options, _ in IMPAIRMENTS:
        for size in (64, 1500):
            yield bench.compare(f"wirefilter, plugs, {name}: delivered, {size} bytes",
                                through(bench, "per_second", between_plugs, options, "--size", size), limit=1.3, better="more", unit="frames/s")
