# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests' own tools, in the smallest use of each."""
import vde


def test_two_plugs(lab, switch):
    a, b = lab.plug(switch), lab.plug(switch, version=1, address="abstract")
    sent = vde.frame(vde.BROADCAST, vde.mac(1), b"hello")
    a.send(sent)
    assert b.recv() == sent
    assert list(switch.ports()) == [1, 2]
    switch.settle()
    assert switch.hash() == {(vde.mac_text(vde.mac(1)), 0): 1}
    a.close()
    b.close()
    switch.settle()
    switch.stop()


def test_namespaces(lab):
    taps = [lab.name("vt"), lab.name("vt")]
    switch = lab.switch("-t", taps[0], "-t", taps[1])
    spaces = [lab.namespace(), lab.namespace()]
    for number, (space, tap) in enumerate(zip(spaces, taps)):
        space.add_tap(tap, f"10.9.0.{number + 1}/24")
    spaces[0].ping("10.9.0.2")
    spaces[1].iperf3_server()
    print(vde.received_bits_per_second(spaces[0].iperf3("10.9.0.2")))
    switch.stop()


def test_session(switch):
    session = vde.Management(switch.mgmt)
    assert b"VDE switch" in session.banner
    assert session.command("logout").code == 9999
