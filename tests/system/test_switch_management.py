# SPDX-License-Identifier: GPL-2.0-or-later
"""What the switch answers, letter by letter where programs read it: port/print, hash/print, vlan/print, help, the info commands, codes."""
import re
import socket

import pytest
import vde

HELP = {
    "ds": ("============", "DATA SOCKET MENU"),
    "ds/showinfo": ("", "show ds info"),
    "help": ("[arg]", "Help (limited to arg when specified)"),
    "logout": ("", "logout from this mgmt terminal"),
    "shutdown": ("", "shutdown of the switch"),
    "showinfo": ("", "show switch version and info"),
    "load": ("path", "load a configuration script"),
    "hash": ("============", "HASH TABLE MENU"),
    "hash/showinfo": ("", "show hash info"),
    "hash/setsize": ("N", "change hash size"),
    "hash/setgcint": ("N", "change garbage collector interval"),
    "hash/setexpire": ("N", "change hash entries expire time"),
    "hash/setminper": ("N", "minimum persistence time"),
    "hash/print": ("", "print the hash table"),
    "hash/find": ("MAC [VLAN]", "MAC lookup"),
    "port": ("============", "PORT STATUS MENU"),
    "port/showinfo": ("", "show port info"),
    "port/setnumports": ("N", "set the number of ports"),
    "port/sethub": ("0/1", "1=HUB 0=switch"),
    "port/setvlan": ("N VLAN", "set port VLAN (untagged)"),
    "port/createauto": ("", "create a port with an automatically allocated id (inactive|notallocatable)"),
    "port/create": ("N", "create the port N (inactive|notallocatable)"),
    "port/remove": ("N", "remove the port N"),
    "port/allocatable": ("N 0/1", "Is the port allocatable as unnamed? 1=Y 0=N"),
    "port/setuser": ("N user", "access control: set user"),
    "port/setgroup": ("N user", "access control: set group"),
    "port/epclose": ("N ID", "remove the endpoint port N/id ID"),
    "port/resetcounter": ("[N]", "reset the port (N) counters"),
    "port/print": ("[N]", "print the port/endpoint table"),
    "port/allprint": ("[N]", "print the port/endpoint table (including inactive port)"),
    "vlan": ("============", "VLAN MANAGEMENT MENU"),
    "vlan/create": ("N", "create the VLAN with tag N"),
    "vlan/remove": ("N", "remove the VLAN with tag N"),
    "vlan/addport": ("N PORT", "add port to the vlan N (tagged)"),
    "vlan/delport": ("N PORT", "delete port from the vlan N (tagged)"),
    "vlan/print": ("[N]", "print the list of defined vlan"),
    "vlan/allprint": ("[N]", "print the list of defined vlan (including inactive port)"),
}


def raw(switch, text):
    """The bytes of a whole session: what is sent, then the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(vde.DEADLINE)
        client.connect(switch.mgmt)
        client.sendall(text.encode() if isinstance(text, str) else text)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
    return answer.decode()


def test_banner_and_prompt(switch):
    session = vde.Management(switch.mgmt)
    assert re.fullmatch(rb"VDE switch V\.\S+\n(.+\n)+\nvde\$ ", session.banner)


def test_session_byte_by_byte(switch):
    text = raw(switch, "port/create 3\nno/such/command\n\n# a remark\nport/showinfo\nlogout\n")
    banner, _, rest = text.partition("\nvde$ ")
    assert banner.startswith("VDE switch V.")
    assert re.fullmatch(r"1000 Success\n\nvde\$ 1038 Function not implemented\n\nvde\$ \nvde\$ \nvde\$ "
                        r"0000 DATA END WITH '\.'\nNumports=32\nHUB=false\n(.+\n)*\.\n1000 Success\n\nvde\$ 9999 END OF SESSION", rest)


def test_help_table(switch):
    lines = switch.ask("help")
    assert lines[:2] == ["COMMAND PATH       SYNTAX          HELP", "------------       --------------  ------------"]
    for path, (syntax, text) in HELP.items():
        assert f"{path:<18} {syntax:<15} {text}" in lines, path
    paths = [line.split()[0] for line in lines[2:]]
    assert [path for path in paths if path in HELP] == list(HELP)              # the order too: scripts match by prefix
    assert [line.split()[0] for line in switch.ask("help vlan")[2:]] == [path for path in paths if path.startswith("vlan")]
    assert switch.ask("help nonsense")[2:] == []


def test_every_command_of_the_table_answers(switch):
    for path in HELP:
        if path not in ("logout", "shutdown"):
            assert switch.command(path).code >= 1000, path
            assert switch.command(path + " -1 x y z").code >= 1000, path
    assert switch.command("showinfo").code == 1000


def test_showinfo(switch):
    lines = switch.ask("showinfo")
    assert re.fullmatch(r"VDE switch V\.\S+", lines[0])
    assert lines[2] == ""
    match = re.fullmatch(r"pid (\d+) MAC (00:ff(?::[0-9a-f]{2}){4}) uptime (\d+)", lines[3])
    assert int(match[1]) == switch.pid
    assert lines[4] == f"mgmt {switch.mgmt} perm 0600"


def test_info_commands(switch):
    assert switch.ask("ds/showinfo") == [f"ctl dir {switch.socket}", "std mode 0600"]
    assert switch.ask("hash/showinfo")[:4] == ["Hash size 128", "GC interval 2 secs", "GC expire 100 secs", "Min persistence 3 secs"]
    assert switch.ask("port/showinfo")[:3] == ["Numports=32", "HUB=false", "counters=true"]


def test_port_print(lab, switch):
    for line in ("port/create 5", "port/setvlan 5 4095", "port/setuser 5 daemon", "port/setgroup 5 nogroup"):
        assert switch.command(line).code == 1000, line
    a, b = lab.plug(switch, description=b"first"), lab.plug(switch, port=1, description=b"second")
    sent = vde.frame(vde.BROADCAST, vde.mac(1), size=100)
    lab.plug(switch, port=2).send(sent)
    a.recv(), b.recv()
    lines = [line for line in switch.ask("port/allprint") if "unsent" not in line and not line.startswith(" DROP:")]
    number = [re.match(r"  -- endpoint ID (\d{4}) module unix prog   : ", line) for line in lines]
    numbers = [match[1] for match in number if match]
    assert lines == [
        "Port 0001 untagged_vlan=0000 ACTIVE - Unnamed Allocatable",
        " Current User: root Access Control: (User: NONE - Group: NONE)",
        " IN:  pkts          0          bytes                    0",
        " OUT: pkts          1          bytes                  100",
        f"  -- endpoint ID {numbers[0]} module unix prog   : second",
        f"  -- endpoint ID {numbers[1]} module unix prog   : first",
        "Port 0002 untagged_vlan=0000 ACTIVE - Unnamed Allocatable",
        " Current User: root Access Control: (User: NONE - Group: NONE)",
        " IN:  pkts          1          bytes                  100",
        " OUT: pkts          0          bytes                    0",
        f"  -- endpoint ID {numbers[2]} module unix prog   : raw",
        "Port 0005 untagged_vlan=4095 INACTIVE - NOT Unnamed Allocatable",
        " Current User: NONE Access Control: (User: daemon - Group: nogroup)",
        " IN:  pkts          0          bytes                    0",
        " OUT: pkts          0          bytes                    0",
    ]
    assert not any("Port 0005" in line for line in switch.ask("port/print"))
    assert switch.ask("port/print 2")[0] == lines[6]
    assert switch.ask("port/allprint 5")[0] == lines[11]


def test_vlan_print(lab, switch):
    for line in ("vlan/create 10", "port/create 1", "port/create 3", "port/create 4", "port/setvlan 3 10", "vlan/addport 10 1",
                 "vlan/addport 10 4"):
        assert switch.command(line).code == 1000, line
    lab.plug(switch, port=1), lab.plug(switch, port=3)
    assert switch.ask("vlan/print") == [
        "VLAN 0000",
        " -- Port 0001 tagged=0 active=1 status=Forwarding",
        "VLAN 0010",
        " -- Port 0001 tagged=1 active=1 status=Forwarding",
        " -- Port 0003 tagged=0 active=1 status=Forwarding",
    ]
    assert switch.ask("vlan/print 10") == switch.ask("vlan/print")[2:]
    every = switch.ask("vlan/allprint 10")
    assert every[:3] == switch.ask("vlan/print 10") and every[3].startswith(" -- Port 0004 tagged=1 active=0 status=")
    assert switch.command("vlan/allprint 0").code == 1000
    switch.ask("port/sethub 1")
    assert switch.command("vlan/print").code == 1000


def test_hash_print(lab, switch):
    plug = lab.plug(switch)
    plug.send(vde.frame(vde.BROADCAST, vde.mac(0xabcdef)))
    switch.settle()
    line, = switch.ask("hash/print")
    assert re.fullmatch(r"Hash: \d{4} Addr: 02:00:00:ab:cd:ef VLAN 0000 to port: 001  age \d+ secs", line)


# ---- codes: (what prepares, the command, the code) -------------------------------------------------------------------

CODES = [
    ("", "port/create 3", 1000),
    ("port/create 3", "port/create 3", 1017),
    ("", "port/create 32", 1000),
    ("", "port/create 33", 1022),
    ("", "port/create -5", 1022),
    ("", "port/createauto", 1000),
    ("port/setnumports 1; port/create 1", "port/createauto", 1028),
    ("", "port/remove 3", 1006),
    ("port/create 3", "port/remove 3", 1000),
    ("", "port/remove 33", 1022),
    ("plug", "port/remove 1", 1098),
    ("", "port/allocatable 3 1", 1006),
    ("port/create 3", "port/allocatable 3 1", 1000),
    ("port/create 3", "port/allocatable 3", 1022),
    ("", "port/allocatable 99 1", 1022),
    ("port/create 3", "port/setuser 3 root", 1000),
    ("port/create 3", "port/setuser 3 no-such-user", 1022),
    ("port/create 3", "port/setuser 3", 1022),
    ("", "port/setuser 3 root", 1006),
    ("port/create 3", "port/setuser 3 NONE", 1000),
    ("port/create 3", "port/setgroup 3 no-such-group", 1022),
    ("port/create 3", "port/setgroup 3 ANY", 1000),
    ("", "port/setgroup 99 root", 1022),
    ("port/create 3", "port/setvlan 3 4095", 1000),
    ("port/create 3", "port/setvlan 3 4096", 1022),
    ("port/create 3", "port/setvlan 3 -1", 1022),
    ("port/create 3", "port/setvlan 3 7", 1006),
    ("port/create 3", "port/setvlan 3", 1022),
    ("", "port/setvlan 3 0", 1006),
    ("", "port/sethub 1", 1000),
    ("", "port/setnumports 64", 1000),
    ("", "port/setnumports 0", 1022),
    ("", "port/setnumports -1", 1022),
    ("", "port/setnumports 12abc", 1022),
    ("port/create 20", "port/setnumports 19", 1098),
    ("port/create 20", "port/setnumports 20", 1000),
    ("", "port/epclose 3 1", 1006),
    ("", "port/epclose 99 1", 1022),
    ("", "port/resetcounter", 1000),
    ("", "port/resetcounter 99", 1022),
    ("", "port/print", 1000),
    ("", "port/print 3", 1006),
    ("", "port/print 99", 1022),
    ("", "port/allprint 3", 1006),
    ("port/create 3", "port/allprint 3", 1000),
    ("", "vlan/create 1", 1000),
    ("", "vlan/create 4094", 1000),
    ("", "vlan/create 0", 1022),
    ("", "vlan/create 4095", 1022),
    ("", "vlan/create -1", 1022),
    ("", "vlan/create ten", 1022),
    ("", "vlan/create", 1022),
    ("vlan/create 10", "vlan/create 10", 1017),
    ("vlan/create 10", "vlan/remove 10", 1000),
    ("", "vlan/remove 10", 1006),
    ("", "vlan/remove 5000", 1022),
    ("vlan/create 10; port/create 3; port/setvlan 3 10", "vlan/remove 10", 1098),
    ("vlan/create 10; port/create 3; vlan/addport 10 3", "vlan/remove 10", 1098),
    ("vlan/create 10; port/create 3", "vlan/addport 10 3", 1000),
    ("vlan/create 10", "vlan/addport 10 3", 1006),
    ("port/create 3", "vlan/addport 10 3", 1006),
    ("vlan/create 10", "vlan/addport 10 99", 1022),
    ("vlan/create 10; port/create 3", "vlan/delport 10 3", 1000),
    ("vlan/create 10; port/create 3; port/setvlan 3 10", "vlan/delport 10 3", 1098),
    ("vlan/create 10", "vlan/delport 10 3", 1006),
    ("", "vlan/print 10", 1006),
    ("", "vlan/print 5000", 1022),
    ("", "vlan/allprint 0", 1000),
    ("", "hash/setsize 256", 1000),
    ("", "hash/setsize 0", 1022),
    ("", "hash/setsize -1", 1022),
    ("", "hash/setsize 99999999999", 1022),
    ("", "hash/setgcint 5", 1000),
    ("", "hash/setexpire 5", 1000),
    ("", "hash/setminper 0", 1000),
    ("", "hash/setexpire abc", 1022),
    ("", "hash/find 02:00:00:00:00:01", 1019),
    ("", "hash/find 02:00", 1022),
    ("", "hash/find", 1022),
    ("", "load /nonexistent/file", 1002),
    ("", "debugger", 1038),
    ("", "PORT/CREATE 3", 1038),
    ("", "sh", 1038),
]


@pytest.mark.parametrize("before, command, code", CODES, ids=[f"{row[1]} after {row[0]}" if row[0] else row[1] for row in CODES])
def test_code(lab, switch, before, command, code):
    for line in filter(None, before.split("; ")):
        if line == "plug":
            lab.plug(switch)
        else:
            assert switch.command(line).code == 1000, line
    state = None if code == 1000 else switch.ask("port/allprint") + switch.ask("vlan/allprint") + switch.ask("port/showinfo")
    reply = switch.command(command)
    assert reply.code == code, reply
    if state is not None:
        assert switch.ask("port/allprint") + switch.ask("vlan/allprint") + switch.ask("port/showinfo") == state


@pytest.mark.parametrize("line", ["port/create 0x10", "port/create 020", "  port/create\t16 "])
def test_numbers_and_blanks(switch, line):
    assert switch.command(line).code == 1000
    assert 16 in switch.ports(all=True)


@pytest.mark.parametrize("line", ["port/create 0", "port/create", "port/createauto"])
def test_create_lowest(switch, line):
    assert switch.command(line).code == 1000
    assert list(switch.ports(all=True)) == [1]


def test_createauto_tells_the_number(switch):
    switch.ask("port/create 1")
    assert switch.ask("port/createauto") == ["Port 0002"]


def test_tagged_and_untagged_membership(switch):
    """A port that is untagged in a VLAN does not become tagged in it; leaving a VLAN it is not in is no error."""
    for line in ("vlan/create 10", "port/create 3", "port/setvlan 3 10"):
        switch.ask(line)
    assert switch.command("vlan/addport 10 3").code == 1000
    assert any("Port 0003 tagged=0" in line for line in switch.ask("vlan/allprint 10"))
    assert switch.command("vlan/delport 0 3").code == 1000


def test_load_echoes(lab, switch):
    script = lab.path("x.rc")
    with open(script, "w") as text:
        text.write("port/create 23\nport/create 23\n")
    answer = raw(switch, f"load {script}\n").partition("\nvde$ ")[2]
    assert answer == (f"vde[{script}]: port/create 23\n1000 Success\nvde[{script}]: port/create 23\n1017 File exists\n1000 Success\n\nvde$ ")


def test_load_of_itself_ends(lab, switch):
    script = lab.path("x.rc")
    with open(script, "w") as text:
        text.write(f"load {script}\nload {script}\n")
    assert raw(switch, f"load {script}\n")
    assert switch.command("showinfo").code == 1000


@pytest.mark.parametrize("text", [b"x" * 5000 + b"\n", b"port/create " + b"9" * 5000 + b"\n", b"\0" * 300 + b"\n", bytes(range(256)) * 20 + b"\n",
                                  b"port/print \xff\xfe\n", b"%s%s%s%n\n", b"help " + b"A" * 900 + b"\n"], ids=lambda text: str(text[:12]))
def test_junk_lines(switch, text):
    """An error code, nothing else, and the session goes on."""
    answer = raw(switch, text + b"showinfo\n")
    assert answer.count("1000 Success") >= 1 and "pid " in answer
    assert switch.ports(all=True) == {}
    assert switch.command("showinfo").code == 1000


def test_many_sessions(switch):
    sessions = [vde.Management(switch.mgmt) for _ in range(50)]
    for session in sessions:
        assert session.command("showinfo").code == 1000
    for session in sessions:
        session.close()
    assert switch.command("showinfo").code == 1000
