# SPDX-License-Identifier: GPL-2.0-or-later
"""vde_pcap: captures read back are what was sent."""
import fcntl
import os
import select
import signal
import struct
import subprocess

import vde


def read_back(path):
    """The packets of a capture, by scapy."""
    from scapy.utils import RawPcapNgReader
    return [data for data, _ in RawPcapNgReader(path)]


def tcpdump(path, *words):
    done = subprocess.run([vde.need_program("tcpdump"), "-nner", path, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_capture_of_a_port(lab, switch):
    a, b, c = (lab.plug(switch, port=n) for n in (1, 2, 3))
    vde.announce(switch, (a, 1), (b, 2), (c, 3))
    path = lab.path("x.pcapng")
    capture = lab.start("vde_pcap", "-w", path, "-i", "1", "-M", switch.mgmt, switch.socket)
    vde.wait_until(lambda: any("Mirror" in line for line in switch.ports()[1]["lines"]), "the mirror")
    sent = []
    for n in range(40):
        sent.append(vde.frame(vde.mac(2), vde.mac(1), bytes([n]), size=60 + 7 * n))
        a.send(sent[-1])
        b.expect(sent[-1])
        sent.append(vde.frame(vde.mac(1), vde.mac(2), bytes([n])))
        b.send(sent[-1])
        a.expect(sent[-1])
        c.send(vde.frame(vde.mac(2), vde.mac(3), b"not for port 1"))
    switch.settle(200)
    vde.wait_until(lambda: os.path.getsize(path) > 100 and len(read_back(path)) >= len(sent), "the packets in the file")
    assert capture.end(signal.SIGINT) == 0
    assert read_back(path) == sent
    assert tcpdump(path).count(" 0x88b5") + tcpdump(path).count("(0x88b5)") == len(sent)
    assert "80 packets captured, 0 dropped" in capture.stderr
    assert not any("Mirror" in line for line in switch.ports()[1]["lines"])


def test_killed_capture_ends_its_mirror(lab, switch):
    lab.plug(switch, port=1)
    capture = lab.start("vde_pcap", "-w", lab.path("x"), "-i", "1", "-M", switch.mgmt, switch.socket)
    vde.wait_until(lambda: any("Mirror" in line for line in switch.ports()[1]["lines"]), "the mirror")
    capture.end(signal.SIGKILL)
    vde.wait_until(lambda: not any("Mirror" in line for line in switch.ports()[1]["lines"]), "the mirror to end")


def test_live_into_tcpdump(lab):
    switch = lab.switch("-x")
    a = lab.plug(switch, port=1)
    vde.need_program("tcpdump")
    command = f"{vde.ours('vde_pcap')} {switch.socket} ether proto 0x88b5 | tcpdump -Z root -nnel -c 3 -r -"
    live = lab.start("/bin/sh", "-c", command)
    vde.wait_until(lambda: len(switch.ports()) == 2, "the capture's plug")
    a.send(vde.frame(vde.BROADCAST, vde.mac(1), type=0x0801))
    for n in range(3):
        a.send(vde.frame(vde.BROADCAST, vde.mac(1), bytes([n])))
    vde.wait_until(lambda: live.stdout.count("02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff") == 3, "the packets from tcpdump")
    a.send(vde.frame(vde.BROADCAST, vde.mac(1)))        # into a pipe that nobody reads any more
    assert live.wait() == 0
    assert "0x0801" not in live.stdout


def test_usage(lab, switch):
    assert lab.run("vde_pcap").returncode == 2
    assert lab.run("vde_pcap", "-i", "1", switch.socket).returncode == 2
    assert lab.run("vde_pcap", switch.socket, "no", "such", "filter").returncode == 2
    assert lab.run("vde_pcap", lab.path("none")).returncode == 1
    done = lab.run("vde_pcap", "-i", "31", "-M", switch.mgmt, switch.socket)
    assert done.returncode == 1 and "1006" in done.stderr


def test_ends_with_the_switch(lab, switch):
    capture = lab.start("vde_pcap", "-w", lab.path("x"), switch.socket)
    vde.wait_until(lambda: os.path.exists(lab.path("x")) and os.path.getsize(lab.path("x")), "the capture to begin")
    switch.program.end()
    assert capture.wait() == 1
    assert read_back(lab.path("x")) == []


def test_count_and_snaplen(lab, switch):
    a = lab.plug(switch, port=1)
    capture = lab.start("vde_pcap", "-c", "2", "-s", "20", "-w", lab.path("x"), switch.socket)
    vde.wait_until(lambda: os.path.exists(lab.path("x")) and os.path.getsize(lab.path("x")), "the capture to begin")
    for n in range(3):
        a.send(vde.frame(vde.BROADCAST, vde.mac(1), bytes([n])))
    assert capture.wait() == 0
    assert [len(packet) for packet in read_back(lab.path("x"))] == [20, 20]


def test_network_that_ends(lab):
    """Frames that come in one piece are all taken, and the end of what has no control connection is an end."""
    sent = [vde.frame(vde.BROADCAST, vde.mac(1), struct.pack("!H", n)) for n in range(300)]
    with open(lab.path("stream"), "wb") as stream:
        stream.write(b"".join(struct.pack("!H", len(frame)) + frame for frame in sent))
    done = lab.run("vde_pcap", "-w", lab.path("x"), f"cmd://cat {lab.path('stream')}")
    assert done.returncode == 1 and "closed the connection" in done.stderr
    assert read_back(lab.path("x")) == sent


def test_without_standard_descriptors(lab):
    """Started with 0, 1 and 2 closed, its messages become neither frames nor a part of the file."""
    switch = lab.switch("-x")
    a, b = lab.plug(switch), lab.plug(switch)
    capture = lab.start("/bin/sh", "-c", f"exec {vde.ours('vde_pcap')} -c 1 -w {lab.path('x')} {switch.socket} <&- >&- 2>&-")
    vde.wait_until(lambda: len(switch.ports()) == 3, "the capture's plug")
    frame = vde.frame(vde.BROADCAST, vde.mac(1))
    a.send(frame)
    assert capture.wait() == 0
    b.expect(frame)
    switch.settle()
    assert b.recv_now() == []
    with open(lab.path("x"), "rb") as file:
        assert b"captured" not in file.read()


def test_full_disk_ends_it_at_once(lab, switch):
    """No packet has to come before it is noticed that not even the beginning of the file could be written."""
    done = lab.run("vde_pcap", "-w", "/dev/full", switch.socket)
    assert done.returncode == 1 and done.stderr.count("No space left") == 1


def test_file_stays_as_it_was_when_nothing_can_be_captured(lab, switch):
    with open(lab.path("precious"), "w") as file:
        file.write("something else\n")
    assert lab.run("vde_pcap", "-w", lab.path("precious"), "-i", "31", "-M", switch.mgmt, switch.socket).returncode == 1
    assert open(lab.path("precious")).read() == "something else\n"


def test_shared_output_stays_as_it_was(lab, switch):
    reader, writer = os.pipe()
    capture = lab.start("vde_pcap", switch.socket, stdout=writer)
    assert os.read(reader, 4)
    assert capture.end(signal.SIGINT) == 0
    assert fcntl.fcntl(writer, fcntl.F_GETFL) & os.O_NONBLOCK == 0
    os.close(reader)
    os.close(writer)


def test_named_pipe_with_a_reader_that_stands_still(lab, switch):
    """It neither holds the program nor goes unnoticed."""
    a = lab.plug(switch, port=1)
    os.mkfifo(lab.path("fifo"))
    reader = os.open(lab.path("fifo"), os.O_RDONLY | os.O_NONBLOCK)
    capture = lab.start("vde_pcap", "-w", lab.path("fifo"), switch.socket)
    vde.wait_until(lambda: len(switch.ports()) == 2, "the capture's plug")
    for n in range(100):
        a.send(vde.frame(vde.BROADCAST, vde.mac(1), size=1500))
    writer = os.open(lab.path("fifo"), os.O_WRONLY | os.O_NONBLOCK)
    vde.wait_until(lambda: not select.select([], [writer], [], 0)[1], "a full pipe")
    os.close(writer)
    assert capture.end() == 1
    assert "the reader does not take the rest" in capture.stderr
    os.close(reader)
