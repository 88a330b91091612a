# SPDX-License-Identifier: GPL-2.0-or-later
"""The clients of the management socket: vdecmd, unixcmd, unixterm, vdeterm (on a pipe, and in a real terminal)."""
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import termios
import time

import pytest

import vde


def vdecmd(lab, switch, *words, **options):
    return lab.run("vdecmd", "-s", switch.mgmt, *words, **options)


# ---- vdecmd ----------------------------------------------------------------------------------------------------------

def test_vdecmd_prints_the_data_and_nothing_else(lab, switch):
    done = vdecmd(lab, switch, "port/showinfo")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:3] == ["Numports=32", "HUB=false", "counters=true"]
    done = vdecmd(lab, switch, "port/create", "5")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_vdecmd_tells_a_refusal(lab, switch):
    vdecmd(lab, switch, "port/create", "5", check=True)
    done = vdecmd(lab, switch, "port/create", "5")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "vdecmd: port/create 5: 1017 File exists\n"
    assert vdecmd(lab, switch, "nonsense").returncode == 1
    assert vdecmd(lab, switch, "--accept", "1006,1017", "port/create", "5").returncode == 0
    assert vdecmd(lab, switch, "port/create", "5", env=vde.env_ours(VDECMD_ACCEPT="1006,1017")).returncode == 0
    assert vdecmd(lab, switch, "--accept", "x", "port/create", "5").returncode == 2


def test_vdecmd_many_commands(lab, switch):
    done = vdecmd(lab, switch, input="# a comment\n\n port/create 3\nport/create 3\nport/create 4\n")
    assert (done.returncode, set(switch.ports(all=True))) == (1, {3})
    done = vdecmd(lab, switch, "-k", "-f", "-", input="port/create 3\nport/create 4")
    assert (done.returncode, set(switch.ports(all=True))) == (1, {3, 4})
    with open(lab.path("commands"), "w") as file:
        file.write("".join(f"vlan/create {n}\n" for n in range(1, 500)))
    assert vdecmd(lab, switch, "-f", lab.path("commands"), "vlan/create", "500").returncode == 0
    assert len(switch.ask("vlan/print")) == 501


def test_vdecmd_old_script_is_ignored(lab, switch):
    with open(lab.path("script"), "w") as file:
        file.write("TIMEOUT 1000\n1 IN '$ ' 100\n3 SEND '$*\\n'\n22 EXITATOI\n100 EXIT -1\n")
    done = vdecmd(lab, switch, "-f", lab.path("script"), "port/create", "9")
    assert (done.returncode, done.stdout) == (0, "")
    assert "ignored" in done.stderr
    assert 9 in switch.ports(all=True)


def test_vdecmd_json(lab, switch):
    plug = lab.plug(switch, port=3, description=b'say "hi" \x1b[1m')
    plug.send(vde.frame(vde.BROADCAST, vde.mac(7)))
    switch.settle()

    def ask(command):
        done = vdecmd(lab, switch, "--json", *command.split())
        answer = json.loads(done.stdout)
        assert answer["command"] == command
        return answer

    ports = ask("port/print")["data"]
    assert [port["port"] for port in ports] == [3]
    assert ports[0]["active"] is True and ports[0]["in_packets"] == 1 and ports[0]["untagged_vlan"] == 0
    assert ports[0]["endpoints"][0]["module"] == "unix prog" and 'say "hi"' in ports[0]["endpoints"][0]["description"]
    assert "other" not in ports[0], ports[0]["other"]
    assert ask("hash/print")["data"][0]["mac"] == vde.mac_text(vde.mac(7))
    assert ask("vlan/print")["data"][0]["ports"][0]["status"] == "Forwarding"
    assert ask("showinfo")["data"]["pid"] == switch.pid
    assert ask("stats 3")["data"][0]["in"] == 1
    assert ask("ds/showinfo")["data"] == [f"ctl dir {os.path.realpath(switch.socket)}", "std mode 0600"]
    refused = ask("port/print 9")
    assert (refused["code"], refused["data"]) == (1006, [])
    both = json.loads(vdecmd(lab, switch, "--json", "-f", "-", input="port/create 7\nhash/print\n").stdout)
    assert [answer["code"] for answer in both] == [1000, 1000]


def test_vdecmd_load_tells_the_lines_that_fail(lab, switch):
    with open(lab.path("script"), "w") as file:
        file.write("port/create 3\nport/create 3\nport/create 4\n")
    done = vdecmd(lab, switch, "load", lab.path("script"))
    assert set(switch.ports(all=True)) == {3, 4}
    assert "1017" in done.stderr or done.returncode == 1


def test_vdecmd_without_a_server(lab):
    done = lab.run("vdecmd", "-s", lab.path("none"), "showinfo")
    assert done.returncode == 1 and lab.path("none") in done.stderr and "No such file" in done.stderr
    assert lab.run("vdecmd", "-s", lab.path("none")).returncode in (1, 2)


def test_directory_of_the_switch_is_no_management_socket(lab, switch):
    for program, words in (("vdecmd", ["-s", switch.socket, "showinfo"]), ("vdeterm", [switch.socket]), ("unixterm", [switch.socket])):
        done = lab.run(program, *words)
        assert (done.returncode, done.stderr) == (1, f"{program}: {switch.socket}: Is a directory\n")


def test_vdecmd_silent_server(lab):
    import socket
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(lab.path("silent"))
        server.listen()
        done = lab.run("vdecmd", "-t", "0.2", "-s", lab.path("silent"), "showinfo")
    assert done.returncode == 1 and "prompt" in done.stderr


def test_vdecmd_escapes_what_would_speak_to_the_terminal(lab):
    import socket
    master, slave = os.openpty()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(lab.path("rude"))
        server.listen()
        for output in (slave, None):
            program = lab.start("vdecmd", "-s", lab.path("rude"), "x", stdout=output)
            session = server.accept()[0]
            session.sendall(b"\nvde$ ")
            assert session.recv(100) == b"x\n"
            session.sendall(b"0000 DATA END WITH '.'\na\x1b[2J\n.\n1022 no\x1b]0;x\x07\nvde$ ")
            assert program.wait() == 1
            assert program.stderr == "vdecmd: x: 1022 no\\x1b]0;x\\x07\n"
            session.close()
    assert os.read(master, 100) == b"a\\x1b[2J\r\n"
    assert program.stdout == "a\x1b[2J\n"         # a script gets it as it is
    os.close(master)
    os.close(slave)


def test_unixcmd_is_the_second_name(lab, switch):
    done = lab.run("unixcmd", "-s", switch.mgmt, "-f", "-", "port/showinfo", input="")
    assert done.returncode == 0 and done.stdout.startswith("Numports=32\n")
    done = lab.run("unixcmd", "port/showinfo")
    assert done.returncode == 1 and "/var/run/unixcmd" in done.stderr


def test_vdecmd_shutdown(lab, switch):
    assert vdecmd(lab, switch, "shutdown").returncode == 0
    assert switch.program.wait() == 0


def test_vdecmd_with_the_original_switch(lab):
    switch = lab.switch(program=vde.foreign("vde_switch"))
    assert vdecmd(lab, switch, "port/create", "5").returncode == 0
    assert vdecmd(lab, switch, "port/create", "5").returncode == 1
    assert vdecmd(lab, switch, "port/showinfo").stdout.splitlines() == ["Numports=32", "HUB=false", "counters=true"]


# ---- what users' programs do -----------------------------------------------------------------------------------------

def test_sequence_of_openqa(lab):
    """os-autoinst: each command a process of its own, and each must exit 0, whether or not the port or the VLAN is there already."""
    switch = lab.switch("-F")
    environment = vde.env_ours(VDECMD_ACCEPT="1006,1017")
    for _ in range(2):
        for command in ("port/remove 4", "port/create 4", "vlan/create 7", "port/setvlan 4 7"):
            done = vdecmd(lab, switch, *command.split(), env=environment)
            assert done.returncode == 0, (command, done.stderr)
    guest = lab.plug(switch, port=4)
    other = lab.plug(switch, port=5)
    vdecmd(lab, switch, "port/setvlan", "5", "7", check=True)
    sent = vde.frame(vde.BROADCAST, vde.mac(1))

    def arrives():                  # once the spanning tree has made sure that the ports are edges
        guest.send(sent)
        switch.settle()
        return sent in other.recv_now()
    vde.wait_until(arrives, "a frame in the VLAN")


def test_sequence_of_marionnet(lab):
    """-n ports+1, all plugs in connect order, an xterm with rlwrap unixterm on the management socket."""
    switch = lab.switch("-n", "5", "-mod", "777")
    assert [int(os.path.basename(lab.plug(switch).switch_path)[:3]) for _ in range(4)] == [1, 2, 3, 4]
    terminal = lab.start("unixterm", switch.mgmt)
    terminal.expect(r"^vde\$ ")
    terminal.write("port/showinfo\n")
    terminal.expect(r"^Numports=5$")
    terminal.write("port/print\n")
    terminal.expect(r"^Port 0004 untagged_vlan=0000 ACTIVE")
    terminal.stdin.close()
    assert terminal.wait() == 0


def test_sequence_of_remotelabz(lab):
    """Many commands in one go, without waiting for answers."""
    switch = lab.switch()
    commands = "".join(f"vlan/create {n}\nport/create {n}\nport/setvlan {n} {n}\n" for n in range(1, 31))
    done = lab.run("unixterm", switch.mgmt, input=commands)
    assert done.stdout.count("1000 Success") == 90
    assert {n: port["vlan"] for n, port in switch.ports(all=True).items()} == {n: n for n in range(1, 31)}


def test_sequence_of_qemunet(lab):
    """echo COMMAND | socat: half-closed at once; load of a file; the same with unixterm."""
    switch = lab.switch("-d", "-p", lab.path("pid"), ready=False)
    assert switch.program.wait() == 0
    with open(lab.path("pid")) as file:
        lab.adopt(int(file.read()))
    socat = vde.need_program("socat")
    with open(lab.path("x.cmd"), "w") as file:
        file.write("vlan/create 3\nport/create 2\nport/setvlan 2 3\n")
    for tool in ([socat, "-", f"UNIX-CONNECT:{switch.mgmt}"], ["unixterm", switch.mgmt]):
        assert "1000 Success" in lab.run(*tool, input="port/setnumports 40\n").stdout
        lab.run(*tool, input=f"load {lab.path('x.cmd')}\n", check=True)
        assert "Port 0002 untagged_vlan=0003" in lab.run(*tool, input="port/allprint\n").stdout
        assert " -- Port 0002 tagged=0" in lab.run(*tool, input="vlan/allprint\n").stdout
    lab.run("vdecmd", "-s", switch.mgmt, "shutdown", check=True)


# ---- unixterm --------------------------------------------------------------------------------------------------------

def test_unixterm_waits_for_answers(lab, switch):
    done = lab.run("unixterm", switch.mgmt, input="port/create 3\nport/allprint\n")
    assert done.returncode == 0
    assert "Port 0003" in done.stdout and done.stdout.count("1000 Success") == 2


def test_unixterm_gives_up_on_a_silent_server(lab):
    import socket
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(lab.path("silent"))
        server.listen()
        assert lab.run("unixterm", "-w", "0.1", lab.path("silent"), input="x\n").returncode == 0
    assert lab.run("unixterm", lab.path("none")).returncode == 1
    assert lab.run("unixterm").returncode == 2


# ---- vdeterm ---------------------------------------------------------------------------------------------------------

def test_vdeterm_on_a_pipe(lab, switch):
    done = lab.run("vdeterm", switch.mgmt, input="port/create 3\nport/allprint 3\n# nothing\n\nport/showinfo")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "Success" and lines[1].startswith("Port 0003") and "Numports=32" in lines
    assert "vde" not in done.stdout.lower()
    assert lab.run("vdeterm", switch.mgmt, input="port/create 3\n").returncode == 1
    assert lab.run("vdeterm", switch.mgmt, input="logout\n").returncode == 0
    assert lab.run("vdeterm", switch.mgmt, input="x" * 3000 + "\n").returncode == 1
    assert lab.run("vdeterm", lab.path("none"), input="").returncode == 1


def test_vdeterm_tells_when_its_output_is_lost(lab, switch):
    done = lab.run("/bin/sh", "-c", f"'{vde.ours('vdeterm')}' {switch.mgmt} >/dev/full", input="port/create 3\nport/create 4\n")
    assert (done.returncode, done.stderr.count("stdout: No space left")) == (1, 1)
    assert {3, 4} <= set(switch.ports(all=True))


def test_vdeterm_shows_events_on_a_pipe(lab, switch):
    term = lab.start("vdeterm", switch.mgmt)
    term.write("debug/add port/\n")
    term.expect(r"^Success$")
    lab.plug(switch, port=7)
    term.expect(r"^\*\* DBG MSG: port/\+ 07$")
    term.stdin.close()
    assert term.wait() == 0


class Terminal:
    """vdeterm in a tmux of its own."""

    def __init__(self, lab, switch):
        self.tmux = [vde.need_program("tmux"), "-S", lab.path("tmux"), "-f", "/dev/null"]
        home = lab.path("home")
        os.makedirs(home, exist_ok=True)
        command = f"{vde.ours('vdeterm')} {switch.mgmt}; echo status $?; stty -a | grep -ow -e -echo -e echo -e -icanon -e icanon; cat"
        environment = vde.env_ours(HOME=home, TERM="screen", INPUTRC="/dev/null")
        environment.pop("TMUX", None)
        subprocess.run([*self.tmux, "new-session", "-d", "-x", "120", "-y", "40", "sh", "-c", command], check=True, env=environment)

    def keys(self, *keys):
        subprocess.run([*self.tmux, "send-keys", *keys], check=True)

    def screen(self):
        return subprocess.run([*self.tmux, "capture-pane", "-p"], check=True, stdout=subprocess.PIPE, text=True).stdout.rstrip()

    def expect(self, pattern):
        try:
            return vde.wait_until(lambda: re.search(pattern, self.screen(), re.M), f"{pattern!r} on the screen")
        except BaseException:
            print(self.screen())
            raise

    def close(self):
        """vdeterm first: the SIGCONT of a hang-up takes away the SIGSTOP by which a leak checker stops a program that ends just then, and both wait for ever."""
        pane = subprocess.run([*self.tmux, "list-panes", "-F", "#{pane_pid}"], check=False, stdout=subprocess.PIPE, text=True).stdout
        for child in vde.children(pane.strip()) if pane else []:
            os.kill(child, signal.SIGTERM)
            vde.wait_until(lambda: not vde.pid_is_alive(child), "vdeterm's end")
        subprocess.run([*self.tmux, "kill-server"], check=False)


@pytest.fixture
def terminal(lab, switch):
    term = Terminal(lab, switch)
    yield term
    term.close()


def test_vdeterm_in_a_terminal(lab, switch, terminal):
    prompt = rf"^vde\[{switch.mgmt}\]: "
    terminal.expect(r"^VDE switch V\.")
    terminal.expect(prompt.rstrip())
    terminal.keys("port/sho", "Tab", "Enter")
    terminal.expect(r"^Numports=32$")
    terminal.expect(r"^Success$")
    # arguments: the ports that exist, VLANs, categories
    switch.command("port/create 11")
    switch.command("vlan/create 77")
    terminal.keys("port/setvlan ", "Tab", "7", "Tab", "Enter")
    vde.wait_until(lambda: switch.ports(all=True)[11]["vlan"] == 77, "the port's VLAN")
    terminal.keys("debug/add port/e", "Tab", "+", "Tab", "Enter")
    terminal.expect(r"debug/add port/ep/\+")
    # an event appears above the line that is being edited, which stays
    terminal.keys("half a com")
    terminal.expect(r"half a com$")
    plug = lab.plug(switch, port=5)
    terminal.expect(r"^\*\* DBG MSG: port/ep/\+ Port 05 FD +\d+$")
    terminal.expect(prompt + r"half a com$")
    terminal.keys("m")
    terminal.expect(r"half a comm$")
    terminal.keys("C-c")
    terminal.expect(r"half a comm\^C$")
    # history
    terminal.keys("Up", "Up", "Up", "Enter")
    vde.wait_until(lambda: terminal.screen().count("Numports=32") == 2, "the command from the history")
    plug.close()


def test_vdeterm_leaves_the_terminal_as_it_was(lab, switch, terminal):
    terminal.expect(r"^vde\[")
    terminal.keys("port/create 3", "Enter")
    terminal.expect(r"^Success$")
    terminal.keys("C-d")
    terminal.expect(r"^status 0$")
    terminal.expect(r"^icanon$")
    terminal.expect(r"^echo$")
    history = lab.path("home", ".vde2", "vdeterm_history")
    with open(history) as file:
        assert file.read() == "port/create 3\n"
    assert vde.mode_of(history) == 0o600


def test_vdeterm_is_not_stopped_where_nobody_could_continue_it(lab, switch):
    """Ctrl-Z under `ssh -t`: the leader of its session, without a shell."""
    def lead():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    master, slave = os.openpty()
    term = lab.start(vde.ours("vdeterm"), "-H", "", switch.mgmt, stdin=slave, stdout=slave, stderr=slave, before=lead)
    os.close(slave)
    shown = b""
    for typed, expected in ((b"", b"]: "), (b"half", b"half"), (b"\x1a", b"]: half"), (b"\x15port/showinfo\r", b"Numports=32"), (b"", b"]: ")):
        os.write(master, typed)
        while expected not in shown:
            assert vde._ready(master, 1, vde.DEADLINE), shown
            shown += os.read(master, 4096)
        shown = shown.split(expected, 1)[1]
    os.write(master, b"\x04")
    assert term.wait() == 0
    os.close(master)


@pytest.mark.parametrize("typed", ["port/crea", "port/create 29\n"], ids=["editing", "waiting"])
def test_vdeterm_ends_with_its_terminal(lab, switch, typed):
    """Also when no signal tells of it, and the server does not answer."""
    master, slave = os.openpty()
    term = lab.start("vdeterm", "-H", "", switch.mgmt, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    while b"]: " not in shown:
        shown += os.read(master, 4096)
    switch.program.kill(signal.SIGSTOP)
    os.write(master, typed.encode())
    while typed.strip().encode() not in shown:
        shown += os.read(master, 4096)
    os.close(master)
    assert term.wait() == 128 + signal.SIGHUP
    switch.program.kill(signal.SIGCONT)


def test_vdeterm_ends_with_the_server(lab, switch, terminal):
    terminal.expect(r"^vde\[")
    switch.program.end()
    terminal.expect(r"^status 0$")
    terminal.expect(r"^icanon$")
