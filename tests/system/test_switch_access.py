# SPDX-License-Identifier: GPL-2.0-or-later
"""Authority is file permission: modes of the sockets, who may connect, and ports that belong to a user or a group."""
import grp
import os
import pwd
import socket

import pytest
import vde

USER = pwd.getpwuid(vde.NOBODY)
OTHER = pwd.getpwnam("daemon")
GROUP = grp.getgrgid(USER.pw_gid)


@pytest.fixture(autouse=True)
def as_root():
    vde.need_root()


@pytest.mark.parametrize("words, mode, directory", [
    ([], 0o600, 0o2700),
    (["-m", "660"], 0o660, 0o2770),
    (["-m", "666"], 0o666, 0o2777),
    (["-m", "600"], 0o600, 0o2700),
    (["-m", "640"], 0o640, 0o2750),
    (["-m", "777"], 0o777, 0o2777),
    (["--dirmode", "755"], 0o644, 0o755),
    (["--dirmode", "0700"], 0o600, 0o700),
    (["-m", "660", "--dirmode", "750"], 0o660, 0o750),
], ids=str)
def test_modes(lab, words, mode, directory):
    """The socket's mode gives the directory's and the other way round. (The sticky bit may be there where all may write.)"""
    switch = lab.switch(*words)
    assert vde.mode_of(switch.ctl) == mode
    assert vde.mode_of(switch.socket) & ~0o1000 == directory
    assert f"std mode 0{mode:03o}" in switch.ask("ds/showinfo")
    switch.stop()


def test_umask_has_no_say(lab):
    def strict():
        os.umask(0o777)
    switch = lab.switch("-m", "666", before=strict)
    assert vde.mode_of(switch.ctl) == 0o666 and vde.mode_of(switch.socket) & 0o777 == 0o777
    switch.stop()


def test_group_of_directory_and_sockets(lab):
    switch = lab.switch("-m", "660", "-g", GROUP.gr_name)
    assert os.stat(switch.socket).st_gid == os.stat(switch.ctl).st_gid == GROUP.gr_gid
    with vde.identity(vde.NOBODY, GROUP.gr_gid):
        member = lab.plug(switch)
    assert os.stat(member.switch_path).st_gid == GROUP.gr_gid
    with vde.identity(OTHER.pw_uid, OTHER.pw_gid), pytest.raises(PermissionError):
        lab.plug(switch)
    switch.stop()


def test_mode_keeps_others_out(lab, switch):
    """Default modes: only the owner."""
    with vde.identity(vde.NOBODY), pytest.raises(PermissionError):
        lab.plug(switch)


def test_data_socket_belongs_to_the_client(lab):
    """The client's user may send to its data socket; others may not."""
    switch = lab.switch("-m", "666")
    with vde.identity(vde.NOBODY, USER.pw_gid):
        plug, other = lab.plug(switch), lab.plug(switch)
    assert os.stat(plug.switch_path).st_uid == vde.NOBODY
    assert vde.mode_of(plug.switch_path) & 0o077 == 0
    plug.send(vde.frame(vde.BROADCAST, vde.mac(1)))
    other.recv()
    switch.stop()


def test_current_user_is_the_peer_of_the_connection(lab):
    """Who the client is comes from the system, not from whose file it names."""
    switch = lab.switch("-m", "666")
    path = os.path.join(lab.open_dir, "roots")          # root's file, named by another user
    with vde.identity(vde.NOBODY, USER.pw_gid):
        lab.plug(switch)
    assert f" Current User: {USER.pw_name} " in switch.ports()[1]["lines"][1]
    lab.plug(switch, address=path)
    assert " Current User: root " in switch.ports()[2]["lines"][1]
    switch.stop()


def test_port_of_a_user(lab):
    switch = lab.switch("-m", "666")
    for line in ("port/create 1", f"port/setuser 1 {USER.pw_name}", "port/create 2", f"port/setuser 2 {USER.pw_uid}"):
        assert switch.command(line).code == 1000, line
    assert f"(User: {USER.pw_name} - Group: NONE)" in switch.ports(all=True)[1]["lines"][1]
    with vde.identity(OTHER.pw_uid, OTHER.pw_gid), pytest.raises(vde.Refused):
        lab.plug(switch, port=1)
    with vde.identity(vde.NOBODY, USER.pw_gid):
        lab.plug(switch, port=1)
        lab.plug(switch, port=2)
    switch.stop()


def test_root_may_take_a_port_of_a_user(lab):
    switch = lab.switch()
    switch.ask("port/create 1")
    switch.ask(f"port/setuser 1 {USER.pw_name}")
    lab.plug(switch, port=1)
    switch.stop()


@pytest.mark.parametrize("member", [True, False], ids=["member", "stranger"])
def test_port_of_a_group(lab, member):
    switch = lab.switch("-m", "666")
    switch.ask("port/create 1")
    assert switch.command(f"port/setgroup 1 {GROUP.gr_name}").code == 1000
    assert f"(User: NONE - Group: {GROUP.gr_name})" in switch.ports(all=True)[1]["lines"][1]
    with vde.identity(OTHER.pw_uid, GROUP.gr_gid if member else OTHER.pw_gid):
        if member:
            lab.plug(switch, port=1)
        else:
            with pytest.raises(vde.Refused):
                lab.plug(switch, port=1)
    switch.stop()


def test_any_clears_the_restriction(lab):
    switch = lab.switch("-m", "666")
    for line in ("port/create 1", f"port/setuser 1 {USER.pw_name}", "port/setuser 1 ANY"):
        assert switch.command(line).code == 1000
    with vde.identity(OTHER.pw_uid, OTHER.pw_gid):
        lab.plug(switch, port=1)
    switch.stop()


def test_port_in_use_by_another_user(lab):
    """Nobody joins another's port, so nobody overhears it."""
    switch = lab.switch("-m", "666")
    with vde.identity(vde.NOBODY, USER.pw_gid):
        lab.plug(switch, port=1)
        lab.plug(switch, port=1)
    with vde.identity(OTHER.pw_uid, OTHER.pw_gid), pytest.raises(vde.Refused):
        lab.plug(switch, port=1)
    assert len(switch.ports()[1]["endpoints"]) == 2
    switch.stop()


def test_users_and_groups_without_a_name(lab, switch):
    switch.ask("port/create 1")
    assert switch.command("port/setuser 1 3000000").code == 1000
    assert switch.command("port/setgroup 1 3000001").code == 1000
    assert "(User: 3000000 - Group: 3000001)" in switch.ports(all=True)[1]["lines"][1]


def test_switch_of_an_ordinary_user(lab):
    """Without root: it serves its owner, and root who comes visiting."""
    home = lab.path("home")
    os.mkdir(home)
    os.chown(home, vde.NOBODY, USER.pw_gid)
    directory, management = home + "/s", home + "/m"
    program = lab.start(*vde.as_user(vde.NOBODY, vde.ours("vde_switch"), "-s", directory, "-M", management))
    vde.wait_until(lambda: vde.answers(directory + "/ctl") and vde.answers(management))
    with vde.identity(vde.NOBODY, USER.pw_gid):
        a = lab.plug(directory)
        b = lab.plug(directory)
        a.send(vde.frame(vde.BROADCAST, vde.mac(1)))
        b.recv()
    assert program.end() == 0
    assert os.listdir(home) == []


# ---- whose socket a client names -------------------------------------------------------------------------------------

def ask_with(switch, own, named, user):
    """As `user`: asks for a port with a socket bound to `own`, naming `named`; the connection, on which the answer comes."""
    with vde.identity(user.pw_uid, user.pw_gid):
        control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        control.settimeout(vde.DEADLINE)
        control.connect(os.path.join(getattr(switch, "socket", switch), "ctl"))
        control.sendall(vde.request(named.encode()))
        return control


def bound(path, owner=0):
    end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    end.bind(path)
    os.chmod(path, 0o600)
    os.chown(path, owner, -1)
    return end


@pytest.mark.parametrize("runs_as", [0, OTHER.pw_uid], ids=["root", "user"])
def test_sockets_of_others_are_not_connected_to(lab, runs_as):
    """Whatever the switch itself may write to: a client is given no way to write there."""
    home = lab.path("home")
    os.mkdir(home)
    os.chown(home, runs_as, -1)
    os.chmod(lab.dir, 0o755)
    directory = home + "/s"
    program = lab.start(*vde.as_user(runs_as, vde.ours("vde_switch"), "-s", directory, "-m", "777", "--nostdin"))
    vde.wait_until(lambda: vde.answers(directory + "/ctl"))
    private, own = os.path.join(lab.open_dir, "private"), os.path.join(lab.open_dir, "own")
    with bound(private, runs_as), bound(own, vde.NOBODY):
        with ask_with(directory, own, private, USER) as control:
            assert control.recv(200) == b""
        with ask_with(directory, own, own, USER) as control:
            assert len(control.recv(200)) == 110 or runs_as, "root may connect to it; another user has no permission here"
    assert "the named socket is not the client's" in program.stderr
    assert program.end() == 0


EXCHANGE = r"""
import os, sys
own, private, name = sys.argv[1:]
for number in range(10**9):
    os.link(own, name + ".1")
    os.replace(name + ".1", name)
    os.symlink(private, name + ".2")
    os.replace(name + ".2", name)
"""


def exchange_place(lab):
    """Names in a directory where EXCHANGE is at home: one of root's, one of its own, and the one that is exchanged."""
    os.chmod(lab.dir, 0o755)
    place = lab.path("place")
    os.mkdir(place)
    os.chown(place, vde.NOBODY, -1)         # not like /tmp, where the system does not follow a stranger's links
    return (os.path.join(place, word) for word in ("private", "own", "name"))


def test_the_socket_that_was_looked_at_is_the_one_connected_to(lab):
    """A client that goes on exchanging its socket for a link to root's: the switch never writes to that."""
    switch = lab.switch("-m", "777")
    private, own, name = exchange_place(lab)
    sender = lab.plug(switch)
    with bound(private) as victim, bound(own, vde.NOBODY):
        lab.start(*vde.as_user(vde.NOBODY, "/usr/bin/python3", "-c", EXCHANGE, own, private, name))
        vde.wait_until(lambda: os.path.lexists(name))
        victim.setblocking(False)
        answers = 0
        for _ in range(300):
            with ask_with(switch, own, name, USER) as control:
                answers += len(control.recv(200)) == 110
                sender.send(vde.frame(vde.BROADCAST, vde.mac(1)))
                switch.settle()
                with pytest.raises(BlockingIOError):
                    victim.recv(100)
        assert answers > 0


def test_load_reads_the_file_that_was_looked_at(lab):
    """A management client that goes on exchanging its file for a link to root's does not get to see that."""
    switch = lab.switch("--mgmtmode", "666")
    private, own, name = exchange_place(lab)
    for path, text, owner in ((private, "secret", 0), (own, "# mine", vde.NOBODY)):
        with open(path, "w", encoding="ascii") as file:
            file.write(text + "\n")
        os.chmod(path, 0o600)
        os.chown(path, owner, -1)
    lab.start(*vde.as_user(vde.NOBODY, "/usr/bin/python3", "-c", EXCHANGE, own, private, name))
    vde.wait_until(lambda: os.path.lexists(name))
    with vde.identity(USER.pw_uid, USER.pw_gid):
        session = vde.Management(switch.mgmt)
    seen = set()
    for _ in range(20000):
        session.send(f"load {name}\n")
        answer = b""
        while not answer.endswith(session.prompt):
            answer += session.socket.recv(65536)
        assert b"secret" not in answer
        seen.add(answer.splitlines()[-3])
    assert seen >= {b"1000 Success", b"1013 Permission denied"}
    session.close()
