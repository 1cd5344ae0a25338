# SPDX-License-Identifier: BSD-3-Clause
"""A folder of --cwd that a node of Slurm does not have, in an allocation and in a batch job."""
import re

from test_folders import CODE, is_told


def test_on_a_node_of_slurm_and_in_a_batch_job(slurm, session, tmp_path):
    session.value(CODE)
    session.value(f"%executor c = slurm --cpus=1 --shared={tmp_path}/shared")
    cell = session.run(f"%map exists in -> out --on c --batch --cwd {tmp_path}/none")
    assert cell.is_ok, cell.traceback
    name = re.search(r"slurm-\d+", str(cell.displays)).group()
    cell = session.run(f"%wait {name}", 60)
    assert cell.name == "FolderError" and "0 of 4 are done" in cell.message, cell.message
    assert re.search(rf"'{tmp_path}/none': No such file or directory \(on n[12]\)", cell.message)
    is_told(session, "c", tmp_path / "none", "n1|n2")
