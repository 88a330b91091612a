# SPDX-License-Identifier: GPL-2.0-or-later
"""ptp:// with several frames in one datagram: between programs of the suite, and never with anybody else. What ends of other makes see is what they always saw."""
import errno
import os
import socket
import stat
import struct

import plugs
import pytest
import vde

# what a vde_plug may be made of: ours; Debian's on our library, which then is opened by plain vde_open; Debian's
MAKERS = {"ours": ("ours", None), "plain": ("debian", "ours"), "debian": ("debian", "debian")}


@pytest.fixture
def path(lab):
    return lab.path("ptp")


def start(lab, path, maker, *, first=False):
    program, library = MAKERS[maker]
    name, environment = ("vde_plug", None) if program == "ours" else (vde.foreign("vde_plug"), vde.env_foreign(library=library))
    before = set(os.listdir(os.path.dirname(path)))
    end = plugs.StreamPlug(lab, name, f"ptp://{path}", env=environment)
    end.maker = maker
    if first:
        vde.wait_until(lambda: os.path.basename(path) in set(os.listdir(os.path.dirname(path))) - before, "the first end")
    return end


def kill(end):
    end.program.kill()
    end.program.wait()


def is_taken(name):
    """The end of this name is connected to another one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex(name) == errno.EPERM


def notice(end, name):
    """It sends until it knows that its peer is dead; Debian's would not join it before."""
    def knows():
        end.send(vde.frame(vde.BROADCAST, vde.mac(99)))
        return not is_taken(name)
    vde.wait_until(knows, "the end of the dead peer's time")


def meet(a, b, word):
    """Sends until both have heard a frame that nobody has sent before: what goes to one who is dead is lost, and tells that he is."""
    hello = vde.frame(vde.BROADCAST, vde.mac(98), word)

    def heard():
        for end in (a, b):
            end.send(hello)
        return hello in a.frames and hello in b.frames
    vde.wait_until(heard, "both ends")


def made(sizes, source):
    return [vde.frame(vde.BROADCAST, vde.mac(source), struct.pack("!I", number), size=size)[:size] for number, size in enumerate(sizes)]


def portions(source, frames):
    """All at once; but Debian's vde_plug loses its step where a read cuts the length of a frame in two, so it gets what it reads at once."""
    portion = []
    for frame in frames:
        if source.maker == "debian" and portion and len(plugs.records([*portion, frame])) > 4096:
            yield portion
            portion = []
        portion.append(frame)
    yield portion


def stream(source, sink, frames):
    """All of them, as fast as they are taken; in order, byte by byte."""
    wanted, sent = set(frames), []
    for portion in portions(source, frames):
        source.send(*portion)
        sent += portion
        vde.wait_until(lambda: [frame for frame in sink.frames if frame in wanted] == sent, f"{len(sent)} frames, in order")


def both_ways(a, b, sizes, first=1):
    for number, (source, sink) in enumerate(((a, b), (b, a))):
        stream(source, sink, made(sizes, first + number))


def is_marked(path):
    mode = os.stat(path).st_mode
    return stat.S_ISSOCK(mode) and mode & stat.S_ISVTX != 0


# ---- between ours ----------------------------------------------------------------------------------------------------

def test_frames_of_all_sizes(lab, path):
    one, two = start(lab, path, "ours", first=True), start(lab, path, "ours")
    meet(one, two, b"hello")
    assert is_marked(path) and is_marked(path + "+")
    both_ways(one, two, list(range(18, 1600)) + list(range(1600, 65536, 501)) + [65535, 18, 65535])
    both_ways(one, two, [14] + [18 + number % 60 for number in range(3000)], first=3)


def test_mode(lab, path):
    """The permissions are those that were asked for, and the mark beside them."""
    for words, mode in (((), 0o1700), (("-m", "0777"), 0o1777), (("-m", "640"), 0o1640)):
        end = plugs.StreamPlug(lab, "vde_plug", *words, f"ptp://{path}")
        vde.wait_until(lambda: os.path.exists(path), "the end")
        vde.wait_until(lambda: os.stat(path).st_mode & 0o7777 == mode, "its mode")
        assert end.end_of_input() == 0


def test_what_a_short_stream_leaves(lab, path):
    """Frames of an end that closes at once arrive all the same, where nothing ever goes back."""
    one = start(lab, path, "ours", first=True)
    for turn in range(5):
        frames = made([200] * 500, 1 + turn)
        two = start(lab, path, "ours")
        two.send(*frames)
        assert two.end_of_input() == 0
        vde.wait_until(lambda: one.frames[-len(frames):] == frames, "all frames")
    assert len(one.frames) == 5 * 500


# ---- with others -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("first, second", [("ours", "plain"), ("plain", "ours"), ("plain", "plain"), ("ours", "debian"), ("debian", "ours"),
                                           ("plain", "debian"), ("debian", "plain")])
def test_makes(lab, path, first, second):
    one, two = start(lab, path, first, first=True), start(lab, path, second)
    meet(one, two, b"hello")
    assert (is_marked(path), is_marked(path + "+")) == (first == "ours", second == "ours")
    both_ways(one, two, [60 + number * 7 % 1454 for number in range(400)] + [9000] * 20)


@pytest.mark.parametrize("says_goodbye", [True, False])
@pytest.mark.parametrize("stays", ["first", "second"])
def test_one_after_the_other(lab, path, stays, says_goodbye):
    """Ours stays; the other end is ours, Debian's, one opened by plain vde_open, and ours again, each after the other has ended or died."""
    makers = ["ours", "debian", "plain", "ours", "plain", "debian", "ours"]
    if stays == "first":
        us, other = start(lab, path, "ours", first=True), start(lab, path, makers[0])
    else:
        other = start(lab, path, makers[0], first=True)
        us = start(lab, path, "ours")
    for number, maker in enumerate(makers):
        if number > 0:
            if says_goodbye and makers[number - 1] == "ours":
                assert other.end_of_input() == 0
            else:
                kill(other)
                notice(us, path if stays == "first" else path + "+")
            other = start(lab, path, maker)
        meet(us, other, b"hello %d" % number)
        both_ways(us, other, [60 + size * 11 % 1454 for size in range(100)], first=10 + 2 * number)


# ---- an end by hand --------------------------------------------------------------------------------------------------

class Stranger:
    """An end of another make: a socket that bears one of the two names."""

    def __init__(self, name, peer, mode=0o777):
        self.name, self.peer, self.socket = name, peer, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(vde.DEADLINE)
        self.socket.bind(name)
        os.chmod(name, mode)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        os.unlink(self.name)

    def send(self, *datagrams):
        for datagram in datagrams:
            self.socket.sendto(datagram, self.peer)

    def recv(self):
        return self.socket.recv(70000)


def mark(path):
    """What aggregates to this end begin with."""
    made_ns = os.stat(path).st_mtime_ns
    return vde.AGGREGATE_MARK + struct.pack("!II", made_ns // 10**9 & 0xffffffff, made_ns % 10**9)


def aggregate(path, *frames):
    return mark(path) + vde.aggregate(*frames)[len(vde.AGGREGATE_MARK):]


def test_format(lab, path):
    """A batch is one datagram to who takes that, as doc/protocol.md has it; a lone frame is one anyway; and the other way round."""
    frames = plugs.numbered(16)
    with Stranger(path, path + "+", 0o1777) as stranger:
        ours = start(lab, path, "ours")
        vde.wait_until(lambda: os.path.exists(path + "+"), "our end")
        ours.send(*frames)
        assert stranger.recv() == aggregate(path, *frames)
        ours.send(frames[3])
        assert stranger.recv() == frames[3]
        stranger.send(aggregate(path + "+", *frames), frames[0], aggregate(path + "+", frames[1]))
        ours.wait_frames([*frames, *frames[:2]])
        assert ours.end_of_input() == 0
        assert stranger.recv() == b""


@pytest.mark.parametrize("maker", MAKERS)
def test_hostile(lab, path, maker):
    """Malformed aggregates are nothing. What is no aggregate to this end, though to another one it were, is a frame."""
    ours = start(lab, path, maker, first=True)
    vde.wait_until(lambda: maker != "ours" or is_marked(path), "the mark")
    good, end = plugs.numbered(2)
    with Stranger(path + "+", path) as stranger:
        broken = [b"", b"\0", b"\0\0", b"\0\x0d" + b"x" * 13, b"\0\x3c" + b"x" * 59, plugs.record(good) + b"\0", plugs.record(good) + b"\xff\xff" + b"x" * 9,
                  plugs.record(good) * 33]
        datagrams = [mark(path) + rest for rest in broken]
        forged = [vde.aggregate(good, good), vde.AGGREGATE_MARK + b"\0" * 8 + plugs.record(good) * 2, vde.UNCUT_MARK + good]
        for datagram in datagrams + forged:
            stranger.send(datagram, good)
        stranger.send(b"", end)
        vde.wait_until(lambda: end in ours.frames, "what comes behind it all")
    junk = [] if maker == "ours" else datagrams
    assert [frame for frame in ours.frames if frame != good] == [*junk, *forged, end]
    assert ours.frames.count(good) == len(datagrams) + len(forged)
