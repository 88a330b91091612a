# SPDX-License-Identifier: GPL-2.0-or-later
"""Spanning trees of real switches: rings of ours, with Debian's, with a Linux bridge, with Open vSwitch."""
import re
import time

import fabric as fabric_module
import pytest
import vde
from ovs import OpenVSwitch

DEBIAN = "/usr/bin/vde_switch"
SETTLE = 60 * vde.PATIENCE


@pytest.fixture
def fabric(lab):
    made = fabric_module.Fabric(lab)
    yield made
    made.close()


def bridge(lab, priority, program="vde_switch", *options):
    if program != "vde_switch":
        vde.need_program(program)
    return lab.switch("-F", "--priority", hex(priority), *options, program=program)


def roles(switch, vlan=0):
    """{port: role} of fstp/print."""
    found = {}
    for line in switch.ask(f"fstp/print {vlan}"):
        match = re.match(r" -- Port (\d+) tagged=\d portcost=\d+ role=(\S+)", line)
        if match:
            found[int(match[1])] = match[2]
    return found


def root(switch, vlan=0):
    lines = switch.ask(f"fstp/print {vlan}")
    return lines[1].split()[-1]


def states(switch, vlan=0):
    found = {}
    for line in switch.ask(f"vlan/print {vlan}"):
        match = re.match(r" -- Port (\d+) tagged=\d active=\d status=(\S+)", line)
        if match:
            found[int(match[1])] = match[2]
    return found


def ring(fabric, switches):
    """Each switch's port 1 to the next one's port 2, a station on its port 3."""
    for switch in switches:
        fabric.station(switch, 3)
    return [fabric.cable(a, b, (1, 2)) for a, b in zip(switches, switches[1:] + switches[:1])]


def settled_ring(switches):
    """True when exactly one port of the ring blocks, and everyone has the same root."""
    blocked = sum(state != "Forwarding" for switch in switches for port, state in states(switch).items() if port < 3)
    return blocked == 1 and len({root(switch) for switch in switches}) == 1


def test_station_forwards_within_three_seconds(lab):
    switch = bridge(lab, 0x8000)
    a, b = lab.plug(switch), lab.plug(switch)
    begin = time.monotonic()
    vde.wait_until(lambda: set(states(switch).values()) == {"Forwarding"}, "both ports forwarding")
    assert time.monotonic() - begin < 3.5 * vde.PATIENCE
    assert roles(switch) == {1: "Edge", 2: "Edge"}
    sent = vde.frame(vde.BROADCAST, vde.mac(1), b"hello")
    a.send(sent)
    b.expect(sent)


def test_without_fstp_nothing_waits(lab, switch):
    a, b = lab.plug(switch), lab.plug(switch)
    sent = vde.frame(vde.BROADCAST, vde.mac(1), b"hello")
    a.send(sent)
    assert b.recv() == sent


def test_ring_of_three(lab, fabric):
    switches = [bridge(lab, priority) for priority in (0x1000, 0x2000, 0x3000)]
    cables = ring(fabric, switches)
    fabric.connected()
    vde.wait_until(lambda: settled_ring(switches), "one blocked port")
    assert roles(switches[0]) == {1: "Designated", 2: "Designated", 3: "Edge"}
    assert roles(switches[1])[2] == "Root" and roles(switches[2])[1] == "Root"
    assert "Alternate/Backup" in roles(switches[2]).values()
    for cable in cables:
        cable.cut()
        assert fabric.connected() < 1 * vde.PATIENCE
        cable.mend()
        vde.wait_until(lambda: settled_ring(switches), "one blocked port")
        assert fabric.connected() < 1 * vde.PATIENCE
    fabric.no_duplicates()


def test_root_dies(lab, fabric):
    """A full mesh of four loses its root switch: the rest finds another before max age, and no frame goes round."""
    switches = [bridge(lab, priority) for priority in (0x1000, 0x2000, 0x3000, 0x4000)]
    for switch in switches[1:]:
        fabric.station(switch, 9)
    cables = [fabric.cable(a, b, (1 + j, 1 + i)) for i, a in enumerate(switches) for j, b in enumerate(switches) if i < j]
    fabric.connected()
    vde.wait_until(lambda: len({root(switch) for switch in switches}) == 1, "one root")
    for cable in cables[:3]:
        cable.cut()
    assert fabric.connected(deadline=SETTLE) < 20 * vde.PATIENCE
    vde.wait_until(lambda: {root(s)[:5] for s in switches[1:]} == {"20:00"}, "the next root")
    fabric.no_duplicates()


def test_two_vlans_have_two_trees(lab, fabric):
    """Tagged BPDUs: the cable that one VLAN blocks is the other's root path."""
    a, b = bridge(lab, 0x1000), bridge(lab, 0x2000)
    for switch in (a, b):
        switch.ask("vlan/create 10")
        for port in (1, 2):
            switch.ask(f"port/create {port}")
            switch.ask(f"vlan/addport 10 {port}")
    b.ask("fstp/bonus 10 2 150000")
    cables = [fabric.cable(a, b, (port, port)) for port in (1, 2)]
    vde.wait_until(lambda: roles(b) == {1: "Root", 2: "Alternate/Backup"}, "the tree of VLAN 0")
    vde.wait_until(lambda: roles(b, 10) == {1: "Alternate/Backup", 2: "Root"}, "the tree of VLAN 10")
    tagged = [data for _, data in cables[0].bpdus if data[12:16] == bytes.fromhex("8100000a")]
    assert tagged and all(data[18:21] == bytes.fromhex("424203") for data in tagged)
    cables[1].cut()
    vde.wait_until(lambda: roles(b, 10) == {1: "Root"} and states(b, 10) == {1: "Forwarding"}, "the other cable")
    assert roles(b) == {1: "Root"}


def test_commands(lab, switch):
    assert switch.ask("fstp/showinfo")[1] == "FSTP=false"
    assert switch.ask("fstp/print 0")[0] == "FST DATA VLAN 0000 ROOTSWITCH FSTP IS DISABLED"
    plug = lab.plug(switch)
    assert switch.ask("fstp/print 0")[-1] == " -- Port 0001 tagged=0 portcost=200000 role=Designated"
    assert switch.ask("fstp/setedge 0 1 1") == []
    assert roles(switch) == {1: "Edge"}
    assert switch.command("fstp/setfstp 1").code == 1000
    assert states(switch) == {1: "Forwarding"}
    assert switch.ask("fstp/showinfo")[1] == "FSTP=true"
    assert switch.ask("fstp/bonus 0 1 100000") == []
    assert " ++ rootport 0000 cost 0 age 0 bonusport 0001 bonuscost 100000" in switch.ask("fstp/print")
    assert switch.ask("fstp/print")[-1] == " -- Port 0001 tagged=0 portcost=100000 role=Edge"
    assert switch.ask("fstp/timers 1 6 4") == []
    assert switch.ask("fstp/showinfo")[2] == "hello 1 maxage 6 fwddelay 4"
    for refused in ("timers 2 6 3", "timers 2 20 9", "timers 0 20 15", "timers 2 41 30", "priority 65536", "guard 0 1 maybe",
                    "setedge 0 99 1", "setedge 4095 1 1", "setedge 0 1 x", "bonus 0 1 -1", "cost 0 1 0", "print 9999"):
        assert switch.command(f"fstp/{refused}").code == 1022, refused
    for absent in ("setedge 5 1 1", "setedge 0 7 1", "bonus 5 1 1", "print 5", "guard 0 7 bpdu", "showport 0 9"):
        assert switch.command(f"fstp/{absent}").code == 1006, absent
    switch.ask("fstp/priority 0x1000")
    assert switch.ask("fstp/showinfo")[0].endswith("Priority 4096 (0x1000)")
    assert root(switch).startswith("10:00:")
    assert switch.ask("port/sethub 1") == [] and switch.ask("fstp/showinfo")[1] == "FSTP=false"
    assert switch.ask("fstp/setfstp 1") == ["Can't use fstp in hub mode"]
    plug.close()


def test_configuration(lab, switch):
    """What is set is part of the configuration script, and of a switch that loads it."""
    for line in ("vlan/create 7", "port/create 4", "port/create 5", "vlan/addport 7 5", "fstp/priority 4096", "fstp/timers 1 6 4",
                 "fstp/setedge 0 4 1", "fstp/guard 7 5 root", "fstp/cost 7 5 1234", "fstp/bonus 0 9 77", "fstp/setfstp 1"):
        assert switch.command(line).code == 1000, line
    script = switch.ask("config/show")
    other = lab.switch()
    for line in script:
        assert other.command(line).code == 1000, line
    assert other.ask("config/show") == script
    assert {"fstp/setedge 0 4 1", "fstp/guard 7 5 root", "fstp/cost 7 5 1234", "fstp/bonus 0 9 77", "fstp/setfstp 1"} <= set(script)
    switch.ask("port/remove 5")
    assert "fstp/guard 7 5 root" not in switch.ask("config/show")


def test_hub_wins_over_fstp(lab):
    switch = lab.switch("-F", "-x")
    assert switch.ask("fstp/showinfo")[1] == "FSTP=false" and "HUB=true" in switch.ask("port/showinfo")


def bpdu(priority, number, port=0x8001, flags=0x3c, cost=0, age=0, vlan=None):
    """An RST BPDU of a bridge that claims to be the root."""
    identifier = priority.to_bytes(2, "big") + vde.mac(number)
    body = (bytes.fromhex("0000" "02" "02") + bytes([flags]) + identifier + cost.to_bytes(4, "big") + identifier + port.to_bytes(2, "big") +
            age.to_bytes(2, "big") + bytes.fromhex("1400" "0200" "0f00" "00"))
    tag = b"" if vlan is None else b"\x81\x00" + vlan.to_bytes(2, "big")
    return bytes.fromhex("0180c2000000") + vde.mac(number) + tag + b"\0\x27\x42\x42\x03" + body


def test_guards(lab):
    switch = bridge(lab, 0x8000)
    plugs = {port: lab.plug(switch, port=port) for port in (1, 2, 3)}
    switch.ask("fstp/guard 0 1 bpdu")
    switch.ask("fstp/guard 0 2 root")
    vde.wait_until(lambda: set(states(switch).values()) == {"Forwarding"}, "all ports forwarding")
    plugs[1].send(bpdu(0x1000, 77))
    vde.wait_until(lambda: states(switch)[1] == "Discarding", "BPDU guard")
    assert root(switch).startswith("80:00")
    plugs[2].send(bpdu(0x1000, 77))
    vde.wait_until(lambda: roles(switch)[2] == "Alternate/Backup", "root guard")
    assert states(switch) == {1: "Discarding", 2: "Discarding", 3: "Forwarding"}
    assert root(switch).startswith("80:00")
    plugs[3].send(bpdu(0x1000, 77))
    vde.wait_until(lambda: root(switch).startswith("10:00"), "the root behind the unguarded port")
    switch.ask("fstp/guard 0 1 off")
    vde.wait_until(lambda: states(switch)[1] == "Forwarding", "the port that is guarded no more")


def test_events(lab):
    switch = bridge(lab, 0x8000)
    switch.ask("vlan/create 10")
    session = vde.Management(switch.mgmt)
    if session.command("debug/add fstp").code != 1000:
        pytest.skip("this switch has no debug stream yet")
    plug = lab.plug(switch)
    plug.send(bpdu(0x1000, 0x77))
    wanted = {"3041 fstp/+ Port 0001 VLAN 00:00", "3045 fstp/root Port 0001 VLAN 00:00 -> 10:00:02:00:00:00:00:77",
              "3044 fstp/status Port 0001 VLAN 00:00 learning+forwarding"}
    seen = set()
    while not wanted <= seen:
        seen.add(session.next_event())
    plug.close()
    while "3042 fstp/- Port 0001 VLAN 00:00" not in seen:
        seen.add(session.next_event())
    session.close()


def test_bpdus_are_not_forwarded(lab):
    switch = bridge(lab, 0x1000)
    a, b = lab.plug(switch), lab.plug(switch)
    vde.wait_until(lambda: set(states(switch).values()) == {"Forwarding"}, "both ports forwarding")
    b.recv_now()
    lying = bpdu(0x8000, 66).replace(b"\0\x27\x42", b"\x05\x27\x42")
    for junk in (bpdu(0x8000, 66, flags=0x0c), lying, b"\x01\x80\xc2\0\0\0" + vde.mac(66) + b"\x08\0" + bytes(60)):
        a.send(junk)
    last = vde.frame(vde.BROADCAST, vde.mac(1), b"last")
    a.send(last)
    got = b.recv()
    while got != last:
        assert got[6:12] != vde.mac(66)
        got = b.recv()
    assert re.search(r"invalid 2", " ".join(switch.ask("fstp/showport 0 1")))


@pytest.mark.parametrize("programs", [("vde_switch", "vde_switch", DEBIAN), ("vde_switch", DEBIAN, DEBIAN), (DEBIAN, "vde_switch", "vde_switch"),
                                      (DEBIAN, DEBIAN, "vde_switch")], ids=["NNO", "NOO", "ONN", "OON"])
def test_ring_with_debians(lab, fabric, programs):
    """The first has the best priority. Whatever Debian's do while they learn of each other: then there is one path, and after each cut again."""
    switches = [bridge(lab, 0x1000 * (1 + i), program) for i, program in enumerate(programs)]
    cables = ring(fabric, switches)

    def one_path():
        since = time.monotonic()
        fabric.connected(deadline=SETTLE)
        return vde.never(lambda: fabric.duplicates and fabric.duplicates[-1][0] > since, 0.3)
    vde.wait_until(one_path, "one path", SETTLE)
    for cable in cables:
        cable.cut()
        vde.wait_until(one_path, "one path after a cut", SETTLE)
        cable.mend()
        vde.wait_until(one_path, "one path after mending", SETTLE)


# ---- foreign bridges -------------------------------------------------------------------------------------------------

def two_cables(fabric, switch, namespace, attach):
    """Ports 1 and 2 of the switch to two taps that attach() puts into the other bridge; a station on each side."""
    taps = [fabric_module.Tap(fabric.lab, namespace) for _ in range(3)]
    for tap in taps:
        attach(tap.name)
    cables = [fabric.cable(switch, tap, (1 + i, 0)) for i, tap in enumerate(taps[:2])]
    fabric.station(switch, 3)
    fabric.station(taps[2])
    return cables


@pytest.mark.parametrize("priority", [0x1000, 0xf000], ids=["we-are-root", "it-is-root"])
def test_linux_bridge(lab, fabric, priority):
    """802.1D on the other side, and its timers: all of ours must be legal, and short here."""
    namespace = lab.namespace()
    namespace.ip("link", "add", "name", "br0", "type", "bridge")
    namespace.ip("link", "set", "br0", "type", "bridge", "stp_state", "1", "forward_delay", "400", "max_age", "600", "hello_time", "100",
                 "priority", "32768")
    namespace.ip("link", "set", "br0", "up")
    switch = bridge(lab, priority)
    switch.ask("fstp/timers 1 6 4")
    cables = two_cables(fabric, switch, namespace, lambda tap: namespace.ip("link", "set", tap, "master", "br0"))
    fabric.connected(deadline=SETTLE)

    def one_blocks():
        ours = sum(states(switch).get(port) != "Forwarding" for port in (1, 2))
        theirs = namespace.run("bridge", "link").stdout.count("state blocking")
        return ours + theirs == 1
    vde.wait_until(one_blocks, "one blocked end", SETTLE)
    vde.wait_until(lambda: "802.1D" in " ".join(switch.ask("fstp/showport 0 1") + switch.ask("fstp/showport 0 2")), "the older protocol")
    expected = "10:00" if priority == 0x1000 else "80:00"
    assert root(switch).startswith(expected)
    cables[0].cut()
    fabric.connected(deadline=SETTLE)
    cables[0].mend()
    vde.wait_until(one_blocks, "one blocked end", SETTLE)
    fabric.connected(deadline=SETTLE)
    fabric.no_duplicates()


@pytest.mark.parametrize("priority", [0x1000, 0xf000], ids=["we-are-root", "it-is-root"])
def test_open_vswitch(lab, fabric, priority):
    """RSTP on the other side: a cut is repaired within a second."""
    namespace = lab.namespace()
    ovs = OpenVSwitch(lab, namespace)
    ovs.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "rstp_enable=true")
    switch = bridge(lab, priority)
    cables = two_cables(fabric, switch, namespace, lambda tap: ovs.vsctl("add-port", "br0", tap))
    fabric.connected(deadline=SETTLE)

    def settled():
        ours = set(roles(switch).values())
        wanted = {"Designated", "Edge"} if priority == 0x1000 else {"Root", "Alternate/Backup", "Edge"}
        theirs = ovs.rstp()
        return ours == wanted and theirs.count("Forwarding") == (2 if priority == 0x1000 else 3) and \
            ("Alternate" in theirs) == (priority == 0x1000)
    vde.wait_until(settled, "both trees", SETTLE)
    for cable in cables:
        cable.cut()
        assert fabric.connected() < 1 * vde.PATIENCE
        cable.mend()
        vde.wait_until(settled, "both trees", SETTLE)
        fabric.connected()
    fabric.no_duplicates()
    assert "RSTP" in switch.ask("fstp/showport 0 1")[1]


def test_tagged_vlan_with_debians(lab, fabric):
    """The dialect with a tag: two cables to one of Debian's carry VLAN 10 only, and one of them is blocked."""
    ours, theirs = bridge(lab, 0x2000), bridge(lab, 0x1000, DEBIAN)
    for switch in (ours, theirs):
        switch.ask("vlan/create 10")
        for port in (1, 2, 3):
            switch.ask(f"port/create {port}")
            switch.ask(f"port/setvlan {port} {10 if port == 3 else 4095}")
            if port < 3:
                switch.ask(f"vlan/addport 10 {port}")
        fabric.station(switch, 3)
    cables = [fabric.cable(ours, theirs, (port, port)) for port in (1, 2)]

    def blocked():
        found = roles(ours, 10)
        return found.get(1) != found.get(2) and "Root" in found.values() and "Alternate/Backup" in found.values()
    vde.wait_until(blocked, "one root port and one blocked", SETTLE)
    fabric.connected(deadline=SETTLE)
    assert "vde_switch 2.3" in " ".join(ours.ask("fstp/showport 10 1"))
    begin = time.monotonic()
    assert vde.never(lambda: fabric.duplicates and fabric.duplicates[-1][0] > begin, 1)
    cables[0 if roles(ours, 10)[1] == "Root" else 1].cut()
    fabric.connected(deadline=SETTLE)
