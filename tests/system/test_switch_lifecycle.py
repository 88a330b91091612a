# SPDX-License-Identifier: GPL-2.0-or-later
"""How vde_switch starts and stops: the exact command lines of its users, and what must be there when."""
import os
import pty
import re
import shutil
import signal
import socket
import stat
import subprocess

import pytest
import vde

PROMPT = r"^vde(\[[^]]*\]:|\$) "        # what Virtualbricks waits for


def group_name():
    return "nogroup"


def read_pid(path):
    def written():
        with open(path) as text:
            return text.read()

    return int(vde.wait_until(written, "the pid file's content"))


# ---- the users' sequences --------------------------------------------------------------------------------------------

def test_nixos_console_is_the_readiness_signal(lab):
    """The NixOS test driver: a command on stdin, lines from stdout until 1000 Success; by then ctl exists."""
    directory = lab.path("vde1.ctl")
    process = subprocess.Popen([vde.ours("vde_switch"), "--sock", directory, "--dirmode", "0700", "--hub"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, env=vde.env_ours())
    try:
        process.stdin.write(b"showinfo\n")
        process.stdin.flush()
        while b"1000 Success" not in process.stdout.readline():
            pass
        assert os.path.exists(directory + "/ctl")
        assert vde.mode_of(directory) & 0o777 == 0o700
        process.stdin.close()
        process.terminate()
        assert process.wait(vde.DEADLINE) == 0
        assert not os.path.exists(directory)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_older_nixos_terminal_on_stdin(lab):
    """The older driver: a pty as stdin, the unknown word `version`, and one line on stdout is waited for."""
    directory, (master, slave) = lab.path("s"), pty.openpty()
    program = lab.start("vde_switch", "-s", directory, stdin=slave)
    os.close(slave)
    os.write(master, b"version\n")
    program.expect(r"\n")
    assert os.path.exists(directory + "/ctl")
    os.write(master, b"\x04")
    assert program.wait() == 0
    os.close(master)
    assert not os.path.exists(directory)


def test_kathara_everything_is_there_when_the_parent_returns(lab):
    os.mkdir(lab.path("kt"))
    directory, pidfile = lab.path("kt/ctl"), lab.path("kt/pid")
    done = lab.run("vde_switch", "-n", "65535", "-x", "-d", "-s", directory, "-p", pidfile)
    assert done.returncode == 0 and done.stdout == "" and done.stderr == ""
    pid = lab.adopt(read_pid(pidfile))
    assert vde.answers(directory + "/ctl")
    a, b = lab.plug(directory, port=65535), lab.plug(directory)
    a.send(vde.frame(vde.mac(2), vde.mac(1)))
    assert b.recv() == vde.frame(vde.mac(2), vde.mac(1))
    with open(f"/proc/{pid}/status") as lines:
        resident = int(re.search(r"VmRSS:\s+(\d+)", lines.read())[1])
    assert resident < 10240 or "asan" in open(f"/proc/{pid}/maps").read()
    lab.end_adopted(pid, signal.SIGKILL)                        # as Kathará does; then it may start again over the leftovers
    lab.run("vde_switch", "-n", "65535", "-x", "-d", "-s", directory, "-p", pidfile, check=True)
    pid = lab.adopt(read_pid(pidfile))
    lab.end_adopted(pid)
    assert not os.path.exists(directory) and not os.path.exists(pidfile)


def test_openqa_ports_are_prepared_before_they_are_used(lab):
    """Each command on a connection of its own; a port's VLAN set before the plug comes is kept."""
    switch = lab.switch()
    for line, code in (("port/remove 2", 1006), ("port/create 2", 1000), ("vlan/create 5", 1000), ("port/setvlan 2 5", 1000),
                       ("port/create 3", 1000), ("port/setvlan 3 5", 1000)):
        session = vde.Management(switch.mgmt)
        assert session.command(line).code == code, line
        session.close()
    qemu, slirp, stranger = lab.plug(switch, port=2), lab.plug(switch, port=3), lab.plug(switch)
    qemu.send(vde.frame(vde.BROADCAST, vde.mac(1)))
    assert slirp.recv() == vde.frame(vde.BROADCAST, vde.mac(1))
    switch.settle()
    assert stranger.recv_now() == []
    slirp.close()
    vde.wait_until(lambda: not switch.ports(all=True)[3]["active"])
    assert switch.ports(all=True)[3]["vlan"] == 5


def test_marionnet_connect_order_is_port_order(lab):
    directory, management = lab.path("hub"), lab.path("mgmt")
    program = lab.start("vde_switch", "-x", "-n", "5", "-mod", "777", "-unix", directory, "--mgmt", management,
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    vde.wait_until(lambda: os.path.exists(directory) and os.path.exists(management) and vde.answers(management))
    plugs = [lab.plug(directory) for _ in range(4)]
    names = [os.path.basename(plug.switch_path) for plug in plugs]
    assert [name.split(".")[0] for name in names] == ["001", "002", "003", "004"]
    assert stat.S_IMODE(os.stat(directory + "/ctl").st_mode) == 0o777
    assert program.end() == 0
    assert not os.path.exists(management) and not os.path.exists(directory)


def test_virtualbricks_prompt_on_stdout_through_pipes(lab):
    """One command at a time, the next only after the prompt has come on stdout."""
    directory, management = lab.path("sw.ctl"), lab.path("sw.mgmt")
    program = lab.start("vde_switch", "-n", "32", "-s", directory, "-M", management)
    for number, line in enumerate(("port/setnumports 64", "port/sethub 1", "port/sethub 0", "no/such"), 1):
        program.write(line + "\n")
        vde.wait_until(lambda: len(re.findall(PROMPT, program.stdout, re.M)) >= number, f"the prompt after {line}")
    assert program.stdout.count("1000 Success\n") == 3 and program.stdout.count("1038 ") == 1
    session = vde.Management(management)
    assert "Numports=64" in session.command("port/showinfo").data
    session.close()
    assert program.end() == 0


def test_dosemu_nothing_unasked_on_stdout(lab, switch):
    plug = lab.plug(switch)
    plug.send(vde.frame(vde.BROADCAST, vde.mac(1)))
    plug.close()
    switch.settle()
    assert switch.program.stdout == ""


def test_lima_foreground_without_stdin(lab):
    directory, pidfile = lab.path("shared.ctl"), lab.path("shared.pid")
    vde.need_root()
    program = lab.start("vde_switch", f"--pidfile={pidfile}", f"--sock={directory}", f"--group={group_name()}", "--dirmode=0770",
                        "--nostdin", stdin=subprocess.DEVNULL)
    vde.wait_until(lambda: os.path.exists(pidfile) and vde.answers(directory + "/ctl"))
    assert read_pid(pidfile) == program.pid
    assert vde.mode_of(directory) & 0o777 == 0o770
    assert os.stat(directory).st_gid == os.stat(directory + "/ctl").st_gid != 0
    lab.plug(directory)
    assert program.status is None
    assert program.end() == 0
    assert not os.path.exists(pidfile) and not os.path.exists(directory)


def test_end_of_stdin_is_a_clean_end(lab):
    """Without --nostdin: as people who close the pipe rely on it, commands before the end answered."""
    directory = lab.path("s")
    done = lab.run("vde_switch", "-s", directory, input="port/create 7\nport/showinfo\n")
    assert done.returncode == 0
    assert done.stdout.count("1000 Success") == 2 and "Numports=32" in done.stdout
    assert not os.path.exists(directory)


def test_qemunet_existing_directory_and_half_close(lab):
    """The directory was there before; each command is `echo COMMAND | socat - UNIX-CONNECT:M`, closed at once."""
    socat, directory, pidfile, management = vde.need_program("socat"), lab.path("dir"), lab.path("pid"), lab.path("mgmt")
    os.mkdir(directory)
    lab.run("vde_switch", "-d", "-s", directory, "-p", pidfile, "-M", management, "-hub", check=True)
    pid = lab.adopt(read_pid(pidfile))
    done = lab.run(socat, "-t10", "-", f"UNIX-CONNECT:{management}", input="port/setnumports 16\n")
    assert "1000 Success" in done.stdout
    done = lab.run(socat, "-t10", "-", f"UNIX-CONNECT:{management}", input="port/showinfo\nvlan/allprint\nport/allprint\n")
    assert "Numports=16" in done.stdout and "HUB=true" in done.stdout and done.stdout.count("1000 Success") == 3
    script = lab.path("lab.cmd")
    with open(script, "w") as text:
        text.write("port/create 3\nvlan/create 10\nport/setvlan 3 10\n")
    done = lab.run(socat, "-t10", "-", f"UNIX-CONNECT:{management}", input=f"load {script}\nport/allprint 3\n")
    assert "Port 0003 untagged_vlan=0010" in done.stdout
    lab.end_adopted(pid)
    assert not os.path.exists(management) and not os.path.exists(pidfile)
    assert not os.path.exists(directory) or os.listdir(directory) == []


def test_ktest_fifo_as_stdin(lab):
    fifo, directory = lab.path("fifo"), lab.path("net")
    os.mkfifo(fifo)
    holder = os.open(fifo, os.O_RDWR)
    stdin = os.open(fifo, os.O_RDONLY)
    program = lab.start("vde_switch", "-sock", directory, stdin=stdin)
    os.close(stdin)
    vde.wait_until(lambda: os.path.isdir(directory) and vde.answers(directory + "/ctl"))
    lab.plug(directory)
    assert program.status is None
    program.end()
    os.close(holder)
    assert program.status == 0


def test_remotelabz_many_commands_in_one_write(lab):
    """Each line is answered, in order, however the bytes arrive."""
    directory, pidfile, management = lab.path("s"), lab.path("p"), lab.path("m")
    lab.run("vde_switch", "-s", directory, "--mgmt", management, "-daemon", "-p", pidfile, check=True)
    pid = lab.adopt(read_pid(pidfile))
    session = vde.Management(management)
    session.send("".join(f"vlan/create {n}\nport/create {n}\nport/setvlan {n} {n}\n" for n in range(1, 11)))
    assert [session.answer().code for _ in range(30)] == [1000] * 30
    for piece in ("port/cre", "ate 2", "0", "\n"):
        session.send(piece)
    assert session.answer().code == 1000
    assert [line for line in session.command("port/allprint 20").data if "Port 0020" in line]
    session.close()
    lab.end_adopted(pid)


def test_half_close_gets_every_answer(lab, switch):
    """Shutting down the sending side ends the session after everything was answered."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(vde.DEADLINE)
        client.connect(switch.mgmt)
        client.sendall(b"help\n" * 100 + b"showinfo")           # the last line without its newline
        client.shutdown(socket.SHUT_WR)
        text = b""
        while chunk := client.recv(65536):
            text += chunk
    assert text.count(b"1000 Success") == 101


# ---- ending ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_signal_removes_everything(lab, number):
    """Sockets of clients, also those that dead clients left in the directory, go with the switch."""
    pidfile = lab.path("pid")
    switch = lab.switch("-p", pidfile)
    lab.plug(switch)
    lab.plug(switch, address=switch.socket + "/.00999-00001")
    left = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    left.bind(switch.socket + "/.01000-00000")
    left.close()
    assert switch.program.end(number) in (0, -number)
    assert not os.path.exists(switch.socket) and not os.path.exists(switch.mgmt) and not os.path.exists(pidfile)


def test_shutdown_command(lab, switch):
    reply = switch.command("shutdown")
    assert (reply.code, reply.text) == (9999, "END OF SESSION")
    assert switch.program.wait() == 0
    assert not os.path.exists(switch.socket) and not os.path.exists(switch.mgmt)


def test_foreign_files_in_the_directory_stay(lab, switch):
    with open(switch.socket + "/notes", "w") as text:
        text.write("mine")
    assert switch.program.end() == 0
    assert os.listdir(switch.socket) == ["notes"]


def test_another_switch_in_the_same_place_is_left_alone(lab):
    """The directory is removed under a running switch and another one starts there: when the first ends, the second stays reachable."""
    directory = lab.path("sw")
    first = lab.switch(socket=directory)
    shutil.rmtree(directory)
    second = lab.switch(socket=directory)
    plug = lab.plug(second, address=os.path.join(directory, ".123-00000"))
    assert first.program.end() == 0
    assert os.path.exists(plug.switch_path) and os.path.exists(plug.address)
    lab.plug(second)
    second.stop()
    assert not os.path.exists(directory)


def test_restart_over_what_a_killed_switch_left(lab):
    directory, management, pidfile = lab.path("s"), lab.path("m"), lab.path("p")
    for number in (signal.SIGKILL, signal.SIGTERM):
        switch = lab.switch("-p", pidfile, socket=directory, mgmt=management)
        lab.plug(switch)
        switch.program.end(number)
    assert not os.path.exists(directory) and not os.path.exists(management) and not os.path.exists(pidfile)


def test_stale_pid_file_is_replaced(lab):
    pidfile = lab.path("pid")
    dead = subprocess.Popen(["true"])
    dead.wait()
    with open(pidfile, "w") as text:
        text.write(f"{dead.pid}\n")
    switch = lab.switch("-p", pidfile)
    assert read_pid(pidfile) == switch.pid
    switch.stop()
    assert not os.path.exists(pidfile)


def test_pid_file_of_another_is_not_removed(lab):
    """Somebody replaced our pid file: it is theirs now."""
    pidfile = lab.path("pid")
    switch = lab.switch("-p", pidfile)
    os.unlink(pidfile)
    with open(pidfile, "w") as text:
        text.write("1\n")
    switch.stop()
    assert os.path.exists(pidfile)


def test_relative_paths_mean_the_start_directory(lab):
    """In the background too."""
    done = lab.run("vde_switch", "-d", "-s", "rel.ctl", "-M", "rel.mgmt", "-p", "rel.pid", cwd=lab.dir)
    assert done.returncode == 0, done.stderr
    pid = lab.adopt(read_pid(lab.path("rel.pid")))
    assert vde.answers(lab.path("rel.ctl/ctl")) and vde.answers(lab.path("rel.mgmt"))
    lab.end_adopted(pid)
    assert [name for name in os.listdir(lab.dir) if name.startswith("rel")] == []


def test_background_keeps_no_descriptor_of_the_caller(lab):
    """A caller that reads the parent's output to its end is not kept waiting by the daemon."""
    pidfile = lab.path("pid")
    done = subprocess.run([vde.ours("vde_switch"), "-d", "-s", lab.path("s"), "-p", pidfile], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=vde.DEADLINE, env=vde.env_ours(), check=True)
    assert done.stdout == b""
    lab.end_adopted(lab.adopt(read_pid(pidfile)))


def test_rc_file(lab):
    script = lab.path("rc")
    with open(script, "w") as text:
        text.write("# prepared\nport/create 4\n\nvlan/create 9\nport/setvlan 4 9\n")
    switch = lab.switch("-f", script)
    assert switch.ports(all=True)[4]["vlan"] == 9
    switch.stop()


def test_rc_file_of_the_home_directory(lab):
    os.makedirs(lab.path("home/.vde2"))
    with open(lab.path("home/.vde2/vde_switch.rc"), "w") as text:
        text.write("port/create 6\n")
    switch = lab.switch(env=vde.env_ours(HOME=lab.path("home")))
    assert 6 in switch.ports(all=True)
    switch.stop()
