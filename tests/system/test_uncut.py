# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP frames that are to be cut, between the switch and plugs that asked for them; everybody else gets their segments."""
import struct

import pytest
import vde

HEADERS = 54


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[:len(data) // 2 * 2])) + (data[-1] << 8 if len(data) % 2 else 0)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def tcp(payload, destination=vde.BROADCAST, sequence=1000):
    """A TCP frame with everything right but its checksum."""
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), 7, 0x4000, 64, 6, 0, b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02")
    ip = ip[:10] + struct.pack("!H", 0xffff ^ checksum(ip)) + ip[12:]
    return destination + vde.mac(1) + b"\x08\x00" + ip + struct.pack("!HHIIBBHHH", 1, 2, sequence, 5, 0x50, 0x10, 100, 0, 0) + payload


def uncut(frame, size, *, kind=1, flags=1, start=34, offset=16):
    return vde.UNCUT_MARK + struct.pack("=BBHHHH", flags, kind, HEADERS, size, start, offset) + frame


def asking(lab, switch, **options):
    plug = lab.plug(switch, aggregates=True, **options)
    plug.send(vde.UNCUT_MARK)
    switch.settle()
    return plug


def is_complete(frame):
    pseudo = frame[26:34] + struct.pack("!HH", 6, len(frame) - 34)
    return checksum(pseudo + frame[34:]) == 0xffff and checksum(frame[14:34]) == 0xffff


@pytest.mark.parametrize("aggregates", [False, True])
def test_cut_for_who_did_not_ask(lab, switch, aggregates):
    plug, peer = asking(lab, switch), lab.plug(switch, aggregates=aggregates)
    payload = bytes(range(256)) * 20
    plug.send(uncut(tcp(payload), 1000))
    got = peer.frames(6)
    assert b"".join(frame[HEADERS:] for frame in got) == payload and all(map(is_complete, got))
    assert [len(frame) - HEADERS for frame in got] == [1000] * 5 + [120]
    assert switch.ports()[1]["in"] == 6


def test_whole_to_who_asked(lab, switch):
    plug, peer = asking(lab, switch), asking(lab, switch)
    frame = tcp(bytes(range(256)) * 250)
    plug.send(uncut(frame, 1448))
    got = peer.recv()
    assert got[:8] == vde.UNCUT_MARK and got[18:][:50] == frame[:50] and got[18 + HEADERS:] == frame[HEADERS:]
    assert struct.unpack_from("=BBHHHH", got, 8) == (1, 1, HEADERS, 1448, 34, 16)


def test_only_the_checksum_to_do(lab, switch):
    """Such a frame is finished for everybody."""
    plug, peer, plain = asking(lab, switch), asking(lab, switch), lab.plug(switch)
    pseudo = checksum(tcp(b"")[26:34] + struct.pack("!HH", 6, 20 + 100))
    frame = bytearray(tcp(b"x" * 100))
    frame[50:52] = struct.pack("!H", pseudo)
    plug.send(uncut(bytes(frame), 0, kind=0))
    for end in (peer, plain):
        (got,) = end.frames(1)
        assert is_complete(got) and got[HEADERS:] == b"x" * 100


BAD = {
    "not asked for": None,
    "half a header": vde.UNCUT_MARK + b"\1\1\0",
    "no frame": uncut(b"", 1000),
    "segments of nothing": uncut(tcp(b"x" * 3000), 0),
    "another type": uncut(tcp(b"x" * 3000), 1000, kind=4),
    "no TCP": uncut(vde.frame(vde.BROADCAST, vde.mac(1), size=3000), 1000),
    "another beginning of the sum": uncut(tcp(b"x" * 3000), 1000, start=20),
    "too many segments": uncut(tcp(b"x" * 60000), 1),
    "shorter than it says": uncut(tcp(b"x" * 3000)[:-1], 1000),
    "no length": uncut(tcp(b"ab")[:16] + b"\0\0" + tcp(b"ab")[18:], 1),
}


@pytest.mark.parametrize("vlan", [None, 10])
def test_cut_when_shorter_than_a_frame_may_be(lab, switch, vlan):
    """The padding of the whole is not taken for its payload, whether or not a tag goes from it."""
    for line in ("vlan/create 10", "port/create 1", "port/create 2", "vlan/addport 10 1", "port/setvlan 2 10"):
        assert switch.command(line).code == 1000
    plug = asking(lab, switch, port=1)
    peer, frame = lab.plug(switch, port=2 if vlan else 3), tcp(b"ab")
    if vlan:
        frame = frame[:12] + struct.pack("!HH", 0x8100, vlan) + frame[12:]
    plug.send(uncut(frame, 1, start=len(frame) - 22))
    got = peer.frames(2)
    assert [f[HEADERS:] for f in got] == [b"a".ljust(6, b"\0"), b"b".ljust(6, b"\0")]
    assert all(is_complete(f[:HEADERS + 1]) for f in got)


@pytest.mark.parametrize("what", BAD)
def test_nonsense_is_dropped(lab, switch, what):
    plug = lab.plug(switch, aggregates=True) if BAD[what] is None else asking(lab, switch)
    peer = lab.plug(switch)
    plug.send(BAD[what] or uncut(tcp(b"x" * 3000), 1000))
    good = vde.frame(vde.BROADCAST, vde.mac(1), b"good")
    plug.send(good)
    assert peer.recv() == good


def test_nobody_can_forge_one(lab, switch):
    """A plain frame that begins like one is a frame to who asked, too."""
    plain, other, third = lab.plug(switch), asking(lab, switch), lab.plug(switch)
    forged = uncut(tcp(b"x" * 3000), 1000)
    plain.send(forged)
    assert third.recv() == forged
    assert other.recv() == vde.aggregate(forged)

