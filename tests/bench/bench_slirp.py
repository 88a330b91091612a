# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP between a namespace and the host: through vde_switch and slirpvde (ours), through slirp4netns, and through pasta.

The other's figures stand in the column "debian". slirp4netns and slirpvde are the same libslirp; ours has the switch in the way as well,
and is to be level with it all the same. pasta is another design and has no limit here.
"""
import shutil
import socket

import vde

ROUTER = "10.0.2.2"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def slirpvde(lab, space, mtu):
    tap = lab.name("vt")
    switch = lab.switch("-t", tap)
    space.add_tap(tap, "10.0.2.15/24", mtu)
    lab.start("slirpvde", "-s", switch.socket, "--mtu", mtu).expect("vde switch", "stderr")


def slirp4netns(lab, space, mtu):
    lab.start(vde.need_program("slirp4netns"), "--configure", f"--mtu={mtu}", "--netns-type=path", f"/run/netns/{space.name}", "tap0",
              env=vde.env_foreign())


def pasta(lab, space, mtu):
    lab.start(vde.need_program("pasta"), "--foreground", "--runas", "0", "--config-net", "--mtu", mtu, "--address", "10.0.2.15", "--netmask", "24",
              "--gateway", ROUTER, "--netns", f"/run/netns/{space.name}", env=vde.env_foreign())


def through(bench, other, mtu, *words):
    def measure(maker):
        with bench.lab() as lab:
            space, port = lab.namespace(), free_port()
            (slirpvde if maker == "ours" else other)(lab, space, mtu)
            lab.start(vde.need_program("iperf3"), "-s", "-1", "-B", "127.0.0.1", "-p", port, "--forceflush").expect("Server listening")
            vde.wait_until(lambda: ROUTER in space.run("ip", "route").stdout + space.run("ip", "neighbour").stdout or maker == "ours", "a route")
            if other is slirp4netns or maker == "ours":
                space.ping(ROUTER)
            report = space.iperf3(ROUTER, "-p", str(port), *words, seconds=max(1, bench.milliseconds // 1000))
            return vde.received_bits_per_second(report) / 1e9
    return measure


def rows(bench):
    for other, limit in ((slirp4netns, 1.0), (pasta, None)):
        if not shutil.which(other.__name__):
            print(f"slirpvde beside {other.__name__}: left out, it is not installed")
            continue
        for mtu in (1500, 9000):
            for name, words in (("to the host", []), ("from the host", ["-R"])):
                yield bench.compare(f"slirpvde beside {other.__name__}: {name}, MTU {mtu}", through(bench, other, mtu, *words), limit=limit,
                                    better="more", unit="Gbit/s")
