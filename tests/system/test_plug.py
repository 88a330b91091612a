# SPDX-License-Identifier: GPL-2.0-or-later
"""vde_plug and libvdeplug with real switches, ours and Debian's, real clients, and servers that misbehave."""
import glob
import os
import random
import re
import signal
import socket
import struct
import subprocess
import time

import machine
import plugs
import pytest
import vde

LOGIN_SWITCH_TEXT = "this account carries the frames"
DEBIAN_MODULES = "/usr/lib/x86_64-linux-gnu/vdeplug"


@pytest.fixture(params=["ours", "debian"])
def any_switch(request, lab):
    """A switch of ours, and Debian's."""
    return lab.switch() if request.param == "ours" else lab.switch(program=vde.foreign("vde_switch"))


def plug(lab, *argv, **options):
    return plugs.StreamPlug(lab, "vde_plug", *argv, **options)


def debian_plug(lab, *argv, library="debian", **options):
    return plugs.StreamPlug(lab, vde.foreign("vde_plug"), *argv, env=vde.env_foreign(library), **options)


# ---- frames ----------------------------------------------------------------------------------------------------------

def exchange(switch, a, b, count=8, size=200):
    plugs.connected(switch, 2)
    from_a, from_b = plugs.numbered(count, size=size, source=1), plugs.numbered(count, size=size, source=2)
    a.send(*from_a)
    b.wait_frames(from_a)
    b.send(*from_b)
    a.wait_frames(from_b)


def test_both_ways(lab, any_switch):
    exchange(any_switch, plug(lab, any_switch.socket), plug(lab, any_switch.socket))


@pytest.mark.parametrize("library", ["debian", "ours"])
def test_with_debians_plug(lab, any_switch, library):
    """Debian's binary on its own library and on ours, on the same switch as ours."""
    exchange(any_switch, plug(lab, any_switch.socket), debian_plug(lab, any_switch.socket, library=library))


def test_jumbo_frames(lab, switch):
    """From 14 to 65535 bytes, whole."""
    a, b = plug(lab, switch.socket), plug(lab, switch.socket)
    plugs.connected(switch, 2)
    sizes = [14, 59, 60, 1518, 9234, 20000, 65535]
    frames = [vde.frame(vde.BROADCAST, vde.mac(1), bytes(min(8, size - 14)), size=size) for size in sizes]
    a.send(*frames)
    assert [got[:size] for got, size in zip(b.wait_frames(len(sizes)), sizes)] == frames
    a.send(vde.frame(vde.BROADCAST, vde.mac(1))[:13], b"", frames[3])
    assert b.wait_frames(len(sizes) + 1)[-1] == frames[3]


def test_any_cut_of_the_stream(lab, switch):
    """Written in pieces that end within headers and bodies, every frame arrives."""
    a, b = plug(lab, switch.socket), plug(lab, switch.socket)
    plugs.connected(switch, 2)
    chance, frames = random.Random(7), plugs.numbered(150, size=77)
    stream = plugs.records(frames)
    while stream:
        length = chance.choice([1, 1, 2, 3, 50, 77, 78, 79, 80, 500])
        a.program.write(stream[:length])
        stream = stream[length:]
    b.wait_frames(frames)


def test_output_on_a_full_disk(lab, switch):
    """Nobody may take what is missing for the end."""
    program = lab.start("/bin/sh", "-c", f"exec {vde.ours('vde_plug')} {switch.socket} >/dev/full")
    plugs.connected(switch, 1)
    lab.plug(switch).send(plugs.numbered(1)[0])
    assert program.wait() == 1 and "No space left on device" in program.stderr


# ---- the end ---------------------------------------------------------------------------------------------------------

COUNT = 3000


@pytest.fixture
def frame_file(lab):
    path = lab.path("frames")
    with open(path, "wb") as out:
        out.write(plugs.records(plugs.numbered(COUNT)))
    return path


@pytest.mark.parametrize("form", ["cat {file} | vde_plug {sw}", "vde_plug {sw} < {file}", "vde_plug {sw} = cat {file}",
                                  "(sleep 0.2; cat {file}) | vde_plug {sw}", "cat {file} | vde_plug {sw} | cat",
                                  "cat {file} | vde_plug {sw} > /dev/null"])
def test_all_of_a_closed_input_arrives(lab, switch, frame_file, form):
    """Whatever writes may be gone before it was read: nothing is lost and the end is noticed."""
    switch.ask(f"port/defqlen {COUNT}")         # a reader that is slow for a moment is not what is tested
    reader = plug(lab, switch.socket)
    plugs.connected(switch, 1)
    command = form.format(file=frame_file, sw=switch.socket).replace("vde_plug", vde.ours("vde_plug"))
    done = lab.run("/bin/sh", "-c", command)
    assert (done.returncode, done.stderr) == (0, "")
    assert reader.wait_frames(COUNT) == plugs.numbered(COUNT)


@pytest.mark.parametrize("form", ["true | vde_plug {sw}", "vde_plug {sw} < /dev/null", "vde_plug {sw} = true", "vde_plug {sw} <&- >&-"])
def test_nothing_to_say(lab, switch, form):
    done = lab.run("/bin/sh", "-c", form.format(sw=switch.socket).replace("vde_plug", vde.ours("vde_plug")))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_it(lab, switch, number):
    a = plug(lab, switch.socket, "--pidfile", lab.path("pid"))
    plugs.connected(switch, 1)
    assert open(lab.path("pid")).read() == f"{a.program.pid}\n"
    assert a.program.end(number) == 0
    assert not os.path.exists(lab.path("pid"))
    plugs.connected(switch, 0)


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_it_while_it_opens(lab, number, background):
    """A switch that does not answer is no reason to wait."""
    control = plugs.Control(lab, plugs.Control.ignore)
    program = lab.start("vde_plug", control.dir, "null://", "--pidfile", lab.path("pid"), *(["-d"] if background else []))
    vde.wait_until(lambda: len(os.listdir(control.dir)) > 1, "its socket")
    with open(lab.path("pid")) as pidfile:
        os.kill(int(pidfile.read()), number)
    assert program.wait() == (128 + number if background else 0)
    assert not os.path.exists(lab.path("pid")) and not program.stderr
    control.close()


@pytest.mark.parametrize("words", [
    ["slirpvde", "-s", "{s}", "-p", "{pid}", "-M", "{mgmt}"], ["vde_plug2tap", "-s", "{s}", "-P", "{pid}", "{tap}"], ["wirefilter", "-v", "{s}:{s}"],
    ["vde_pcap", "{s}"],
], ids=lambda words: words[0])
def test_signals_end_others_while_they_open(lab, words):
    control = plugs.Control(lab, plugs.Control.ignore)
    names = {"s": control.dir, "pid": lab.path("pid"), "mgmt": lab.path("mgmt"), "tap": lab.name()}
    program = lab.start(*[word.format(**names) for word in words])
    vde.wait_until(lambda: len(os.listdir(control.dir)) > 1, "its socket")
    assert program.end(signal.SIGTERM) in (0, -signal.SIGTERM) and "timed out" not in program.stderr
    assert not os.path.exists(lab.path("pid")) and not os.path.exists(lab.path("mgmt"))
    control.close()


def test_ends_with_the_switch(lab, any_switch):
    a = plug(lab, any_switch.socket)
    plugs.connected(any_switch, 1)
    any_switch.program.end()
    assert a.program.wait() == 0


def test_no_name_is_left(lab, switch):
    a = plug(lab, switch.socket)
    plugs.connected(switch, 1)
    assert not glob.glob(switch.socket + "/.*")
    a.program.end(signal.SIGKILL)
    plugs.connected(switch, 0)
    switch.stop()


# ---- failures --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, text", [("/nonexistent", "vde_open /nonexistent: No such file"), ("x://y", "Protocol not supported"),
                                        ("a/b://c", "not the name of a module"), ("/tmp[bad=3]", "unknown key: bad"),
                                        ("/tmp[group=nosuchgroup]", "no such group: nosuchgroup"),
                                        ("/tmp[mode=8]", "not a mode"), ("/tmp['", "unfinished quotation")])
def test_cannot_open(lab, name, text):
    done = lab.run("vde_plug", name)
    assert done.returncode == 1
    assert text in done.stderr


def test_in_the_background_too(lab):
    """The caller of -d is told what went wrong."""
    done = lab.run("vde_plug", "-d", "/nonexistent")
    assert done.returncode == 1
    assert "No such file" in done.stderr


@pytest.mark.parametrize("words, text", [(["-m", "8", "x"], "8"), (["--port", "x", "y"], "x"), (["--nosuch"], "nosuch"),
                                         (["a", "b", "c"], "c"), (["a", "b", "=", "c"], "one network"), (["a", "="], "command"),
                                         (["-G", "x", "a"], "second")])
def test_usage(lab, words, text):
    done = lab.run("vde_plug", *words)
    assert done.returncode == 2
    assert text in done.stderr and len(done.stderr.splitlines()) <= 2


def test_help(lab):
    done = lab.run("vde_plug", "--help")
    assert done.returncode == 0 and "LOCATOR" in done.stdout


def test_refused_by_closing(lab):
    control = plugs.Control(lab, plugs.Control.refuse)
    done = lab.run("vde_plug", control.dir)
    assert done.returncode == 1 and "Connection refused" in done.stderr
    assert os.listdir(control.dir) == ["ctl"]
    control.close()


def test_never_answered(lab):
    control = plugs.Control(lab, plugs.Control.ignore)
    before = time.monotonic()
    done = lab.run("vde_plug", control.dir, deadline=60 * vde.PATIENCE)
    assert done.returncode == 1 and "timed out" in done.stderr
    assert time.monotonic() - before < 30 * vde.PATIENCE
    assert os.listdir(control.dir) == ["ctl"]
    control.close()


def test_smallest_server(lab):
    """One that knows only the request and the reply, as programs that embed a switch have."""
    control = plugs.Control(lab, plugs.Control.answer)
    a = plug(lab, "-D", "hello", control.dir)
    vde.wait_until(lambda: hasattr(control, "data") and control.requests, "the request")
    request = control.requests[0]
    assert struct.unpack_from("=III", request) == (vde.MAGIC, 3, 0)
    assert re.fullmatch(rb"hello user=\S+ pid=\d+( SSH=\S+)?", request[122:])
    frames = plugs.numbered(10)
    vde.wait_until(lambda: not glob.glob(control.dir + "/.*"), "the plug's name to go")
    for frame in frames:
        control.data.send(frame)
    a.wait_frames(frames)
    a.send(frames[0])
    assert control.data.recv(2000) == frames[0]
    control.close()
    assert a.program.wait() == 0


def test_debians_switch_refuses_in_time(lab):
    """It says nothing when there is no such port; whoever asks is not left waiting for ever."""
    debian = lab.switch(program=vde.foreign("vde_switch"))
    done = lab.run("vde_plug", debian.socket + "[99]", deadline=60 * vde.PATIENCE)
    assert done.returncode == 1 and "timed out" in done.stderr
    assert not glob.glob(debian.socket + "/.*")


# ---- options ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("words", [["-p", "7", "{s}"], ["{s}[7]"], ["{s}[port=7]"], ["--port", "7", "{s}"], ["-port=7", "-s", "{s}"],
                                   ["-sock", "{s}[7]"], ["--unix", "{s}", "-p7"], ["--vdesock={s}", "--port=7"], ["{s}", "-p", "7"],
                                   ["vde://{s}[7/mode=700]"], ["-m", "660", "-g", "root", "{s}[07]"]], ids=" ".join)
def test_ports(lab, any_switch, words):
    plug(lab, *(word.format(s=any_switch.socket) for word in words))
    plugs.connected(any_switch, 1)
    assert list(any_switch.ports()) == [7]


def test_port_zero(lab, any_switch):
    plug(lab, any_switch.socket + "[0]")
    plugs.connected(any_switch, 1)
    assert list(any_switch.ports(all=True)) == [0]


def test_description(lab, switch):
    plug(lab, "--descr", "my cable", switch.socket)
    plugs.connected(switch, 1)
    assert re.search(r"my cable user=\S+ pid=\d+", switch.ports()[1]["endpoints"][0][2])


def test_pidfile_by_p(lab, switch):
    """-p with something other than a number is a pid file."""
    a = plug(lab, "-p", lab.path("pid"), switch.socket)
    plugs.connected(switch, 1)
    assert open(lab.path("pid")).read() == f"{a.program.pid}\n"


def test_default_network(lab, switch):
    """~/.vdeplug/default names it: a file, with or without a newline, or a link to the directory."""
    home = lab.path("home")
    os.makedirs(home + "/.vdeplug")
    for content in (f"{switch.socket}[5]\nmore\n", f"vde://{switch.socket}[5]", None):
        path = home + "/.vdeplug/default"
        if content is None:
            os.unlink(path)
            os.symlink(switch.socket, path)
        else:
            with open(path, "w") as out:
                out.write(content)
        a = plug(lab, env=vde.env_ours(HOME=home))
        plugs.connected(switch, 1)
        assert list(switch.ports()) == [1 if content is None else 5]
        a.end_of_input()
        plugs.connected(switch, 0)


def test_background(lab, switch):
    """-d returns when the plug is in, and the cable lives on."""
    other = plug(lab, switch.socket)
    plugs.connected(switch, 1)
    done = lab.run("vde_plug", "-d", "--pidfile", lab.path("pid"), switch.socket, "=", "/bin/sh", "-c", "exec cat")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pid = lab.adopt(int(open(lab.path("pid")).read()))
    assert len(switch.ports()) == 2
    frames = plugs.numbered(5)
    other.send(*frames)
    other.wait_frames(frames)
    lab.end_adopted(pid)
    assert not os.path.exists(lab.path("pid"))


# ---- two networks, commands ------------------------------------------------------------------------------------------

def test_two_networks(lab):
    one, two = lab.switch(), lab.switch(program=vde.foreign("vde_switch"))
    joint = lab.start("vde_plug", one.socket, two.socket, "--port", "3", "--port2", "4")
    plugs.connected(one, 1)
    plugs.connected(two, 1)
    assert (list(one.ports()), list(two.ports())) == ([3], [4])
    a, b = plug(lab, one.socket), plug(lab, two.socket)
    plugs.connected(one, 2)
    plugs.connected(two, 2)
    frames = plugs.numbered(20)
    a.send(*frames)
    b.wait_frames(frames)
    b.send(*frames)
    a.wait_frames(frames)
    assert joint.end() == 0


@pytest.mark.parametrize("command, status", [(["true"], 0), (["sh", "-c", "exit 7"], 7), (["/nonexistent"], 127),
                                             (["sh", "-c", "kill -9 $$"], 137)])
def test_status_of_a_command(lab, switch, command, status):
    assert lab.run("vde_plug", switch.socket, "=", *command).returncode == status


@pytest.mark.parametrize("command, status", [("/nonexistent", 127), ("/etc/passwd", 126)])
def test_command_that_cannot_start(lab, switch, command, status):
    """In the background, too, it is told before."""
    for options in ([], ["-d"]):
        done = lab.run("vde_plug", *options, switch.socket, "=", command)
        assert done.returncode == status and done.stderr.count(command) == 1
    assert not switch.ports()


def test_options_of_a_command_are_its_own(lab, switch):
    done = lab.run("vde_plug", switch.socket, "=", "sh", "-c", "echo -- -d -p \"$@\" >&2", "x", "-h", "-c", "=")
    assert (done.returncode, done.stderr) == (0, "-- -d -p -h -c =\n")


def test_command_without_a_locator(lab, switch):
    home = lab.path("home")
    os.makedirs(home + "/.vde2")
    os.symlink(switch.socket, home + "/.vde2/default.switch")
    frames = plugs.numbered(3)
    reader = plug(lab, switch.socket)
    plugs.connected(switch, 1)
    with open(lab.path("frames"), "wb") as out:
        out.write(plugs.records(frames))
    assert lab.run("vde_plug", "=", "cat", lab.path("frames"), env=vde.env_ours(HOME=home)).returncode == 0
    reader.wait_frames(frames)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_with_a_command(lab, switch, number):
    """That the command is ended, too, is no failure."""
    program = lab.start("vde_plug", switch.socket, "=", "sh", "-c", "echo ready >&2; exec cat")
    program.expect("ready", "stderr")
    assert program.end(number) == 0


def test_command_ends_with_the_plug(lab, switch):
    a = lab.start("vde_plug", switch.socket, "=", "sh", "-c", "echo $$ >&2; exec cat")
    pid = int(a.expect(r"^(\d+)$", "stderr")[1])
    plugs.connected(switch, 1)
    a.end()
    vde.wait_until(lambda: not vde.pid_is_alive(pid), "the command's end")


def test_as_user_mode_linux_starts_it(lab, switch):
    """--descr TEXT seqpacket://FD LOCATOR, with one end of a socket pair inherited."""
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    argv = [vde.ours("vde_plug"), "--descr", "UML", "--port2", "9", "--mod2", "0700", f"seqpacket://{its.fileno()}", switch.socket]
    process = subprocess.Popen(argv, pass_fds=[its.fileno()], env=vde.env_ours())
    its.close()
    try:
        plugs.connected(switch, 1)
        assert "UML user=" in switch.ports()[9]["endpoints"][0][2]
        other = plug(lab, switch.socket)
        plugs.connected(switch, 2)
        frames = plugs.numbered(10)
        for frame in frames:
            mine.send(frame)
        other.wait_frames(frames)
        other.send(frames[0])
        mine.settimeout(vde.DEADLINE)
        assert mine.recv(2000) == frames[0]
    finally:
        mine.close()
        assert process.wait(vde.DEADLINE) == 0


# ---- login shell -----------------------------------------------------------------------------------------------------

def test_login_shell_refuses(lab):
    plug_path = vde.ours("vde_plug")
    for argv in (["-vde_plug"], ["vde_plug", "-c", "sh"], ["vde_plug", "-c", "vde_plug /tmp/x"], ["vde_plug", "-c", "vde_plug", "/tmp/x"],
                 ["vde_plug", "-c", "vde_plug", "-s", "cmd://sh"], ["vde_plug", "-c", "vde_plug", "=", "sh"]):
        done = subprocess.run(argv, executable=plug_path, env=vde.env_ours(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=vde.DEADLINE)
        assert (done.returncode, done.stdout) == (255, ""), argv
        assert LOGIN_SWITCH_TEXT in done.stderr and len(done.stderr.splitlines()) == 2


def test_login_shell_takes_nothing_from_home(lab, switch):
    """The network of a restricted user is the system's, not what a file of his names."""
    home = lab.path("home")
    os.makedirs(home + "/.vdeplug")
    with open(home + "/.vdeplug/default", "w") as out:
        out.write(switch.socket)
    lab.run("vde_plug", "-c", "vde_plug", env=vde.env_ours(HOME=home))
    assert not switch.ports()


def test_login_shell_and_a_switch_of_anybody(lab):
    """Without the system's switch, one that some user made in /tmp does not get the frames of others; root's does."""
    vde.need_root()
    script = f"""
with_switch_of() {{
    setpriv --reuid "$1" --regid "$1" --clear-groups vde_switch -s /tmp/vde.ctl -m 777 --dirmode 755 </dev/zero >/dev/null & switch=$!
    until test -S /tmp/vde.ctl/ctl; do sleep 0.05; done
    vde_plug -c vde_plug </dev/null; echo "status $1 $?"
    kill $switch; wait $switch; rm -rf /tmp/vde.ctl
}}
with_switch_of {vde.NOBODY}
with_switch_of 0
"""
    assert re.findall(r"^status .*", machine.run(lab, script, "a restricted login"), re.M) == [f"status {vde.NOBODY} 1", "status 0 0"]


# ---- the library under others' programs ------------------------------------------------------------------------------

def test_qemu_on_our_library(lab, switch):
    """Debian's QEMU opens a plug with its options; a wrong one says why."""
    qemu = vde.need_program("qemu-system-x86_64")
    base = [qemu, "-M", "none", "-display", "none", "-monitor", "none", "-serial", "none", "-nodefaults"]
    machine = lab.start(*base, "-netdev", f"vde,id=n,sock={switch.socket},port=5,mode=700", env=vde.env_foreign("ours"))
    plugs.connected(switch, 1)
    assert re.search("QEMU user=", switch.ports()[5]["endpoints"][0][2])
    machine.end()
    done = lab.run(*base, "-netdev", "vde,id=n,sock=/nonexistent", env=vde.env_foreign("ours"))
    assert done.returncode == 1


def module(lab, name, locator, **options):
    """Our vde_plug with a module as Debian ships it."""
    if not os.path.exists(f"{DEBIAN_MODULES}/libvdeplug_{name}.so"):
        pytest.skip(f"needs the package libvdeplug-{name}")
    return plug(lab, locator, env=vde.env_ours(VDEPLUGIN_PATH=DEBIAN_MODULES), **options)


def test_debians_nested_module(lab, switch):
    """agno opens the nested network through the functions of our library, and what it encrypts Debian's decrypts."""
    key = lab.path("key")
    with open(key, "w") as out:
        out.write("00112233445566778899aabbccddeeff\n")
    locator = f"agno://{key}{{vde://{switch.socket}}}"
    ours, theirs = module(lab, "agno", locator), debian_plug(lab, locator)
    plain = plug(lab, switch.socket)
    plugs.connected(switch, 3)
    frames = plugs.numbered(5)
    ours.send(*frames)
    got = theirs.wait_frames(5)
    assert [frame[:100] for frame in got] == frames
    assert not set(frames) & set(plain.wait_frames(5))


def test_debians_slirp_module(lab):
    """A whole user-mode network behind a module: it answers an ARP request for its address."""
    net = module(lab, "slirp", "slirp://")
    arp = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, vde.mac(1), bytes([10, 0, 2, 15]), bytes(6), bytes([10, 0, 2, 2]))
    net.send(vde.frame(vde.BROADCAST, vde.mac(1), arp, type=0x0806))
    vde.wait_until(lambda: any(frame[12:14] == b"\x08\x06" and frame[28:32] == bytes([10, 0, 2, 2]) for frame in net.frames),
                   "the answer of 10.0.2.2")


@pytest.mark.parametrize("kind", ["hub", "switch"])
def test_debians_nodes(lab, kind):
    """hub:// and switch:// of Debian make a control directory; our plugs use it."""
    directory = lab.path("node")
    host = debian_plug(lab, f"{kind}://{directory}")
    vde.wait_until(lambda: vde.answers(directory + "/ctl"), "the node's control socket")
    a, b = plug(lab, directory), plug(lab, directory)
    vde.wait_until(lambda: len(glob.glob(directory + "/fd*")) == 2, "both plugs")
    frames = plugs.numbered(10)
    a.send(*frames)
    b.wait_frames(frames)
    host.wait_frames(frames)


def test_module_path(lab, switch):
    """VDEPLUGIN_PATH replaces the search; a name that is no module's is not looked for."""
    done = lab.run("vde_plug", "agno://x{null://}", env=vde.env_ours(VDEPLUGIN_PATH=lab.dir))
    assert done.returncode == 1 and "Protocol not supported" in done.stderr
    assert lab.run("vde_plug", switch.socket, env=vde.env_ours(VDEPLUGIN_PATH=lab.dir)).returncode == 0      # built in


def test_file_that_is_no_module(lab):
    """Why it cannot be used is told."""
    with open(lab.path("libvdeplug_broken.so"), "w") as out:
        out.write("no program")
    done = lab.run("vde_plug", "broken://", env=vde.env_ours(VDEPLUGIN_PATH=lab.dir))
    assert done.returncode == 1 and f"{lab.path('libvdeplug_broken.so')} cannot be used: " in done.stderr


def test_as_another_user(lab, switch):
    """A plug of a user who may not write the directory uses a socket elsewhere, which the switch can open."""
    vde.need_root()
    os.chmod(switch.socket, 0o755)
    os.chmod(switch.ctl, 0o777)
    a = plugs.StreamPlug(lab, *vde.as_user(vde.NOBODY, vde.ours("vde_plug"), switch.socket))
    b = plug(lab, switch.socket)
    exchange(switch, a, b)


def test_switch_of_another_user(lab):
    """A switch that runs as another user can open our socket, because the library gives it the access."""
    vde.need_root()
    directory = os.path.join(lab.open_dir, "sw")
    argv = vde.as_user(vde.NOBODY, vde.ours("vde_switch"), "-s", directory, "-m", "777", "-M", os.path.join(lab.open_dir, "m"))
    lab.start(*argv)
    vde.wait_until(lambda: vde.answers(directory + "/ctl"), "the switch")
    a, b = plug(lab, directory), plug(lab, directory)
    vde.wait_until(lambda: vde.answers(os.path.join(lab.open_dir, "m")), "its management")
    session = vde.Management(os.path.join(lab.open_dir, "m"))
    vde.wait_until(lambda: sum("endpoint ID" in line for line in session.command("port/allprint").data) == 2, "both plugs")
    session.close()
    frames = plugs.numbered(5)
    a.send(*frames)
    b.wait_frames(frames)
