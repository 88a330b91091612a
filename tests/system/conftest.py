# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the system tests; what they are made of is in vde.py. And what tests/run wants to know while they run."""
import json
import os
import re
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import vde  # noqa: E402  (the path comes first)

vde.become_subreaper()

RESULTS = os.environ.get("VDE_TEST_RESULTS")


@pytest.fixture
def lab():
    """A private directory and a registry: everything started through it is ended, and checked to have ended, after the test."""
    laboratory = vde.Lab()
    yield laboratory
    laboratory.close()


@pytest.fixture
def switch(lab):
    """A switch with default options and a management socket."""
    return lab.switch()


# ---- results as they come (see class Results of tests/run) ------------------------------------------------------------

def _name(nodeid):
    """As one names a test on the command line: pytest-xdist puts the group behind it."""
    return re.sub(r"@\w+$", "", nodeid)


def _write(nodeid, phase, outcome="", text="", over=False):
    with open(RESULTS, "a", encoding="utf-8") as results:
        results.write(json.dumps({"test": _name(nodeid), "phase": phase, "outcome": outcome, "text": text, "over": over}) + "\n")


def pytest_configure(config):
    """Only the process that hears of all tests writes; with pytest-xdist that is not one that runs them."""
    if RESULTS and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reporter())


class Reporter:
    @staticmethod
    def pytest_runtest_logstart(nodeid):
        _write(nodeid, "begin")

    @staticmethod
    def pytest_runtest_logreport(report):
        reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else report.longreprtext
        # A worker that crashed has no phase.
        _write(report.nodeid, report.when, report.outcome, reason, over=report.when not in ("setup", "call"))


def pytest_collection_modifyitems(items):
    """A test that has its result is not run again."""
    if not RESULTS or not os.path.exists(RESULTS):
        return
    with open(RESULTS, encoding="utf-8") as results:
        done = {line["test"] for line in map(json.loads, results) if line["over"]}
    items[:] = [item for item in items if _name(item.nodeid) not in done]
