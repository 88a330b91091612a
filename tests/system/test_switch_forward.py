# SPDX-License-Identifier: GPL-2.0-or-later
"""The way of a frame: sizes, flooding, learning, hubs, VLANs."""
import os

import pytest
import vde

MAC = [vde.mac(number) for number in range(16)]


def plugs(lab, switch, *ports):
    """Plugs on the ports named, by port number."""
    return {port: lab.plug(switch, port=port) if port else lab.plug(switch, kind=1) for port in ports}


def passes(switch, sender, sent, receivers, expected=None):
    """The frame reaches exactly the plugs in `receivers` out of all (sender, then every plug of the dictionary)."""
    expected = sent if expected is None else expected
    source = sender[1]
    for plug in sender[0].values():
        plug.recv_now()
    source.send(sent)
    switch.settle()
    got = {port: plug.recv_now() for port, plug in sender[0].items()}
    assert {port for port, frames in got.items() if frames} == set(receivers), got
    for port in receivers:
        assert got[port] == [expected], (port, got[port], expected)


# ---- sizes -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [60, 61, 64, 1499, 1500, 1514, 1518, 1519, 4000, 9018, 9234, 16000, 40000, 65534, 65535])
def test_frame_passes_whole(lab, switch, size):
    a, b = lab.plug(switch), lab.plug(switch)
    sent = vde.frame(MAC[2], MAC[1], os.urandom(size - 14), size=size)
    assert len(sent) == size
    a.send(sent)
    assert b.recv() == sent


@pytest.mark.parametrize("size", [14, 15, 28, 42, 59])
def test_runt_is_padded_with_zeros(lab, switch, size):
    """And with nothing of the frames before it."""
    a, b = lab.plug(switch), lab.plug(switch)
    for _ in range(70):
        a.send(vde.frame(MAC[2], MAC[1], b"\xff" * 200))
        b.recv()
    sent = vde.frame(MAC[2], MAC[1], b"\x55" * (size - 14), size=size)[:size]
    a.send(sent)
    assert b.recv() == sent.ljust(60, b"\0")


def test_less_than_a_header_is_dropped(lab, switch):
    a, b = lab.plug(switch), lab.plug(switch)
    for size in range(0, 14):
        a.send(b"\xff" * size)
    switch.settle()
    assert b.recv_now() == []
    assert switch.hash() == {}
    a.send(vde.frame(vde.BROADCAST, MAC[1]))
    b.recv()


@pytest.mark.parametrize("size", [65536, 65537, 100000])
def test_oversize_is_dropped_never_cut(lab, switch, size):
    a, b = lab.plug(switch, sndbuf=1 << 20), lab.plug(switch)
    a.send(vde.frame(vde.BROADCAST, MAC[1], b"x" * (size - 14), size=size))
    sent = vde.frame(vde.BROADCAST, MAC[1])
    a.send(sent)
    assert b.recv() == sent
    ports = switch.ports()
    assert ports[2]["out"] == 1 and ports[1]["dropped"] == 1


def test_order_and_number(lab, switch):
    """A burst arrives whole and in order at a reader that reads."""
    a, b = lab.plug(switch), lab.plug(switch)
    got = []
    for number in range(3000):
        a.send(vde.frame(MAC[2], MAC[1], number.to_bytes(4, "big")))
        if number % 50 == 49:
            while not got or got[-1] != number:
                got.append(int.from_bytes(b.recv()[14:18], "big"))
    assert got == list(range(3000))


def test_counters(lab, switch):
    a, b = lab.plug(switch), lab.plug(switch)
    for size in (60, 100, 1500):
        a.send(vde.frame(vde.BROADCAST, MAC[1], size=size))
        b.recv()
    ports = switch.ports()
    assert (ports[1]["in"], ports[1]["in_bytes"], ports[1]["out"]) == (3, 1660, 0)
    assert (ports[2]["out"], ports[2]["out_bytes"], ports[2]["in"]) == (3, 1660, 0)
    assert switch.command("port/resetcounter 1").code == 1000
    ports = switch.ports()
    assert (ports[1]["in"], ports[2]["out"]) == (0, 3)
    assert switch.command("port/resetcounter").code == 1000
    assert switch.ports()[2]["out"] == 0


# ---- learning --------------------------------------------------------------------------------------------------------

def test_flood_then_learn(lab, switch):
    ends = plugs(lab, switch, 1, 2, 3, 0)
    passes(switch, (ends, ends[1]), vde.frame(vde.BROADCAST, MAC[1]), [2, 3, 0])
    passes(switch, (ends, ends[2]), vde.frame(MAC[5], MAC[2]), [1, 3, 0])
    passes(switch, (ends, ends[2]), vde.frame(MAC[1], MAC[2]), [1])
    passes(switch, (ends, ends[1]), vde.frame(MAC[2], MAC[1]), [2])
    passes(switch, (ends, ends[1]), vde.frame(MAC[1], MAC[1]), [])              # known on the port it came from
    passes(switch, (ends, ends[0]), vde.frame(MAC[2], MAC[3]), [2])
    passes(switch, (ends, ends[1]), vde.frame(MAC[3], MAC[1]), [0])
    passes(switch, (ends, ends[1]), vde.frame(b"\x01\x00\x5e\0\0\1", MAC[1]), [2, 3, 0])
    passes(switch, (ends, ends[1]), vde.frame(b"\x01\x80\xc2\0\0\0", MAC[1]), [2, 3, 0])      # no spanning tree here: like any other
    assert switch.hash() == {(vde.mac_text(MAC[1]), 0): 1, (vde.mac_text(MAC[2]), 0): 2, (vde.mac_text(MAC[3]), 0): 0}


def test_group_addresses_are_not_learned(lab, switch):
    ends = plugs(lab, switch, 1, 2)
    passes(switch, (ends, ends[1]), vde.frame(MAC[2], vde.BROADCAST), [2])
    passes(switch, (ends, ends[1]), vde.frame(MAC[2], b"\x01\0\0\0\0\1"), [2])
    assert switch.hash() == {}


def test_moving_waits_for_the_minimum_persistence(lab, switch):
    """An address that speaks elsewhere moves only after its entry is a while old; 0 moves at once."""
    ends = plugs(lab, switch, 1, 2, 3)
    assert switch.command("hash/setminper 3600").code == 1000
    passes(switch, (ends, ends[1]), vde.frame(vde.BROADCAST, MAC[1]), [2, 3])
    passes(switch, (ends, ends[2]), vde.frame(vde.BROADCAST, MAC[1]), [1, 3])
    assert switch.hash() == {(vde.mac_text(MAC[1]), 0): 1}
    assert switch.command("hash/setminper 0").code == 1000

    def moved():
        ends[2].send(vde.frame(vde.BROADCAST, MAC[1]))
        return switch.hash() == {(vde.mac_text(MAC[1]), 0): 2}
    vde.wait_until(moved)
    passes(switch, (ends, ends[3]), vde.frame(MAC[1], MAC[3]), [2])


def test_ageing(lab, switch):
    """Without traffic too."""
    assert switch.command("hash/setgcint 1").code == 1000
    assert switch.command("hash/setexpire 1").code == 1000
    a, _ = lab.plug(switch), lab.plug(switch)
    a.send(vde.frame(vde.BROADCAST, MAC[1]))
    vde.wait_until(lambda: switch.hash() != {})
    vde.wait_until(lambda: switch.hash() == {}, "the address to age out")


def test_addresses_go_with_their_port(lab, switch):
    ends = plugs(lab, switch, 1, 2, 3)
    vde.announce(switch, (ends[1], 1), (ends[2], 2))
    ends[1].close()
    vde.wait_until(lambda: switch.hash() == {(vde.mac_text(MAC[2]), 0): 2})


def test_find(lab, switch):
    ends = plugs(lab, switch, 1, 4)
    vde.announce(switch, (ends[4], 10))
    line, = switch.ask("hash/find 02:00:00:00:00:0a")
    assert line.startswith("Hash: ") and " Addr: 02:00:00:00:00:0a VLAN 0000 to port: 004  age " in line and line.endswith(" secs")
    assert switch.ask("hash/find 02:00:00:00:00:0a 0") == [line]
    assert switch.command("hash/find 02:00:00:00:00:0b").code == 1019
    assert switch.command("hash/find 02:00:00:00:00:0a 5").code == 1019
    assert switch.command("hash/find nonsense").code == 1022


def test_table_is_bounded(lab, switch):
    """Made-up addresses push out no more than their own port's."""
    a, b, attacker = lab.plug(switch), lab.plug(switch), lab.plug(switch)
    vde.announce(switch, (a, 1), (b, 2))
    for number in range(100000):
        attacker.send(vde.frame(MAC[1], vde.mac(1000 + number)))
        if number % 64 == 63:
            a.recv_now()
    switch.settle()
    a.recv_now(), b.recv_now()
    assert switch.program.resident_kib() < 60000
    table = switch.hash()
    assert table[vde.mac_text(MAC[1]), 0] == 1 and table[vde.mac_text(MAC[2]), 0] == 2


# ---- hub -------------------------------------------------------------------------------------------------------------

def test_hub_floods_everything(lab):
    switch = lab.switch("-x")
    switch.ask("vlan/create 5")
    switch.ask("port/create 3")
    switch.ask("port/setvlan 3 5")
    ends = plugs(lab, switch, 1, 2, 3, 0)
    for sent in (vde.frame(vde.BROADCAST, MAC[1]), vde.frame(MAC[2], MAC[1]), vde.frame(MAC[2], MAC[1], vlan=77),
                 vde.frame(MAC[2], MAC[1], vlan=4095, pcp=7)):
        passes(switch, (ends, ends[1]), sent, [2, 3, 0])
    passes(switch, (ends, ends[0]), vde.frame(MAC[2], MAC[1]), [1, 2, 3])
    assert switch.hash() == {}
    switch.stop()


def test_hub_is_switched_live(lab, switch):
    ends = plugs(lab, switch, 1, 2, 3)
    vde.announce(switch, (ends[1], 1), (ends[2], 2))
    passes(switch, (ends, ends[1]), vde.frame(MAC[2], MAC[1]), [2])
    assert switch.command("port/sethub 1").code == 1000
    passes(switch, (ends, ends[1]), vde.frame(MAC[2], MAC[1]), [2, 3])
    assert switch.command("port/sethub 0").code == 1000
    vde.announce(switch, (ends[1], 1), (ends[2], 2))
    passes(switch, (ends, ends[1]), vde.frame(MAC[2], MAC[1]), [2])


# ---- VLANs -----------------------------------------------------------------------------------------------------------

@pytest.fixture
def vlans(lab, switch):
    """Ports 1 and 2 in VLAN 10, 3 in 20, 4 a trunk of 10 and 20 without untagged traffic, 5 tagged in 10 and untagged in 0, 6 plain."""
    for line in ("vlan/create 10", "vlan/create 20", *(f"port/create {port}" for port in range(1, 7)), "port/setvlan 1 10",
                 "port/setvlan 2 10", "port/setvlan 3 20", "port/setvlan 4 4095", "vlan/addport 10 4", "vlan/addport 20 4",
                 "vlan/addport 10 5"):
        assert switch.command(line).code == 1000, line
    return plugs(lab, switch, 1, 2, 3, 4, 5, 6)


def flooded(switch, ends, port, sent, expected):
    """What every plug gets of a frame that is sent into a port."""
    for plug in ends.values():
        plug.recv_now()
    ends[port].send(sent)
    switch.settle()
    assert {number: frames[0] for number, plug in ends.items() if (frames := plug.recv_now())} == expected


def test_vlan_untagged_in(switch, vlans):
    plain, tagged = vde.frame(vde.BROADCAST, MAC[1], b"hi"), vde.frame(vde.BROADCAST, MAC[1], b"hi", vlan=10)
    flooded(switch, vlans, 1, plain, {2: plain, 4: tagged, 5: tagged})


def test_vlan_tagged_in(switch, vlans):
    plain = vde.frame(vde.BROADCAST, MAC[1], b"hi", size=100)
    tagged = vde.frame(vde.BROADCAST, MAC[1], b"hi", vlan=10, pcp=5, size=100)
    flooded(switch, vlans, 4, tagged, {1: plain, 2: plain, 5: tagged})         # priority bits survive
    flooded(switch, vlans, 5, tagged, {1: plain, 2: plain, 4: tagged})
    flooded(switch, vlans, 1, tagged, {2: plain, 4: tagged, 5: tagged})        # an untagged member may send tagged


def test_vlan_tag_removed_leaves_no_runt(switch, vlans):
    tagged = vde.frame(vde.BROADCAST, MAC[1], b"hi", vlan=10, size=56)
    assert len(tagged) == 60
    for plug in vlans.values():
        plug.recv_now()
    vlans[4].send(tagged)
    got = vlans[1].recv()
    assert got == vde.frame(vde.BROADCAST, MAC[1], b"hi").ljust(60, b"\0")


def test_vlan_not_a_member(switch, vlans):
    flooded(switch, vlans, 1, vde.frame(vde.BROADCAST, MAC[1], vlan=20), {})
    flooded(switch, vlans, 6, vde.frame(vde.BROADCAST, MAC[1], vlan=10), {})
    flooded(switch, vlans, 4, vde.frame(vde.BROADCAST, MAC[1], vlan=30), {})
    flooded(switch, vlans, 4, vde.frame(vde.BROADCAST, MAC[1]), {})                # 4095: no untagged traffic
    flooded(switch, vlans, 4, vde.frame(vde.BROADCAST, MAC[1], vlan=4095), {})


def test_vlan_zero_tag_is_priority_only(switch, vlans):
    """VID 0 on a port of VLAN 0 is the same as no tag."""
    plain = vde.frame(vde.BROADCAST, MAC[1], b"hi", size=100)
    flooded(switch, vlans, 6, vde.frame(vde.BROADCAST, MAC[1], b"hi", vlan=0, pcp=3, size=100), {5: plain})


@pytest.mark.parametrize("mirrored", [False, True])
def test_priority_tag_names_the_vlan_where_it_leaves_tagged(switch, vlans, mirrored):
    """Else the next switch would take the frame for one of its own port's VLAN. A mirror's copy is as it came."""
    came = vde.frame(vde.BROADCAST, MAC[1], b"hi", vlan=0, pcp=3, size=100)
    plain, tagged = (vde.frame(vde.BROADCAST, MAC[1], b"hi", size=100, **tag) for tag in ({}, {"vlan": 10, "pcp": 3}))
    if mirrored:
        assert switch.command("port/mirror 1 6").code == 1000
    flooded(switch, vlans, 1, came, {2: plain, 4: tagged, 5: tagged} | ({6: came} if mirrored else {}))


def test_vlan_separates_addresses(switch, vlans):
    """The same address in two VLANs is two addresses."""
    for port in (1, 3):
        vlans[port].send(vde.frame(vde.BROADCAST, MAC[9]))
    switch.settle()
    assert switch.hash() == {(vde.mac_text(MAC[9]), 10): 1, (vde.mac_text(MAC[9]), 20): 3}
    to = vde.frame(MAC[9], MAC[4], size=100)
    flooded(switch, vlans, 2, to, {1: to})
    flooded(switch, vlans, 4, vde.frame(MAC[9], MAC[4], vlan=20, size=100), {3: to})


def test_vlan_change_forgets_addresses(switch, vlans):
    vlans[1].send(vde.frame(vde.BROADCAST, MAC[9]))
    switch.settle()
    assert switch.command("port/setvlan 1 20").code == 1000
    assert switch.hash() == {}
    sent = vde.frame(vde.BROADCAST, MAC[9], size=100)
    flooded(switch, vlans, 1, sent, {3: sent, 4: vde.frame(vde.BROADCAST, MAC[9], vlan=20, size=100)})


@pytest.mark.parametrize("vlan", [1, 2, 1000, 4093, 4094])
def test_vlan_range(lab, switch, vlan):
    for line in (f"vlan/create {vlan}", "port/create 1", "port/create 2", f"vlan/addport {vlan} 1", f"port/setvlan 2 {vlan}"):
        assert switch.command(line).code == 1000, line
    ends = plugs(lab, switch, 1, 2)
    flooded(switch, ends, 1, vde.frame(vde.BROADCAST, MAC[1], vlan=vlan, size=100),
            {2: vde.frame(vde.BROADCAST, MAC[1], size=100)})
    flooded(switch, ends, 2, vde.frame(vde.BROADCAST, MAC[1], size=100),
            {1: vde.frame(vde.BROADCAST, MAC[1], vlan=vlan, size=100)})


def test_largest_frames_and_tags(lab, switch):
    """What a tag makes longer than the bound is whole or absent, and harms no other copy."""
    for line in ("vlan/create 10", "port/create 1", "port/create 2", "port/create 3", "port/setvlan 1 10", "port/setvlan 2 10",
                 "vlan/addport 10 3"):
        assert switch.command(line).code == 1000, line
    ends = plugs(lab, switch, 1, 2, 3)
    for size in (65531, 65532, 65535):
        sent = vde.frame(vde.BROADCAST, MAC[1], size=size)
        ends[1].send(sent)
        assert ends[2].recv() == sent
        switch.settle()
        tagged = ends[3].recv_now()
        assert tagged == [vde.frame(vde.BROADCAST, MAC[1], vlan=10, size=size)] or (size > 65531 and tagged == [])
