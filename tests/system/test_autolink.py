# SPDX-License-Identifier: GPL-2.0-or-later
"""vde_autolink: links between switches that stay up."""
import ast
import os
import re
import signal

import pytest
import vde

QUICK = ["--retry", "0.1", "--retry-max", "0.5", "--alive", "0.3", "--check", "1"]
CABLE = "addwire cable dpipe vde_plug -p $myport $mysock = vde_plug $remotehost"


class Autolink:
    def __init__(self, lab, switch, *lines, options=(), ready=True):
        self.lab, self.mgmt, self.rc = lab, lab.path(lab.name("al")), lab.path(lab.name("rc"))
        with open(self.rc, "w") as rc:
            rc.write("\n".join(lines) + "\n")
        self.program = lab.start("vde_autolink", "-s", switch.socket, "-S", switch.mgmt, "-M", self.mgmt, "-f", self.rc, "--nostdin",
                                 *QUICK, *options)
        if ready:
            vde.wait_until(lambda: self.program.status is not None or vde.answers(self.mgmt), "the management socket")
            self.session = vde.Management(self.mgmt, prompt=b"\nVDEal$ ")

    def ask(self, line):
        reply = self.session.command(line)
        assert reply.code == 1000, (line, reply)
        return reply.data or []

    def running(self):
        """Name of the link: (state, host, pid, port)."""
        found = {}
        for line in self.ask("runninglinks"):
            match = re.fullmatch(r"(\S+) port=(\d+) (\w+) type=\S+ host=(\S+) pid=(\d+) seconds=\d+", line)
            assert match, line
            found[match[1]] = (match[3], match[4], int(match[5]), int(match[2]))
        return found

    def up(self, name="l", other_than=None):
        def is_up():
            row = self.running().get(name)
            return row if row and row[0] == "up" and row[2] != other_than else None
        return vde.wait_until(is_up, f"link {name}")


def crosses(lab, near, far):
    """A frame of a plug here arrives at a plug there."""
    a, b = lab.plug(near), lab.plug(far)
    frame = vde.frame(vde.BROADCAST, vde.mac(1), b"across")

    def arrives():
        a.send(frame)
        return vde._ready(b.data, 1, 0.2)
    vde.wait_until(arrives, "a frame at the other side")
    a.close()
    b.close()


def link(*hosts):
    return [CABLE, "addlink l " + " ".join(hosts), "addtypelink l cable", "linkonoff l 1"]


def test_link_from_the_rc_file(lab):
    near, far = lab.switch(), lab.switch()
    autolink = Autolink(lab, near, *link(far.socket))
    state, host, _, port = autolink.up()
    assert host == far.socket and port in near.ports()
    crosses(lab, near, far)
    assert autolink.program.end() == 0
    vde.wait_until(lambda: not near.ports() and not far.ports())
    assert not near.ports(all=True).get(port), "the port was not given back"
    assert not os.path.exists(autolink.mgmt)


def test_survives_ten_killed_cables(lab):
    near, far = lab.switch(), lab.switch()
    autolink = Autolink(lab, near, *link(far.socket))
    last = None
    for _ in range(10):
        last = autolink.up(other_than=last)[2]
        os.killpg(last, signal.SIGKILL)
    autolink.up(other_than=last)
    crosses(lab, near, far)
    assert autolink.program.cpu_seconds() < 2


def test_far_switch_that_vanishes_for_a_while(lab):
    """Both ways back: the far switch, then the near one (whose port is reserved anew). Tries get rarer, and say so once."""
    near, far = lab.switch(), lab.switch()
    # longer than a cable to a switch that is away can live, on a machine that is busy with other tests too
    autolink = Autolink(lab, near, *link(far.socket), options=["--alive", str(2.5 * vde.PATIENCE)])
    autolink.up()

    def is_up():
        return autolink.running().get("l", ("",))[0] == "up"
    far.stop()
    autolink.program.expect("ended|has left", stream="stderr")
    vde.wait_until(lambda: not is_up(), "the end of the link")
    assert vde.never(is_up, 4)
    tries = autolink.program.stderr.count("vde_autolink: link l:")
    assert tries <= 4, autolink.program.stderr
    far = lab.switch(socket=far.socket)
    cable = autolink.up()[2]
    crosses(lab, near, far)
    near.stop()
    near = lab.switch(socket=near.socket, mgmt=near.mgmt)
    autolink.up(other_than=cable)       # else a plug could take the link's port before the link's end is noticed
    crosses(lab, near, far)
    assert autolink.program.cpu_seconds() < 2


def test_host_that_vanishes(lab):
    """The far end, which is the root of the spanning tree, goes silent and no process here ends of itself: found by the tree, wired anew."""
    near, far = lab.switch("-F", "--priority", "65535"), lab.switch("-F", "--priority", "4096")
    # a filter that is told to lose everything stands for the line
    line = lab.path("line")
    wire = f"addwire cable dpipe vde_plug -p $myport $mysock = wirefilter -M {line} = vde_plug $remotehost"
    autolink = Autolink(lab, near, wire, *link(far.socket)[1:])
    pid = autolink.up()[2]
    crosses(lab, near, far)
    vde.wait_until(lambda: any("role=Root" in text for text in near.ask("fstp/print")), "the way to the root")
    vde.Management(line, prompt=b"\nVDEwf$ ").command("loss 100")
    autolink.up(other_than=pid)
    assert "nothing comes in" in autolink.program.stderr
    crosses(lab, near, far)


def test_alternatives_in_order(lab):
    """Of two hosts the first is away; when the second goes, the first, back by now, is taken."""
    near, first, second = lab.switch(), lab.switch(), lab.switch()
    first.stop()
    autolink = Autolink(lab, near, *link(first.socket, second.socket), options=["--alive", "1"])
    assert autolink.up()[1] == second.socket
    crosses(lab, near, second)
    first = lab.switch(socket=first.socket)
    second.stop()
    vde.wait_until(lambda: autolink.running().get("l", ("", ""))[:2] == ("up", first.socket), "the first host")


def test_kinds_of_wires_in_order(lab):
    near, far = lab.switch(), lab.switch()
    autolink = Autolink(lab, near, "addwire bad false", "addwire worse /no/such/program", CABLE, "addlink l " + far.socket,
                        "addtypelink l bad", "addtypelink l worse", "addtypelink l cable", "linkonoff l 1")
    first = autolink.up()
    assert "type=cable" in autolink.ask("runninglinks")[0]
    # it is known for what it is when other kinds come and go, and ends with its own
    for change in ("deltypelink l bad", "addtypelink l bad"):
        autolink.ask(change)
        assert "type=cable" in autolink.ask("runninglinks")[0]
    autolink.ask("deltypelink l cable")
    vde.wait_until(lambda: not vde.pid_is_alive(first[2]), "the cable's end")


def test_no_busy_loop_when_all_ends_are_down(lab, switch):
    count = lab.path("count")
    autolink = Autolink(lab, switch, f"addwire bad sh -c 'echo x >>{count}; exit 1'", "addlink l a b c", "addtypelink l bad", "linkonoff l 1",
                        options=["--retry", "0.05", "--retry-max", "30"])
    vde.wait_until(lambda: os.path.exists(count))
    vde.never(lambda: False, 3)
    with open(count) as text:
        tries = len(text.read().split())
    # 3 a round; rounds 0.1, 0.2, 0.4, 0.8, 1.6 s apart at most, half of it at least
    assert 3 <= tries <= 3 * 8
    assert autolink.program.cpu_seconds() < 1 and autolink.program.stderr.count("link l") == 1
    vde.wait_until(lambda: re.match(r"try l in \d+\.\d s", autolink.ask("jobsqueue")[0]), "the time of the next try")


def test_wire_that_never_plugs_in(lab, switch):
    """It lives, and does nothing: replaced after the check, with all its children."""
    marks = lab.path("pids")
    autolink = Autolink(lab, switch, f"addwire lazy sh -c 'echo x >>{marks}; sleep 1000 & wait'", "addlink l h", "addtypelink l lazy", "linkonoff l 1")
    first = vde.wait_until(lambda: autolink.running().get("l"))
    vde.wait_until(lambda: autolink.running().get("l", first)[2] != first[2], "another try")
    assert "does not come to the switch" in autolink.program.stderr
    assert not vde.pid_is_alive(first[2])


def test_quoting(lab, switch):
    """Words are the user's, whatever blanks and marks they hold; no shell looks at them."""
    out = lab.path("out")
    code = "import sys; open(sys.argv[1], 'w').write(repr(sys.argv[2:]))"
    autolink = Autolink(lab, switch, f"""addwire show /usr/bin/python3 -c "{code.replace('"', '')}" {out} 'a  b' "c $myport" $remotehost d\\ e $mysock ; x""",
                        "addlink l h;$(id)*", "addtypelink l show", "linkonoff l 1")
    vde.wait_until(lambda: os.path.exists(out) and os.path.getsize(out))
    port = int(re.search(r"port=(\d+)", autolink.ask("showlinks")[0])[1])
    with open(out) as text:
        assert ast.literal_eval(text.read()) == ["a  b", f"c {port}", "h;$(id)*", "d e", switch.socket, ";", "x"]


def test_commands(lab, switch):
    """Tables and answers of the management language."""
    autolink = Autolink(lab, switch)
    command = autolink.session.command
    assert [line for line in autolink.ask("help") if line.startswith("linkonoff")]
    for line, code in [
        ("addwire", 1022), ("addwire w", 1022), ("addwire w 'open", 1022), ("addwire w $nobody", 1022), ("addwire w cat a", 1000),
        ("addwire w cat", 1017), ("addlink l", 1022), ("addlink l h1 h2", 1000), ("addlink l h3", 1017), ("addtypelink l x", 1002),
        ("addtypelink x w", 1002), ("addtypelink l w", 1000), ("addtypelink l w", 1017), ("delwire w", 1016), ("linkonoff l 2", 1022),
        ("linkonoff x 1", 1002), ("linkonoff l 0", 1000), ("deltypelink l x", 1002), ("runscript /no/such", 1002), ("nothing", 1038),
        ("addlink " + "n" * 64 + " h", 1022), ("addlink " + "many " + "h " * 17, 1028),
    ]:
        assert command(line).code == code, line
    for line, told in [
        ("addwire v 'open", "closed quotes"), ("addwire v $nobody", "$mysock"), ("addtypelink l x", "'x' is no kind of wire"),
        ("addtypelink x w", "'x' is no link"), ("delwire w", "used by a link"), ("linkonoff l 2", "'2' is not 0 or 1"),
        ("dellink x", "'x' is no link"),
    ]:
        assert told in command(line).data[0], line
    assert autolink.ask("showwires") == ["w: cat a"]
    assert re.fullmatch(r"l port=\d{4} off off hosts: h1 h2 types: w", autolink.ask("showlinks")[0])
    assert autolink.ask("runninglinks") == [] and autolink.ask("jobsqueue") == []
    for line in ("deltypelink l w", "delwire w", "dellink l"):
        assert command(line).code == 1000, line
    assert autolink.ask("showwires") == [] and autolink.ask("showlinks") == []
    switch.settle()
    vde.wait_until(lambda: not switch.ports(all=True))
    with open(lab.path("self"), "w") as script:
        script.write(f"addlink a h\nrunscript {lab.path('self')}\n")
    assert command(f"runscript {lab.path('self')}").code == 1000 and len(autolink.ask("showlinks")) == 1
    assert command("shutdown").code in (1000, 9999)
    assert autolink.program.wait() == 0


def test_switched_off_and_on_and_removed(lab):
    near, far = lab.switch(), lab.switch()
    autolink = Autolink(lab, near, *link(far.socket))
    pid = autolink.up()[2]
    autolink.ask("linkonoff l 0")
    vde.wait_until(lambda: not autolink.running() and not vde.pid_is_alive(pid))
    autolink.ask("linkonoff l 1")
    autolink.up()
    autolink.ask("dellink l")
    vde.wait_until(lambda: not far.ports() and not near.ports(all=True), "no port in use")


def test_switch_that_comes_later(lab):
    """It may be started before its switch."""
    far, socket_path, mgmt = lab.switch(), lab.path("later"), lab.path("later.mgmt")

    class Later:
        socket, mgmt = socket_path, lab.path("later.mgmt")
    autolink = Autolink(lab, Later, *link(far.socket))
    assert vde.never(autolink.running, 0.5)
    near = lab.switch(socket=socket_path, mgmt=mgmt)
    autolink.up()
    crosses(lab, near, far)


def test_with_the_originals_switch(lab):
    near = lab.switch(program=vde.foreign("vde_switch"))
    far = lab.switch()
    autolink = Autolink(lab, near, *link(far.socket))
    autolink.up()
    crosses(lab, near, far)


def test_in_the_background(lab, switch):
    pidfile, mgmt = lab.path("pid"), lab.path("m")
    with open(lab.path("rc"), "w") as rc:
        rc.write("addwire w cat\n")
    done = lab.run("vde_autolink", "-s", switch.socket, "-S", switch.mgmt, "-M", mgmt, "--mgmtmode", "660", "-d", "-p", pidfile, "-f", lab.path("rc"))
    assert done.returncode == 0, done.stderr
    with open(pidfile) as text:
        pid = lab.adopt(int(text.read()))
    assert vde.answers(mgmt) and vde.mode_of(mgmt) == 0o660
    lab.end_adopted(pid)
    assert not os.path.exists(pidfile) and not os.path.exists(mgmt)


@pytest.mark.parametrize("words, status, text", [
    (["-s", "{d}/s"], 2, "-S SOCK"), (["-S", "{d}/m"], 2, "-s DIR"), (["-s", "a", "-S", "b", "--retry", "0"], 2, "retry"),
    (["-s", "{d}/s", "-S", "{d}/m", "-f", "{d}/none"], 1, "none"), (["-s", "a", "-S", "b", "word"], 2, "word"),
])
def test_errors(lab, words, status, text):
    done = lab.run("vde_autolink", *(word.format(d=lab.dir) for word in words))
    assert done.returncode == status and text in done.stderr, done
