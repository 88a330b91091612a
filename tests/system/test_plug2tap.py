# SPDX-License-Identifier: GPL-2.0-or-later
"""vde_plug2tap and vde_tunctl: a switch on the kernel's network stack."""
import os
import signal
import struct
import subprocess

import pytest
import vde


@pytest.fixture(autouse=True)
def with_tun():
    vde.need_tun()


def exists(interface):
    return os.path.exists(f"/sys/class/net/{interface}")


def attached(switch, count=1):
    vde.wait_until(lambda: sum(len(port["endpoints"]) for port in switch.ports().values()) == count, "the plug")


def two_namespaces(lab, *options, mtu=None, switch=None):
    """A switch with a plug2tap into each of two namespaces."""
    switch = switch or lab.switch()
    taps, spaces = [lab.name(), lab.name()], [lab.namespace(), lab.namespace()]
    programs = [lab.start("vde_plug2tap", "-s", switch.socket, *options, tap) for tap in taps]
    for number, space in enumerate(spaces):
        space.add_tap(taps[number], f"10.9.0.{number + 1}/24", mtu=mtu)
    return switch, programs, spaces


@pytest.mark.parametrize("words", [
    ["-s", "{s}", "{t}"], ["-sock={s}", "{t}"], ["--sock", "{s}", "{t}"], ["-vdesock", "{s}", "{t}"], ["--unix={s}", "{t}"],
    ["-s", "{s}", "{t}", "-mod", "660"], ["{t}", "--mode", "660", "-s", "{s}"], ["-s", "{s}", "-p", "3", "{t}"],
    ["-s", "{s}", "-g", "root", "-m", "770", "{t}"], ["-s", "vde://{s}", "{t}"],
], ids=" ".join)
def test_spellings(lab, switch, words):
    tap = lab.name()
    program = lab.start("vde_plug2tap", *(word.format(s=switch.socket, t=tap) for word in words))
    attached(switch)
    port, = switch.ports().items()
    assert port[1]["endpoints"][0][1] == "unix prog" and port[1]["endpoints"][0][2].startswith("vde_plug2tap:")
    assert port[0] == (3 if "-p" in words else 1)
    vde.wait_until(lambda: exists(tap))
    assert program.end() == 0 and not exists(tap)


def test_into_the_background_with_options_behind_the_name(lab, switch):
    """`vde_plug2tap -s S tap0 -daemon -P FILE`: when it returns, everything is there."""
    tap, pidfile = lab.name(), lab.path("pid")
    done = lab.run("vde_plug2tap", "-s", switch.socket, tap, "-daemon", "-pidfile", pidfile)
    assert done.returncode == 0, done.stderr
    with open(pidfile) as text:
        pid = lab.adopt(int(text.read()))
    assert exists(tap) and switch.ports()
    lab.end_adopted(pid)
    assert not os.path.exists(pidfile)


def test_without_standard_descriptors(lab, switch):
    """Started with 0, 1 and 2 closed, nothing of its own is mistaken for one of them and given up in the background."""
    ns, pidfile, plug = lab.namespace(), lab.path("pid"), lab.plug(switch)
    ns.run("/bin/sh", "-c", f"{vde.ours('vde_plug2tap')} -d -P {pidfile} --up --addr 10.99.0.1/24 -s {switch.socket} t0 <&- >&- 2>&-",
           env=vde.env_ours())
    with open(pidfile) as text:
        pid = lab.adopt(int(text.read()))
    ns.run("ping", "-c1", "-W1", "10.99.0.2", check=False)
    vde.wait_until(lambda: any(frame[12:14] == b"\x08\x06" for frame in plug.recv_now()), "a question for the address")
    lab.end_adopted(pid)


@pytest.mark.parametrize("words, status, text", [
    (["-s", "{s}"], 2, "tap interface is missing"),
    (["-s", "{d}/none", "{t}"], 1, "vde_open"),
    (["-s", "{s}", "name-that-is-too-long"], 1, "name-that-is-too-long"),
    (["-s", "{s}", "{t}", "--addr", "10.0.0.256/24"], 2, "10.0.0.256/24"),
    (["-s", "{s}", "{t}", "--addr", "10.0.0.1/33"], 2, "10.0.0.1/33"),
    (["-s", "{s}", "{t}", "--mac", "02:00"], 2, "02:00"),
    (["-s", "{s}", "{t}", "--addr", "10.0.0.1/24", "--mac", "01:00:5e:00:00:01"], 1, "Ethernet address"),
    (["-s", "{s}", "{t}", "-p", "0"], 2, "port"),
    (["-s", "{s}", "-d", "name-that-is-too-long"], 1, "name-that-is-too-long"),
])
def test_errors(lab, switch, words, status, text):
    tap = lab.name()
    done = lab.run("vde_plug2tap", *(word.format(s=switch.socket, t=tap, d=lab.dir) for word in words))
    assert done.returncode == status and text in done.stderr and done.stderr.startswith("vde_plug2tap: "), done.stderr
    assert not exists(tap)


def test_interface_settings(lab, switch):
    """--up, --addr of both families, repeated, and --mac."""
    tap = lab.name()
    space = lab.namespace()
    program = space.start("vde_plug2tap", "-s", switch.socket, "--up", "--addr", "10.9.0.1/24", "--addr=10.9.1.1/16", "--addr", "fd00:9::1/64",
                          "--mac", "02:00:00:00:99:01", tap)
    vde.wait_until(lambda: "UP" in space.run("ip", "-o", "link", "show", tap, check=False).stdout.split("<")[-1].split(">")[0], "the interface up")
    text = space.run("ip", "address", "show", tap).stdout
    for wanted in ("02:00:00:00:99:01", "inet 10.9.0.1/24", "inet 10.9.1.1/16", "inet6 fd00:9::1/64"):
        assert wanted in text, text
    assert program.end() == 0


def test_switch_that_ends(lab, switch):
    tap = lab.name()
    program = lab.start("vde_plug2tap", "-s", switch.socket, tap)
    vde.wait_until(lambda: exists(tap))
    switch.stop()
    assert program.wait() == 0 and program.stderr == ""


def test_ping_and_iperf3(lab):
    switch, programs, spaces = two_namespaces(lab)
    spaces[0].ping("10.9.0.2")
    spaces[1].iperf3_server()
    report = spaces[0].iperf3("10.9.0.2", "-n", "32M")
    assert report["end"]["sum_sent"]["bytes"] >= 32 << 20
    assert [program.end() for program in programs] == [0, 0]


def test_large_mtu(lab):
    _, _, spaces = two_namespaces(lab, mtu=9000)
    spaces[0].ping("10.9.0.2")
    assert spaces[0].run("ping", "-n", "-q", "-c", "1", "-M", "do", "-s", "8972", "-W", "5", "10.9.0.2").returncode == 0


def ones_sum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def transport_is_right(packet):
    """True when the TCP or UDP checksum of an Ethernet frame with IPv4 is right."""
    ip = packet[14:14 + int.from_bytes(packet[16:18], "big")]
    head = (ip[0] & 15) * 4
    return ones_sum(ip[12:20] + struct.pack("!BBH", 0, ip[9], len(ip) - head) + ip[head:]) == 0xffff


@pytest.mark.parametrize("persistent", [False, True])
def test_checksums_are_whole(lab, switch, persistent):
    """UDP and TCP of the host arrive complete; also on a tap whose last user had offered to finish checksums itself."""
    tap, space = lab.name(), lab.namespace()
    if persistent:
        code = ("import fcntl,struct,os\nfd=os.open('/dev/net/tun',os.O_RDWR)\n"
                f"fcntl.ioctl(fd,0x400454ca,struct.pack('16sH22x',b'{tap}',0x5002))\n"
                "fcntl.ioctl(fd,0x400454d0,0x0f)\nfcntl.ioctl(fd,0x400454cb,1)\n")
        space.run("/usr/bin/python3", "-c", code)
        peer = lab.plug(switch)
        space.start("vde_plug2tap", "-s", switch.socket, tap)
        attached(switch, 2)
        space.up(tap, "10.9.0.1/24")
    else:
        peer = lab.plug(switch)
        lab.start("vde_plug2tap", "-s", switch.socket, tap)
        space.add_tap(tap, "10.9.0.1/24")
    space.ip("neigh", "add", "10.9.0.2", "lladdr", vde.mac_text(vde.mac(2)), "dev", tap)
    send = ("import socket\nu=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\nu.sendto(b'x'*1001,('10.9.0.2',7))\n"
            "t=socket.socket()\nt.settimeout(0.1)\nt.connect_ex(('10.9.0.2',7))\n")
    space.run("/usr/bin/python3", "-c", send)
    seen = set()
    while seen != {6, 17}:
        packet = peer.recv()
        if packet[12:14] == b"\x08\x00" and packet[23] in (6, 17):
            assert transport_is_right(packet), packet.hex()
            seen.add(packet[23])


def test_standard_streams(lab, switch):
    """-s -: a vdestream; the end of the input is the end."""
    tap, space = lab.name(), lab.namespace()
    peer = lab.plug(switch)
    program = lab.start("dpipe", "vde_plug", switch.socket, "=", "vde_plug2tap", "-s", "-", tap)
    space.add_tap(tap, "10.9.0.1/24")
    attached(switch, 2)
    vde.announce(switch, (peer, 2))
    space.run("ping", "-c", "1", "-W", "0.1", "10.9.0.2", check=False)
    packet = peer.recv()
    while packet[12:14] != b"\x08\x06":
        packet = peer.recv()
    assert program.end() is not None
    for options in ([], ["--reconnect"]):
        pipe = lab.start("vde_plug2tap", *options, "-s", "-", lab.name())
        pipe.stdin.close()
        assert pipe.wait() == 0


def test_standard_streams_in_the_background(lab):
    """They go on to be its cable."""
    space, pidfile = lab.namespace(), lab.path("pid")
    reader, writer = os.pipe()
    starter = space.start("vde_plug2tap", "-d", "-P", pidfile, "--up", "--addr", "10.9.0.1/24", "-s", "-", "t0", stdout=writer)
    os.close(writer)
    assert starter.wait() == 0
    with open(pidfile) as text:
        pid = lab.adopt(int(text.read()))
    space.run("ping", "-c", "1", "-W", "0.1", "10.9.0.2", check=False)
    heard = b""
    while b"\xff" * 6 not in heard:
        heard += os.read(reader, 4096)
    starter.stdin.close()
    vde.wait_until(lambda: not vde.pid_is_alive(pid), "the end with its input")
    os.close(reader)


def test_reconnect(lab):
    """The switch goes and comes back, several times; told once each, and the interface stays."""
    socket_path, tap = lab.path("sw"), lab.name()
    first = lab.switch(socket=socket_path)
    program = lab.start("vde_plug2tap", "-s", socket_path, "--reconnect", tap)
    space = lab.namespace()
    space.add_tap(tap, "10.9.0.1/24")
    attached(first)
    first.stop()
    program.expect("the switch is gone", stream="stderr")
    assert vde.never(lambda: program.status is not None, 1)
    assert space.has(tap)
    for _ in range(2):
        again = lab.switch(socket=socket_path)
        peer = lab.plug(again)
        attached(again, 2)
        space.run("ping", "-c", "1", "-W", "0.1", "10.9.0.2", check=False)
        peer.recv()
        again.stop()
    assert program.stderr.count("the switch is gone") <= 3 and program.stderr.count("\n") <= 6, program.stderr
    assert program.end() == 0


def test_program_stops_while_it_waits_for_the_switch(lab, switch):
    tap = lab.name()
    program = lab.start("vde_plug2tap", "-s", switch.socket, "--reconnect", tap)
    vde.wait_until(lambda: exists(tap))
    switch.stop()
    program.expect("gone", stream="stderr")
    assert program.end(signal.SIGINT) == 0


def test_removed_interface_ends_it(lab, switch):
    """Someone deletes the tap: a failure, said so."""
    tap = lab.name()
    program = lab.start("vde_plug2tap", "-s", switch.socket, tap)
    vde.wait_until(lambda: exists(tap))
    subprocess.run(["ip", "link", "del", tap], check=True)
    assert program.wait() == 1 and "cable" in program.stderr


def test_driver_of_virtual_machines(lab):
    """What a test driver does: console answers, then ctl is there; a hub, a plug2tap without output; ends in its order."""
    socket_path, tap = lab.path("vde1.ctl"), lab.name("vde-tap")
    switch = lab.start("vde_switch", "--sock", socket_path, "--dirmode", "0700", "--hub", env=vde.env_ours())
    switch.write("showinfo\n")
    switch.expect("1000 Success")
    assert os.path.exists(socket_path + "/ctl")
    with open(os.devnull, "wb") as null:
        plug = lab.start("vde_plug2tap", "-s", socket_path, tap, stdout=null, stderr=null)
    vde.wait_until(lambda: exists(tap))
    subprocess.run(["ip", "link", "set", tap, "up"], check=True)
    switch.stdin.close()
    plug.kill(signal.SIGTERM)
    assert plug.wait() == 0
    switch.kill(signal.SIGTERM)
    assert switch.wait() == 0


def test_network_plugin_of_containers(lab):
    """A hub in the background whose directory is itself called ctl, pid file read at once, clients as they come, killed hard."""
    folder = lab.path("kt-0123456789ab")
    os.mkdir(folder)
    done = lab.run("vde_switch", "-n", "65535", "-x", "-d", "-s", folder + "/ctl", "-p", folder + "/pid")
    assert done.returncode == 0, done.stderr
    with open(folder + "/pid") as text:
        pid = lab.adopt(int(text.read().strip()))
    taps, spaces = [lab.name(), lab.name()], [lab.namespace(), lab.namespace()]
    programs = [lab.start("vde_plug2tap", "-s", folder + "/ctl", tap) for tap in taps]
    for number, space in enumerate(spaces):
        space.add_tap(taps[number], f"10.9.0.{number + 1}/24")
    spaces[0].ping("10.9.0.2")
    lab.end_adopted(pid, signal.SIGKILL)
    assert [program.wait() for program in programs] == [0, 0]


def test_on_the_originals_switch(lab):
    switch = lab.switch(program=vde.foreign("vde_switch"))
    _, _, spaces = two_namespaces(lab, switch=switch)
    spaces[0].ping("10.9.0.2")


# ---- vde_tunctl ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("words, answer", [
    (["-t", "{t}"], "Set '{t}' persistent and owned by uid 0\n"), (["-b", "-t", "{t}"], "{t}\n"),
    (["-u", "nobody", "-t", "{t}"], "Set '{t}' persistent and owned by uid 65534\n"),
    (["-u", "65534", "-g", "nogroup", "-t", "{t}"], "Set '{t}' persistent and owned by uid 65534 gid 65534\n"),
    (["-n", "-t", "{t}"], "Set '{t}' persistent and owned by uid 0\n"),
])
def test_tunctl(lab, words, answer):
    tap = lab.name()
    lab.keep_tap(tap)
    done = lab.run("vde_tunctl", *(word.format(t=tap) for word in words))
    assert (done.returncode, done.stdout, done.stderr) == (0, answer.format(t=tap), "")
    with open(f"/sys/class/net/{tap}/owner") as owner, open(f"/sys/class/net/{tap}/tun_flags") as flags, open(f"/sys/class/net/{tap}/group") as group:
        assert owner.read().strip() == ("65534" if "-u" in words else "0")
        assert int(flags.read(), 16) & 3 == (1 if "-n" in words else 2)
        assert group.read().strip() == ("65534" if "-g" in words else "-1")
    done = lab.run("vde_tunctl", "-d", tap)
    assert (done.returncode, done.stdout) == (0, f"Set '{tap}' nonpersistent\n") and not exists(tap)


def test_tunctl_chooses_a_name(lab):
    done = lab.run("vde_tunctl", "-b")
    name = done.stdout.strip()
    lab.keep_tap(name)
    assert done.returncode == 0 and exists(name) and lab.run("vde_tunctl", "-d", name).returncode == 0


@pytest.mark.parametrize("words, status, text", [
    (["-d", "vt-none"], 1, "vt-none"), (["-d", "lo"], 1, "lo"), (["-d", "../lo"], 1, "../lo"), (["-u", "baduser", "-t", "vt-x"], 1,
     "'baduser' is neither a username nor a numeric uid."), (["-g", "badgroup"], 1, "badgroup"),
    (["-f", "/nonexist"], 1, "Failed to open '/nonexist' : No such file or directory"), (["-t", "name-that-is-too-long"], 1, "too-long"),
    (["-d", "a", "-t", "b"], 2, "-d"), (["word"], 2, "word"),
])
def test_tunctl_errors(lab, words, status, text):
    done = lab.run("vde_tunctl", *words)
    assert done.returncode == status and text in done.stderr and done.stdout == "", done


def test_tunctl_that_cannot_tell_the_name(lab):
    tap = lab.name()
    lab.keep_tap(tap)
    done = lab.run("/bin/sh", "-c", f"exec {vde.ours('vde_tunctl')} -b -t {tap} >/dev/full")
    assert done.returncode == 1 and tap in done.stderr and "No space" in done.stderr


def test_tunctl_in_use(lab, switch):
    tap = lab.name()
    lab.start("vde_plug2tap", "-s", switch.socket, tap)
    vde.wait_until(lambda: exists(tap))
    done = lab.run("vde_tunctl", "-d", tap)
    assert done.returncode == 1 and tap in done.stderr and exists(tap)


def test_tap_of_a_user(lab):
    """The administrator makes a tap for a user, who plugs it in without privilege."""
    tap = lab.name()
    lab.keep_tap(tap)
    assert lab.run("vde_tunctl", "-u", "nobody", "-t", tap).returncode == 0
    switch = lab.switch("-m", "777")
    program = lab.start(*vde.as_user(vde.NOBODY, vde.ours("vde_plug2tap"), "-s", switch.socket, tap))
    attached(switch)
    assert program.end() == 0 and exists(tap)
