# SPDX-License-Identifier: BSD-3-Clause
"""The executable under test, and how it was built."""
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[1]
ACHAR = pathlib.Path(os.environ.get("ACHAR", ROOT / "build/kernel/app/achar")).resolve()
# AddressSanitizer keeps what was freed, so that nothing can be said of a process's size.
IS_ASAN = ACHAR.is_file() and b"__asan_init" in ACHAR.read_bytes()
