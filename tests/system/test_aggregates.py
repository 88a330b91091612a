# SPDX-License-Identifier: GPL-2.0-or-later
"""Several frames in one datagram, between those who agreed on it; nobody else ever sees one."""
import os
import struct

import plugs
import pytest
import vde


def frames(count, size=60, first=0):
    return [vde.frame(vde.BROADCAST, vde.mac(1), struct.pack("!I", first + number), size=size) for number in range(count)]


def test_only_who_offers_is_offered(lab, switch):
    assert lab.plug(switch, aggregates=True).aggregates
    assert not lab.plug(switch).aggregates
    assert not lab.plug(switch, address="abstract").aggregates


def test_a_path_without_room_for_the_offer(lab, switch):
    """A path of 100 bytes is not an offer, whatever it ends in."""
    directory = os.path.join(lab.open_dir, "d" * (91 - len(lab.open_dir)))
    os.mkdir(directory)
    path = os.path.join(directory, "p" * (99 - len(directory)) + vde.AGGREGATES.decode())[:108]
    assert path.endswith(vde.AGGREGATES.decode())
    assert not lab.plug(switch, address=path[:107]).aggregates


def test_a_switch_without_room_for_the_offer(lab):
    """It cannot say that it would, so it does not: neither sends aggregates, nor takes a frame for one."""
    switch = lab.switch(socket=lab.path("d" * (98 - len(lab.path("")))))
    sender, other, offered = lab.plug(switch), lab.plug(switch), lab.plug(switch, aggregates=True)
    assert not offered.aggregates
    sent = frames(5)
    for frame in sent:
        sender.send(frame)
    assert [offered.recv() for _ in sent] == [other.recv() for _ in sent] == sent
    offered.send(vde.aggregate(*sent))
    assert other.recv() == vde.aggregate(*sent)


@pytest.mark.parametrize("count, size", [(1, 60), (5, 60), (21, 1514), (32, 900), (1, 32000)])
def test_frames_of_an_aggregate_go_their_ways(lab, switch, count, size):
    """One by one to a plain client, in order; together to one that offered."""
    sender, plain, other = lab.plug(switch, aggregates=True), lab.plug(switch), lab.plug(switch, aggregates=True)
    sent = frames(count, size)
    sender.send(vde.aggregate(*sent))
    assert [plain.recv() for _ in sent] == sent
    assert other.recv() == (vde.aggregate(*sent) if count > 1 else sent[0])
    assert switch.ports()[1]["in"] == count


def test_lone_and_long_frames_go_plain(lab, switch):
    sender, other = lab.plug(switch, aggregates=True), lab.plug(switch, aggregates=True)
    for size in (60, 1514, 65535):
        sent = frames(1, size)[0]
        sender.send(sent)
        assert other.recv() == sent
    sent = frames(3, 20000)
    sender.send(vde.aggregate(sent[0]))
    assert other.recv() == sent[0]


def test_nobody_can_forge_an_aggregate(lab, switch):
    """A frame that begins as an aggregate does is a frame: from a client that agreed to nothing, and to one that did."""
    plain, other, third = lab.plug(switch), lab.plug(switch, aggregates=True), lab.plug(switch)
    forged = vde.aggregate(*frames(2))
    plain.send(forged)
    assert third.recv() == forged
    assert other.recv() == vde.aggregate(forged)


BAD = {
    "nothing in it": vde.AGGREGATE_MARK,
    "half a length": vde.aggregate(*frames(1)) + b"\0",
    "a frame longer than the rest": vde.aggregate(*frames(1)) + b"\0\x40" + b"x" * 63,
    "a frame shorter than a header": vde.aggregate(b"x" * 13),
    "a length of nothing": vde.aggregate(*frames(1)) + b"\0\0",
    "too many frames": vde.aggregate(*frames(33)),
}


@pytest.mark.parametrize("what", BAD)
def test_malformed_aggregates_are_dropped_whole(lab, switch, what):
    sender, other = lab.plug(switch, aggregates=True), lab.plug(switch)
    good = frames(1, first=1000)[0]
    sender.send(BAD[what])
    sender.send(good)
    assert other.recv() == good


def test_a_flood_is_neither_lost_nor_disordered(lab, switch):
    """Lone frames and aggregates, many on the way at once."""
    sender, other = lab.plug(switch, aggregates=True), lab.plug(switch, aggregates=True)
    number = 0
    for turn in range(40):
        sent = []
        for count in (1, 32, 1, 3):
            some = frames(count, 100, number)
            number += count
            sender.send(vde.aggregate(*some) if count > 1 or turn % 2 else some[0])
            sent += some
        assert other.frames(len(sent)) == sent


def test_a_full_client_gets_the_rest_later(lab, switch):
    """What a client does not take at once waits, and comes in order."""
    sender, other = lab.plug(switch), lab.plug(switch, aggregates=True)
    sent = frames(100, 60000)
    for frame in sent:
        sender.send(frame)
    vde.wait_until(lambda: switch.ports()[1]["in"] == len(sent))
    assert other.frames(len(sent)) == sent


def test_programs_of_the_suite_offer_it(lab, switch):
    """A batch goes through vde_plug together, both ways."""
    other = lab.plug(switch, aggregates=True)
    plug = plugs.StreamPlug(lab, "vde_plug", switch.socket)
    plugs.connected(switch, 2)
    there, back = frames(16, 100), frames(16, 100, first=100)
    other.send(vde.aggregate(*there))
    plug.wait_frames(there)
    plug.send(*back)
    assert other.recv() == vde.aggregate(*back)


def test_users_of_the_library_do_not(lab, switch):
    """A program that calls vde_recv gets frame by frame: Debian's vde_plug on our library."""
    other = lab.plug(switch, aggregates=True)
    plug = plugs.StreamPlug(lab, vde.foreign("vde_plug"), switch.socket, env=vde.env_foreign(library="ours"))
    plugs.connected(switch, 2)
    sent = frames(16, 100)
    other.send(vde.aggregate(*sent))
    plug.wait_frames(sent)
