# SPDX-License-Identifier: GPL-2.0-or-later
"""switch://, hub://, multi:// and bonding://: networks that live as long as the program that opened them first."""
import glob
import os
import re
import signal
import socket
import struct
import time

import plugs
import pytest
import vde

KINDS = ("switch", "hub", "multi", "bonding")


def plug(lab, *argv, **options):
    return plugs.StreamPlug(lab, "vde_plug", *argv, **options)


def debian_plug(lab, *argv, **options):
    return plugs.StreamPlug(lab, vde.foreign("vde_plug"), *argv, env=vde.env_foreign(), **options)


MAKERS = {"ours": plug, "debian": debian_plug}


def listens(path):
    """As vde.answers, without connecting."""
    with open("/proc/net/unix") as lines:
        return any(fields[3] == "00010000" and fields[-1] == path for fields in map(str.split, lines))


def host(lab, locator, maker=plug):
    """The program that creates the network; returns once others may join."""
    program = maker(lab, locator)
    control = os.path.join(directory_of(locator), "ctl")
    there = listens if maker is debian_plug else vde.answers               # who knocks and leaves keeps Debian's busy for ever
    vde.wait_until(lambda: program.program.status is not None or there(control), "the network")
    assert program.program.status is None, program.program.stderr
    return program


def directory_of(locator):
    return locator.split("://")[1].split("[")[0]


def hear(sources, sinks):
    """Each source sends until each sink has something; returns when what was on its way has arrived."""
    hello = vde.frame(vde.BROADCAST, vde.mac(99), b"hello")

    def heard():
        for end in sources:
            end.send(hello)
        return all(end.frames for end in sinks)
    vde.wait_until(heard, "the others")


def process_of(locator):
    """The process that serves the network."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as line:
                words = line.read().split(b"\0")
        except OSError:
            continue
        if os.path.basename(words[0]) == b"vdeplug_lan" and words[1].decode() == locator.split("[")[0]:
            pid = int(path.split("/")[2])
            if vde.pid_is_alive(pid):
                return pid
    return None


def in_order(source, *sinks, count=20, number=1):
    frames = plugs.numbered(count, size=300, source=number)
    source.send(*frames)
    for sink in sinks:
        vde.wait_until(lambda: [f for f in sink.frames if f in frames] == frames, "the frames, in order")


# ---- who hears whom --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["switch", "hub"])
@pytest.mark.parametrize("creator,joiner", [("ours", "ours"), ("ours", "debian"), ("debian", "ours")])
def test_all_hear_all(lab, kind, creator, joiner):
    """Others join by the directory, or (ours) by the same locator; whoever created it."""
    locator = f"{kind}://{lab.path('net')}"
    ends = [host(lab, locator, MAKERS[creator]), MAKERS[joiner](lab, f"vde://{lab.path('net')}"), plug(lab, locator)]
    hear(ends, ends)
    for number, end in enumerate(ends):
        in_order(end, *[other for other in ends if other is not end], number=number + 1)


@pytest.mark.parametrize("kind", ["switch", "hub"])
def test_who_gets_what_is_for_one(lab, kind):
    """A frame for a known address goes to it alone in a switch, to all in a hub. The address may be the host's."""
    locator = f"{kind}://{lab.path('net')}"
    ends = [host(lab, locator), plug(lab, locator), plug(lab, locator)]
    hear(ends, ends)
    for number, end in enumerate(ends):
        in_order(end, *[other for other in ends if other is not end], number=number + 1)    # now it is known where they are
    for to in range(3):
        sender, third = [end for number, end in enumerate(ends) if number != to]
        direct = vde.frame(vde.mac(to + 1), vde.mac(50 + to), b"direct")
        behind = vde.frame(vde.BROADCAST, vde.mac(50 + to), b"behind it")
        sender.send(direct, behind)
        for end in (ends[to], third):
            vde.wait_until(lambda: behind in end.frames, "the frame behind it")
        assert direct in ends[to].frames
        assert (direct in third.frames) == (kind == "hub")


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("kind", ["multi", "bonding"])
def test_nodes_hear_the_host_alone(lab, kind, maker):
    locator = f"{kind}://{lab.path('net')}"
    first = host(lab, locator)
    nodes = [MAKERS[maker](lab, f"vde://{lab.path('net')}") for _ in range(2)]
    vde.wait_until(lambda: not glob.glob(lab.path("net", ".*")) and len(glob.glob(lab.path("net", "*"))) == 3, "the nodes")
    hear([first], nodes)
    for number, node in enumerate(nodes):
        in_order(node, first, number=number + 1)
    assert {frame[6:12] for frame in nodes[0].frames + nodes[1].frames} == {vde.mac(99)}
    if kind == "multi":
        in_order(first, *nodes, number=5)
        return
    before = [len(node.frames) for node in nodes]
    first.send(*plugs.numbered(20, source=5))
    vde.wait_until(lambda: [len(node.frames) for node in nodes] == [n + 10 for n in before], "half of the frames each")


def test_bonding_of_flows(lab):
    """A conversation stays with one node."""
    locator = f"bonding://{lab.path('net')}[flow]"
    first, nodes = host(lab, locator), [plug(lab, lab.path("net")) for _ in range(2)]
    vde.wait_until(lambda: len(glob.glob(lab.path("net", "*"))) == 3, "the nodes")
    flows = [[vde.frame(vde.mac(number), vde.mac(200), bytes([turn])) for turn in range(5)] for number in range(16)]
    first.send(*[flow[turn] for turn in range(5) for flow in flows])
    vde.wait_until(lambda: sum(len(node.frames) for node in nodes) == 80, "all frames")
    for flow in flows:
        assert [[f for f in node.frames if f in flow] for node in nodes] in ([flow, []], [[], flow])
    assert all(node.frames for node in nodes)


def test_tags_pass(lab):
    """As through Debian's: the network has no VLANs of its own, tagged frames travel with their tags."""
    locator = f"switch://{lab.path('net')}"
    ends = [host(lab, locator), plug(lab, locator)]
    hear(ends, ends)
    tagged = [vde.frame(vde.mac(7), vde.mac(8), b"tagged", vlan=vlan, pcp=3) for vlan in (1, 5, 1025, 4094)]
    ends[0].send(*tagged)
    vde.wait_until(lambda: [f for f in ends[1].frames if f in tagged] == tagged, "the tagged frames")


def test_many_at_once(lab):
    """Programs that open the same locator in the same moment are on the same network."""
    locator = f"switch://{lab.path('net')}"
    ends = [plug(lab, locator) for _ in range(6)]
    vde.wait_until(lambda: len(glob.glob(lab.path("net", "[0-9]*"))) == 5, "the five that join")
    hear(ends, ends)
    in_order(ends[0], *ends[1:])


def test_two_of_one_program(lab):
    """A cable between two networks that it has itself created."""
    one, two = f"switch://{lab.path('one')}", f"hub://{lab.path('two')}"
    lab.start("vde_plug", one, two)
    vde.wait_until(lambda: vde.answers(lab.path("one", "ctl")) and vde.answers(lab.path("two", "ctl")), "both")
    ends = [plug(lab, lab.path("one")), plug(lab, lab.path("two"))]
    hear(ends, ends)
    in_order(ends[0], ends[1])


# ---- life and death --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["switch", "hub"])
def test_served_while_the_host_sleeps(lab, kind):
    """Nodes do not depend on the host's reading, and it finds what came meanwhile, as far as it was kept."""
    locator = f"{kind}://{lab.path('net')}"
    ends = [host(lab, locator), plug(lab, locator), plug(lab, locator)]
    hear(ends, ends)
    ends[0].program.kill(signal.SIGSTOP)
    for number in range(10, 15):                        # more than is kept for the host
        in_order(ends[1], ends[2], count=100, number=number)
    late = plug(lab, lab.path("net"))
    in_order(ends[2], ends[1], number=2)
    hear([ends[1]], [late])
    ends[0].program.kill(signal.SIGCONT)
    awake = vde.frame(vde.BROADCAST, vde.mac(98), b"awake")

    def heard():
        ends[1].send(awake)
        return awake in ends[0].frames
    vde.wait_until(heard, "the host")
    in_order(ends[1], ends[0], number=3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_end(lab, kind):
    """What the host has sent before its end arrives; then the nodes' cables end, and the directory is gone when the host is."""
    locator = f"{kind}://{lab.path('net')}"
    first, node = host(lab, locator), plug(lab, lab.path("net"))
    hear([first, node], [first, node])
    in_order(node, first, number=2)                     # it has nothing more to send: that would cost it what it has not read
    frames = plugs.numbered(30)
    first.send(*frames)
    assert first.end_of_input() == 0
    assert not os.path.exists(lab.path("net"))
    assert process_of(locator) is None
    assert node.program.wait() == 0
    assert [f for f in node.frames if f in frames] == frames


def test_a_directory_that_was_there_stays(lab):
    os.mkdir(lab.path("net"), 0o700)
    first = host(lab, f"switch://{lab.path('net')}")
    assert vde.mode_of(lab.path("net")) == 0o2700
    assert first.end_of_input() == 0
    assert os.listdir(lab.path("net")) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_host_is_killed(lab, kind):
    """Nothing is left of it, and the next one starts."""
    locator = f"{kind}://{lab.path('net')}"
    first, node = host(lab, locator), plug(lab, lab.path("net"))
    hear([first], [node])
    first.program.kill()
    assert node.program.wait() == 0
    vde.wait_until(lambda: not os.path.exists(lab.path("net")), "the end of the directory")
    assert host(lab, locator).end_of_input() == 0


def test_the_network_is_killed(lab):
    """Host and nodes see it; the next one takes the directory over and leaves nothing."""
    locator = f"switch://{lab.path('net')}"
    first, node = host(lab, locator), plug(lab, lab.path("net"))
    hear([first, node], [first, node])
    os.kill(process_of(locator), signal.SIGKILL)
    assert first.program.wait() == 0 and node.program.wait() == 0
    assert os.path.exists(lab.path("net", "ctl"))
    ends = [host(lab, locator), plug(lab, locator)]
    hear(ends, ends)
    ends[0].end_of_input()
    assert not os.path.exists(lab.path("net"))


def test_what_a_killed_debian_leaves(lab):
    """Debian's own next one finds its directory in the way for ever; ours takes it over."""
    locator = f"hub://{lab.path('net')}"
    theirs, node = host(lab, locator, debian_plug), plug(lab, lab.path("net"))
    hear([theirs, node], [theirs, node])
    theirs.program.kill()
    theirs.program.wait()
    node.program.wait()
    assert os.listdir(lab.path("net"))
    ends = [host(lab, locator), plug(lab, locator)]
    hear(ends, ends)
    ends[0].end_of_input()
    assert not os.path.exists(lab.path("net"))


HOST = """
import ctypes, os, signal, sys, time
vde = ctypes.CDLL("libvdeplug.so.2", use_errno=True)
vde.vde_open_real.restype = ctypes.c_void_p
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
conn = ctypes.c_void_p(vde.vde_open_real(sys.argv[1].encode(), b"host", 1, None))
assert conn, os.strerror(ctypes.get_errno())
try:
    os.waitpid(-1, 0)
    print("a child was left", flush=True)
except ChildProcessError:
    pass
if os.fork():
    os._exit(0)
os.setsid()
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
buffer = ctypes.create_string_buffer(2000)
while True:
    n = vde.vde_recv(conn, buffer, 2000, 0)
    if n >= 14:
        print("got", buffer.raw[14:n].rstrip(b"\\0").decode(), flush=True)
        vde.vde_send(conn, buffer, n, 0)
    if b"bye" in buffer.raw[:n]:
        sys.exit(vde.vde_close(conn))
"""


def test_a_host_that_forks(lab):
    """A program that goes to the background after it has opened the locator keeps its network; no child of ours is in its way."""
    locator = f"switch://{lab.path('net')}"
    program = lab.start("/usr/bin/python3", "-c", HOST, locator, env=vde.env_foreign("ours"))
    assert program.wait() == 0, program.stderr
    node = plug(lab, lab.path("net"))
    vde.wait_until(lambda: len(glob.glob(lab.path("net", "[0-9]*"))) == 1, "the node")
    ping = vde.frame(vde.BROADCAST, vde.mac(1), b"ping")
    node.send(ping)
    node.wait_frames([ping])
    os.kill(process_of(locator), signal.SIGUSR1)        # what the host ignores, this does, too
    node.send(vde.frame(vde.BROADCAST, vde.mac(1), b"bye"))
    assert node.program.wait() == 0
    vde.wait_until(lambda: not os.path.exists(lab.path("net")), "the end")
    assert program.stdout == "got ping\ngot bye\n"


def test_in_the_background(lab):
    """vde_plug -d: the network is there when the command returns, and no descriptor of the shell is held."""
    locator = f"switch://{lab.path('net')}"
    done = lab.run("vde_plug", "-d", "-p", lab.path("pid"), "null://", locator)
    assert done.returncode == 0, done.stderr
    with open(lab.path("pid")) as text:
        pid = lab.adopt(int(text.read()))
    assert vde.answers(lab.path("net", "ctl"))
    for process in (pid, process_of(locator)):
        assert os.readlink(f"/proc/{process}/fd/2") == "/dev/null"
    lab.end_adopted(pid)
    assert not os.path.exists(lab.path("net"))


def test_debians_vdens_over_our_library(lab):
    """A program that enters a user namespace after opening is not kept from it by threads of ours."""
    space = lab.namespace()
    program = space.start(vde.need_program("/usr/bin/vdens"), f"switch://{lab.path('net')}", "ip", "link", "show", "vde0",
                          env=vde.env_foreign("ours"))
    vde.wait_until(lambda: program.stdout or program.stderr, "an answer")
    if "denied" in program.stderr or "not permitted" in program.stderr:
        pytest.skip(f"no user namespaces: {program.stderr}")
    program.expect("vde0")
    program.end()                                       # it may have missed that of the command
    vde.wait_until(lambda: not os.path.exists(lab.path("net")), "the end")


# ---- strangers -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", KINDS)
def test_hostile_clients(lab, kind):
    """Who connects and leaves, or asks nonsense, neither keeps the processor busy nor others out."""
    locator = f"{kind}://{lab.path('net')}"
    first = host(lab, locator)
    for request in (b"", b"x", b"\xff" * 300, struct.pack("=III", 0xfeedface, 3, 0), struct.pack("=III", 0xfeedface, 3, 77) + bytes(110),
                    struct.pack("=III", 0xfeedface, 9, 0) + bytes(110)):
        for _ in range(20):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.connect(lab.path("net", "ctl"))
                if request:
                    client.sendall(request)
    silent = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    silent.connect(lab.path("net", "ctl"))
    node = lab.plug(lab.path("net"), kind=1)            # port 0, which Debian's leaves without an answer
    for junk in (b"", b"x", b"y" * 13):
        node.send(junk)
    good = vde.frame(vde.BROADCAST, vde.mac(1), b"good")
    node.send(good)
    first.wait_frames([good])
    first.send(good)
    node.expect(good)
    pid = process_of(locator)

    def ticks():
        with open(f"/proc/{pid}/stat") as line:
            return sum(map(int, line.read().rsplit(")", 1)[1].split()[11:13]))
    before = ticks()
    time.sleep(0.3)                                     # a time in which nothing must happen
    assert ticks() - before <= 0.1 * os.sysconf("SC_CLK_TCK")
    silent.close()


def test_what_is_no_network(lab):
    """A directory with something in it is left as it is."""
    home = lab.path("home")
    os.mkdir(home, 0o755)
    with open(os.path.join(home, "letter"), "w") as letter:
        letter.write("dear")
    done = lab.run("vde_plug", f"switch://{home}")
    assert done.returncode == 1 and "home" in done.stderr and "File exists" in done.stderr
    assert vde.mode_of(home) == 0o755 and os.listdir(home) == ["letter"]


@pytest.mark.parametrize("text,message", [
    ("switch:///nonexistent/net", "No such file"), ("hub://LAB/logs/../file", "Not a directory"), ("switch://LAB/" + "x" * 100, "too long"),
    ("switch://LAB/net[mode=9]", "mode=9"), ("switch://LAB/net[nosuch=1]", "unknown key: nosuch"), ("hub://LAB/net[fstp]", "unknown key: fstp"),
    ("switch://LAB/net[tap=nosuch-name-too-long]", "tap"), ("switch://LAB/net[rcfile='LAB/nosuch']", "rcfile"),
    ("switch://LAB/net[mgmt='/nonexistent/m']", "nonexistent"),
])
def test_wrong(lab, text, message):
    with open(lab.path("file"), "w"):
        pass
    done = lab.run("vde_plug", text.replace("LAB", lab.dir))
    assert done.returncode == 1 and message in done.stderr
    assert not os.path.exists(lab.path("net"))


def test_the_users_own(lab):
    """Without a name it is a directory of the user's; one that somebody else has made is not joined."""
    vde.need_root()
    uid = 100000 + os.getpid() % 1000000
    own = f"/tmp/vdenode_u{uid}"
    ours = vde.ours("vde_plug")
    first = plugs.StreamPlug(lab, *vde.as_user(uid, ours, "switch://"))
    vde.wait_until(lambda: vde.answers(f"{own}/ctl"), "the network")
    second = plugs.StreamPlug(lab, *vde.as_user(uid, ours, "switch://"))
    hear([first, second], [first, second])
    first.end_of_input()
    second.program.wait()
    assert not os.path.exists(own)
    os.mkdir(own)
    try:
        done = lab.run(*vde.as_user(uid, ours, "switch://"))
        assert done.returncode == 1 and own in done.stderr
    finally:
        os.rmdir(own)


# ---- options ---------------------------------------------------------------------------------------------------------

def test_modes_and_owners(lab):
    first = host(lab, f"switch://{lab.path('net')}[mode=0660/grp={vde.NOBODY}]")
    assert vde.mode_of(lab.path("net")) == 0o2770 and vde.mode_of(lab.path("net", "ctl")) == 0o660
    assert os.stat(lab.path("net")).st_gid == os.stat(lab.path("net", "ctl")).st_gid == vde.NOBODY
    assert first.end_of_input() == 0
    program = lab.start("vde_plug", "-m", "0777", f"switch://{lab.path('net')}")
    vde.wait_until(lambda: vde.answers(lab.path("net", "ctl")), "the network")
    assert vde.mode_of(lab.path("net")) == 0o2777 and vde.mode_of(lab.path("net", "ctl")) == 0o666
    program.end()


def test_options_of_the_switch(lab):
    with open(lab.path("rc"), "w") as script:
        script.write("vlan/create 5\n")
    host(lab, f"switch://{lab.path('net')}[numports=3/fstp/hashsize=64/expiretime=77/macaddr=02:00:00:00:00:77/"
              f"mgmt='{lab.path('m')}'/mgmtmode=0640/rcfile='{lab.path('rc')}']")
    vde.wait_until(lambda: vde.answers(lab.path("m")), "the management socket")       # comes after the control socket
    assert vde.mode_of(lab.path("m")) == 0o640
    session = vde.Management(lab.path("m"))
    text = "\n".join(line for command in ("port/showinfo", "hash/showinfo", "fstp/showinfo", "vlan/print", "port/print")
                     for line in session.command(command).data)
    for pattern in (r"Numports=3", r"size 64", r"expire 77", r"02:00:00:00:00:77", r"VLAN 0005", r"FST=true|FSTP=true", r"switch"):
        assert re.search(pattern, text), (pattern, text)
    nodes = [lab.plug(lab.path("net")) for _ in range(2)]
    with pytest.raises((vde.Refused, ConnectionResetError)):
        lab.plug(lab.path("net"))                       # the host has the third port
    assert nodes


def test_times_and_sizes_without_options(lab):
    """Those of VDE 4's module, not of vde_switch."""
    host(lab, f"switch://{lab.path('net')}[mgmt='{lab.path('m')}']")
    vde.wait_until(lambda: vde.answers(lab.path("m")), "the management socket")
    text = "\n".join(vde.Management(lab.path("m")).command("hash/showinfo").data)
    assert re.search(r"size 256", text) and re.search(r"expire 120 ", text), text


@pytest.mark.parametrize("length,works", [(98, True), (99, False)])
def test_length_of_a_directory(lab, length, works):
    """The page names the longest."""
    path = lab.path("x" * (length - len(lab.path("x")) + 1))
    assert len(path) == length
    if works:
        plugs.reach(host(lab, f"hub://{path}"), plug(lab, path))
        return
    done = lab.run("vde_plug", f"hub://{path}")
    assert done.returncode == 1 and "too long: at most 98 bytes" in done.stderr


def test_shutdown_by_management(lab):
    first = host(lab, f"hub://{lab.path('net')}[mgmt='{lab.path('m')}']")
    node = plug(lab, lab.path("net"))
    hear([first, node], [first, node])
    vde.Management(lab.path("m")).socket.sendall(b"shutdown\n")
    assert first.program.wait() == 0 and node.program.wait() == 0
    vde.wait_until(lambda: not os.path.exists(lab.path("net")) and not os.path.exists(lab.path("m")), "the end")


def test_taps(lab):
    """Two namespaces with a tap each, one of them the switch's own."""
    spaces = [lab.namespace(), lab.namespace()]
    spaces[0].start("vde_plug", "null://", f"switch://{lab.path('net')}[tap=tapx]")
    vde.wait_until(lambda: vde.answers(lab.path("net", "ctl")), "the network")
    spaces[1].start("vde_plug", "tap://tapx", f"switch://{lab.path('net')}")
    for number, space in enumerate(spaces):
        vde.wait_until(lambda: space.has("tapx"), "the interface")
        space.up("tapx", f"10.1.1.{number + 1}/24")
    spaces[0].ping("10.1.1.2")
    spaces[1].ping("10.1.1.1")
