# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts that are namespaces on one cable, and networks that span them."""
import ctypes
import socket
import struct
import subprocess

import plugs
import vde


def hosts(lab, count=2, mtu=None):
    """Hosts on one Ethernet, 10.99.0.1 and fd99::1 upwards, with routes for groups."""
    spaces = [lab.namespace() for _ in range(count)]
    if count == 2:
        spaces[0].ip("link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", spaces[1].name)
    else:
        cloud = lab.namespace()
        cloud.ip("link", "add", "cloud", "type", "bridge", "mcast_snooping", "0")
        cloud.ip("link", "set", "cloud", "up")
        for number, space in enumerate(spaces):
            cloud.ip("link", "add", f"port{number}", "type", "veth", "peer", "name", "wire", "netns", space.name)
            cloud.ip("link", "set", f"port{number}", "master", "cloud", "up")
    for number, space in enumerate(spaces):
        if mtu:
            space.ip("link", "set", "wire", "mtu", mtu)
        space.ip("address", "add", f"fd99::{number + 1}/64", "dev", "wire", "nodad")
        space.ip("address", "add", f"10.99.0.{number + 1}/24", "dev", "wire")
        space.ip("link", "set", "wire", "up")
        space.ip("route", "add", "224.0.0.0/4", "dev", "wire")
    return spaces


def tapped(space, locator, number, program="vde_plug", env=None, mtu=1400):
    """A tap in this host on the network of the locator."""
    name = f"tap{number}"
    program = space.start(program, f"tap://{name}", locator, env=env)
    vde.wait_until(lambda: space.has(name), f"the interface of {locator}")
    space.up(name, f"10.1.1.{number}/24", mtu=mtu)
    return program


def plug(lab, space, locator, program="vde_plug", env=None):
    """A plug in this host whose frames the test sends and receives."""
    path = program if "/" in program else vde.ours(program)
    return plugs.StreamPlug(lab, *space.command(path, locator), env=env)


def setns(descriptor):
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.setns(descriptor, 0x40000000) == 0, ctypes.get_errno()


def in_namespace(space, action):
    """Calls action() inside and returns what it does."""
    with open(f"/run/netns/{space.name}") as there, open("/proc/self/ns/net") as here:
        setns(there.fileno())
        try:
            return action()
        finally:
            setns(here.fileno())


def udp_socket(lab, space, address, port=0, group=None):
    """A socket of this test on a host."""
    def make():
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((group or address, port))
        if group:
            made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(address))
        return made
    made = in_namespace(space, make)
    made.settimeout(vde.DEADLINE)
    lab.plugs.append(made)          # closed with the lab
    return made


def received_now(sock):
    """The datagrams that are there, [(bytes, sender)]."""
    found = []
    sock.setblocking(False)
    try:
        while True:
            found.append(sock.recvfrom(70000))
    except BlockingIOError:
        return found
    finally:
        sock.settimeout(vde.DEADLINE)


def bulk(sender, receiver, address, size="4M"):
    """A TCP transfer arrives whole."""
    receiver.iperf3_server()
    report = sender.iperf3(address, "-n", size)
    assert report["end"]["sum_sent"]["bytes"] >= int(size[:-1]) << 20


def no_offload(space, interface="wire"):
    """
    Packets are finished before they are on the interface. A veth leaves checksums, of tunnels' inner packets too, to a card that it has not: the other kernel
    knows that, a program that takes the packets as they stand there does not.
    """
    ethtool = vde.need_program("ethtool")
    space.run(ethtool, "-K", interface, "tx", "off", "gso", "off", "tso", "off", "gro", "off", check=False)


def packet_socket(lab, space, interface):
    """Sends and receives frames as the machine behind the interface does. Tags that the kernel takes off are told beside the frame."""
    made = in_namespace(space, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
    in_namespace(space, lambda: made.bind((interface, 0)))
    made.setsockopt(263, 8, 1)      # SOL_PACKET, PACKET_AUXDATA
    made.settimeout(vde.DEADLINE)
    lab.plugs.append(made)
    return made


def with_tag(sock):
    """The next frame as it was on the wire."""
    data, control, _, _ = sock.recvmsg(70000, 64)
    for level, kind, extra in control:
        status, tci, tpid = struct.unpack_from("I12xHH", extra) if (level, kind) == (263, 8) else (0, 0, 0)
        if status & 0x10:           # TP_STATUS_VLAN_VALID
            data = data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
    return data


def ping_fails(space, *words):
    return subprocess.run(space.command("ping", "-n", "-q", "-c", "1", "-W", "1", *words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          check=False).returncode != 0
