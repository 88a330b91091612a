# SPDX-License-Identifier: GPL-2.0-or-later
"""Loss and waiting: a client that does not read costs the others nothing, and what is lost is counted."""
import re
import time

import vde


def test_stalled_reader_costs_others_nothing(lab, switch):
    """A flood of broadcasts: the reader that reads gets every one, the one that sleeps gets the first ones."""
    sender, reader, sleeper = lab.plug(switch), lab.plug(switch), lab.plug(switch)
    got = 0
    for number in range(4800):
        sender.send(vde.frame(vde.BROADCAST, vde.mac(1), number.to_bytes(4, "big"), size=1000))
        if number % 16 == 15:
            while got <= number:
                assert int.from_bytes(reader.recv()[14:18], "big") == got
                got += 1
    assert got == 4800
    switch.settle()
    waiting = sleeper.recv_now()
    assert [int.from_bytes(frame[14:18], "big") for frame in waiting[:50]] == list(range(50))
    assert len(waiting) < 4800
    sender.send(vde.frame(vde.BROADCAST, vde.mac(1), b"last", size=1000))
    vde.wait_until(lambda: any(frame[14:18] == b"last" for frame in sleeper.recv_now()))


def test_stalled_reader_uses_no_cpu(lab, switch):
    sender, _ = lab.plug(switch), lab.plug(switch)
    for _ in range(2000):
        sender.send(vde.frame(vde.BROADCAST, vde.mac(1), size=1000))
    switch.settle()
    before = switch.program.cpu_seconds()
    time.sleep(0.5)                             # what is measured is how little happens in a while
    assert switch.program.cpu_seconds() - before < 0.2


def test_queue_drains_when_the_reader_wakes(lab, switch):
    """What waits in the switch is sent as soon as there is room, without further traffic."""
    assert switch.command("port/defqlen 1000").code == 1000
    sender, reader = lab.plug(switch), lab.plug(switch)
    for number in range(900):
        sender.send(vde.frame(vde.mac(2), vde.mac(1), number.to_bytes(4, "big"), size=1500))
    switch.settle(900)
    assert [int.from_bytes(reader.recv()[14:18], "big") for _ in range(900)] == list(range(900))


def unsent(switch, port):
    """(waiting, bound) of the first endpoint."""
    for line in switch.ports()[port]["lines"]:
        match = re.match(r" +unsent packets: (\d+) max (\d+)", line)
        if match:
            return int(match[1]), int(match[2])
    raise AssertionError(switch.ports()[port]["lines"])


def test_queue_commands(lab, switch):
    assert any(re.match(r"default length of port packet queues: \d+$", line) for line in switch.ask("port/showinfo"))
    assert switch.command("port/defqlen 10").code == 1000
    assert "default length of port packet queues: 10" in switch.ask("port/showinfo")
    sender, sleeper = lab.plug(switch), lab.plug(switch)
    assert unsent(switch, 2) == (0, 10)
    for _ in range(2000):
        sender.send(vde.frame(vde.mac(2), vde.mac(1), size=1500))
    switch.settle(2000)
    assert unsent(switch, 2) == (10, 10)
    identity = switch.ports()[2]["endpoints"][0][0]
    assert switch.command(f"port/epqlen 2 {identity} 20").code == 1000
    for _ in range(100):
        sender.send(vde.frame(vde.mac(2), vde.mac(1), size=1500))
    switch.settle(100)
    assert unsent(switch, 2) == (20, 20)
    assert switch.command("port/epqlen 2 9999 20").code == 1006
    assert switch.command("port/epqlen 99 1 20").code == 1022
    assert switch.command("port/defqlen -1").code == 1022
    taken = len(sleeper.recv_now())
    vde.wait_until(lambda: unsent(switch, 2)[0] == 0)
    assert taken + len(sleeper.recv_now()) + switch.ports()[2]["dropped"] == 2100         # nothing is lost uncounted


def test_slow_management_reader_holds_up_nobody(lab, switch):
    """A session that asks for ever and reads nothing: others are served, and the switch stays small."""
    import socket
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as greedy:
        greedy.connect(switch.mgmt)
        greedy.setblocking(False)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            try:
                greedy.send(b"help\n" * 1000)
            except BlockingIOError:
                break
        assert switch.command("showinfo").code == 1000
        a, b = lab.plug(switch), lab.plug(switch)
        a.send(vde.frame(vde.BROADCAST, vde.mac(1)))
        b.recv()
        assert switch.program.resident_kib() < 100000


def test_what_waited_for_a_reader_that_went_is_counted(lab, switch):
    sender, reader = lab.plug(switch), lab.plug(switch)
    for _ in range(1000):
        sender.send(vde.frame(vde.BROADCAST, vde.mac(1), size=1000))
    switch.settle(1000)
    waiting, _ = unsent(switch, 2)
    assert waiting > 0
    reader.data.close()                         # its connection stays
    vde.wait_until(lambda: unsent(switch, 2)[0] == 0)
    assert f" error={waiting} " in switch.ask("stats 2")[0]
