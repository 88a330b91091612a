# SPDX-License-Identifier: GPL-2.0-or-later
"""Unmodified virtual machines on the switch: QEMU through our library, user-mode Linux by its own raw protocol."""
import json

import guest
import overlay
import pytest
import vde


def make(lab, switch, kind, number):
    if kind == "uml":
        machine = guest.uml(lab, f"daemon,{vde.mac_text(vde.mac(number))},unix,{switch.ctl}")
    else:
        machine = guest.qemu(lab, f"vde,id=n,sock={switch.socket}", vde.mac_text(vde.mac(number)))
    return machine


@pytest.mark.parametrize("kinds", [("qemu", "qemu"), ("uml", "uml"), ("qemu", "uml")], ids="-".join)
def test_two_guests(lab, switch, kinds):
    """They ping each other, and a TCP transfer arrives whole."""
    guests = [make(lab, switch, kind, number + 1) for number, kind in enumerate(kinds)]
    for number, machine in enumerate(guests):
        machine.wait_ready().address(f"10.0.2.{number + 1}/24")
    guests[0].ping("10.0.2.2")
    guests[1].ping("10.0.2.1")
    guests[1].iperf3_server()
    report = json.loads(guests[0].run("iperf3 -c 10.0.2.2 -n 4M -J"))
    assert report["end"]["sum_sent"]["bytes"] >= 4 << 20
    assert report["end"]["sum_received"]["bytes"] >= 3 << 20        # the receiver stops counting when the sender is done
    ports = switch.ports()
    assert sorted(ports) == [1, 2]
    assert all(port["in"] > 20 and port["out"] > 20 for port in ports.values())     # acknowledgements may stand for many segments
    assert set(switch.hash().values()) == {1, 2}


def by_locator(lab, locator, number, space=None):
    """User-mode Linux whose interface is a locator: it runs the vde_plug that it finds in PATH, which is ours."""
    return guest.uml(lab, f"vde,{locator},{vde.mac_text(vde.mac(number))}", space=space, env=vde.env_ours())


def test_uml_by_locator_on_a_switch(lab, switch):
    """Beside a plain one; the plug ends with its guest."""
    guests = [by_locator(lab, switch.socket, 1), make(lab, switch, "uml", 2)]
    for number, machine in enumerate(guests):
        machine.wait_ready().address(f"10.0.2.{number + 1}/24")
    guests[0].ping("10.0.2.2")
    guests[1].ping("10.0.2.1")
    assert any("UML vde_transport user=" in end[2] for port in switch.ports().values() for end in port["endpoints"]), switch.ports()
    guests[0].power_off()
    vde.wait_until(lambda: sum(len(port["endpoints"]) for port in switch.ports().values()) == 1, "the end of its plug")


def test_uml_by_locator_without_a_switch(lab):
    """Two guests on two hosts and one vxvde network: ping, and a TCP transfer."""
    spaces = overlay.hosts(lab)
    guests = [by_locator(lab, "vxvde://239.1.2.3", number + 1, space) for number, space in enumerate(spaces)]
    for number, machine in enumerate(guests):
        machine.wait_ready().address(f"10.0.2.{number + 1}/24")
    guests[0].ping("10.0.2.2")
    guests[1].iperf3_server()
    report = json.loads(guests[0].run("iperf3 -c 10.0.2.2 -n 2M -J"))
    assert report["end"]["sum_sent"]["bytes"] >= 2 << 20
