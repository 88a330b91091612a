# SPDX-License-Identifier: GPL-2.0-or-later
"""The modules vlan, agno, vdesl, slirp and pcap of libvdeplug: the examples of their manual pages, Debian's modules beside ours, in both libraries."""
import os
import re
import shutil
import socket
import struct
import subprocess
import time

import plugs
import pytest
import test_pcapplug
import vde
import vde_ssh
from plugs import reach, udp_ports
from test_modules import debian_plug, plug

DEBIAN_MODULES = "/usr/lib/x86_64-linux-gnu/vdeplug"
MODULES = os.path.join(vde.LIB, "vdeplug")
KEY = "00112233445566778899aabbccddeeff"


def example(module, text):
    """A line of the examples of a module's manual page: what tests run is what the page says."""
    with open(os.path.join(vde.SOURCE, "man", f"libvdeplug_{module}.1"), encoding="utf-8") as page:
        lines = [line.strip().replace("\\-", "-") for line in page]
    assert text in lines, (text, lines)
    return text


def need_module(name):
    """A module of ours that is a shared object."""
    path = os.path.join(MODULES, f"libvdeplug_{name}.so")
    if not os.path.exists(path):
        pytest.skip(f"the module {name} is not built")
    return path


def debian_module(name):
    path = f"{DEBIAN_MODULES}/libvdeplug_{name}.so"
    if not os.path.exists(path):
        pytest.skip(f"needs the package libvdeplug-{name}")
    return path


def ours_in_debians(lab, name, locator, **options):
    """Debian's vde_plug on Debian's library, with our module. That library loads modules with RTLD_DEEPBIND, which no sanitizer bears: then it is our vde_plug."""
    path, env = need_module(name), vde.env_foreign(VDEPLUGIN_PATH=f"{MODULES}:{DEBIAN_MODULES}")
    with open(path, "rb") as module:
        if b"__asan_init" in module.read():
            return plug(lab, locator, **options)
    return plugs.StreamPlug(lab, vde.foreign("vde_plug"), locator, env=env, **options)


def debians_in_ours(lab, name, locator, **options):
    """Our vde_plug with Debian's module. Of one that is built in here a copy with another name: x, then its own."""
    directory = lab.path(lab.name("m"))
    os.mkdir(directory)
    for prefix in ("", "x"):
        shutil.copy(debian_module(name), f"{directory}/libvdeplug_{prefix}{name}.so")
    return plug(lab, locator, env=vde.env_ours(VDEPLUGIN_PATH=directory), **options)


def udp_pair(lab):
    """Two locators, each other's ends."""
    one, two = udp_ports()
    return f"udp://127.0.0.1:{one}->127.0.0.1:{two}", f"udp://127.0.0.1:{two}->127.0.0.1:{one}"


def fails(lab, locator, *texts, **options):
    done = lab.run("vde_plug", locator, **options)
    assert done.returncode == 1, done
    assert all(text in done.stderr for text in texts), done.stderr


def tapped(lab, locator, address):
    """A namespace whose interface tap0 is a plug."""
    space = lab.namespace()
    space.start("vde_plug", "tap://tap0", locator)
    vde.wait_until(lambda: space.has("tap0"), "the interface")
    space.up("tap0", address)
    return space


# ---- vlan ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("locator", ["vlan://3{vde://%s[1]}", "vlan://9{vlan://5/untag=9{vlan://3{%s[1]}}}"])
def test_vlan_on_a_switch(lab, switch, locator):
    """VLAN 3 of a port that has it tagged; the other end is on a port that has it without a tag, in the switch."""
    for command in ("vlan/create 3", "port/create 1", "vlan/addport 3 1", "port/create 2", "port/setvlan 2 3"):
        assert switch.command(command).code == 1000, command
    reach(plug(lab, locator % switch.socket), plug(lab, f"{switch.socket}[2]"))


@pytest.mark.parametrize("head", ["3", "3/untag=4", "0", "3/tag=10:11-12:12-11/trunk", "5/qinq"])
def test_vlan_with_debians(lab, head):
    """What one end sends the other one reads, also with Debian's module in our library."""
    one, two = udp_pair(lab)
    debian_module("vlan")
    for start, prefix in ((debian_plug, ""), (lambda lab, locator: debians_in_ours(lab, "vlan", locator), "x")):
        one, two = udp_pair(lab)
        theirs = start(lab, f"{prefix}vlan://{head}{{{two}}}")
        reach(plug(lab, f"vlan://{head}{{{one}}}"), theirs)
        theirs.program.end(9)           # Debian's may be blocked for good


def test_vlan_examples(lab):
    """VLANs 10 to 12, two of them crossed, 3 without a tag, and what has none as 4."""
    switch = lab.switch("--trunk")
    text = example("vlan", "vde_plug tap://tap0 'vlan://3[untag=4/tag=10:11-12:12-11]{vde:///tmp/sw}'")
    locator = re.search(r"'(.*)'", text)[1].replace("/tmp/sw", switch.socket)
    ours, net = plug(lab, locator), plug(lab, switch.socket)
    plugs.connected(switch, 2)

    def tagged(vid, text):
        return vde.frame(vde.BROADCAST, vde.mac(1), text, vlan=vid, pcp=5 if vid else 0)
    ways = [(None, 3), (4, None), (10, 10), (11, 12), (12, 11)]
    frames = {(app, net_vid): f"{app}-{net_vid}".encode() for app, net_vid in ways}
    ours.send(*(tagged(app, text) for (app, _), text in frames.items()), tagged(13, b"dropped"), tagged(3, b"dropped"))
    got = net.wait_frames(5)
    for (_, net_vid), text in frames.items():
        frame = next(f for f in got if text in f)
        assert (struct.unpack_from("!H", frame, 14)[0] & 0xfff if frame[12:14] == b"\x81\0" else None) == net_vid
    net.send(*got, tagged(13, b"dropped"), tagged(4, b"dropped"))
    back = ours.wait_frames(5)
    for (app, net_vid), text in frames.items():
        frame = next(f for f in back if text in f)
        assert (struct.unpack_from("!H", frame, 14)[0] & 0xfff if frame[12:14] == b"\x81\0" else None) == app
    net.send(tagged(10, b"the end"))
    vde.wait_until(lambda: any(b"the end" in f for f in ours.frames), "the last frame")
    assert not any(b"dropped" in f for f in ours.frames + net.frames)


def test_vlan_example_nested(lab):
    """vdens in VLAN 4 of the service VLAN 5: what leaves has both tags."""
    example("vlan", "vdens 'vlan://4{vlan://5/qinq{vxvde://239.1.2.3}}' ip link")
    one, two = udp_pair(lab)
    ours, outside = plug(lab, f"vlan://4{{vlan://5/qinq{{{one}}}}}"), plug(lab, two)
    frame = vde.frame(vde.BROADCAST, vde.mac(1), b"inside")

    def out():
        ours.send(frame)
        return outside.frames
    vde.wait_until(out, "the frame")
    assert outside.frames[0][12:20] == bytes.fromhex("88a8000581000004")
    outside.send(outside.frames[0])
    assert ours.wait_frames(1) == [frame]
    vde.need_tun()
    done = lab.run("vdens", f"vlan://4{{vlan://5/qinq{{vde://{lab.switch().socket}}}}}", "/bin/ip", "link")
    assert done.returncode == 0 and "vde0" in done.stdout


def test_vlan_in_qemu(lab, switch):
    """QEMU on our library opens the example's locator; its description is the program's, once."""
    text = example("vlan", "kvm -netdev vde,id=n,sock='vlan://3{vde:///tmp/sw[1]}' -device virtio-net,netdev=n")
    locator = re.search(r"'(.*)'", text)[1].replace("/tmp/sw", switch.socket)
    machine = lab.start(vde.need_program("qemu-system-x86_64"), "-display", "none", "-machine", "none", "-monitor", "none", "-serial", "none",
                        "-S", "-netdev", f"vde,id=n,sock={locator}", env=vde.env_foreign("ours"))
    plugs.connected(switch, 1)
    description = switch.ports()[1]["endpoints"][0][2]
    assert description.startswith("QEMU") and description.count("user=") == 1
    machine.end()


@pytest.mark.parametrize("text", ["vlan://x{null://}", "vlan://4095{null://}", "vlan:///tag=0{null://}", "vlan:///tag=4-{null://}", "vlan:///tag=1-2:1-3{null://}",
                                  "vlan://3/tag=3{null://}", "vlan:///nosuch=1{null://}", "vlan://3{/nonexistent}", "vlan:///tag=" + "9" * 400 + "{null://}"])
def test_vlan_wrong(lab, text):
    fails(lab, text)


# ---- agno ------------------------------------------------------------------------------------------------------------

@pytest.fixture
def key(lab):
    path = lab.path("key")
    with open(path, "w", encoding="ascii") as out:
        out.write(f"{KEY}\n")
    return path


@pytest.mark.parametrize("option", ["", "[ethtype=copy]", "[ethtype=ipv6]", "[ethtype=rand]", "[ethtype=0x1234]"])
def test_agno_with_debians(lab, key, option):
    need_module("agno")
    debian_module("agno")
    one, two = udp_pair(lab)
    reach(plug(lab, f"agno://{key}{option}{{{one}}}"), debian_plug(lab, f"agno://{key}{{{two}}}"))


def test_agno_each_in_the_others_library(lab, key):
    one, two = udp_pair(lab)
    reach(ours_in_debians(lab, "agno", f"agno://{key}{{{one}}}"), debians_in_ours(lab, "agno", f"agno://{key}{{{two}}}"))


def test_agno_examples(lab, switch):
    """A key made as the page says; the contents are hidden from who listens, and the type is IPv4's."""
    need_module("agno")
    vde.need_program("openssl")
    make = example("agno", r"(umask 077; openssl rand -hex 16 >~/.vde_agno_key)").replace("~/.vde_agno_key", lab.path("lab.key"))
    subprocess.run(["sh", "-c", make], check=True, env=vde.env_foreign())
    text = example("agno", "vde_plug vde:///tmp/sw 'agno:///etc/lab.key[ethtype=ipv4]{udp://5000->b:5000}'")
    one, two = udp_ports()
    locator = re.search(r"'(.*)'", text)[1].replace("/etc/lab.key", lab.path("lab.key"))
    lab.start("vde_plug", f"vde://{switch.socket}", locator.replace("5000->b:5000", f"127.0.0.1:{one}->127.0.0.1:{two}"))
    plugs.connected(switch, 1)
    plain, outside = plug(lab, switch.socket), plug(lab, f"udp://127.0.0.1:{two}->127.0.0.1:{one}")
    frame = vde.frame(vde.BROADCAST, vde.mac(1), b"a secret")

    def out():
        plain.send(frame)
        return outside.frames
    vde.wait_until(out, "a frame outside")
    seen = outside.frames[0]
    assert b"a secret" not in seen and seen[:12] == frame[:12] and seen[12:14] == b"\x08\0" and len(seen) == 78
    vde.need_tun()
    example("agno", "vdens 'agno://{vxvde://239.1.2.3}' ip link")
    done = lab.run("vdens", f"agno://{lab.path('lab.key')}{{vde://{switch.socket}}}", "/bin/ip", "link")
    assert done.returncode == 0 and "vde0" in done.stdout


def test_agno_hostile(lab, key):
    """Short datagrams, cut ones, recorded ones and noise: no frame but the true one, and no crash."""
    need_module("agno")
    one, two = udp_ports()
    ours = plug(lab, f"agno://{key}{{udp://127.0.0.1:{one}->127.0.0.1:{two}}}")
    frame = vde.frame(vde.BROADCAST, vde.mac(1), b"true")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", two))
        peer.settimeout(0.2)

        def recorded():
            ours.send(frame)
            try:
                return peer.recv(2000)
            except (TimeoutError, socket.timeout, ConnectionRefusedError):
                return None
        record = vde.wait_until(recorded, "an encrypted frame")
        for length in (*range(0, 64), 29, 30, 45, 46, len(record)):
            peer.sendto(record[:length], ("127.0.0.1", one))
            peer.sendto(bytes(length), ("127.0.0.1", one))
        fresh = plugs.numbered(1, source=3)

        def back():
            ours.send(*fresh)
            try:
                peer.sendto(peer.recv(2000), ("127.0.0.1", one))
            except (TimeoutError, socket.timeout):
                return False
            return fresh[0] in ours.frames
        vde.wait_until(back, "a true frame after the others")
    assert ours.program.status is None
    assert all(len(f) <= 60 and f[:12] == frame[:12] for f in ours.frames if f not in (frame, fresh[0]))


def test_agno_clock(lab, key):
    """A recorded frame is refused when its time is over."""
    need_module("agno")
    one, two = udp_ports()
    ours = plug(lab, f"agno://{key}{{udp://127.0.0.1:{one}->127.0.0.1:{two}}}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", two))
        peer.settimeout(vde.DEADLINE)
        ours.send(*plugs.numbered(1))
        record, since = peer.recv(2000), time.time()
        vde.wait_until(lambda: time.time() - since > 3.2, "three seconds")
        peer.sendto(record, ("127.0.0.1", one))
        ours.send(*plugs.numbered(1, source=2))
        peer.sendto(peer.recv(2000), ("127.0.0.1", one))
        assert ours.wait_frames(1) == plugs.numbered(1, source=2)


@pytest.mark.parametrize("content,text", [(None, "No such file"), ("", "no key"), ("z g", "no key"), ("key: " + KEY.upper(), "takes 'A' for 1")])
def test_agno_keys(lab, content, text):
    need_module("agno")
    path = lab.path("badkey")
    if content is not None:
        with open(path, "w", encoding="ascii") as out:
            out.write(content)
    done = lab.run("vde_plug", f"agno://{path}{{null://}}", stdin=subprocess.DEVNULL)
    assert text in done.stderr and done.returncode == (0 if text.startswith("takes") else 1)


@pytest.mark.parametrize("text", ["agno://relative{null://}", "agno://%s[ethtype=5]{null://}", "agno://%s[ethtype=65535]{null://}", "agno://%s[nosuch=1]{null://}",
                                  "agno://%s{/nonexistent}"])
def test_agno_wrong(lab, key, text):
    need_module("agno")
    fails(lab, text.replace("%s", key))


# ---- vdesl -----------------------------------------------------------------------------------------------------------

@pytest.fixture
def line(lab):
    """A cable between two serial lines, as the manual page makes it."""
    text = example("vdesl", "socat PTY,link=/tmp/a,raw,echo=0 PTY,link=/tmp/b,raw,echo=0 &")
    words = text.replace("/tmp/", lab.dir + "/").rstrip("& ").split()
    lab.start(vde.need_program("socat"), *words[1:], env=vde.env_foreign())
    ends = lab.path("a"), lab.path("b")
    vde.wait_until(lambda: all(map(os.path.exists, ends)), "the lines")
    return ends


@pytest.mark.parametrize("peer", ["ours", "debian", "debian's module"])
def test_vdesl(lab, line, peer):
    if peer != "ours":
        debian_module("vdesl")
    ours = plug(lab, f"vdesl://{line[0]}")
    other = {"ours": lambda: plug(lab, f"vdesl://{line[1]}[speed=115200]"), "debian": lambda: debian_plug(lab, f"vdesl://{line[1]}"),
             "debian's module": lambda: debians_in_ours(lab, "vdesl", f"xvdesl://{line[1]}")}[peer]()
    reach(ours, other)
    long = vde.frame(vde.BROADCAST, vde.mac(5), b"long", size=9234)
    ours.send(long)
    vde.wait_until(lambda: long in other.frames, "a long frame")


def test_vdesl_example(lab, line, switch):
    """A switch at one end."""
    example("vdesl", "vde_plug vdesl:///tmp/a vde:///tmp/sw")
    example("vdesl", "a# vde_plug tap://tap0 vdesl:///dev/ttyUSB0[speed=921600]")
    lab.start("vde_plug", f"vdesl://{line[0]}", f"vde://{switch.socket}")
    plugs.connected(switch, 1)
    reach(plug(lab, f"vdesl://{line[1]}[speed=921600]"), plug(lab, switch.socket))


def test_vdesl_loses_bytes(lab):
    """Noise, lost bytes and impossible lengths cost what was under way; after a gap the line is good again. Its end is the plug's end."""
    master, slave = os.openpty()
    ours = plug(lab, f"vdesl://{os.ttyname(slave)}")
    os.set_blocking(master, False)
    good = plugs.numbered(1, source=9)[0]

    def write(data):
        while data:
            try:
                data = data[os.write(master, data):]
            except BlockingIOError:
                time.sleep(0.001)

    def heard_again():
        before = len(ours.frames)
        write(plugs.record(good))
        return not vde.never(lambda: len(ours.frames) > before, 0.3)
    vde.wait_until(heard_again, "the first frame")
    for noise in (b"\0", b"\xff\xff", b"\x7f" * 300, plugs.record(good)[:50], os.urandom(5000)):
        write(noise)
        vde.wait_until(heard_again, "a frame after the noise")
    assert good in ours.frames
    os.close(slave)
    os.close(master)
    assert ours.program.wait() == 0


def test_vdesl_slow(lab):
    """A line that nobody reads does not stop the program, and what is read later are whole frames."""
    master, slave = os.openpty()
    ours = plug(lab, f"vdesl://{os.ttyname(slave)}")
    frames = plugs.numbered(200, size=1400)
    for frame in frames:
        ours.send(frame)
    stream = b""

    def read():
        nonlocal stream
        stream += os.read(master, 65536)
        return len(plugs.parse(stream)) >= 3
    vde.wait_until(read, "frames from the line")
    assert all(frame in frames for frame in plugs.parse(stream))
    os.close(slave)
    os.close(master)
    assert ours.program.wait() == 0


@pytest.mark.parametrize("text", ["vdesl:///dev/null", "vdesl:///nonexistent", "vdesl:///dev/null[speed=300]", "vdesl:///dev/null[baud=9600]"])
def test_vdesl_wrong(lab, text):
    fails(lab, text)


# ---- slirp -----------------------------------------------------------------------------------------------------------

ROUTER = bytes([10, 0, 2, 2])


def answers_arp(net, address=ROUTER):
    """Waits for the answer to an ARP request."""
    asker = bytes([*address[:3], 15])
    arp = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, vde.mac(1), asker, bytes(6), address)
    net.send(vde.frame(vde.BROADCAST, vde.mac(1), arp, type=0x0806))
    vde.wait_until(lambda: any(frame[12:14] == b"\x08\x06" and frame[28:32] == address for frame in net.frames), "the router's answer")


class World:
    """A namespace with an address of the world, and an echo of TCP there that tells who asks."""

    def __init__(self, lab):
        self.lab, self.space = lab, lab.namespace()
        self.space.ip("address", "add", "203.0.113.1/24", "dev", "lo")
        self.space.start(vde.need_program("socat"), "TCP-LISTEN:7,bind=203.0.113.1,fork,reuseaddr", "EXEC:/bin/cat", env=vde.env_foreign())
        vde.wait_until(lambda: self.talk("203.0.113.1", 7, "x") == "x", "the echo")

    def talk(self, address, port, text):
        done = self.space.run("/bin/sh", "-c", f"printf %s {text} | socat -t {3 * vde.PATIENCE} - TCP:{address}:{port}", check=False)
        return done.stdout


class Guest:
    """A namespace with a tap on a switch, configured by DHCP."""

    def __init__(self, lab, switch):
        self.lab, self.space = lab, tapped(lab, switch.socket, None)
        script = lab.path(lab.name("dhcp"))
        with open(script, "w", encoding="ascii") as out:
            out.write('#!/bin/sh\n[ "$1" = bound ] || exit 0\nip address add $ip/$mask dev $interface\nip route add default via $router\necho got $ip $router $hostname\n')
        os.chmod(script, 0o755)
        self.lease = self.space.run(vde.need_program("busybox"), "udhcpc", "-i", "tap0", "-n", "-q", "-f", "-t", "20", "-T", "1", "-s", script,
                                    deadline=2 * vde.DEADLINE).stdout

    def talk(self, address, port, text):
        done = self.space.run("/bin/sh", "-c", f"printf %s {text} | socat -t {3 * vde.PATIENCE} - TCP:{address}:{port}", check=False)
        return done.stdout


def surfs(guest, address="10.0.2.15", router="10.0.2.2"):
    assert f"got {address} {router}" in guest.lease, guest.lease
    guest.space.ping(router, count=2)
    assert guest.talk("203.0.113.1", 7, "hello") == "hello"


def test_slirp_on_a_switch(lab, switch):
    """DHCP, the gateway, TCP to the world; a large transfer; descriptors are given back."""
    need_module("slirp")
    text = example("slirp", "vde_plug slirp:// vde:///tmp/sw")
    world = World(lab)
    program = world.space.start(*text.replace("/tmp/sw", switch.socket).split())
    plugs.connected(switch, 1)
    guest = Guest(lab, switch)
    surfs(guest)
    before = len(os.listdir(f"/proc/{program.pid}/fd"))
    done = guest.space.run("/bin/sh", "-c", f"head -c 5000000 /dev/zero | socat -t {20 * vde.PATIENCE} - TCP:203.0.113.1:7 | wc -c",
                           deadline=5 * vde.DEADLINE)
    assert done.stdout.strip() == "5000000"
    for _ in range(5):
        assert guest.talk("203.0.113.1", 7, "again") == "again"
    vde.wait_until(lambda: len(os.listdir(f"/proc/{program.pid}/fd")) <= before + 2, "descriptors to be closed", 60 * vde.PATIENCE)
    used = program.cpu_seconds()
    vde.never(lambda: False, 0.5)
    assert program.cpu_seconds() - used < 0.2           # at rest
    assert program.end() == 0


def test_slirp_over_ssh(lab, switch):
    """The world of another host, by ssh."""
    need_module("slirp")
    text = example("slirp", "vde_plug vde:///tmp/sw = ssh host vde_plug slirp://")
    sshd, world = vde_ssh.Sshd(lab), World(lab)
    words = text.replace("/tmp/sw", switch.socket).split()
    at = words.index("ssh")
    remote = " ".join(["ip", "netns", "exec", world.space.name, vde.ours("vde_plug"), *words[at + 3:]])
    lab.start(*words[:at], vde.need_program("ssh"), *sshd.options, "127.0.0.1", remote)
    plugs.connected(switch, 1)
    surfs(Guest(lab, switch))


def test_slirp_options(lab, switch):
    """Other addresses, and all redirections, both ways."""
    need_module("slirp")
    text = example("slirp", "vde_plug \"slirp:///v4/host='10.1.1.1/24'/cmdfwd=7:cat\" vde:///tmp/sw")
    world = World(lab)
    locator = re.search(r'"(.*)"', text)[1]
    world.space.start("/usr/bin/socat", f"UNIX-LISTEN:{lab.path('sock')},fork", "EXEC:/bin/cat", env=vde.env_foreign())
    # libslirp does not free the path; it is the only one here that takes memory through glib
    with open(lab.path("suppressions"), "w", encoding="ascii") as out:
        out.write("leak:libglib-2.0\nleak:libslirp\n")
    env = vde.env_ours(LSAN_OPTIONS=f"suppressions={lab.path('suppressions')}:print_suppressions=0")
    program = world.space.start("vde_plug", f"{locator},10.1.1.9:9:'tr a-z A-Z'/unixfwd='8:{lab.path('sock')}'/tcpfwd=127.0.0.1:2222:10.1.1.15:22,2223:10.1.1.15:23/verbose"
                                "/hostname=guest", f"vde://{switch.socket}", env=env)
    plugs.connected(switch, 1)
    program.expect(r"10\.1\.1\.15:23", "stderr")
    assert "10.1.1.1/24" in program.stderr and "fd00" not in program.stderr
    guest = Guest(lab, switch)
    surfs(guest, "10.1.1.15", "10.1.1.1")
    assert " guest" in guest.lease
    assert guest.talk("10.1.1.1", 7, "echo") == "echo"
    assert guest.talk("10.1.1.9", 9, "small") == "SMALL"
    assert guest.talk("10.1.1.1", 8, "socket") == "socket"
    guest.space.start("/usr/bin/socat", "TCP-LISTEN:22,fork,reuseaddr", "EXEC:/bin/cat", env=vde.env_foreign())
    vde.wait_until(lambda: world.talk("127.0.0.1", 2222, "inward") == "inward", "the redirected port")


def test_slirp_restricted(lab, switch):
    need_module("slirp")
    world = World(lab)
    world.space.start("vde_plug", "slirp:///restricted/v4", f"vde://{switch.socket}")
    plugs.connected(switch, 1)
    guest = Guest(lab, switch)
    guest.space.ping("10.0.2.2")
    assert guest.talk("203.0.113.1", 7, "no") == ""


def test_slirp_in_vdens(lab):
    """Namespaces with a plug of their own; one serves the web to this host."""
    need_module("slirp")
    vde.need_tun()
    vde.need_program("busybox")
    port = vde_ssh.free_port()
    words = example("slirp", "vdens --addr 10.0.2.15/24 slirp:// ping -c 1 10.0.2.2").split()
    done = lab.run(*words, deadline=2 * vde.DEADLINE)
    assert done.returncode == 0 and "1 received" in done.stdout, (done.stdout, done.stderr)
    words = example("slirp", "vdens --addr 10.0.2.15/24 slirp:///tcpfwd=8080:10.0.2.15:80 busybox httpd -f").replace("8080", str(port)).split()
    with open(lab.path("page"), "w", encoding="ascii") as page:
        page.write("a page from inside")
    lab.start(*words, cwd=lab.dir)

    def page():
        done = subprocess.run(["busybox", "wget", "-q", "-O", "-", f"http://127.0.0.1:{port}/page"], stdout=subprocess.PIPE, check=False,
                              stderr=subprocess.DEVNULL, timeout=vde.DEADLINE)
        return done.stdout
    assert vde.wait_until(page, "the page") == b"a page from inside"


def test_slirp_each_in_the_others_library(lab):
    debian_module("slirp")
    answers_arp(ours_in_debians(lab, "slirp", "slirp://"))
    answers_arp(ours_in_debians(lab, "slirp", "slirp:///host='10.7.7.1/24'/v4"), bytes([10, 7, 7, 1]))
    answers_arp(debians_in_ours(lab, "slirp", "slirp://"))
    answers_arp(plug(lab, "slirp://"))


def test_slirp_in_qemu(lab):
    """QEMU, which has a libslirp of its own, with our library and module."""
    need_module("slirp")
    machine = lab.start(vde.need_program("qemu-system-x86_64"), "-display", "none", "-machine", "none", "-monitor", "stdio", "-serial", "none",
                        "-S", "-netdev", "vde,id=n,sock=slirp://", "-netdev", "user,id=u", env=vde.env_foreign("ours"))
    machine.write("info network\nquit\n")
    assert machine.wait() == 0 and "n: index=0,type=vde" in machine.stdout


def test_slirp_port_is_taken(lab):
    need_module("slirp")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        fails(lab, f"slirp:///tcpfwd=127.0.0.1:{port}:10.0.2.15:22", "cannot listen", "Address already in use")


@pytest.mark.parametrize("text", ["slirp:///nosuch", "slirp:///host=10.1.1.1/24", "slirp:///host=x", "slirp:///mtu=5", "slirp:///mru=99999", "slirp:///dhcp=1.2.3.4",
                                  "slirp:///tcpfwd=x:10.0.2.15:22", "slirp:///unixfwd=7", "slirp:///tftp_path='/dev/null'", "slirp:///v4/host6='fd00::2'/vnameserver6=fd00::3",
                                  "slirp:///vnameserver=fd00::1", "slirp:///verbose/vdnssearch=" + ",".join("abcdefghijklmnopqrs")])
def test_slirp_wrong(lab, text):
    need_module("slirp")
    fails(lab, text, "unknown key" if "nosuch" in text or "=10.1.1.1/24" in text else "libvdeplug: slirp: ")


# ---- pcap ------------------------------------------------------------------------------------------------------------

@pytest.fixture
def parent(lab):
    need_module("pcap")
    vde.need_tun()
    return test_pcapplug.Parent(lab, "10.9.0.1/24")


def carries(lab, parent, net):
    """Frames come from behind the interface and go there, once, and single ones at once."""
    sender = parent.packet_socket()
    sender.setblocking(False)
    hello = vde.frame(vde.BROADCAST, vde.mac(1), b"hello")

    def heard():
        sender.send(hello)
        return hello in net.frames
    vde.wait_until(heard, "a frame from behind the interface")
    frames = plugs.numbered(20, size=900, source=2)
    net.send(*frames)
    seen = []

    def came():
        try:
            while True:
                seen.append(sender.recv(2000))
        except BlockingIOError:
            return [f for f in seen if f in frames] == frames
    vde.wait_until(came, "frames behind the interface")
    assert not set(net.frames) & set(frames)
    sender.close()


def test_pcap_examples(lab, parent, switch):
    """A machine behind the interface and one on the switch; TCP in both directions, with what the interface leaves for later; the filter."""
    text = example("pcap", 'vde_plug "pcap://eth1/filter=ip or ip6 or arp" vde:///tmp/sw')
    locator = re.search(r'"(.*)"', text)[1].replace("eth1", parent.near)
    program = lab.start("vde_plug", locator, f"vde://{switch.socket}")
    plugs.connected(switch, 1)
    guest = tapped(lab, switch.socket, "10.9.0.2/24")
    guest.ping("10.9.0.1", count=2)
    vde.need_program("iperf3")
    for options in ((), ("-R",)):
        parent.space.iperf3_server()
        assert vde.received_bits_per_second(guest.iperf3("10.9.0.1", "-n", "3M", *options)) > 0
    plain, sender = lab.plug(switch), parent.packet_socket()
    arp = vde.frame(vde.BROADCAST, vde.mac(5), b"\0\1\x08\0\6\4\0\1" + bytes(20), type=0x0806)
    for _ in range(3):
        sender.send(vde.frame(vde.BROADCAST, vde.mac(5), b"filtered", type=0x88b5))
    sender.send(arp)
    plain.expect(arp)
    subprocess.run(["ip", "link", "del", parent.near], check=True)
    assert program.wait() in (0, 1)


def test_pcap_in_qemu(lab, parent):
    text = example("pcap", "kvm -netdev vde,id=n,sock=pcap://eth1 -device virtio-net,netdev=n")
    locator = re.search(r"sock=(\S+)", text)[1].replace("eth1", parent.near)
    machine = lab.start(vde.need_program("qemu-system-x86_64"), "-display", "none", "-machine", "none", "-monitor", "stdio", "-serial", "none",
                        "-S", "-netdev", f"vde,id=n,sock={locator}", env=vde.env_foreign("ours"))
    machine.write("info network\nquit\n")
    assert machine.wait() == 0 and "type=vde" in machine.stdout


@pytest.mark.parametrize("how", ["ours", "ours in debian's", "debian's in ours"])
def test_pcap_frames(lab, parent, how):
    if how != "ours":
        debian_module("pcap")
    locator = f"pcap://{parent.near}"
    carries(lab, parent, {"ours": lambda: plug(lab, locator), "ours in debian's": lambda: ours_in_debians(lab, "pcap", locator),
                          "debian's in ours": lambda: debians_in_ours(lab, "pcap", locator)}[how]())


@pytest.mark.parametrize("text", ["pcap://", "pcap://nosuchif", "pcap://lo/filter=((", "pcap://lo/nosuch=1", "pcap://" + "x" * 300])
def test_pcap_wrong(lab, text):
    need_module("pcap")
    vde.need_root()
    fails(lab, text)
