# SPDX-License-Identifier: GPL-2.0-or-later
"""Manual pages say what the programs do: every program and module has one, every option stands in both, and none has a fault of form."""
import glob
import os
import re
import subprocess

import pytest
import vde

MAN = os.path.join(vde.SOURCE, "man")
PAGES = sorted(os.path.basename(path) for path in glob.glob(f"{MAN}/*.[1-8]"))

# Options that only the page names: they are understood for scripts of old, and --help does not recommend them.
ONLY_IN_PAGE = {
    "vde_switch": {"-D", "--debugclients"},
    "vdens": {"-c", "--clone", "-u", "--unshare"},
}
# Programs whose options are another program's.
WRAPPERS = {"vdeq", "vdeqemu", "vdekvm"}


def programs():
    for directory in (vde.BIN, os.path.join(os.path.dirname(vde.BIN), "sbin")):
        for path in sorted(glob.glob(f"{directory}/*")):
            yield os.path.basename(path)


def source(page):
    """The page's text; a page that only refers to another one gives that one's."""
    with open(f"{MAN}/{page}", encoding="utf-8") as text:
        roff = text.read()
    link = re.search(r"^\.so (?:man\d/)?(\S+)", roff, re.M)
    return source(link[1]) if link else roff


def plain(roff):
    """Without fonts and escapes: what a reader sees, roughly."""
    roff = re.sub(r"\\f(?:\[\w*\]|\w)", "", roff)
    roff = roff.replace("\\-", "-").replace("\\&", "").replace("\\ ", " ")
    return re.sub(r"^\.(?:B|I|BR|RB|IR|RI|BI|IB)\s+(.*)$", lambda line: line[1].replace('"', ""), roff, flags=re.M)


def options_of_help(text):
    found = set()
    for line in text.splitlines():
        match = re.match(r" {2,6}(-\w)?(?:, )?(?: +)?(--\w[\w-]*)?", line)
        found |= {word for word in match.groups() if word} if match else set()
    return found


def options_of_page(roff):
    """What stands in the tags of lists: -x and --word."""
    found = set()
    for tag in re.findall(r"^\.TP.*\n(?:\.PD.*\n)?(.*(?:\n\.TQ\n.*)*)", roff, re.M):
        found |= set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", re.sub(r"[ ,\[\]]+", " ", plain(tag))))
    return {word for word in found if word.startswith("--") or len(word) == 2}


@pytest.mark.parametrize("page", PAGES)
def test_form(page):
    """No warning, and a date, a name, and the section that its file name says."""
    man = vde.need_program("man")
    done = subprocess.run([man, "-l", "--warnings=mac,w,font,syntax", "-E", "UTF-8", "-Tutf8", "-Z", f"{MAN}/{page}"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, cwd=MAN, env=dict(os.environ, MANPATH=vde.BUILD, MANWIDTH="80"), check=False)
    roff = source(page)
    if not re.search(r"^\.so ", open(f"{MAN}/{page}", encoding="utf-8").read(), re.M):
        assert (done.returncode, done.stderr) == (0, b"")
        assert re.search(rf'^\.TH \S+ {page[-1]} 20\d\d-\d\d-\d\d ', roff, re.M), "a title with a date"
    for section in ("NAME", "SEE ALSO"):
        assert f".SH {section}\n" in roff or f'.SH "{section}"\n' in roff, section
    names = re.search(r"^\.SH NAME\n(.*?) \\- ", roff, re.M | re.S)
    assert names and page[:-2] in re.split(r"[,\s]+", plain(names[1])), "its own name before \\-"
    for name, section in re.findall(r"^\.BR (\S+) \((\d)\)", roff.split(".SH SEE ALSO")[-1], re.M):
        ours = name.startswith(("vde", "libvdeplug", "dpipe", "unix", "slirpvde", "wirefilter"))
        assert not ours or f"{name}.{section}" in PAGES, f"{name}({section}) is no page"


def test_every_program_has_a_page():
    missing = [name for name in programs() if not glob.glob(f"{MAN}/{name}.[18]")]
    assert not missing


def test_every_module_has_a_page():
    names = [os.path.basename(path)[len("libvdeplug_"):-3] for path in glob.glob(f"{vde.LIB}/vdeplug/libvdeplug_*.so")]
    for path in glob.glob(f"{vde.SOURCE}/src/libvdeplug/*.c"):
        with open(path, encoding="utf-8") as text:
            names += re.findall(r'^\s*\.name = "(\w+)"', text.read(), re.M)
    assert len(names) >= 10
    assert not [name for name in names if f"libvdeplug_{name}.1" not in PAGES]
    overview = plain(source("libvdeplug.3"))
    assert not [name for name in names if f"{name}://" not in overview]


@pytest.mark.parametrize("name", sorted(name for name in programs() if name not in WRAPPERS))
def test_options(lab, name):
    """Each option of --help stands in the page, and each that the page lists is there."""
    done = lab.run(name, "--help")
    assert done.returncode == 0
    helped, roff = options_of_help(done.stdout + done.stderr), source(os.path.basename(glob.glob(f"{MAN}/{name}.[18]")[0]))
    words = set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", plain(roff)))
    only_helped, only_in_page = helped - words, options_of_page(roff) - helped - ONLY_IN_PAGE.get(name, set())
    assert (only_helped, only_in_page) == (set(), set())
