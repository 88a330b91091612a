# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line of vde_switch: every option in the spellings that scripts use, and what wrong ones are told."""
import os
import socket

import pytest
import vde


def start(lab, *words):
    """Starts a switch on a command line that is given whole, with {s} and {m} replaced; returns (program, directory, management)."""
    directory, management = lab.path("sw"), lab.path("mg")
    program = lab.start("vde_switch", *(word.format(s=directory, m=management) for word in words))

    def is_ready():
        if program.status is not None:
            pytest.fail(f"ended ({program.status}): {program.stderr}")
        return vde.answers(directory + "/ctl") and (management not in " ".join(program.argv) or vde.answers(management))
    vde.wait_until(is_ready)
    return program, directory, management


@pytest.mark.parametrize("words", [
    ["-s", "{s}"], ["-s{s}"], ["--sock", "{s}"], ["--sock={s}"], ["-sock", "{s}"], ["-sock={s}"], ["-unix", "{s}"], ["--unix={s}"],
    ["-vdesock", "{s}"], ["{s}"], ["--so", "{s}"], ["-hub", "{s}"],
], ids=" ".join)
def test_control_directory(lab, words):
    program, directory, _ = start(lab, *words)
    assert program.end() == 0
    assert not os.path.exists(directory)


@pytest.mark.parametrize("words, command, line", [
    (["-n", "7"], "port/showinfo", "Numports=7"),
    (["-n7"], "port/showinfo", "Numports=7"),
    (["-numports", "7"], "port/showinfo", "Numports=7"),
    (["--numports=0x10"], "port/showinfo", "Numports=16"),
    (["-n", "010"], "port/showinfo", "Numports=8"),
    (["-x"], "port/showinfo", "HUB=true"),
    (["-hub"], "port/showinfo", "HUB=true"),
    (["--hub"], "port/showinfo", "HUB=true"),
    ([], "port/showinfo", "HUB=false"),
    ([], "port/showinfo", "Numports=32"),
    (["-hashsize", "100"], "hash/showinfo", "Hash size 128"),
    (["--hashsize=4096"], "hash/showinfo", "Hash size 4096"),
    (["-mod", "660"], "ds/showinfo", "std mode 0660"),
    (["-mode", "660"], "ds/showinfo", "std mode 0660"),
    (["-m", "0660"], "ds/showinfo", "std mode 0660"),
    (["--debugclients", "3"], "port/showinfo", "Numports=32"),
    (["-D", "3"], "port/showinfo", "Numports=32"),
], ids=str)
def test_option_takes_effect(lab, words, command, line):
    program, _, management = start(lab, "-s", "{s}", "-M", "{m}", *words)
    session = vde.Management(management)
    assert line in session.command(command).data
    session.close()
    assert program.end() == 0


@pytest.mark.parametrize("text", ["2:a:b:c:d:e", "02.0a.0b.0c.0d.0e", "02:0A:0B:0C:0D:0E"])
def test_macaddr(lab, text):
    switch = lab.switch("-macaddr", text)
    assert "MAC 02:0a:0b:0c:0d:0e " in switch.ask("showinfo")[3]
    switch.stop()


def test_chosen_address_is_ours(lab, switch):
    assert " MAC 00:ff:" in switch.ask("showinfo")[3]


@pytest.mark.parametrize("words", [["-M", "{m}"], ["-mgmt", "{m}"], ["--mgmt={m}"]], ids=" ".join)
def test_management_mode(lab, words):
    program, _, management = start(lab, "-s", "{s}", "--mgmtmode", "640", *words)
    assert vde.mode_of(management) == 0o640
    session = vde.Management(management)
    assert f"mgmt {management} perm 0640" in session.command("showinfo").data
    session.close()
    assert program.end() == 0


def test_management_is_private_by_default(lab, switch):
    assert vde.mode_of(switch.mgmt) == 0o600


def test_help_and_version(lab):
    for option in ("-h", "--help", "-help"):
        done = lab.run("vde_switch", option)
        assert done.returncode == 0 and "Usage: vde_switch" in done.stdout
        for name in ("--numports", "--hub", "--macaddr", "--hashsize", "--sock", "--mode", "--dirmode", "--group", "--daemon",
                     "--pidfile", "--rcfile", "--mgmt", "--mgmtmode", "--mgmtgroup", "--tap", "--nostdin"):
            assert name in done.stdout, name
    for option in ("-v", "--version"):
        done = lab.run("vde_switch", option)
        assert done.returncode == 0 and "VDE" in done.stdout


# ---- wrong input -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("words, named", [
    (["--bogus"], "bogus"),
    (["-Z"], "Z"),
    (["-n"], "n"),
    (["-n", "0"], "0"),
    (["-n", "-1"], "-1"),
    (["-n", "abc"], "abc"),
    (["-n", "7x"], "7x"),
    (["-n", ""], "n"),
    (["-n", "99999999999999999999"], "99999999999999999999"),
    (["--hashsize", "-1"], "-1"),
    (["--hashsize", "big"], "big"),
    (["--macaddr", "1:2:3"], "1:2:3"),
    (["--macaddr", "zz:0:0:0:0:0"], "zz:0:0:0:0:0"),
    (["--macaddr", "01:00:00:00:00:00:00"], "01:00:00:00:00:00:00"),
    (["--priority", "high"], "high"),
    (["-m", "999"], "999"),
    (["-m", "rw"], "rw"),
    (["--dirmode", "0o7"], "0o7"),
    (["--mgmtmode", "8"], "8"),
    (["-g", "nosuchgroup"], "nosuchgroup"),
    (["--mgmtgroup", "nosuchgroup"], "nosuchgroup"),
    (["--hub=yes"], "hub"),
    (["one", "two"], "two"),
], ids=str)
@pytest.mark.parametrize("background", [False, True], ids=["", "daemon"])
def test_wrong_usage(lab, words, named, background):
    """Exit 2, a line that names the value, nothing made."""
    directory = lab.path("sw")
    before = sorted(os.listdir(lab.dir))
    done = lab.run("vde_switch", *([] if "two" in words else ["-s", directory]), *(["-d"] if background else []), *words)
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert done.stdout == ""
    assert named in done.stderr and done.stderr.startswith("vde_switch: ") and done.stderr.count("\n") <= 2, done.stderr
    assert sorted(os.listdir(lab.dir)) == before


def fails(lab, *words, named, background, status=1):
    """A start that must fail with one line."""
    done = lab.run("vde_switch", *words, *(["-d", "-p", lab.path("fails.pid")] if background else []))
    assert done.returncode == status, (done.returncode, done.stderr)
    assert named in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not os.path.exists(lab.path("fails.pid"))


both = pytest.mark.parametrize("background", [False, True], ids=["foreground", "daemon"])


@both
def test_directory_cannot_be_made(lab, background):
    fails(lab, "-s", lab.path("no/such/place"), named=lab.path("no/such/place"), background=background)


@both
def test_regular_file_where_the_directory_should_be(lab, background):
    path = lab.path("file")
    with open(path, "w") as text:
        text.write("precious")
    os.chmod(path, 0o640)
    fails(lab, "-s", path, named=path, background=background)
    assert vde.mode_of(path) == 0o640 and open(path).read() == "precious"


@both
def test_regular_file_where_management_should_be(lab, background):
    path = lab.path("file")
    with open(path, "w") as text:
        text.write("precious")
    fails(lab, "-s", lab.path("sw"), "-M", path, named=path, background=background)
    assert open(path).read() == "precious"
    assert not os.path.exists(lab.path("sw"))


@both
def test_regular_file_where_ctl_should_be(lab, background):
    os.mkdir(lab.path("sw"))
    with open(lab.path("sw/ctl"), "w") as text:
        text.write("precious")
    fails(lab, "-s", lab.path("sw"), named=lab.path("sw"), background=background)
    assert open(lab.path("sw/ctl")).read() == "precious"


@both
def test_second_switch_on_a_live_directory(lab, switch, background):
    """It is refused; the first works on, with its modes."""
    mode = vde.mode_of(switch.socket)
    fails(lab, "-s", switch.socket, "-m", "777", named=switch.socket, background=background)
    assert vde.mode_of(switch.socket) == mode
    a, b = lab.plug(switch), lab.plug(switch)
    a.send(vde.frame(vde.BROADCAST, vde.mac(1)))
    b.recv()


@both
def test_management_socket_in_use(lab, switch, background):
    fails(lab, "-s", lab.path("other"), "-M", switch.mgmt, named=switch.mgmt, background=background)
    assert not os.path.exists(lab.path("other"))
    assert switch.command("showinfo").code == 1000


@both
def test_pid_file_of_a_live_switch(lab, background):
    pidfile = lab.path("pid")
    first = lab.switch("-p", pidfile)
    fails(lab, "-s", lab.path("other"), "-p", pidfile, *(["-d"] if background else []), named=pidfile, background=False)
    assert int(open(pidfile).read()) == first.pid
    assert not os.path.exists(lab.path("other"))
    first.stop()
    assert not os.path.exists(pidfile)


@pytest.mark.parametrize("length", [104, 107, 108, 133, 300])
def test_path_too_long(lab, length):
    """Either it works under the name given, or it is refused with a message; never under another name."""
    base = lab.path("d") + "/"
    os.mkdir(base)
    directory = base + "x" * (length - len(base))
    program = lab.start("vde_switch", "-s", directory)
    made = vde.wait_until(lambda: program.status is not None or (os.path.exists(directory + "/ctl") and "made"))
    if made == "made":
        assert os.listdir(base) == [os.path.basename(directory)]
        assert program.end() == 0
    else:
        assert program.status in (1, 2) and "x" * 50 in program.stderr and program.stderr.count("\n") == 1
    assert os.listdir(base) == []


def test_data_sockets_need_their_room_too(lab):
    """A directory whose ctl fits but whose data sockets would not is refused at the start, not at the first plug."""
    for length in range(96, 108):
        directory = lab.path("d").ljust(length, "x")
        program = lab.start("vde_switch", "-s", directory)
        if vde.wait_until(lambda: program.status is not None or (vde.answers(_short(lab, directory) + "/ctl") and "made")) == "made":
            try:
                plug = lab.plug(_short(lab, directory))
                assert os.path.basename(plug.switch_path).startswith("001.")
            finally:
                program.end()
        else:
            assert program.status in (1, 2)


def _short(lab, directory):
    """A short name for a long directory, for connect()."""
    link = lab.path("l")
    if os.path.lexists(link):
        os.unlink(link)
    os.symlink(directory, link)
    return link


def test_management_path_too_long(lab):
    path = lab.path("m" * 120)
    fails(lab, "-s", lab.path("sw"), "-M", path, named="m" * 50, background=False)
    assert not os.path.exists(lab.path("sw"))


def test_tap_that_cannot_be_opened(lab):
    vde.need_tun()
    fails(lab, "-s", lab.path("sw"), "-t", "a-name-much-too-long-for-linux", named="a-name-much-too-long-for-linux", background=False)
    assert not os.path.exists(lab.path("sw"))


def test_rc_file_that_is_missing(lab):
    """It is told, and the switch runs."""
    switch = lab.switch("-f", lab.path("missing"))
    assert lab.path("missing") in switch.program.stderr and switch.program.stderr.count("\n") == 1
    switch.stop()


def test_directory_of_another_user(lab):
    """Without root, somebody else's directory is refused and left as it is."""
    vde.need_root()
    directory = lab.path("theirs")
    os.mkdir(directory, 0o755)
    done = lab.run(*vde.as_user(vde.NOBODY, vde.ours("vde_switch"), "-s", directory))
    assert done.returncode == 1 and directory in done.stderr and done.stderr.count("\n") == 1
    assert vde.mode_of(directory) == 0o755 and os.listdir(directory) == []


def test_descriptor_zero_closed(lab):
    """A start with closed standard descriptors does not mix a socket up with stdin or stderr."""
    def close_all():
        for number in (0, 1, 2):
            os.close(number)
    directory = lab.path("s")
    program = lab.start("vde_switch", "--nostdin", "-s", directory, before=close_all)
    vde.wait_until(lambda: vde.answers(directory + "/ctl"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as junk:
        junk.connect(directory + "/ctl")
        junk.sendall(b"junk" * 64)
        junk.settimeout(vde.DEADLINE)
        assert junk.recv(1) == b""
    lab.plug(directory)
    assert program.end() == 0
