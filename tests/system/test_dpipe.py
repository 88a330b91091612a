# SPDX-License-Identifier: GPL-2.0-or-later
"""dpipe: commands joined both ways, and cables made of it."""
import os
import signal
import subprocess
import time

import plugs
import pytest
import vde

SAY = "echo {word}; read got; echo {who} got $got >&2"


def say(who, word):
    return ["/bin/sh", "-c", SAY.format(who=who, word=word)]


def lines(text):
    return sorted(text.splitlines())


def test_two_commands(lab):
    done = lab.run("dpipe", *say("A", "one"), "=", *say("B", "two"), check=True)
    assert lines(done.stderr) == ["A got two", "B got one"]


def test_one_way_right(lab):
    done = lab.run("dpipe", *say("A", "one"), "=}", "sed", "-u", "s/one/ONE/", "}=", *say("B", "two"), check=True)
    assert lines(done.stderr) == ["A got two", "B got ONE"]


def test_one_way_left(lab):
    done = lab.run("dpipe", *say("A", "one"), "={", "sed", "-u", "s/two/TWO/", "{=", *say("B", "two"), check=True)
    assert lines(done.stderr) == ["A got TWO", "B got one"]


def test_both_one_ways(lab):
    done = lab.run("dpipe", *say("A", "one"), "=}", "sed", "-u", "s/one/ONE/", "}={", "sed", "-u", "s/two/TWO/", "{=", *say("B", "two"),
                   check=True)
    assert lines(done.stderr) == ["A got TWO", "B got ONE"]


def test_middle_uses_the_alternate_descriptors(lab):
    middle = ("read left; echo \"$left!\" >&$ALTERNATE_STDOUT; read right <&$ALTERNATE_STDIN; echo \"$right?\"; "
              "echo numbers $ALTERNATE_STDIN $ALTERNATE_STDOUT >&2")
    done = lab.run("dpipe", *say("A", "one"), "=", "/bin/sh", "-c", middle, "=", *say("B", "two"), check=True)
    assert lines(done.stderr) == ["A got two?", "B got one!", "numbers 3 4"]


@pytest.mark.parametrize("words, status", [(["true", "=", "false"], 1), (["false", "=", "true"], 0), (["true", "=", "sh", "-c", "exit 9"], 9),
                                           (["true", "=", "/nonexistent"], 127), (["/nonexistent", "=", "true"], 0),
                                           (["true", "=", "sh", "-c", "kill -9 $$"], 137),
                                           (["-n", "true", "=", "sh", "-c", "exit 9"], 9), (["-N", "true", "=", "/nonexistent"], 127),
                                           (["-d", "true", "=", "/nonexistent"], 127)])
def test_status(lab, words, status):
    assert lab.run("dpipe", *words).returncode == status


def test_started_by_who_ignores_its_children(lab):
    """An ignored SIGCHLD is inherited, and would have the kernel bury the commands."""
    def ignore():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    assert lab.start(vde.ours("dpipe"), "true", "=", "sh", "-c", "exit 9", before=ignore).wait() == 9


@pytest.mark.parametrize("words", [[], ["a"], ["=", "a"], ["a", "="], ["a", "=", "=", "b"], ["a", "=}", "b", "=", "c"], ["a", "}=", "b"],
                                   ["--nosuch", "a", "=", "b"]], ids=" ".join)
def test_wrong_syntax(lab, words):
    """Says so, ends with 2, and signals nobody."""
    done = lab.run("/bin/sh", "-c", '"$@"; echo survived $?', "sh", vde.ours("dpipe"), *words)
    assert done.stdout == "survived 2\n" and done.stderr.startswith("dpipe: ")


def test_help_hurts_nobody(lab):
    done = lab.run("/bin/sh", "-c", f"{vde.ours('dpipe')} -h; echo survived $?")
    assert done.stdout.endswith("survived 0\n") and "COMMAND = COMMAND" in done.stdout


def test_as_session_leader(lab):
    """As setsid or a service manager starts it."""
    program = lab.start("dpipe", *say("A", "one"), "=", *say("B", "two"), new_session=True)
    assert program.wait() == 0
    assert lines(program.stderr) == ["A got two", "B got one"]


def test_without_standard_descriptors(lab):
    """Started with 0, 1 and 2 closed, no pipe is mistaken for one of them."""
    out = lab.path("out")
    script = f"read got; echo $got > {out}"
    lab.run("/bin/sh", "-c", f"{vde.ours('dpipe')} echo hello = /bin/sh -c '{script}' <&- >&- 2>&-")
    assert open(out).read() == "hello\n"


def test_inherited_descriptors_are_kept(lab):
    """The alternate numbers are the first two that are free."""
    done = lab.run("/bin/sh", "-c", f"exec 3</dev/null 5</dev/null; {vde.ours('dpipe')} true = "
                                    "sh -c 'echo $ALTERNATE_STDIN $ALTERNATE_STDOUT >&2'")
    assert done.stderr == "4 6\n"


def test_files(lab):
    """-p holds dpipe's pid, -P its group as kill takes it; both go at the end."""
    program = lab.start("dpipe", "-p", lab.path("p"), "-P", lab.path("g"), "cat", "=", "cat", new_session=True)
    vde.wait_until(lambda: os.path.exists(lab.path("g")) and open(lab.path("g")).read(), "the files")
    assert open(lab.path("p")).read() == f"{program.pid}\n"
    assert open(lab.path("g")).read() == f"-{os.getpgid(program.pid)}\n"
    os.kill(int(open(lab.path("g")).read()), signal.SIGTERM)
    program.wait()
    assert not os.path.exists(lab.path("p")) and not os.path.exists(lab.path("g"))


def test_term_ends_all(lab):
    program = lab.start("dpipe", "sleep", "600", "=", "sleep", "600", "=", "sleep", "600")
    children = vde.wait_until(lambda: (text := open(f"/proc/{program.pid}/task/{program.pid}/children").read().split()) and
                              len(text) == 3 and text, "three commands")
    vde.wait_until(lambda: all(open(f"/proc/{pid}/comm").read() == "sleep\n" for pid in children), "them to be themselves")
    assert program.end() == 128 + signal.SIGTERM
    assert not any(vde.pid_is_alive(int(pid)) for pid in children)


def test_background(lab):
    """-d returns at once when all commands run; stdout and stderr of the caller are not held."""
    done = lab.run("dpipe", "-d", "-p", lab.path("pid"), "cat", "=", "cat")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pid = lab.adopt(int(open(lab.path("pid")).read()))
    assert os.getsid(pid) == pid
    lab.end_adopted(pid)
    assert not os.path.exists(lab.path("pid"))


def test_without_a_waiting_parent(lab):
    """-n: dpipe is the last command; its files go when that ends. -N leaves them."""
    for option, left in (("-n", False), ("-N", True)):
        program = lab.start("dpipe", option, "-p", lab.path("pid"), "cat", "=", "/bin/sleep", "600")
        vde.wait_until(lambda: open(f"/proc/{program.pid}/comm").read() == "sleep\n", "dpipe to become sleep")
        assert open(lab.path("pid")).read() == f"{program.pid}\n"
        program.end(signal.SIGKILL)
        if left:
            assert os.path.exists(lab.path("pid"))
        else:
            vde.wait_until(lambda: not os.path.exists(lab.path("pid")), "the file to go")


# ---- cables ----------------------------------------------------------------------------------------------------------

def cable(lab, one, two, left, right):
    program = lab.start("dpipe", *left, one.socket, "=", *right, two.socket)
    plugs.connected(one, 1)
    plugs.connected(two, 1)
    return program


@pytest.mark.parametrize("ends", ["ours-ours", "ours-debian", "debian-ours"])
@pytest.mark.parametrize("switch_program", ["ours", "debian"])
def test_cable(lab, ends, switch_program):
    options = {} if switch_program == "ours" else {"program": vde.foreign("vde_switch")}
    one, two = lab.switch(**options), lab.switch(**options)
    words = {"ours": [vde.ours("vde_plug")], "debian": vde.foreign_command("vde_plug")}
    left, right = ends.split("-")
    joint = cable(lab, one, two, words[left], words[right])
    a, b = (plugs.StreamPlug(lab, "vde_plug", switch.socket) for switch in (one, two))
    plugs.connected(one, 2)
    plugs.connected(two, 2)
    frames = plugs.numbered(50, size=1000)
    a.send(*frames[:5])
    b.wait_frames(frames[:5])
    b.send(*frames[:5])
    a.wait_frames(frames[:5])
    joint.end()


def test_cable_under_load_both_ways(lab):
    """Full pipes in both directions at once: no deadlock, and the order is kept."""
    one, two = lab.switch(), lab.switch()
    cable(lab, one, two, [vde.ours("vde_plug")], [vde.ours("vde_plug")])
    a, b = lab.plug(one), lab.plug(two)
    frames = [plugs.numbered(2000, size=1400, source=source) for source in (1, 2)]
    got, sent, end = [[], []], [0, 0], time.monotonic() + vde.DEADLINE
    while min(map(len, got)) < 1000 and time.monotonic() < end:
        for side, raw in enumerate((a, b)):
            for _ in range(50):
                if sent[side] < 2000:
                    try:
                        raw.data.send(frames[side][sent[side]])
                        sent[side] += 1
                    except BlockingIOError:
                        break
            got[side] += raw.recv_now()
    for side in (0, 1):
        arrived = got[1 - side]
        assert len(arrived) >= 1000
        positions = [int.from_bytes(frame[14:18], "big") for frame in arrived]
        assert positions == sorted(positions)


def test_cable_ends_with_a_switch(lab):
    one, two = lab.switch(), lab.switch()
    joint = cable(lab, one, two, [vde.ours("vde_plug")], [vde.ours("vde_plug")])
    two.stop()
    assert joint.wait() == 0
    plugs.connected(one, 0)


def test_through_a_remote_shell(lab, switch):
    """A cable whose other half is a command, as with ssh: what comes in goes out again."""
    joint = lab.start("dpipe", vde.ours("vde_plug"), switch.socket, "=", "/bin/sh", "-c", "cat")
    plugs.connected(switch, 1)
    raw = lab.plug(switch)
    frame = vde.frame(vde.BROADCAST, vde.mac(1), b"there and back")
    raw.send(frame)
    raw.expect(frame)
    joint.end()


def test_under_systemd_as_a_service(lab):
    """No terminal, stdin from nowhere, a session of its own: the commands start."""
    process = subprocess.run([vde.ours("dpipe"), *say("A", "one"), "=", *say("B", "two")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True, start_new_session=True, env=vde.env_ours(), timeout=vde.DEADLINE)
    assert process.returncode == 0 and lines(process.stderr) == ["A got two", "B got one"]
