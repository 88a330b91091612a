# SPDX-License-Identifier: GPL-2.0-or-later
"""The modules of libvdeplug, with our vde_plug and Debian's at the ends."""
import os
import socket
import struct

import overlay
import plugs
import pytest
import vde
from plugs import reach, udp_ports


def plug(lab, *argv, **options):
    return plugs.StreamPlug(lab, "vde_plug", *argv, **options)


def debian_plug(lab, *argv, **options):
    return plugs.StreamPlug(lab, vde.foreign("vde_plug"), *argv, env=vde.env_foreign(), **options)


@pytest.fixture(params=["ours", "debian"])
def peer(request, lab):
    """Starts the other end: our vde_plug, and Debian's."""
    maker = plug if request.param == "ours" else debian_plug
    return lambda *argv, **options: maker(lab, *argv, **options)


# ---- udp -------------------------------------------------------------------------------------------------------------

def test_udp(lab, peer):
    one, two = udp_ports()
    reach(plug(lab, f"udp://127.0.0.1:{one}->127.0.0.1:{two}"), peer(f"udp://127.0.0.1:{two}->127.0.0.1:{one}"))


def test_udp_as_vde2_writes_it(lab):
    one, two = udp_ports()
    reach(plug(lab, f"{one}->127.0.0.1:{two}"), plug(lab, f"{two}->127.0.0.1:{one}"))


def test_udp_with_brackets(lab):
    if not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("needs IPv6")
    one, two = udp_ports(socket.AF_INET6)
    reach(plug(lab, f"udp://[::1]:{one}->[::1]:{two}"), plug(lab, f"udp://[::1]:{two}->[::1]:{one}"))


def test_udp_hostile(lab):
    """Datagrams of no length, short ones, and others' ones change nothing."""
    one, two = udp_ports()
    ours = plug(lab, f"udp://127.0.0.1:{one}->127.0.0.1:{two}")
    frame = vde.frame(vde.BROADCAST, vde.mac(1), b"good")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        peer.bind(("127.0.0.1", two))

        def heard():
            other.sendto(vde.frame(vde.BROADCAST, vde.mac(2), b"evil"), ("127.0.0.1", one))
            for junk in (b"", b"x", b"y" * 13, frame):
                peer.sendto(junk, ("127.0.0.1", one))
            return len(ours.frames) > 3
        vde.wait_until(heard, "frames behind the junk")
    assert set(ours.frames) == {frame}


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


@pytest.mark.parametrize("kind,code", [(3, 2), (3, 3), (3, 8), (3, 13), (12, 0)])
def test_udp_survives_icmp(lab, kind, code):
    """What the network, or who pretends to be it, says of a datagram ends nothing: no protocol, no port, isolated, prohibited, wrong header."""
    vde.need_root()
    one, two = udp_ports()
    ours = plug(lab, f"udp://127.0.0.1:{one}->127.0.0.1:{two}")
    frame = vde.frame(vde.BROADCAST, vde.mac(1), b"good")
    local = socket.inet_aton("127.0.0.1")
    quoted = struct.pack("!BBHHHBBH4s4sHHHH", 0x45, 0, 28, 0, 0, 64, 17, 0, local, local, one, two, 8, 0)
    message = struct.pack("!BBHI", kind, code, 0, 0) + quoted
    message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as network, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", two))

        def heard():
            network.sendto(message, ("127.0.0.1", 0))
            peer.sendto(frame, ("127.0.0.1", one))
            return len(ours.frames) > 3 or ours.program.status is not None
        vde.wait_until(heard, "frames between the messages")
    assert ours.program.status is None


@pytest.mark.parametrize("text", ["udp://", "udp://5000", "udp://1->2", "udp://1->nosuch.invalid:x", "udp://70000->127.0.0.1:5000",
                                  "udp://5000->127.0.0.1:65536", "udp://5000->127.0.0.1:0", "udp://5000->127.0.0.1:", "udp://-5->127.0.0.1:5000",
                                  "udp://[::1]:5000->127.0.0.1:5000"])
def test_udp_wrong(lab, text):
    done = lab.run("vde_plug", text)
    assert done.returncode == 1 and "libvdeplug: udp: " in done.stderr


# ---- ptp -------------------------------------------------------------------------------------------------------------

def test_ptp_we_come_first(lab, peer):
    path = lab.path("ptp")
    one = plug(lab, f"ptp://{path}")
    vde.wait_until(lambda: os.path.exists(path), "the first end")
    reach(one, peer(f"ptp://{path}"))


def test_ptp_we_come_second(lab, peer):
    path = lab.path("ptp")
    other = peer(f"ptp://{path}")
    vde.wait_until(lambda: os.path.exists(path), "the first end")
    reach(plug(lab, f"ptp://{path}"), other)


def test_ptp_comes_back(lab):
    """The first end takes the next peer; names of the dead are taken over; names of the living are removed at the end."""
    path = lab.path("ptp")
    one = plug(lab, f"{path}[]")
    vde.wait_until(lambda: os.path.exists(path), "the first end")
    two = plug(lab, f"ptp://{path}")
    reach(one, two)
    two.program.kill()
    two.program.wait()
    assert os.path.exists(path + "+")
    two = plug(lab, f"ptp://{path}")
    before = len(one.frames)
    frame = vde.frame(vde.BROADCAST, vde.mac(7), b"again")

    def heard():
        two.send(frame)
        one.send(frame)
        return len(one.frames) > before and two.frames
    vde.wait_until(heard, "the second peer")
    assert lab.run("vde_plug", f"ptp://{path}").returncode == 1      # a third
    assert one.end_of_input() == 0 and two.end_of_input() == 0
    assert not os.path.exists(path) and not os.path.exists(path + "+")


@pytest.mark.parametrize("answer,works", [(b"\0", True), (b"\x6a", False)])
def test_ptp_packets(lab, answer, works):
    """A listener of the later generation lets us in, or says that it is busy."""
    path = lab.path("ptp")
    frame = vde.frame(vde.BROADCAST, vde.mac(1), b"packet")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(vde.DEADLINE)
        ours = plug(lab, f"ptp://{path}")
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(vde.DEADLINE)
            connection.send(answer)
            if not works:
                assert ours.program.wait() == 1
                return
            ours.send(frame)
            assert connection.recv(2000) == frame
            connection.send(frame)
            assert ours.wait_frames(1) == [frame]
        assert ours.program.wait() == 0


@pytest.mark.parametrize("name,text", [("", "No such file"), ("nosuch/ptp", "No such file"), ("x" * 108, "too long"), (".", "no socket")])
def test_ptp_wrong(lab, name, text):
    done = lab.run("vde_plug", f"ptp://{lab.path(name) if name else name}")
    assert done.returncode == 1 and text in done.stderr


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("kind", ["file", "link", "fifo"])
def test_ptp_takes_no_file_away(lab, kind, second):
    """Connecting to a file is refused as connecting to a dead socket is; but it is nobody's leftover."""
    path = lab.path("ptp")
    if second:
        plug(lab, f"ptp://{path}")
        vde.wait_until(lambda: os.path.exists(path), "the first end")
    name = path + "+" if second else path
    {"file": lambda: os.mknod(name), "link": lambda: os.symlink(lab.path("nowhere"), name), "fifo": lambda: os.mkfifo(name)}[kind]()
    before = os.lstat(name)
    done = lab.run("vde_plug", f"ptp://{path}")
    assert done.returncode == 1 and f"{name} is there and is no socket" in done.stderr and "File exists" in done.stderr
    assert os.path.samestat(os.lstat(name), before)


def test_ptp_removes_only_its_own(lab):
    """The name was removed, and is another's when its first owner ends."""
    path = lab.path("ptp")
    one = plug(lab, f"ptp://{path}")
    vde.wait_until(lambda: os.path.exists(path), "the first end")
    os.unlink(path)
    other = plug(lab, f"ptp://{path}")
    vde.wait_until(lambda: os.path.exists(path), "its successor")
    assert one.end_of_input() == 0
    reach(plug(lab, f"ptp://{path}"), other)


# ---- tap -------------------------------------------------------------------------------------------------------------

def test_tap(lab, switch):
    """Two namespaces, each with a tap, on one switch."""
    spaces = [lab.namespace(), lab.namespace()]
    for number, space in enumerate(spaces):
        space.start("vde_plug", "tap://tapx", switch.socket)
        vde.wait_until(lambda: space.has("tapx"), "the interface")
        space.up("tapx", f"10.1.1.{number + 1}/24")
    spaces[0].ping("10.1.1.2")
    spaces[1].ping("10.1.1.1")


def test_macvtap(lab):
    """An interface that is not there gives a message; a name that is too long, too."""
    vde.need_tun()
    for locator in ("macvtap://nosuchif", "tap://a-name-that-is-too-long"):
        done = lab.run("vde_plug", locator)
        assert done.returncode == 1 and "vde_open" in done.stderr


# ---- cmd -------------------------------------------------------------------------------------------------------------

def test_cmd(lab, switch, peer):
    """The command is our vde_plug; the other plug on its switch is ours or Debian's."""
    reach(plug(lab, f"cmd://{vde.ours('vde_plug')} '{switch.socket}'"), peer(f"vde://{switch.socket}"))


def test_cmd_with_debians(lab, switch):
    theirs = " ".join(vde.foreign_command("vde_plug"))
    reach(plug(lab, f"cmd://{theirs} vde://{switch.socket}"), plug(lab, switch.socket))


def test_cmd_in_pieces(lab):
    """Headers and bodies that come byte by byte are no trouble; the command's end is the plug's end."""
    frames = plugs.numbered(6, size=80)
    script = lab.path("pieces.py")
    with open(script, "w") as out:
        out.write(f"import os\nfor byte in {plugs.records(frames)!r}:\n    os.write(1, bytes([byte]))\n")
    ours = plug(lab, f"cmd:///usr/bin/python3 {script}")
    assert ours.program.wait() == 0
    assert ours.frames == frames


def test_cmd_echo(lab):
    """Large frames go and come back whole; the command has ended when vde_plug has."""
    ours = plug(lab, "cmd://sh -c 'echo $$ >pid; exec cat'")
    frames = [vde.frame(vde.BROADCAST, vde.mac(1), bytes([size % 251]), size=size) for size in (60, 1514, 9000, 65535, 40000)] * 20
    for frame in frames:
        ours.send(frame)
    ours.wait_frames(frames)
    with open(lab.path("pid")) as text:
        pid = int(text.read())
    assert ours.program.end() == 0
    assert not vde.pid_is_alive(pid)


@pytest.mark.parametrize("command", ["", "/nonexistent/command", "'unfinished"])
def test_cmd_wrong(lab, command):
    done = lab.run("vde_plug", f"cmd://{command}")
    assert done.returncode == 1 and done.stderr


# ---- vxlan and vxvde -------------------------------------------------------------------------------------------------

GROUP = "239.1.2.3"


@pytest.mark.parametrize("locator,remote", [
    (f"vxlan://{GROUP}/vni=77", ["group", GROUP, "dev", "wire", "ttl", "1"]),
    ("vxlan:///peers=10.99.0.2/vni=77", ["remote", "10.99.0.1"]),
    ("vxlan://ff05::77/vni=77/if=wire", ["group", "ff05::77", "dev", "wire", "ttl", "1"]),
    ("vxlan:///v6/peers=fd99::9,fd99::2/vni=77", ["remote", "fd99::1"]),
], ids=["group", "peers", "group6", "peers6"])
def test_vxlan_with_the_kernel(lab, locator, remote):
    """The other end is the kernel's device: both ways, and what is known goes to one host only."""
    ours, kernel = overlay.hosts(lab)
    kernel.ip("link", "add", "vx0", "type", "vxlan", "id", "77", "dstport", "4789", *remote)
    kernel.up("vx0", "10.1.1.2/24", mtu=1400)
    overlay.tapped(ours, locator, 1)
    ours.ping("10.1.1.2", count=3)
    kernel.ping("10.1.1.1", count=3)
    # without flooding: the neighbours are known, so pings go on when broadcasts would not arrive any more
    if "group" in remote and "." in remote[1]:
        ours.ip("route", "del", "224.0.0.0/4")
        ours.ip("route", "add", "blackhole", "224.0.0.0/4")
        ours.ping("10.1.1.2", count=2)


def test_vxlan_of_two(lab):
    """Ours at both ends, each with the other as its only peer; another number is another network."""
    spaces = overlay.hosts(lab)
    overlay.tapped(spaces[0], "vxlan:///peers=10.99.0.2/vni=5", 1)
    overlay.tapped(spaces[1], "vxlan:///peers=10.99.0.1/vni=5", 2)
    spaces[0].ping("10.1.1.2", count=2)
    overlay.tapped(spaces[0], "vxlan:///peers=10.99.0.2/vni=5/port=4790", 3)
    overlay.tapped(spaces[1], "vxlan:///peers=10.99.0.1/vni=6/port=4790", 4)
    assert spaces[0].run("ping", "-c", "2", "-W", "1", "-i", "0.2", "-I", "tap3", "10.1.1.4", check=False).returncode != 0


@pytest.mark.parametrize("locator", [f"vxvde://{GROUP}", f"vxvde://{GROUP}/vni=9/port=15000/ttl=2", "vxvde://ff05::99/if=wire"])
@pytest.mark.parametrize("theirs", ["ours", "debian"])
def test_vxvde(lab, locator, theirs):
    """Between hosts, and two on one host, ours and Debian's."""
    spaces = overlay.hosts(lab)
    program, env = ("vde_plug", None) if theirs == "ours" else (vde.foreign("vde_plug"), vde.env_foreign())
    overlay.tapped(spaces[0], locator, 1)
    overlay.tapped(spaces[1], locator, 2, program, env)
    spaces[0].ping("10.1.1.2", count=3)
    spaces[1].ping("10.1.1.1", count=3)


def test_vxvde_on_one_host(lab):
    """Several plugs share the port, and no frame comes back to its sender."""
    space = overlay.hosts(lab)[0]
    ends = [plugs.StreamPlug(lab, *space.command(vde.ours("vde_plug"), f"vxvde://{GROUP}")) for _ in range(3)]
    reach(ends[0], ends[1])
    frame = vde.frame(vde.BROADCAST, vde.mac(40), b"to all others")
    ends[2].send(frame)
    for end in ends[:2]:
        vde.wait_until(lambda: frame in end.frames, "the broadcast")
    assert frame not in ends[2].frames
    direct = vde.frame(vde.mac(40), vde.mac(41), b"to one")
    ends[0].send(direct)
    vde.wait_until(lambda: direct in ends[2].frames, "the frame for a known address")
    ends[0].send(vde.frame(vde.BROADCAST, vde.mac(41), b"behind it"))
    vde.wait_until(lambda: any(b"behind it" in f for f in ends[1].frames), "the frame behind it")
    assert direct not in ends[1].frames


def test_vxlan_hostile(lab):
    """Short datagrams, wrong headers and other networks' frames are nothing; reserved bits are not looked at."""
    port, = udp_ports(count=1)
    ours = plug(lab, f"vxlan:///peers=127.0.0.1/vni=7/port={port}")
    good = vde.frame(vde.BROADCAST, vde.mac(1), b"good")
    header = b"\x08\0\0\0\0\0\x07\0"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        def heard():
            for junk in (b"", b"\x08", header, header + b"x", b"\0" * 8 + good, b"\x08\0\0\0\0\0\x08\0" + good, b"\x88\1\2\3\0\0\x07\x09" + good):
                peer.sendto(junk, ("127.0.0.1", port))
            return len(ours.frames) > 2
        vde.wait_until(heard, "frames among the junk")
    assert set(ours.frames) == {good}


@pytest.mark.parametrize("text,message", [
    ("vxlan://nosuch.invalid", "cannot resolve nosuch.invalid"), ("vxlan:///vni=16777216", "vni=16777216: not a number from 0"),
    ("vxlan:///port=0", "port=0: not a number from 1"), ("vxlan:///nosuch=1", "unknown key: nosuch"), ("vxlan:///peers=", "peers=: no host is named"),
    ("vxlan://239.1.2.3/peers=127.0.0.1", "a list goes instead of a group"), ("vxlan://127.0.0.1", "127.0.0.1: not a multicast group"),
    ("vxlan:///peers=" + ",".join(["127.0.0.1"] * 257), "too many hosts"),
    ("vxvde://::1", "::1: not a multicast group"), ("vxvde:///ttl=256", "ttl=256: not a number from 0"), ("vxvde:///grp=nosuchgroup", "no such group"),
    ("vxvde:///vni=nosuchgroup", "neither a number from 0 to 16777215 nor a group"), ("vxvde:///peers=127.0.0.1", "unknown key: peers"),
    ("vxvde:///if=nosuchif", "if=nosuchif: no such interface")])
def test_vx_wrong(lab, text, message):
    done = lab.run("vde_plug", text)
    assert done.returncode == 1 and message in done.stderr.splitlines()[0]


def test_vx_without_a_route(lab):
    """The system says only that there is no such device."""
    vde.need_root()
    space = lab.namespace()
    done = lab.run(*space.command("vde_plug", "vxvde://239.1.2.3"))
    assert done.returncode == 1 and "it wants a route, or this option" in done.stderr
