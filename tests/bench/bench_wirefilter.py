# SPDX-License-Identifier: GPL-2.0-or-later
"""wirefilter in the same cable as Debian's: between two switches of ours, from a plug in the one to a plug in the other.

"CPU at N/s": both are offered the same N frames a second, and everything is delivered; the figure is the filter's processor time per frame.
"Saturated": a process sends one frame per call as fast as it can; what comes out at the far switch counts.
"""
import vde


def through(bench, figure, options, *args):
    def measure(maker):
        with bench.lab() as lab:
            near, far = bench.switch(lab, "ours"), bench.switch(lab, "ours")
            cable = lab.start(bench.program(maker, "wirefilter"), *options, "-v", f"{near.socket}:{far.socket}", env=bench.environment(maker))
            vde.wait_until(lambda: near.ports() and far.ports(), "the cable")
            return bench.load(near.socket, "--to", far.socket, *args, pids=[cable.pid])[figure]
    return measure


CABLES = [("nothing set", []), ("delay 50", ["-d", "50"])]


def rows(bench):
    for name, options in CABLES:
        for size, rate in ((64, 60000), (1500, 40000)):
            yield bench.compare(f"wirefilter, {name}: CPU at {rate:,}/s, {size} bytes",
                                through(bench, "cpu_ns_per_delivered", options, "--size", size, "--rate", rate), limit=0.6 if not options else 0.8,
                                unit="ns/frame")
    for name, options in CABLES:
        for size in (64, 1500):
            for word, figure, limit, better, unit in (("delivered", "per_second", 1.3, "more", "frames/s"),
                                                      ("CPU saturated", "cpu_ns_per_delivered", 0.6 if not options else 0.8, "less", "ns/delivered")):
                yield bench.compare(f"wirefilter, {name}: {word}, {size} bytes", through(bench, figure, options, "--size", size), limit=limit,
                                    better=better, unit=unit)
