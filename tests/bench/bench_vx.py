# SPDX-License-Identifier: GPL-2.0-or-later
"""Namespaces on virtual networks: vdens beside Debian's, and a machine's way into a VXLAN through a tap beside the kernel's own device.

vdens: TCP between two of them on one switch, which is ours in both cases. VXLAN: TCP between two namespaces that a veth pair joins, with an inner MTU of 1450;
the kernel's device never leaves the kernel, so this is a figure and no race. vxvde stands beside it.
"""
import json
import subprocess

import vde


def iperf3_of(words, seconds, env):
    done = subprocess.run([*words, vde.need_program("iperf3"), "-c", "10.9.0.1", "-J", "-t", str(seconds)], env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=60 + 10 * seconds, check=False)
    return vde.received_bits_per_second(json.loads(done.stdout)) / 1e6


def seconds(bench):
    return max(1, bench.milliseconds // 1000)


def vdens(bench):
    """Mbit/s between two."""
    def measure(maker):
        with bench.lab() as lab:
            switch = lab.switch()
            program, env = bench.program(maker, "vdens"), bench.environment(maker)

            def words(number, command):
                script = f"ip link set lo up; ip addr add 10.9.0.{number}/24 dev vde0; ip link set vde0 up; {command}"
                return [program, f"vde://{switch.socket}", "sh", "-c", script]
            server = lab.start(*words(1, "echo ready; exec iperf3 -s -1 --forceflush"), env=env, stdin=subprocess.DEVNULL)
            server.expect("Server listening")
            client = [*words(2, 'exec "$@"'), "sh"]
            return iperf3_of(client, seconds(bench), env)
    return measure


# name of the network, its locator for the host with that number
LOCATORS = {
    "vxlan": lambda host: f"vxlan:///peers=10.99.0.{3 - host}/vni=7",
    "vxvde": lambda host: "vxvde://239.1.2.3",
}


def hosts(lab):
    spaces = [lab.namespace(), lab.namespace()]
    spaces[0].ip("link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", spaces[1].name)
    for number, space in enumerate(spaces):
        space.up("wire", f"10.99.0.{number + 1}/24")
        space.ip("route", "add", "224.0.0.0/4", "dev", "wire")
    return spaces


def join(bench, lab, space, number, kind, maker):
    """Brings an interface of the network up in the namespace; returns its program, None for the kernel's own device."""
    program = None
    if kind == "kernel":
        space.ip("link", "add", "net0", "type", "vxlan", "id", "7", "dstport", "4789", "remote", f"10.99.0.{3 - number}")
    else:
        program = space.start(bench.program(maker, "vde_plug"), "tap://net0", LOCATORS[kind](number), env=bench.environment(maker),
                              stdin=subprocess.DEVNULL)
        vde.wait_until(lambda: space.has("net0"), "the interface")
    space.up("net0", f"10.9.0.{number}/24", mtu=1450)
    return program


def overlay(bench, kind, maker="ours"):
    """Mbit/s of TCP from namespace to namespace."""
    with bench.lab() as lab:
        spaces = hosts(lab)
        for number, space in enumerate(spaces):
            join(bench, lab, space, number + 1, kind, maker)
        spaces[0].ping("10.9.0.2")
        spaces[1].iperf3_server()
        return vde.received_bits_per_second(spaces[0].iperf3("10.9.0.2", seconds=seconds(bench))) / 1e6


def rows(bench):
    yield bench.compare("vdens, TCP between two on one switch", vdens(bench), limit=1.3, better="more", unit="Mbit/s")
    yield bench.single("vxvde, TCP from tap to tap", lambda maker: overlay(bench, "vxvde", maker), better="more", unit="Mbit/s")
    yield bench.single("vxlan, TCP from tap to tap (Debian's does not work)", lambda maker: overlay(bench, "vxlan"), better="more", unit="Mbit/s",
                       debian=False)
    yield bench.single("the kernel's vxlan, TCP", lambda maker: overlay(bench, "kernel"), better="more", unit="Mbit/s", debian=False)
