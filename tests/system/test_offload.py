# SPDX-License-Identifier: GPL-2.0-or-later
"""Taps that leave checksums and long TCP segments to us: nobody but another tap ever sees an unfinished frame, and all that is sent arrives."""
import re
import signal
import struct
import subprocess

import guest
import pytest
import vde


@pytest.fixture(autouse=True)
def with_tun():
    vde.need_tun()


# ---- hosts: a namespace with 10.9.0.N and fd00:9::N ----

TRANSFER = """
import hashlib, random, socket, sys
role, address, port, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
if role == "server":
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((address, port))
    listening.listen()
    print("listening", flush=True)
    stream, _ = listening.accept()
    got = hashlib.sha256()
    while True:
        part = stream.recv(1 << 20)
        if not part:
            break
        got.update(part)
    print("sha256 " + got.hexdigest(), flush=True)
else:
    data = random.Random(size).randbytes(size)
    stream = socket.create_connection((address, port), timeout=20)
    stream.sendall(data)
    stream.shutdown(socket.SHUT_WR)
    stream.recv(1)
    print("sha256 " + hashlib.sha256(data).hexdigest(), flush=True)
"""


def add_addresses(space, interface, number):
    space.run("sh", "-c", f"echo 0 >/proc/sys/net/ipv6/conf/{interface}/disable_ipv6")
    space.ip("address", "add", f"10.9.0.{number}/24", "dev", interface)
    space.ip("address", "add", f"fd00:9::{number}/64", "dev", interface, "nodad")
    space.ip("link", "set", interface, "up")


def host(lab, interface, number):
    space = lab.namespace()
    space.add_tap(interface)
    add_addresses(space, interface, number)
    return space


def address(number, version):
    return f"10.9.0.{number}" if version == 4 else f"fd00:9::{number}"


def transfer(sender, receiver, to, size=4 << 20):
    """TCP; the same bytes must arrive, and no segment with a wrong checksum on the way."""
    def wrong():
        return int(re.findall(r"^Tcp: (.*)", receiver.run("cat", "/proc/net/snmp").stdout, re.M)[1].split()[-1])
    before = wrong()
    words = ["/usr/bin/python3", "-c", TRANSFER]
    sender.ping(to)
    server = receiver.start(*words, "server", to, 5009, size)
    server.expect("listening")
    sent = sender.run(*words, "client", to, 5009, size, deadline=4 * vde.DEADLINE).stdout
    server.expect("sha256", deadline=2 * vde.DEADLINE)
    assert re.search("sha256 (.*)", server.stdout)[1] == re.search("sha256 (.*)", sent)[1]
    server.wait()
    assert wrong() == before


def packets(space, interface):
    return int(space.run("cat", f"/sys/class/net/{interface}/statistics/rx_packets").stdout)


# ---- frames ----

def total(data, start=0):
    data += b"\0" * (len(data) % 2)
    start += sum(struct.unpack(f"!{len(data) // 2}H", data))
    while start >> 16:
        start = (start & 0xffff) + (start >> 16)
    return start


def untagged(frame):
    return untagged(frame[:12] + frame[16:]) if frame[12:14] == b"\x81\x00" else frame


def is_right(frame):
    """None: neither TCP nor UDP. Otherwise whether its checksums are."""
    frame = untagged(frame)
    if frame[12:14] == b"\x08\x00":
        ip, protocol = frame[14:14 + (frame[14] & 15) * 4], frame[23]
        payload = frame[14 + len(ip):14 + int.from_bytes(ip[2:4], "big")]
        addresses, right = ip[12:20], total(ip) == 0xffff
    elif frame[12:14] == b"\x86\xdd":
        protocol, addresses, right = frame[20], frame[22:54], True
        payload = frame[54:54 + int.from_bytes(frame[18:20], "big")]
    else:
        return None
    if protocol not in (6, 17):
        return None
    return right and total(payload, total(addresses + struct.pack("!HBBI", 0, 0, 0, len(payload))) + protocol) == 0xffff


def segment(sequence, payload, *, identity, flags=0x10, version=4):
    """A TCP segment to a host that does not exist, in a broadcast frame."""
    tcp = struct.pack("!HHIIBBHHH", 1234, 9, sequence, 1, 5 << 4, flags, 1000, 0, 0)
    if version == 4:
        addresses = bytes([10, 9, 0, 77, 10, 9, 0, 78])
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 40 + len(payload), identity, 0x4000, 64, 6, 0) + addresses
        ip = ip[:10] + struct.pack("!H", 0xffff ^ total(ip)) + ip[12:]
    else:
        addresses = b"\xfd" * 32
        ip = struct.pack("!IHBB", 6 << 28, 20 + len(payload), 6, 64) + addresses
    value = 0xffff ^ total(tcp + payload, total(addresses) + 6 + 20 + len(payload))
    tcp = tcp[:16] + struct.pack("!H", value) + tcp[18:]
    return vde.BROADCAST + vde.mac(9) + (b"\x08\x00" if version == 4 else b"\x86\xdd") + ip + tcp + payload


# ---- tap to tap ----

@pytest.mark.parametrize("offload", [True, False], ids=["offload", "no-offload"])
def test_tap_to_tap(lab, offload):
    """Whole segments go from kernel to kernel; without offload they are cut by the sender."""
    taps, size = [lab.name(), lab.name()], 8 << 20
    switch = lab.switch("-t", ",".join(taps), *([] if offload else ["--no-offload"]))
    spaces = [host(lab, tap, number + 1) for number, tap in enumerate(taps)]
    for version in (4, 6):
        before = packets(spaces[1], taps[1])
        transfer(spaces[0], spaces[1], address(2, version), size)
        seen = packets(spaces[1], taps[1]) - before
        assert seen < size // 4000 if offload else seen > size // 1500
    # counted as the frames that they stand for, whoever does the cutting
    assert switch.ports()[1]["in"] > 2 * size // 1500
    assert switch.ports()[2]["out"] >= switch.ports()[1]["in"]
    switch.stop()


def vlan_switch(lab, taps, *, second_tagged):
    switch = lab.switch("-t", ",".join(taps))
    switch.ask("vlan/create 5")
    switch.ask("vlan/addport 5 1")
    switch.ask("vlan/addport 5 2" if second_tagged else "port/setvlan 2 5")
    return switch


def vlan_interface(space, tap):
    done = space.run("ip", "link", "add", "link", tap, "name", "vlan5", "type", "vlan", "id", "5", check=False)
    if "Unknown device type" in done.stderr:
        pytest.skip("the kernel has no VLAN interfaces")
    assert done.returncode == 0, done.stderr
    return "vlan5"


@pytest.mark.parametrize("second_tagged", [True, False], ids=["tagged", "untagged"])
def test_vlan(lab, second_tagged):
    """An interface of VLAN 5 on one tap; the same, or an access port, on the other."""
    taps = [lab.name(), lab.name()]
    switch = vlan_switch(lab, taps, second_tagged=second_tagged)
    spaces = [lab.namespace(), lab.namespace()]
    for number, space in enumerate(spaces):
        space.add_tap(taps[number])
        interface = taps[number]
        if number == 0 or second_tagged:
            interface = vlan_interface(space, taps[number])
        add_addresses(space, interface, number + 1)
    for version in (4, 6):
        transfer(spaces[0], spaces[1], address(2, version), 1 << 20)
        transfer(spaces[1], spaces[0], address(1, version), 1 << 20)
    switch.stop()


SEND = """
import socket, sys
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.setsockopt(263, 15, 1)              # SOL_PACKET, PACKET_VNET_HDR
out.bind((sys.argv[1], 0))
out.send(bytes.fromhex(sys.argv[2]))
"""

RECEIVE = """
import socket, sys
into = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
into.setsockopt(263, 15, 1)
into.bind((sys.argv[1], 3))
print("ready", flush=True)
while True:
    data = into.recv(70000)
    if data[10:16] == b"\\xff" * 6:
        print("frame", data.hex(), flush=True)
"""


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("tagged", [True, False], ids=["tagged", "untagged"])
def test_tags_and_segments(lab, version, tagged):
    """A segment of ten that the kernel hands over with, or without, a tag: to two taps and two plugs, one of each with tag, one without."""
    taps = [lab.name() for _ in range(3)]
    switch = lab.switch("-t", ",".join(taps))
    plugs = [lab.plug(switch, port=4), lab.plug(switch, port=5)]
    switch.ask("vlan/create 5")
    for port in (1, 2, 4):
        switch.ask(f"vlan/addport 5 {port}" if port != 1 or tagged else "port/setvlan 1 5")
    for port in (3, 5):
        switch.ask(f"port/setvlan {port} 5")
    spaces = [lab.namespace() for _ in taps]
    for tap, space in zip(taps, spaces):
        space.add_tap(tap)
    listeners = [space.start("/usr/bin/python3", "-c", RECEIVE, tap) for tap, space in zip(taps[1:], spaces[1:])]
    for listener in listeners:
        listener.expect("ready")
    payload = bytes(range(100)) * 10
    whole = segment(7, payload, identity=3, flags=0x18, version=version)
    start = 34 if version == 4 else 54
    addresses = whole[26:34] if version == 4 else whole[22:54]
    whole = whole[:start + 16] + struct.pack("!H", total(struct.pack("!I", 20 + len(payload)), total(addresses) + 6)) + whole[start + 18:]
    if tagged:
        whole, start = whole[:12] + b"\x81\x00\x00\x05" + whole[12:], start + 4
    header = struct.pack("=BBHHHH", 1, 1 if version == 4 else 4, start + 20, 100, start, 16)
    spaces[0].run("/usr/bin/python3", "-c", SEND, taps[0], (header + whole).hex())
    for plug, tag in zip(plugs, (b"\x81\x00\x00\x05", b"")):
        for part in range(10):
            frame = plug.recv()
            while is_right(frame) is None:
                frame = plug.recv()
            assert frame[12:12 + len(tag)] == tag and is_right(frame)
            assert frame[-100:] == bytes(range(100))
            assert int.from_bytes(untagged(frame)[start - 4 * tagged + 4:start - 4 * tagged + 8], "big") == 7 + 100 * part
    for listener in listeners:
        got = bytes.fromhex(listener.expect("frame ([0-9a-f]+)\n")[1])
        flags, kind, _, size, begins, offset = struct.unpack("=BBHHHH", got[:10])
        assert (flags, kind, size, offset) == (1, 1 if version == 4 else 4, 100, 16)
        assert got[10 + begins:][20:] == payload
    switch.stop()


# ---- tap to plug ----

@pytest.mark.parametrize("maker", ["ours", "debian"])
def test_tap_to_plug2tap(lab, maker):
    """Through a plug, both ways: our vde_plug2tap has offload on its side, Debian's has none."""
    taps = [lab.name(), lab.name()]
    switch = lab.switch("-t", taps[0])
    if maker == "ours":
        lab.start("vde_plug2tap", "-s", switch.socket, taps[1])
    else:
        lab.start(vde.foreign("vde_plug2tap"), "-s", switch.socket, taps[1], env=vde.env_foreign())
    spaces = [host(lab, tap, number + 1) for number, tap in enumerate(taps)]
    for version in (4, 6):
        transfer(spaces[0], spaces[1], address(2, version))
        transfer(spaces[1], spaces[0], address(1, version))
    switch.stop()


def test_plug2tap_without_offload(lab, switch):
    taps = [lab.name(), lab.name()]
    for tap, words in zip(taps, (["--no-offload"], [])):
        lab.start("vde_plug2tap", "-s", switch.socket, *words, tap)
    spaces = [host(lab, tap, number + 1) for number, tap in enumerate(taps)]
    transfer(spaces[0], spaces[1], address(2, 4))
    transfer(spaces[1], spaces[0], address(1, 6))


@pytest.mark.parametrize("how", ["mirror", "hub", "flooded"])
def test_what_a_plug_sees(lab, how):
    """Beside a TCP transfer from tap to tap, a plug that sees it all: no frame too long, all checksums right."""
    taps = [lab.name(), lab.name()]
    switch = lab.switch("-t", ",".join(taps), *(["--hub"] if how == "hub" else []))
    plug = lab.plug(switch, rcvbuf=1 << 22)
    spaces = [host(lab, tap, number + 1) for number, tap in enumerate(taps)]
    if how == "mirror":
        switch.ask("port/mirror 1 3")
    elif how == "flooded":
        switch.ask("hash/setexpire 1")
    for version in (4, 6):
        transfer(spaces[0], spaces[1], address(2, version), 1 << 18)
    switch.settle()
    frames = plug.recv_now()
    checked = [is_right(frame) for frame in frames]
    assert all(len(frame) <= 1514 for frame in frames)
    assert False not in checked
    assert how == "flooded" or checked.count(True) > 50
    switch.stop()


DATAGRAM = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
socket.socket(family, socket.SOCK_DGRAM).sendto((bytes(range(250)) * 12)[:int(sys.argv[2])], (sys.argv[1], 9))
"""


@pytest.mark.parametrize("tagged", [False, True], ids=["untagged", "tagged"])
def test_udp_checksums(lab, tagged):
    """UDP, whose checksum the kernel leaves to the tap, reaches a plug with the right one."""
    tap = lab.name()
    switch = lab.switch("-t", tap)
    plug, space = lab.plug(switch), lab.namespace()
    space.add_tap(tap)
    interface = tap
    if tagged:
        switch.ask("vlan/create 5")
        switch.ask("vlan/addport 5 1")
        switch.ask("port/setvlan 2 5")
        interface = vlan_interface(space, tap)
    add_addresses(space, interface, 1)
    for version in (4, 6):
        space.ip("neigh", "add", address(2, version), "lladdr", vde.mac_text(vde.mac(2)), "dev", interface)
        for size in (0, 1, 17, 1000, 3000):
            space.run("/usr/bin/python3", "-c", DATAGRAM, address(2, version), size)
            frame = plug.recv()
            while frame[:6] != vde.mac(2):
                frame = plug.recv()
            assert frame[12:14] == (b"\x08\x00" if version == 4 else b"\x86\xdd") and len(frame) <= 1514
            if size < 1400:
                assert is_right(frame), (version, size)
            plug.recv_now()
    switch.stop()


# ---- joining ----

@pytest.mark.parametrize("version", [4, 6])
def test_segments_of_a_batch_are_joined(lab, version):
    """Forty segments wait for the switch: the kernel of the tap gets them as one packet; the damaged one, and what follows it, apart."""
    tap = lab.name()
    switch = lab.switch("-t", tap)
    plug, space = lab.plug(switch), lab.namespace()
    space.add_tap(tap)
    space.ip("link", "set", tap, "up")

    def arrive(frames):
        before = packets(space, tap)
        switch.program.kill(signal.SIGSTOP)
        for frame in frames:
            plug.send(frame)
        switch.program.kill(signal.SIGCONT)
        switch.settle(len(frames))
        return packets(space, tap) - before

    def stream(count=40):
        return [segment(1 + 1000 * i, bytes([i]) * 1000, identity=i, version=version) for i in range(count)]

    arrive(stream(4))                   # the plug is busy: batches from now on
    assert arrive(stream()) <= 2
    frames = stream()
    frames[20] = frames[20][:-1] + b"!"
    assert 3 <= arrive(frames) <= 5
    frames = stream()
    frames[20] = segment(1, b"another", identity=9, version=version)
    assert 3 <= arrive(frames) <= 4
    udp = [vde.frame(vde.BROADCAST, vde.mac(9), bytes([i]) * 100) for i in range(20)]
    assert arrive(udp) == 20
    assert switch.ports()[1]["dropped"] == 0
    switch.stop()


# ---- taps that others made ----

@pytest.mark.parametrize("words", [[], ["vnet_hdr"], ["multi_queue"], ["multi_queue", "vnet_hdr"]], ids=lambda words: "-".join(words) or "plain")
@pytest.mark.parametrize("offload", [True, False], ids=["offload", "no-offload"])
def test_persistent_taps(lab, words, offload):
    """Whatever it was made for: it works, and its next user finds it without promises that nobody keeps."""
    tap, other, space = lab.name(), lab.name(), lab.namespace()
    peer = lab.namespace()
    space.ip("tuntap", "add", "dev", tap, "mode", "tap", *words)
    add_addresses(space, tap, 1)

    def start(*command, env=None):
        directory = lab.path(lab.name())
        program = space.start(*(word.replace("{s}", directory) for word in command), env=env)
        vde.wait_until(lambda: vde.answers(directory + "/ctl"))
        return program, directory
    program, directory = start("vde_switch", "--nostdin", "-s", "{s}", "-t", tap, *([] if offload else ["--no-offload"]))
    lab.start("vde_plug2tap", "-s", directory, other)
    peer.add_tap(other)
    add_addresses(peer, other, 2)
    transfer(space, peer, address(2, 4), 1 << 19)
    transfer(peer, space, address(1, 6), 1 << 19)
    assert program.end() == 0
    if words:
        return
    # Debian's switch knows nothing of unfinished checksums
    program, directory = start(vde.foreign("vde_switch"), "-s", "{s}", "-t", tap, env=vde.env_foreign())
    plug = lab.plug(directory)
    space.ip("neigh", "replace", address(3, 4), "lladdr", vde.mac_text(vde.mac(3)), "dev", tap)
    space.run("/usr/bin/python3", "-c", DATAGRAM, address(3, 4), 100)
    frame = plug.recv()
    while is_right(frame) is None or frame[:6] != vde.mac(3):
        frame = plug.recv()
    assert is_right(frame)
    program.end()


def test_a_second_queue_is_refused(lab):
    """Another program has a queue of the tap, with a header that we have not chosen: busy, not silently wrong."""
    tap = lab.name()
    holder = lab.start("/usr/bin/python3", "-c", f"""
import fcntl, struct, time
tun = open("/dev/net/tun", "r+b", buffering=0)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", b"{tap}", 0x0002 | 0x1000 | 0x4000 | 0x0100))
print("held", flush=True)
time.sleep(1000)
""")
    holder.expect("held")
    done = lab.run("vde_switch", "-s", lab.path("s"), "-t", tap)
    assert done.returncode == 1 and f"tap '{tap}': in use" in done.stderr
    holder.kill()


# ---- a virtual machine ----

def test_guest(lab):
    """A guest that verifies checksums itself, and a tap: both ways."""
    tap = lab.name()
    switch = lab.switch("-t", tap)
    machine = guest.qemu(lab, f"vde,id=n,sock={switch.socket}", vde.mac_text(vde.mac(2)))
    space = host(lab, tap, 1)
    machine.wait_ready().address("10.9.0.2/24")
    machine.ping("10.9.0.1")
    for words in ([], ["-R"]):
        space.iperf3_server()
        text = machine.run("iperf3 -c 10.9.0.1 -n 4M " + " ".join(words))
        assert "iperf Done" in text
    fields = [line.split() for line in machine.run("cat /proc/net/snmp").splitlines() if line.startswith("Tcp:")]
    assert dict(zip(*fields))["InCsumErrors"] == "0"
    switch.stop()
