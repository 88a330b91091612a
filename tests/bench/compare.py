#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Ours against Debian's programs, in alternation, in the same run. Prints one table: the ratio of the medians, both figures, the limit
that the project holds itself to, ok or MISS; and the machine. --json FILE writes the same as JSON.

More rows: a file bench_NAME.py here with a function rows(bench) that returns or yields what bench.compare() and bench.single() return.
A measurement is a function of the maker ("ours" or "debian") that starts what it needs in a `with bench.lab() as lab` and returns a figure.
"""
import argparse
import contextlib
import glob
import importlib.util
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))
import vde  # noqa: E402  (the path comes first)

MAKERS = ("ours", "debian")


class Row:
    """One line of the table. figures: the medians by maker; value: what is held against the limit."""

    def __init__(self, name, unit, figures, value, limit, better, all_figures):
        self.name, self.unit, self.figures, self.value, self.limit, self.better = name, unit, figures, value, limit, better
        self.all = all_figures
        self.ok = limit is None or (value <= limit if better == "less" else value >= limit)

    def text(self):
        def number(value):
            return "-" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"
        sign = "<=" if self.better == "less" else ">="
        return (f"{self.name:<58} {number(self.figures.get('ours')):>12} {number(self.figures.get('debian')):>12} {self.unit:<12} "
                f"{self.value:>7.3f} {'' if self.limit is None else f'{sign} {self.limit:g}':>8}  {'' if self.limit is None else 'ok' if self.ok else 'MISS'}")

    def json(self):
        return {"name": self.name, "unit": self.unit, "medians": self.figures, "value": self.value, "limit": self.limit,
                "better": self.better, "ok": self.ok, "figures": self.all}


class Bench:
    def __init__(self, repeat, milliseconds):
        self.repeat, self.milliseconds = repeat, milliseconds

    # -- rows

    def compare(self, name, measure, *, limit=None, better="less", unit="", makers=MAKERS):
        """Row of ours / Debian's. measure(maker) returns a figure."""
        figures = {maker: [] for maker in makers}
        for turn in range(self.repeat):
            for maker in makers if turn % 2 == 0 else reversed(makers):
                figures[maker].append(measure(maker))
        medians = {maker: statistics.median(values) for maker, values in figures.items()}
        return Row(name, unit, medians, medians["ours"] / medians["debian"], limit, better, figures)

    def single(self, name, measure, *, limit=None, better="less", unit="", debian=True):
        """Row whose value is our own figure, against an absolute limit; Debian's is shown beside it."""
        makers = MAKERS if debian else ("ours",)
        figures = {maker: [measure(maker) for _ in range(self.repeat)] for maker in makers}
        medians = {maker: statistics.median(values) for maker, values in figures.items()}
        return Row(name, unit, medians, medians["ours"], limit, better, figures)

    def within(self, name, measure, base, *, limit=None, better="less", unit="", debian=True):
        """Row whose value is one measurement of ours against another of ours, taken in alternation: what does it cost more?"""
        makers = MAKERS if debian else ("ours",)
        pairs = {maker: [(measure(maker), base(maker)) for _ in range(self.repeat)] for maker in makers}
        ratios = {maker: statistics.median(a / b for a, b in values) for maker, values in pairs.items()}
        return Row(name, unit, ratios, ratios["ours"], limit, better, pairs)

    # -- what measurements are made of

    @contextlib.contextmanager
    def lab(self):
        """A vde.Lab: start programs, switches and namespaces in it."""
        lab = vde.Lab()
        try:
            yield lab
        finally:
            lab.close()

    @staticmethod
    def program(maker, name):
        return vde.ours(name) if maker == "ours" else vde.foreign(name)

    @staticmethod
    def environment(maker):
        return vde.env_ours() if maker == "ours" else vde.env_foreign()

    def switch(self, lab, maker, *args, **options):
        return lab.switch(*args, program=self.program(maker, "vde_switch"), env=self.environment(maker), **options)

    def load(self, where, *args, pids=()):
        """Runs the load generator on a switch (whose processor time is counted) or a directory; returns its figures."""
        directory = getattr(where, "socket", where)
        counted = [*([where.pid] if hasattr(where, "pid") else []), *pids]
        words = [os.path.join(vde.BUILD, "tests/bench/load"), "-s", directory]
        if "--round-trips" not in args:
            words += ["--milliseconds", str(self.milliseconds)]
        for pid in counted:
            words += ["-p", str(pid)]
        done = subprocess.run([*words, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
        if done.returncode:
            raise RuntimeError(f"{words}: {done.stderr}")
        return json.loads(done.stdout)


def machine():
    with open("/proc/cpuinfo") as lines:
        model = re.search(r"model name\s*: (.*)", lines.read())
    return {"processor": model[1] if model else platform.machine(), "processors": os.cpu_count(), "kernel": platform.release(),
            "system": platform.freedesktop_os_release().get("PRETTY_NAME", ""), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "load": os.getloadavg()[0]}


def files(only):
    found = sorted(glob.glob(os.path.join(HERE, "bench_*.py")), key=lambda path: ("switch" not in path, path))
    return [path for path in found if only is None or only in os.path.basename(path)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    parser.add_argument("--repeat", type=int, default=5, help="measurements of each maker for a median")
    parser.add_argument("--milliseconds", type=int, default=1000, help="length of one")
    parser.add_argument("--only", metavar="NAME", help="only bench_NAME.py")
    args = parser.parse_args()
    vde.become_subreaper()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if 0 < hard < 16384 else 16384, hard))

    bench, rows, described = Bench(args.repeat, args.milliseconds), [], machine()
    print(f"{described['processor']}, {described['processors']} processors, Linux {described['kernel']}, {described['system']}; "
          f"medians of {args.repeat}; load {described['load']:.1f}")
    print(f"{'':<58} {'ours':>12} {'debian':>12} {'':<12} {'value':>7} {'limit':>8}", flush=True)
    for path in files(args.only):
        spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for row in module.rows(bench):
            rows.append(row)
            print(row.text(), flush=True)
    missed = [row.name for row in rows if not row.ok]
    print(f"{len(rows)} rows, {len(missed)} missed")
    if args.json:
        with open(args.json, "w") as out:
            json.dump({"machine": described, "repeat": args.repeat, "rows": [row.json() for row in rows]}, out, indent="\t")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
