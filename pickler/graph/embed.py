# SPDX-License-Identifier: BSD-3-Clause
"""embed.py OUTPUT.c NAME FILE: writes a text file as a C string, `const char NAME[]`."""
import pathlib
import sys


def main(output, name, file):
    data = pathlib.Path(file).read_bytes() + b"\0"
    rows = [", ".join(str(byte) for byte in data[i:i + 16]) for i in range(0, len(data), 16)]
    pathlib.Path(output).write_text(
        f'#include "pickler/graph/own_header.h"\n\nconst char {name}[] = {{\n    '
        + ",\n    ".join(rows) + "\n};\n")


main(*sys.argv[1:])
