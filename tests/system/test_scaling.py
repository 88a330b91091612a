# SPDX-License-Identifier: GPL-2.0-or-later
"""doc/scaling.md, as it stands there: its command lines are run on machines that are namespaces."""
import os
import re
import shlex

import overlay
import pytest
import vde


def sections():
    """{title: [(machine, command)]} of the page; the title of what comes before the first one is ''."""
    found, title, in_code = {"": []}, "", False
    with open(os.path.join(vde.SOURCE, "doc/scaling.md")) as lines:
        for line in lines:
            if line.startswith("## "):
                title = line[3:].strip()
                found[title] = []
            elif line.startswith("```"):
                in_code = not in_code
            elif in_code:
                machine, command = re.fullmatch(r"([abc])[$#] (.*)\n", line).groups()
                found[title].append((machine, command))
    return {title: commands for title, commands in found.items() if commands}


def run(lab, spaces, machine, command):
    """One line; what goes to the background belongs to the lab. Each machine has files of its own."""
    words = shlex.split(command.replace("/tmp/lab", lab.path(f"{machine}lab")))
    words[0] = vde.need_program(words[0]) if words[0] == "ip" else vde.ours(words[0])
    space = spaces["abc".index(machine)]
    if words[-1] == "&":
        lab.start(*space.command(*words[:-1]))
        return
    before = vde.children()
    if "ping" in command:           # who is asked may not be there yet
        vde.wait_until(lambda: space.run(*words, env=vde.env_ours(), check=False).returncode == 0, command)
    else:
        space.run(*words, env=vde.env_ours())
    for pid in vde.children() - before:
        lab.adopt(pid)


@pytest.mark.parametrize("title", [title for title in sections() if title])
def test_page(lab, title):
    spaces = overlay.hosts(lab, 3)
    for number, space in enumerate(spaces):
        space.ip("address", "add", f"192.0.2.{number + 1}/24", "dev", "wire")
        overlay.no_offload(space)
    for machine, command in sections()[""] + sections()[title]:
        run(lab, spaces, machine, command)
