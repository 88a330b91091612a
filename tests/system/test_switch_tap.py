# SPDX-License-Identifier: GPL-2.0-or-later
"""Tap ports: the kernel's own network stack on the switch."""
import os
import subprocess

import pytest
import vde


@pytest.fixture(autouse=True)
def with_tun():
    vde.need_tun()


@pytest.mark.parametrize("form", ["repeated", "comma"])
def test_two_namespaces(lab, form):
    """Ping, then a TCP transfer; the ports say tuntap and the interface's name."""
    taps = [lab.name(), lab.name()]
    words = ["-tap", taps[0], "-tap", taps[1]] if form == "repeated" else ["-t", ",".join(taps)]
    switch = lab.switch(*words)
    ports = switch.ports()
    assert [ports[number]["endpoints"][0][1:] for number in (1, 2)] == [("tuntap", taps[0]), ("tuntap", taps[1])]
    spaces = [lab.namespace(), lab.namespace()]
    for number, space in enumerate(spaces):
        space.add_tap(taps[number], f"10.9.0.{number + 1}/24")
    spaces[0].ping("10.9.0.2")
    spaces[1].iperf3_server()
    report = spaces[0].iperf3("10.9.0.2", "-n", "32M")
    assert report["end"]["sum_sent"]["bytes"] >= 32 << 20
    assert set(switch.hash().values()) == {1, 2}
    switch.stop()
    assert not spaces[0].has(taps[0])


def test_large_mtu(lab):
    taps = [lab.name(), lab.name()]
    switch = lab.switch("-t", taps[0], "-t", taps[1])
    spaces = [lab.namespace(), lab.namespace()]
    for number, space in enumerate(spaces):
        space.add_tap(taps[number], f"10.9.0.{number + 1}/24", mtu=9000)
    spaces[0].ping("10.9.0.2")
    assert spaces[0].run("ping", "-n", "-q", "-c", "1", "-M", "do", "-s", "8972", "-W", "5", "10.9.0.2").returncode == 0
    switch.stop()


def test_tap_to_plug(lab):
    """A frame of the kernel's reaches a plug with correct checksums, and the plug's reach the kernel."""
    tap = lab.name()
    switch = lab.switch("-t", tap)
    space = lab.namespace()
    plug = lab.plug(switch)
    space.add_tap(tap, "10.9.0.1/24")
    space.ip("neigh", "add", "10.9.0.2", "lladdr", vde.mac_text(vde.mac(2)), "dev", tap)
    space.run("ping", "-c", "1", "-W", "0.1", "10.9.0.2", check=False)
    packet = plug.recv()
    while packet[:6] != vde.mac(2):
        packet = plug.recv()
    ip = packet[14:34]
    total = sum(int.from_bytes(ip[at:at + 2], "big") for at in range(0, 20, 2))
    assert (total & 0xffff) + (total >> 16) == 0xffff and packet[12:14] == b"\x08\x00"
    switch.stop()


def test_tap_that_is_down_does_no_harm(lab):
    tap = lab.name()
    switch = lab.switch("-t", tap)
    a, b = lab.plug(switch), lab.plug(switch)
    for _ in range(300):
        a.send(vde.frame(vde.BROADCAST, vde.mac(1)))
        b.recv()
    switch.settle()
    assert len(switch.program.stderr) < 5000
    switch.stop()


# The longest frame that an interface lets pass is 65535 bytes, and 4 more when it is tagged; this one wants its checksum to be done.
SEND_TOO_LONG = r"""
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.setsockopt(263, 15, 1)        # SOL_PACKET, PACKET_VNET_HDR
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
s.bind((sys.argv[1], 0x8100))
frame = (b"\xff" * 6 + b"\2\0\0\0\0\7" + b"\x81\0\0\0\x88\xb5").ljust(65539, b"x")
s.send(struct.pack("=BBHHHH", 1, 0, 0, 0, 60000, 6) + frame)
"""


@pytest.mark.parametrize("options", [[], ["--no-offload"]])
def test_too_long_a_frame_is_dropped_whole(lab, options):
    """It is not cut, and of what was to be done with it nothing is done with the frames after it."""
    tap = lab.name()
    switch = lab.switch("-t", tap, *options)
    space, plug, other = lab.namespace(), lab.plug(switch), lab.plug(switch)
    space.add_tap(tap, mtu=65521)
    space.run("/usr/bin/python3", "-c", SEND_TOO_LONG, tap)
    vde.wait_until(lambda: "oversize=1 " in switch.ask("stats 1")[0], "it is counted")
    for number in range(3):
        sent = vde.frame(vde.BROADCAST, vde.mac(number), b"after it", size=100)
        plug.send(sent)
        assert other.expect(sent) == sent
    assert not any(len(frame) > 60000 for frame in plug.recv_now() + other.recv_now())


@pytest.mark.parametrize("options", [[], ["--no-offload"]])
def test_tap_that_is_deleted(lab, options):
    """Its descriptor stays ready for ever: the switch must not go round in circles for it."""
    tap = lab.name()
    switch = lab.switch("-t", tap, *options)
    plug = lab.plug(switch)
    subprocess.run([vde.need_program("ip"), "link", "del", tap], check=True)
    vde.wait_until(lambda: 1 not in switch.ports(), "the port is left")
    assert f"'{tap}' is gone" in switch.program.stderr
    assert lab.plug(switch).switch_path.split("/")[-1].startswith("001."), "the port is free"
    plug.send(vde.frame(vde.BROADCAST, vde.mac(1)))
    switch.settle()
    switch.stop()


def test_socket_client_does_not_join_a_tap(lab):
    tap = lab.name()
    switch = lab.switch("-t", tap)
    with pytest.raises(vde.Refused):
        lab.plug(switch, port=1)
    switch.stop()


def test_epclose_of_a_tap(lab):
    tap = lab.name()
    switch = lab.switch("-t", tap)
    identity = switch.ports()[1]["endpoints"][0][0]
    assert switch.command(f"port/epclose 1 {identity}").code == 1000
    vde.wait_until(lambda: subprocess.run(["ip", "link", "show", tap], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                          check=False).returncode != 0)
    switch.stop()


def test_persistent_tap_of_an_ordinary_user(lab):
    """An interface that root made for a user is opened without root."""
    tap, home = lab.name(), lab.path("home")
    subprocess.run(["ip", "tuntap", "add", "dev", tap, "mode", "tap", "user", str(vde.NOBODY)], check=True)
    lab.keep_tap(tap)
    os.mkdir(home)
    os.chown(home, vde.NOBODY, vde.NOBODY)
    program = lab.start(*vde.as_user(vde.NOBODY, vde.ours("vde_switch"), "-s", home + "/s", "-t", tap))
    vde.wait_until(lambda: vde.answers(home + "/s/ctl"))
    assert program.end() == 0


def test_second_tap_fails_nothing_is_left(lab):
    """The first tap and all sockets go when the second cannot be opened."""
    tap = lab.name()
    done = lab.run("vde_switch", "-s", lab.path("s"), "-t", tap, "-t", "name-that-is-too-long")
    assert done.returncode == 1 and "name-that-is-too-long" in done.stderr and done.stderr.count("\n") == 1
    assert not os.path.exists(lab.path("s")) and not os.path.exists(f"/sys/class/net/{tap}")
