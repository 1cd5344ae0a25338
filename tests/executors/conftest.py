# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of executors share. Allocations of one minute, Slurm's shortest, are begun early
and looked at after all else."""
import pytest

SPIN = """
#include <unistd.h>
int twice(int n) { return 2 * n; }
int slow(int n) { usleep(400000); if (n == 2) sleep(600); return 2 * n; }
int in[4], out[4];
for (int i = 0; i < 4; i++) in[i] = i;
"""


@pytest.fixture(scope="session")
def expiring(slurm_cluster, kernelspec, tmp_path_factory):
    """A cluster of its own, and a session with `busy`, in whose allocation the job `all`
    hangs, and `idle`, where nothing runs."""
    from engines.slurm import Slurm
    from session import Session
    cluster = Slurm()
    clean = pytest.MonkeyPatch()
    clean.setenv("SLURM_CONF", cluster.environment["SLURM_CONF"])
    session = Session(tmp_path_factory.mktemp("expiring"))
    clean.undo()
    session.value(SPIN)
    for name in ("busy", "idle"):
        session.value(f"%executor {name} = slurm --nodes=1 --cpus=1 --time=1")
        session.value(f"%call twice(1) --on {name}")
    session.value("%map slow in -> out --on busy --chunk 1 --async all")
    yield cluster, session
    session.close()
    cluster.close()


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.stem.endswith("_time"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Files stay in one process, and those of one engine too: it is started once, allocations
    expire beside other tests, and ranks of MPI, which spin, leave a processor to the others."""
    from xdist.scheduler import LoadScopeScheduling

    class ByEngine(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            return next((engine for engine in ("test_slurm", "test_mpi") if engine in file), file)

    return ByEngine(config, log)
