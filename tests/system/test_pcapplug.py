# SPDX-License-Identifier: GPL-2.0-or-later
"""vde_pcapplug: a switch on a real (here: veth) interface."""
import os
import subprocess

import pytest
import vde


@pytest.fixture(autouse=True)
def with_root():
    vde.need_tun()
    vde.ours("vde_pcapplug")


class Parent:
    """A namespace whose eth0 is one end of a cable; the other end, `near`, is where the programs are."""

    def __init__(self, lab, address, mtu=None):
        self.space, self.near = lab.namespace(), lab.name()
        subprocess.run(["ip", "link", "add", self.near, "type", "veth", "peer", "name", "eth0", "netns", self.space.name], check=True)
        lab.keep_tap(self.near)
        with open(f"/proc/sys/net/ipv6/conf/{self.near}/disable_ipv6", "w") as off:
            off.write("1")
        if mtu:
            subprocess.run(["ip", "link", "set", self.near, "mtu", str(mtu)], check=True)
        subprocess.run(["ip", "link", "set", self.near, "up"], check=True)
        self.space.up("eth0", address, mtu=mtu)

    def packet_socket(self):
        """Sends frames as the machine behind the interface does, nothing else in the way."""
        import socket
        with open(f"/run/netns/{self.space.name}") as there, open("/proc/self/ns/net") as here:
            setns(there.fileno())
            try:
                made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
                made.bind(("eth0", 0))
            finally:
                setns(here.fileno())
        made.settimeout(vde.DEADLINE)
        return made


def setns(descriptor):
    import ctypes
    assert ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000) == 0


def attached(switch, count=1):
    vde.wait_until(lambda: sum(len(port["endpoints"]) for port in switch.ports().values()) == count, "the plug")


def plugged(lab, switch, parent, *options, count=1):
    program = lab.start("vde_pcapplug", "-s", switch.socket, *options, parent.near)
    attached(switch, count)
    # the plug is there before the interface; a frame through it says that both are
    return program


def frames_from(parent, plug, source):
    """Sends from behind the interface until the first arrives at the plug."""
    sender, frame = parent.packet_socket(), vde.frame(vde.BROADCAST, vde.mac(source))

    def through():
        sender.send(frame)
        return vde._ready(plug.data, 1, 0.2)
    vde.wait_until(through, "a frame through the interface")
    vde.never(lambda: plug.recv_now() and False, 0.3)
    return sender


def test_single_frames_cross_at_once(lab, switch):
    """On an idle link every single frame arrives, long before any block of them could be full; both ways; none comes back."""
    parent = Parent(lab, "10.9.0.1/24")
    plug = lab.plug(switch)
    program = plugged(lab, switch, parent, count=2)
    sender = frames_from(parent, plug, 1)
    for number in range(5):
        frame = vde.frame(vde.BROADCAST, vde.mac(1), bytes([number]), size=60 + number * 200)
        sender.send(frame)
        plug.expect(frame, deadline=3 * vde.PATIENCE)
        answer = vde.frame(vde.mac(1), vde.mac(2), bytes([number]), size=60 + number * 300)
        plug.send(answer)
        while sender.recv(70000) != answer:
            pass
    assert vde.never(plug.recv_now, 0.5), "a frame was echoed"
    assert program.end() == 0 and program.stderr == ""


@pytest.mark.parametrize("mtu", [1500, 9000])
def test_ping_and_iperf3(lab, switch, mtu):
    """TCP both ways with the interface's offloads on: what the kernel leaves unfinished is completed."""
    parent, tap, space = Parent(lab, "10.9.0.1/24", mtu=mtu), lab.name(), lab.namespace()
    plugged(lab, switch, parent)
    lab.start("vde_plug2tap", "-s", switch.socket, tap)
    space.add_tap(tap, "10.9.0.2/24", mtu=mtu)
    space.ping("10.9.0.1")
    if mtu > 1500:
        assert space.run("ping", "-n", "-q", "-c", "1", "-M", "do", "-s", "8972", "-W", "5", "10.9.0.1").returncode == 0
    for there, here, address in ((parent.space, space, "10.9.0.1"), (space, parent.space, "10.9.0.2")):
        there.iperf3_server()
        report = here.iperf3(address, "-n", "16M")
        assert report["end"]["sum_received"]["bytes"] >= 8 << 20


def test_tagged_frames_keep_their_tag(lab):
    switch = lab.switch("--hub")
    parent = Parent(lab, "10.9.0.1/24")
    plug = lab.plug(switch)
    plugged(lab, switch, parent, count=2)
    sender = frames_from(parent, plug, 1)
    frame = vde.frame(vde.BROADCAST, vde.mac(1), b"tagged", vlan=77, size=100)
    sender.send(frame)
    plug.expect(frame)


def test_filter(lab, switch):
    parent = Parent(lab, "10.9.0.1/24")
    plug = lab.plug(switch)
    plugged(lab, switch, parent, "--filter", "ether src 02:00:00:00:00:01", count=2)
    sender = frames_from(parent, plug, 1)
    sender.send(vde.frame(vde.BROADCAST, vde.mac(3), b"not this"))
    wanted = vde.frame(vde.BROADCAST, vde.mac(1), b"this")
    sender.send(wanted)
    assert plug.recv() == wanted


@pytest.mark.parametrize("words, status, text", [
    ([], 2, "interface is missing"), (["vt-none"], 1, "vt-none"), (["lo", "--filter", "no such thing"], 2, "no such thing"),
])
def test_errors(lab, switch, words, status, text):
    done = lab.run("vde_pcapplug", "-s", switch.socket, *words)
    assert done.returncode == status and text in done.stderr and done.stderr.startswith("vde_pcapplug: "), done.stderr


def test_not_ethernet(lab, switch):
    tun = lab.name()
    lab.keep_tap(tun)
    subprocess.run(["ip", "tuntap", "add", "dev", tun, "mode", "tun"], check=True)
    subprocess.run(["ip", "link", "set", tun, "up"], check=True)
    done = lab.run("vde_pcapplug", "-s", switch.socket, tun)
    assert done.returncode == 1 and "Ethernet" in done.stderr


def test_life_cycle(lab, switch):
    """In the background with a pid file; ends with the switch."""
    parent, pidfile = Parent(lab, "10.9.0.1/24"), lab.path("pid")
    done = lab.run("vde_pcapplug", "-s", switch.socket, parent.near, "-daemon", "-P", pidfile)
    assert done.returncode == 0, done.stderr
    with open(pidfile) as text:
        pid = lab.adopt(int(text.read()))
    switch.stop()
    vde.wait_until(lambda: not vde.pid_is_alive(pid) and not os.path.exists(pidfile))


def test_interface_that_goes(lab, switch):
    parent = Parent(lab, "10.9.0.1/24")
    plug = lab.plug(switch)
    program = plugged(lab, switch, parent, count=2)
    frames_from(parent, plug, 1)
    subprocess.run(["ip", "link", "del", parent.near], check=True)
    assert program.wait() == 1 and "capture ended" in program.stderr


def test_interface_down_and_up(lab, switch):
    parent = Parent(lab, "10.9.0.1/24")
    plug = lab.plug(switch)
    program = plugged(lab, switch, parent, count=2)
    frames_from(parent, plug, 1)
    subprocess.run(["ip", "link", "set", parent.near, "down"], check=True)
    plug.send(vde.frame(vde.BROADCAST, vde.mac(2)))
    switch.settle()
    subprocess.run(["ip", "link", "set", parent.near, "up"], check=True)
    frames_from(parent, plug, 1)
    assert program.status is None and program.cpu_seconds() < 1
