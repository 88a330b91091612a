# SPDX-License-Identifier: GPL-2.0-or-later
"""vxlan:// and vxvde:// with others: the kernel's device, Open vSwitch, Debian's module; and what they put on the wire, byte by byte."""
import overlay
import pytest
import vde
from ovs import OpenVSwitch

VNI = 0x1234ab
HEADER = b"\x08\0\0\0\x12\x34\xab\0"
PORT = 4789
VARIANTS = {
    "peer": (f"vxlan:///peers=10.99.0.2/vni={VNI}", ["remote", "10.99.0.1"]),
    "group": (f"vxlan://239.1.2.3/vni={VNI}", ["group", "239.1.2.3", "dev", "wire", "ttl", "1"]),
    "peer6": (f"vxlan:///v6/peers=fd99::2/vni={VNI}", ["remote", "fd99::1"]),
    "peer6-no-checksums": (f"vxlan:///v6/peers=fd99::2/vni={VNI}", ["remote", "fd99::1", "udp6zerocsumtx", "udp6zerocsumrx"]),
    "group6": (f"vxlan://ff05::77/vni={VNI}/if=wire", ["group", "ff05::77", "dev", "wire", "ttl", "1"]),
}


def kernel_device(space, number, remote):
    overlay.no_offload(space)
    space.ip("link", "add", "vx0", "type", "vxlan", "id", VNI, "dstport", PORT, *remote)
    space.up("vx0", f"10.1.1.{number}/24", mtu=1400)


@pytest.mark.parametrize("variant", VARIANTS)
def test_kernel(lab, variant):
    """Many frames both ways; the kernel knows where we are."""
    locator, remote = VARIANTS[variant]
    ours, kernel = overlay.hosts(lab)
    kernel_device(kernel, 2, remote)
    overlay.tapped(ours, locator, 1)
    ours.ping("10.1.1.2")
    overlay.bulk(ours, kernel, "10.1.1.2")
    overlay.bulk(kernel, ours, "10.1.1.1")
    mac = ours.run("cat", "/sys/class/net/tap1/address").stdout.strip()
    where = "fd99::1" if "6" in variant else "10.99.0.1"
    entries = kernel.run("bridge", "fdb", "show", "dev", "vx0").stdout
    assert any(line.startswith(mac) and f"dst {where}" in line for line in entries.splitlines()), entries


def test_kernel_tagged(lab):
    """Tags pass both ways."""
    ours, kernel = overlay.hosts(lab)
    kernel_device(kernel, 2, ["remote", "10.99.0.1"])
    end, behind = overlay.plug(lab, ours, f"vxlan:///peers=10.99.0.2/vni={VNI}"), overlay.packet_socket(lab, kernel, "vx0")
    frame = vde.frame(vde.BROADCAST, vde.mac(1), b"\x60\x05\x08\0tagged", type=0x8100)
    end.send(frame)
    vde.wait_until(lambda: overlay.with_tag(behind) == frame, "the tagged frame in the kernel")
    back = vde.frame(vde.mac(1), vde.mac(2), b"\x60\x05\x08\0back", type=0x8100)
    behind.send(back)
    vde.wait_until(lambda: back in end.frames, "the tagged frame here")


def test_kernel_jumbo(lab):
    ours, kernel = overlay.hosts(lab, mtu=9000)
    kernel_device(kernel, 2, ["remote", "10.99.0.1"])
    kernel.ip("link", "set", "vx0", "mtu", 8900)
    overlay.tapped(ours, f"vxlan:///peers=10.99.0.2/vni={VNI}", 1, mtu=8900)
    ours.ping("10.1.1.2")
    ours.run("ping", "-n", "-q", "-c", "1", "-M", "do", "-s", "8800", "10.1.1.2")


@pytest.mark.parametrize("family", ["4", "6"])
def test_open_vswitch(lab, family):
    """Its userspace datapath ends the tunnel."""
    local, remote = ("10.99.0.2", "10.99.0.1") if family == "4" else ("fd99::2", "fd99::1")
    ours, theirs = overlay.hosts(lab)
    for space in (ours, theirs):
        overlay.no_offload(space)
    ovs = OpenVSwitch(lab, theirs)
    ovs.vsctl("add-br", "phy", "--", "set", "bridge", "phy", "datapath_type=netdev", "--", "add-port", "phy", "wire")
    ovs.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "--", "add-port", "br0", "vx0", "--",
              "set", "interface", "vx0", "type=vxlan", f"options:remote_ip=\"{remote}\"", f"options:key={VNI}", f"options:dst_port={PORT}")
    theirs.ip("address", "flush", "dev", "wire")
    theirs.ip("address", "add", f"{local}/{24 if family == '4' else 64}", "dev", "phy", *(["nodad"] if family == "6" else []))
    theirs.ip("link", "set", "phy", "up")
    theirs.up("br0", "10.1.1.2/24", mtu=1400)
    locator = f"vxlan:///peers={local}/vni={VNI}" + ("/v6" if family == "6" else "")
    overlay.tapped(ours, locator, 1)
    ours.ping("10.1.1.2", count=2)
    theirs.ping("10.1.1.1", count=2)
    overlay.bulk(ours, theirs, "10.1.1.2", "1M")
    overlay.bulk(theirs, ours, "10.1.1.1", "1M")


# ---- what is on the wire ---------------------------------------------------------------------------------------------

@pytest.fixture
def cloud(lab):
    """Our host, and three peers on another one that are sockets of the test."""
    ours, theirs = overlay.hosts(lab)
    for number in (3, 4):
        theirs.ip("address", "add", f"10.99.0.{number}/24", "dev", "wire")
    sockets = [overlay.udp_socket(lab, theirs, f"10.99.0.{number}", PORT) for number in (2, 3, 4)]
    return ours, theirs, sockets


PEERS = "peers=10.99.0.2,10.99.0.1,10.99.0.3,10.99.0.4"


def wait_all(sockets, datagram):
    for sock in sockets:
        vde.wait_until(lambda: datagram in [data for data, _ in overlay.received_now(sock)], "the datagram")


def started(end, sockets):
    """Waits until it has sent something, and so can receive."""
    hello = vde.frame(vde.BROADCAST, vde.mac(1), b"up")
    end.send(hello)
    for sock in sockets:
        assert sock.recvfrom(2000) == (HEADER + hello, ("10.99.0.1", PORT))


def test_replication_and_unicast(lab, cloud):
    """What is not known goes to every peer but ourselves, what is known to one; addresses that move are followed."""
    ours, theirs, sockets = cloud
    end = overlay.plug(lab, ours, f"vxlan:///{PEERS}/vni={VNI}")
    started(end, sockets)
    station, back = vde.mac(2), vde.frame(vde.mac(1), vde.mac(2), b"here")
    elsewhere = overlay.udp_socket(lab, theirs, "10.99.0.3")        # answers go to the well-known port whatever the sender's
    for turn, sender, home in ((1, sockets[0], 0), (2, elsewhere, 1), (3, sockets[2], 2)):
        sender.sendto(HEADER + back, ("10.99.0.1", PORT))
        end.wait_frames(turn)
        direct, marker = (vde.frame(to, vde.mac(1), f"{turn}".encode()) for to in (station, vde.BROADCAST))
        end.send(direct, marker)
        assert [sockets[home].recvfrom(2000)[0] for _ in range(2)] == [HEADER + direct, HEADER + marker]
        for sock in sockets:
            if sock is not sockets[home]:
                assert sock.recvfrom(2000)[0] == HEADER + marker
    assert end.frames == [back] * 3


def test_own_address_among_many(lab, cloud):
    """However many addresses a host has, it knows its own in the list."""
    ours, _, sockets = cloud
    ours.run("sh", "-c", "for i in $(seq 100); do echo address add 10.98.0.$i/32 dev lo; done | ip -batch -")
    end = overlay.plug(lab, ours, f"vxlan:///peers=10.99.0.2,10.98.0.100/vni={VNI}")
    started(end, sockets[:1])
    back = vde.frame(vde.mac(1), vde.mac(2), b"here")
    sockets[0].sendto(HEADER + back, ("10.99.0.1", PORT))
    assert end.wait_frames(1) == [back]     # and not what was sent before


def test_expiry(lab, cloud):
    """A station that is silent is forgotten, and its frames go to all again."""
    ours, _, sockets = cloud
    end = overlay.plug(lab, ours, f"vxlan:///{PEERS}/vni={VNI}/expiretime=1")
    started(end, sockets)
    sockets[0].sendto(HEADER + vde.frame(vde.mac(1), vde.mac(2), b"here"), ("10.99.0.1", PORT))
    end.wait_frames(1)
    direct = vde.frame(vde.mac(2), vde.mac(1), b"direct")

    def flooded():
        end.send(direct)
        return overlay.received_now(sockets[1])
    vde.wait_until(flooded, "flooding")


def test_table_is_bounded(lab, cloud):
    """With one place the last station has it; frames for the others go to all, and nothing is lost."""
    ours, _, sockets = cloud
    end = overlay.plug(lab, ours, f"vxlan:///{PEERS}/vni={VNI}/hashsize=1")
    started(end, sockets)
    for number in range(50):
        sockets[0].sendto(HEADER + vde.frame(vde.mac(1), vde.mac(100 + number), b"here"), ("10.99.0.1", PORT))
    end.wait_frames(50)
    for number, to_all in ((149, False), (100, True)):
        frame, marker = vde.frame(vde.mac(number), vde.mac(1), b"x"), vde.frame(vde.BROADCAST, vde.mac(1), b"%d" % number)
        end.send(frame, marker)
        assert sockets[0].recvfrom(2000)[0] == HEADER + frame
        assert sockets[1].recvfrom(2000)[0] == HEADER + (frame if to_all else marker)
        wait_all(sockets, HEADER + marker) if to_all else [sock.recvfrom(2000) for sock in (sockets[0], sockets[2])]


def test_batches_on_the_wire(lab, cloud):
    """However many frames go at once, each is a datagram of its own, and they keep their order."""
    ours, _, sockets = cloud
    end = overlay.plug(lab, ours, f"vxlan:///peers=10.99.0.2/vni={VNI}")
    frames = [vde.frame(vde.BROADCAST, vde.mac(1), b"%d" % number, size=(60, 60, 60, 1000)[number // 20 % 4]) for number in range(100)]
    end.send(*frames)
    assert [sockets[0].recv(2000) for _ in frames] == [HEADER + frame for frame in frames]


@pytest.mark.parametrize("option,arrives", [("", False), ("/frag", True)])
def test_too_long_for_the_path(lab, option, arrives):
    """It is not fragmented (RFC 7348, 4.3) unless asked for; what fits goes on."""
    spaces = overlay.hosts(lab)
    for number, space in enumerate(spaces):
        overlay.tapped(space, f"vxlan:///peers=10.99.0.{2 - number}/vni={VNI}{option}", number + 1, mtu=1500)
    spaces[0].ping("10.1.1.2")
    whole = ["-M", "do", "-s", "1472", "10.1.1.2"]
    if arrives:
        spaces[0].run("ping", "-n", "-q", "-c", "2", *whole)
    else:
        assert overlay.ping_fails(spaces[0], *whole)
    spaces[0].run("ping", "-n", "-q", "-c", "1", "-M", "do", "-s", "1422", "10.1.1.2")


# ---- vxvde -----------------------------------------------------------------------------------------------------------

def test_vxvde_on_the_wire(lab):
    """Floods to the group from a port of our own; unicast to the plug that spoke; a farewell of eight bytes; others' farewells forget."""
    ours, theirs = overlay.hosts(lab)
    listener = overlay.udp_socket(lab, theirs, "10.99.0.2", 14789, group="239.1.2.3")
    stations = [overlay.udp_socket(lab, theirs, "10.99.0.2") for _ in range(2)]
    end = overlay.plug(lab, ours, f"vxvde://239.1.2.3/vni={VNI}")
    flooded, direct = vde.frame(vde.BROADCAST, vde.mac(1), b"to all"), vde.frame(vde.mac(2), vde.mac(1), b"to one")
    end.send(flooded)
    data, plug_address = listener.recvfrom(2000)
    assert data == HEADER + flooded and plug_address[0] == "10.99.0.1" and plug_address[1] != 14789
    for turn, station in enumerate(stations):
        station.sendto(HEADER + vde.frame(vde.mac(1), vde.mac(2), b"here"), plug_address)
        end.wait_frames(turn + 1)
        end.send(direct)
        assert station.recvfrom(2000) == (HEADER + direct, plug_address)
    # any bit of the header counts; another network's farewell is none
    for wrong in (b"\x88" + HEADER[1:], HEADER[:7] + b"\1", HEADER[:6] + b"\0\0"):
        stations[1].sendto(wrong, plug_address)
        stations[1].sendto(wrong + flooded, plug_address)
    stations[0].sendto(HEADER, plug_address)
    end.send(direct)
    assert stations[1].recvfrom(2000)[0] == HEADER + direct
    stations[1].sendto(HEADER, plug_address)

    def forgotten():
        end.send(direct)
        return HEADER + direct in [data for data, _ in overlay.received_now(listener)]
    vde.wait_until(forgotten, "flooding")
    assert len(end.frames) == 2
    assert end.end_of_input() == 0
    vde.wait_until(lambda: (HEADER, plug_address) in overlay.received_now(listener), "the farewell")


def test_vxvde_of_a_user_group(lab):
    """grp= is in the multicast address and in the number of the network; bind= is where it comes from."""
    ours, theirs = overlay.hosts(lab)
    ours.ip("address", "add", "10.99.0.7/24", "dev", "wire")
    listener = overlay.udp_socket(lab, theirs, "10.99.0.2", 14789, group="239.0.255.254")
    end = overlay.plug(lab, ours, "vxvde://239.9.9.9/grp=65534/bind=10.99.0.7")
    flooded = vde.frame(vde.BROADCAST, vde.mac(1), b"to all")
    end.send(flooded)
    data, sender = listener.recvfrom(2000)
    assert data == b"\x08\0\0\0\0\xff\xfe\0" + flooded and sender[0] == "10.99.0.7"


@pytest.mark.parametrize("locator", ["vxvde://239.1.2.3", "vxvde://ff05::99/if=wire"])
def test_vxvde_with_debians(lab, locator):
    """Bulk both ways; another network on the same group is apart."""
    spaces = overlay.hosts(lab)
    overlay.tapped(spaces[0], locator, 1)
    overlay.tapped(spaces[1], locator, 2, vde.foreign("vde_plug"), vde.env_foreign())
    spaces[0].ping("10.1.1.2")
    overlay.bulk(spaces[0], spaces[1], "10.1.1.2")
    overlay.bulk(spaces[1], spaces[0], "10.1.1.1")
    apart = overlay.plug(lab, spaces[0], f"{locator}/vni=2")
    with_them = overlay.plug(lab, spaces[0], locator)
    spaces[1].run("ping", "-c", "1", "-W", "1", "10.1.1.9", check=False)
    with_them.wait_frames(1)
    assert not apart.frames


# ---- hostile ---------------------------------------------------------------------------------------------------------

def test_flood_of_strangers(lab, cloud):
    """Ten thousand invented stations and other junk: memory does not grow, and frames go on."""
    ours, _, sockets = cloud
    end = overlay.plug(lab, ours, f"vxlan:///peers=10.99.0.2/vni={VNI}")
    started(end, sockets[:1])

    def stations(first, count):
        for number in range(first, first + count):
            for junk in (HEADER + vde.frame(vde.mac(1), vde.mac(1000 + number), b"x"), HEADER[:4], b"\0" * 8, HEADER + b"y" * 13):
                sockets[1].sendto(junk, ("10.99.0.1", PORT))
    stations(0, 2000)
    end.wait_frames(1)
    before = end.program.resident_kib()
    stations(2000, 8000)
    good = vde.frame(vde.mac(1), vde.mac(5), b"good")

    def heard():
        sockets[0].sendto(HEADER + good, ("10.99.0.1", PORT))
        return good in end.frames
    vde.wait_until(heard, "a frame behind the flood")
    assert end.program.resident_kib() < before + 2048
