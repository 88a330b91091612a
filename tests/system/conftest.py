# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the system tests; what they are made of is in vde.py."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import vde  # noqa: E402  (the path comes first)

vde.become_subreaper()


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
