# SPDX-License-Identifier: GPL-2.0-or-later
"""wirefilter as its users meet it: between switches, in a pipe, driven by its socket, its console, and the command lines of other programs."""
import os
import re
import select
import signal
import socket
import struct
import subprocess
import time

import pytest
import vde

PROMPT = b"\nVDEwf$ "


class Cable:
    """Two switches, a plug in each, and a wirefilter between; `a` is the plug on the left, `b` the one on the right."""

    def __init__(self, lab, *options, foreign_side=None, ends=None, **more):
        self.lab, self.left, self.right = lab, self._switch(lab, foreign_side == "left"), self._switch(lab, foreign_side == "right")
        self.a, self.b = lab.plug(self.left), lab.plug(self.right)
        self.mgmt = lab.path(lab.name("w"))
        words = ends or ["-v", f"{self.left.socket}:{self.right.socket}"]
        self.program = lab.start("wirefilter", *words, "-M", self.mgmt, *options, **more)
        self.program.expect("starting", "stderr")
        self.session = vde.Management(self.mgmt, PROMPT)

    @staticmethod
    def _switch(lab, foreign):
        return lab.switch(program=vde.foreign("vde_switch"), env=vde.env_foreign()) if foreign else lab.switch()

    def set(self, line):
        reply = self.session.command(line)
        assert reply.code == 1000, (line, reply)
        return reply.data

    def info(self):
        return self.set("showinfo")

    def count(self, label, way="LR"):
        """A counter of showinfo."""
        left, right = "L->R", "R->L"
        for line in self.info():
            match = re.match(rf"{label} +{left} (\d+) +{right} (\d+)", line)
            if match:
                return int(match[1 if way == "LR" else 2])
        raise AssertionError(label)

    def ends(self, way):
        """(sender, receiver, number of the sender's address)"""
        return (self.a, self.b, 1) if way == "LR" else (self.b, self.a, 2)

    def send(self, way, count, size=60, first=0):
        sender, receiver, number = self.ends(way)
        got = []
        for i in range(count):
            sender.send(vde.frame(vde.BROADCAST, vde.mac(number), struct.pack("!I", first + i), size=size))
            if i % 32 == 31:
                got += receiver.recv_now()
        return got

    def through(self, way, count, size=60, wait=True):
        """Sends frames with numbers; returns the frames that came out, once the filter has seen all and holds none."""
        receiver = self.ends(way)[1]
        before = self.count("Frames in", way)
        got = self.send(way, count, size)
        vde.wait_until(lambda: self.count("Frames in", way) == before + count, "all frames to reach the filter")
        if wait:
            vde.wait_until(lambda: "Waiting packets in delay queues 0" in self.info(), "an empty queue")
            self.left.settle(count)
            self.right.settle(count)
        return [frame for frame in got + receiver.recv_now() if frame[:6] == vde.BROADCAST]

    def one(self, way, size=60):
        """Seconds that one frame takes."""
        sender, receiver, number = self.ends(way)
        begin = time.monotonic()
        frame = vde.frame(vde.BROADCAST, vde.mac(number), os.urandom(8), size=size)
        sender.send(frame)
        receiver.expect(frame)
        return time.monotonic() - begin


def numbers(frames):
    return [struct.unpack_from("!I", frame, 14)[0] for frame in frames]


def other(way):
    return "RL" if way == "LR" else "LR"


# ---- each impairment, each way -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("foreign_side", [None, "left", "right"])
def test_a_perfect_cable(lab, foreign_side):
    """With nothing set every frame passes both ways, whole and in order; one of the switches may be Debian's."""
    cable = Cable(lab, foreign_side=foreign_side)
    for way in ("LR", "RL"):
        for size in (60, 1514) if foreign_side else (60, 1514, 9014, 65535):
            sender, receiver, number = cable.ends(way)
            frame = vde.frame(vde.BROADCAST, vde.mac(number), os.urandom(size - 14), size=size)
            sender.send(frame)
            receiver.expect(frame)
    if not foreign_side:
        assert numbers(cable.through("LR", 500)) == list(range(500))


@pytest.mark.parametrize("way", ["LR", "RL"])
def test_loss_burst_and_gemodel(lab, way):
    cable = Cable(lab, "--loss", f"{way}30", "--seed", "5")
    got = len(cable.through(way, 2000))
    assert 1250 < got < 1550 and cable.count("Dropped loss", way) == 2000 - got
    assert len(cable.through(other(way), 200)) == 200
    cable.set(f"lostburst {way} 10")
    got = numbers(cable.through(way, 2000))
    bursts = sum(1 for before, after in zip(got, got[1:]) if after != before + 1)
    assert bursts < 150 and 1000 < len(got) < 1800           # 60 bursts of 10, instead of 420
    cable.set(f"loss {way} 0")
    cable.set(f"gemodel {way} 1 100 100 0")
    assert 1960 < len(cable.through(way, 2000)) < 2000
    assert cable.count("Dropped gemodel", way) > 0
    cable.set(f"gemodel {way} 0")
    cable.set(f"loss {way} 100")
    assert cable.through(way, 100) == []


@pytest.mark.parametrize("way", ["LR", "RL"])
def test_duplicates_end_too(lab, way):
    cable = Cable(lab, "-D", f"{way}50")
    assert 800 < len(cable.through(way, 500)) < 1250
    cable.set(f"dup {way} 100")
    assert sorted(numbers(cable.through(way, 50))) == sorted(list(range(50)) * 2)
    assert len(cable.through(other(way), 50)) == 50


@pytest.mark.parametrize("way", ["LR", "RL"])
def test_delay_does_not_serialise(lab, way):
    """Many frames on their way at once: together they take hardly longer than one."""
    cable = Cable(lab, "-d", f"{way}300")
    assert cable.one(way) >= 0.3
    begin = time.monotonic()
    assert numbers(cable.through(way, 300)) == list(range(300))
    assert 0.3 <= time.monotonic() - begin < 300 * 0.3 / 4
    # the other way is not held up: it was over long before
    cable.send(way, 1)
    cable.one(other(way))
    assert "Waiting packets in delay queues 1" in cable.info()


@pytest.mark.parametrize("way", ["LR", "RL"])
def test_bandwidth_and_speed(lab, way):
    """40 frames of 1000 bytes at 100 kB/s take 0.4 s, whichever rate it is; not less, and the line is busy for no longer than that."""
    for command in ("bandwidth", "speed"):
        cable = Cable(lab)
        cable.set(f"{command} {way} 100000")
        sender, receiver, number = cable.ends(way)
        frames = [vde.frame(vde.BROADCAST, vde.mac(number), struct.pack("!I", i), size=998) for i in range(40)]
        begin = time.monotonic()
        for frame in frames:
            sender.send(frame)
        for frame in frames:
            assert receiver.recv() == frame
        assert 0.4 <= time.monotonic() - begin < 0.4 + vde.DEADLINE / 4
        cable.one(other(way))


@pytest.mark.parametrize("way", ["LR", "RL"])
def test_buffer_and_mtu(lab, way):
    cable = Cable(lab, "-c", f"{way}1000", "-d", f"{way}500")
    assert len(cable.through(way, 30, size=98)) == 10
    assert cable.count("Dropped chanbufsize", way) == 20
    for command in ("delay 0", "chanbufsize 0", f"mtu {way} 100"):
        cable.set(command)
    assert len(cable.through(way, 1, size=98)) == 1
    assert len(cable.through(way, 1, size=99)) == 0
    assert len(cable.through(other(way), 1, size=99)) == 1


def test_strict_mtu(lab):
    cable = Cable(lab, "--strict-mtu", "-m", "100")
    assert len(cable.through("LR", 1, size=100)) == 1
    assert len(cable.through("LR", 1, size=101)) == 0


@pytest.mark.parametrize("way", ["LR", "RL"])
def test_noise_and_truncate(lab, way):
    cable = Cable(lab, "-n", f"{way}20000", "--seed", "1")
    sent = vde.frame(vde.BROADCAST, vde.mac(1 if way == "LR" else 2), size=1514)
    sender, receiver, _ = cable.ends(way)
    before = cable.count("Bits flipped", way)
    for _ in range(100):
        sender.send(sent)
    vde.wait_until(lambda: cable.count("Frames out", way) >= 100, "the frames")
    flipped = cable.count("Bits flipped", way) - before
    expected = 20000 * 100 * 1514 / 2 ** 20
    assert abs(flipped - expected) < 6 * expected ** 0.5
    cable.set("noise 1000000000")              # ended the original's days
    before = cable.count("Frames out", way)
    cable.send(way, 20)
    vde.wait_until(lambda: cable.count("Frames out", way) >= before + 20, "the noisy frames")
    cable.set("noise 0")
    for _ in range(2):                         # what is on its way to the switch, and through it
        cable.right.settle()
        cable.left.settle()
    receiver.recv_now()
    cable.set(f"truncate {way} 100")
    got = cable.through(way, 50, size=1000)
    assert len(got) == 50 and all(len(frame) < 1000 for frame in got)
    assert len(cable.through(other(way), 50, size=1000)[0]) == 1000


@pytest.mark.parametrize("way", ["LR", "RL"])
def test_order(lab, way):
    """The order is kept whatever the delays, unless fifo is off or reorder is asked for."""
    cable = Cable(lab, "-d", f"{way}50+50")
    assert numbers(cable.through(way, 200)) == list(range(200))
    cable.set("fifo 0")
    got = numbers(cable.through(way, 200))
    assert sorted(got) == list(range(200)) and got != sorted(got)
    cable.set("fifo 1")
    cable.set("delay 0")
    cable.set(f"reorder {way} 100")
    assert numbers(cable.through(way, 6)) == [1, 0, 3, 2, 5, 4]
    assert numbers(cable.through(other(way), 6)) == list(range(6))


@pytest.mark.parametrize("way", ["LR", "RL"])
def test_blackout_and_trace(lab, way):
    cable = Cable(lab, "--blackout", f"{way} 1000000 every 1000000")
    assert cable.through(way, 20) == [] and cable.count("Dropped blackout", way) == 20
    assert len(cable.through(other(way), 20)) == 20
    cable.set("blackout 0")
    path = lab.path("trace")
    with open(path, "w") as trace:
        trace.write("# ms delay loss\n0 200 0\n3600000 0 100\n")
    cable.set(f"trace {way} {path}")
    assert cable.one(way) >= 0.2
    with open(path, "w") as trace:
        trace.write("0 0 100\n")
    cable.set(f"trace {way} {path}")
    assert cable.through(way, 20) == [] and cable.count("Dropped trace", way) == 20
    cable.set("trace off")
    assert len(cable.through(way, 20)) == 20
    with open(path, "w") as trace:
        trace.write("0 0 0\n0 1 1\n")
    reply = cable.session.command(f"trace {path}")
    assert reply.code == 1022 and "line 2" in reply.data[0]


def test_live_changes_under_traffic(lab):
    """While frames flow, commands take effect at once and none is lost that should not be."""
    cable = Cable(lab)
    sent, got = 0, []
    for line in ("delay 20", "bandwidth 10m", "loss 0", "delay 5+5N", "bandwidth 0", "noise 0", "speed 10m", "fifo 1", "speed 0", "delay 0"):
        got += cable.send("LR", 100, first=sent)
        cable.set(line)
        sent += 100
    vde.wait_until(lambda: cable.count("Frames out") == sent, "all frames")
    cable.right.settle(sent)
    assert numbers(got + cable.b.recv_now()) == list(range(sent))
    assert sum(int(line.split()[3]) for line in cable.info() if line.startswith("Dropped")) == 0
    cable.set("loss 100")
    assert cable.through("LR", 50) == []


def test_values_that_never_end_elsewhere(lab):
    """A bandwidth below one, a huge noise, a far delay: the program answers and ends."""
    cable = Cable(lab)
    for line in ("bandwidth 0.5", "speed 0.25", "noise 700", "dup 100", "delay 1000000000000"):
        cable.set(line)
        cable.send("LR", 3, size=1514)
        assert cable.info()
    assert cable.program.cpu_seconds() < 5
    assert cable.program.end() == 0


def test_markov_shares(lab):
    """Two states, one way out of ten in and three out of ten back: the lossy one holds for a quarter of the time."""
    cable = Cable(lab, "--seed", "11")
    for line in ("markov-numnodes 2", "markov-name 0,good", "markov-name 1,bad", "setedge 0,1,10", "setedge 1,0,30", "markov-time 0.1",
                 "loss 100[1]"):
        cable.set(line)
    assert "Edge 0 ->1  \"good\"->\"bad\" weigth 10" in cable.set("showedges 0")
    got = sent = 0
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        got += len(cable.through("LR", 5))
        sent += 5
    assert sent > 100 and 0.5 < got / sent < 0.95
    cable.set("markov-debug 1")
    event = cable.session.next_event()
    assert re.fullmatch(r'380([01]) Node [01] "(good|bad)" -> \1 "(good|bad)"', event)
    cable.set("markov-debug 0")


# ---- pipes -------------------------------------------------------------------------------------------------------------

def stream_of(*frames):
    return b"".join(struct.pack("!H", len(frame)) + frame for frame in frames)


@pytest.mark.parametrize("plug", ["ours", "debian"])
def test_middle_of_a_dpipe(lab, plug):
    """dpipe vde_plug A = wirefilter = vde_plug B, with Debian's plugs too: both directions pass, and are impaired apart."""
    left, right = lab.switch(), lab.switch()
    command = [vde.ours("vde_plug")] if plug == "ours" else vde.foreign_command("vde_plug")
    mgmt = lab.path("wf")
    pipe = lab.start("dpipe", *command, left.socket, "=", vde.ours("wirefilter"), "-M", mgmt, "-d", "LR200", "=", *command, right.socket)
    vde.wait_until(lambda: vde.answers(mgmt), "the filter")
    vde.wait_until(lambda: left.ports() and right.ports(), "the plugs")
    a, b = lab.plug(left), lab.plug(right)
    session = vde.Management(mgmt, PROMPT)
    assert session.command("showinfo").data[0] == "WireFilter: bidirectional"
    for sender, receiver, number, least in ((a, b, 1, 0.2), (b, a, 2, 0)):
        for size in (60, 1514):
            frame = vde.frame(vde.BROADCAST, vde.mac(number), os.urandom(20), size=size)
            begin = time.monotonic()
            sender.send(frame)
            receiver.expect(frame)
            assert time.monotonic() - begin >= least
    session.close()
    pipe.end()


def test_one_way_pipe(lab):
    """Headers split anywhere, frames of every size; what waits at the end of the input still comes out."""
    frames = [os.urandom(size) for size in (60, 61, 14, 1514, 1522, 9000, 65535, 60)]
    data = stream_of(*frames)
    process = subprocess.Popen([vde.ours("wirefilter"), "-d", "100"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=vde.env_ours())
    for i in range(300):
        os.write(process.stdin.fileno(), data[i:i + 1])
    out, _ = process.communicate(data[300:], timeout=vde.DEADLINE)
    assert out == data and process.returncode == 0


def test_slow_reader_gets_all(lab):
    """What a pipe does not take at once is not given up when the input ends."""
    data = stream_of(*[os.urandom(1000) for _ in range(200)])
    with open(lab.path("in"), "wb") as file:
        file.write(data)
    with open(lab.path("in"), "rb") as file:
        process = subprocess.Popen([vde.ours("wirefilter")], stdin=file, stdout=subprocess.PIPE, env=vde.env_ours())
    assert vde.never(lambda: process.poll() is not None, 0.5)
    out, _ = process.communicate(timeout=vde.DEADLINE)
    assert out == data and process.returncode == 0


@pytest.mark.parametrize("kind", ["file", "socket"])
def test_stdin_need_not_be_a_pipe(lab, kind):
    data = stream_of(*[os.urandom(100) for _ in range(50)])
    if kind == "file":
        path = lab.path("frames")
        with open(path, "wb") as file:
            file.write(data)
        with open(path, "rb") as file:
            done = subprocess.run([vde.ours("wirefilter")], stdin=file, stdout=subprocess.PIPE, env=vde.env_ours(), timeout=vde.DEADLINE)
    else:
        ours, its = socket.socketpair()
        with ours, its:
            process = subprocess.Popen([vde.ours("wirefilter")], stdin=its, stdout=subprocess.PIPE, env=vde.env_ours())
            ours.sendall(data)
            ours.shutdown(socket.SHUT_WR)
            out, _ = process.communicate(timeout=vde.DEADLINE)
            done = subprocess.CompletedProcess([], process.returncode, out)
    assert done.stdout == data and done.returncode == 0


def test_stream_on_one_side(lab):
    """-v -:B and A:-; two positional names, of which one is a locator with colons."""
    switch = lab.switch()
    plug = lab.plug(switch)
    frame = vde.frame(vde.BROADCAST, vde.mac(7), b"in")
    for words in (["-v", f"-:{switch.socket}"], ["-v", f"{switch.socket}:-"], ["-", f"vde://{switch.socket}"], [switch.socket]):
        read, write = os.pipe()
        program = lab.start("wirefilter", *words, stdout=write)
        os.close(write)
        program.write(stream_of(frame))
        plug.expect(frame)
        back = vde.frame(vde.BROADCAST, vde.mac(8), b"out")
        plug.send(back)
        got = b""
        while len(got) < 62:
            assert select.select([read], [], [], vde.DEADLINE)[0]
            got += os.read(read, 62 - len(got))
        assert got == stream_of(back)
        program.stdin.close()
        assert program.wait() == 0
        os.close(read)


def test_positional_locators(lab):
    left, right = lab.switch(), lab.switch()
    for words in ([f"vde://{left.socket}", f"vde://{right.socket}"], ["-v", f"vde://{left.socket}:vde://{right.socket}"]):
        program = lab.start("wirefilter", *words, "--nostdin")
        program.expect(rf"bidirectional vdeplug filter L=vde://{left.socket} R=vde://{right.socket} starting\.\.\.", "stderr")
        assert program.end() == 0


# ---- life --------------------------------------------------------------------------------------------------------------

def test_console_on_a_pipe(lab):
    """As Virtualbricks drives it: one command, the answer, the prompt; the end of the input is the end of the program."""
    left, right = lab.switch(), lab.switch()
    mgmt = lab.path("wf")
    program = lab.start("wirefilter", "-v", f"{left.socket}:{right.socket}", "--nofifo", "-M", mgmt, "-b", "LR 1000000", "-b", "RL 2000000",
                        "-d", "LR 10", "-d", "RL 20", "-c", "LR 75000", "-l", "LR 0", "-l", "RL 0")
    for count, line in enumerate(("delay LR 10[0]", "markov-numnodes 3", "delay LR 10[2]", "loss 1.5[0]", "bandwidth 125000", "chanbufsize 75000",
                                  "markov-time 100", "markov-name 1,bad", "setedge 0,1,5.5"), 1):
        program.write(line + "\n")
        vde.wait_until(lambda: len(re.findall(r"^VDEwf\$ ", program.stdout, re.M)) == count, f"the prompt after {line}")
    assert program.stdout == "1000 Success\n\nVDEwf$ " * count
    program.write("showinfo 0\n")
    program.expect(r"^Delay  L->R 10\+0U   R->L 20\+0U$")
    program.stdin.close()
    assert program.wait() == 0
    assert not os.path.exists(mgmt)


def test_console_ends_with_logout(lab):
    left, right = lab.switch(), lab.switch()
    program = lab.start("wirefilter", "-v", f"{left.socket}:{right.socket}")
    program.write("logout\n")
    assert program.wait() == 0


def test_marionnet(lab):
    """Its command line, letter by letter; stdin is a pipe that never speaks. The blink datagrams arrive."""
    left, right = lab.switch(), lab.switch()
    blink = lab.path("blink")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as light:
        light.bind(blink)
        light.settimeout(vde.DEADLINE)
        blink_id = "((id: a; port: eth0)(id: c; port: port1))"
        program = lab.start("wirefilter", "--blink", blink, "--blinkid", blink_id, "-l", "LR0.000000", "-D", "LR0.000000", "--noise", "LR0",
                            "-d", "LR5.000000+2.000000", "-l", "RL0.000000", "-D", "RL0.000000", "--noise", "RL0",
                            "-d", "RL5.000000+2.000000", "-v", f"{left.socket}:{right.socket}")
        program.expect("starting", "stderr")
        a, b = lab.plug(left), lab.plug(right)
        for sender, receiver, way in ((a, b, "LR"), (b, a, "RL")):
            frame = vde.frame(vde.BROADCAST, vde.mac(1 if way == "LR" else 2), b"x")
            sender.send(frame)
            receiver.expect(frame)
            assert light.recv(4096).decode() == f"{blink_id} {way} 62\n"
        assert program.end() == 0


def test_no_console_on_dev_null(lab):
    """A service manager's start: no console, and the end of /dev/null is not the end of the program."""
    cable = Cable(lab, stdin=subprocess.DEVNULL)
    cable.one("LR")
    assert cable.program.status is None
    assert cable.session.command("shutdown").code in (0, 9999)
    assert cable.program.wait() == 0


def test_daemon(lab):
    left, right = lab.switch(), lab.switch()
    pidfile, mgmt = lab.path("pid"), lab.path("wf")
    with open(lab.path("rc"), "w") as rc:
        rc.write("delay 7\nbogus\n")
    done = lab.run("wirefilter", "-v", f"{left.socket}:{right.socket}", "--daemon", "--pidfile", "pid", "-M", "wf", "--mgmtmode", "600",
                   "-f", "rc")
    assert done.returncode == 0, done.stderr
    assert "rc" in done.stderr and "Function not implemented" in done.stderr
    with open(pidfile) as text:
        pid = lab.adopt(int(text.read()))
    assert vde.mode_of(mgmt) == 0o600
    session = vde.Management(mgmt, PROMPT)
    assert session.banner == b"\nVDE wirefilter V.2.3.2\n(C) R.Davoli 2005,2006 - GPLv2\n" + PROMPT
    assert "Delay  L->R 7+0U   R->L 7+0U" in session.command("showinfo").data
    session.close()
    lab.end_adopted(pid)
    vde.wait_until(lambda: not os.path.exists(pidfile) and not os.path.exists(mgmt), "the files to go")
    failed = lab.run("wirefilter", "-v", f"{left.socket}:{lab.path('none')}", "--daemon", "--pidfile", "pid")
    assert failed.returncode == 1 and "vdeplug" in failed.stderr and not os.path.exists(pidfile)


def test_management_socket_is_kept_safe(lab):
    """A dead one is replaced, a live one and a common file are left alone; more sessions than the original had."""
    path = lab.path("wf")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    left, right = lab.switch(), lab.switch()
    program = lab.start("wirefilter", "-v", f"{left.socket}:{right.socket}", "-M", path)
    program.expect("starting", "stderr")
    sessions = [vde.Management(path, PROMPT) for _ in range(30)]
    assert all(session.command("showcurrent").code == 1000 for session in sessions)
    second = lab.run("wirefilter", "-v", f"{left.socket}:{right.socket}", "-M", path)
    assert second.returncode == 1 and path in second.stderr
    assert sessions[0].command("showinfo").code == 1000
    program.end()
    with open(path, "w") as file:
        file.write("precious")
    third = lab.run("wirefilter", "-v", f"{left.socket}:{right.socket}", "-M", path)
    assert third.returncode == 1
    with open(path) as file:
        assert file.read() == "precious"


def test_lost_switch_ends_it(lab):
    cable = Cable(lab)
    cable.right.program.end()
    assert cable.program.wait() == 1
    assert cable.right.socket in cable.program.stderr


def test_reconnect(lab):
    cable = Cable(lab, "--reconnect")
    path = cable.right.socket
    cable.right.stop()
    cable.b.close()
    cable.program.expect("waiting for it", "stderr")
    cable.send("LR", 10)
    again = lab.switch(socket=path)
    cable.program.expect("connected again", "stderr")
    cable.b = lab.plug(again)
    cable.right = again
    cable.one("LR")
    cable.one("RL")
    assert cable.program.cpu_seconds() < 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_signals_are_seen(lab, number):
    cable = Cable(lab)
    assert cable.program.end(number) == -number
    assert not os.path.exists(cable.mgmt)


@pytest.mark.parametrize("words, told", [
    (["-v", "nocolon"], "nocolon"), (["-l", "abc", "-v", "a:b"], "'abc'"), (["-d", "-5", "-v", "a:b"], "'-5'"), (["--bogus"], "bogus"),
    (["a", "b", "c"], "'c'"), (["-v", "a:b", "c"], "'c'"), (["-l", "5[1]", "-v", "a:b"], "5[1]"), (["--preset", "x", "-v", "a:b"], "'x'"),
    (["--trace", "/nonexistent/x", "-v", "a:b"], "/nonexistent/x"), (["--seed", "x"], "'x'"), (["-v", "udp://a:1:b"], "more than one colon"),
])
def test_wrong_usage(lab, words, told):
    done = lab.run("wirefilter", *words)
    assert done.returncode == 2 and told in done.stderr


def test_terminal_is_refused(lab):
    import pty
    master, slave = pty.openpty()
    done = lab.run("wirefilter", stdin=slave)
    os.close(master)
    os.close(slave)
    assert done.returncode == 2 and "not a pipe" in done.stderr


def test_help_and_presets(lab):
    done = lab.run("wirefilter", "--help")
    options = re.findall(r"--([a-z-]+)", done.stdout)
    order = ["help", "rcfile", "loss", "lostburst", "delay", "dup", "band", "speed", "chanbufsize", "noise", "mtu", "nofifo", "mgmt", "mgmtmode",
             "vde-plug", "daemon", "pidfile", "blink", "blinkid"]
    assert done.returncode == 0 and [name for name in options if name in order and options.index(name) >= 0][:1] == ["help"]
    assert [name for name in dict.fromkeys(options) if name in order] == order
    done = lab.run("wirefilter", "--list-presets")
    assert done.returncode == 0 and all(f"{name}: " in done.stdout for name in ("dsl", "3g", "satellite", "wifi", "lossy-lan"))


def test_presets_with_own_options(lab):
    cable = Cable(lab, "--preset", "satellite", "-d", "LR1")
    assert "Delay  L->R 1+0U   R->L 280+5N" in cable.info()
    assert cable.one("RL") >= 0.2


def test_one_seed_one_course(lab):
    """The same seed loses the same frames."""
    data = stream_of(*[struct.pack("!I", i) * 15 for i in range(500)])
    runs = [subprocess.run([vde.ours("wirefilter"), "--seed", seed, "-l", "40"], input=data, stdout=subprocess.PIPE, env=vde.env_ours(),
                           timeout=vde.DEADLINE, check=True).stdout for seed in ("1", "1", "2")]
    assert runs[0] == runs[1] != runs[2] and 0 < len(runs[0]) < len(data)
