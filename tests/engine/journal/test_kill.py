"""A process that is killed at any moment loses nothing that was said to be on the disk; see benchmarks/crashes too."""

import os
from random import Random

import pytest

from tests.engine.journal.killing import kill_one, nursery


@pytest.mark.skipif(os.name != "posix", reason="needs fork and SIGKILL")
def test_nothing_that_was_on_the_disk_is_lost_when_the_process_is_killed(tmp_path):
    random = Random(20261121)
    with nursery() as process:
        for seed in range(5):
            killed = kill_one(process, seed, tmp_path / str(seed), random.randrange(1, 60))
            assert (killed.lost, killed.differs) == (0, "")
