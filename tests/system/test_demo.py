# SPDX-License-Identifier: GPL-2.0-or-later
"""The demo that the README names: it shows what it says and leaves nothing behind."""
import os

import vde


def test_demo(lab):
    vde.need_tun()
    done = lab.run(os.path.join(vde.SOURCE, "tests/demo"), os.path.dirname(vde.ours("vde_switch")), env=vde.env_ours(TMPDIR=lab.dir),
                   deadline=3 * vde.DEADLINE, check=True)
    assert "3 packets transmitted, 3 received" in done.stdout
    assert "Port 0002 untagged_vlan=0000 ACTIVE" in done.stdout and " to port: 002 " in done.stdout
    assert [name for name in os.listdir(lab.dir) if name.startswith("vde-demo")] == []
