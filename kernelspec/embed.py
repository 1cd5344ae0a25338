# SPDX-License-Identifier: BSD-3-Clause
"""embed.py OUTPUT.c FILE...: writes the files as C arrays, for kernelspec.h."""
import pathlib
import sys


def array(number, data):
    rows = [data[i:i + 16] for i in range(0, len(data), 16)]
    body = ",\n".join("    " + ", ".join(str(byte) for byte in row) for row in rows)
    return f"static const unsigned char file{number}[] = {{\n{body}}};\n"


def main(output, *names):
    files = [pathlib.Path(name) for name in names]
    arrays = "\n".join(array(i, file.read_bytes()) for i, file in enumerate(files))
    rows = "\n".join(f'    {{"{file.name}", file{i}, sizeof(file{i})}},'
                     for i, file in enumerate(files))
    pathlib.Path(output).write_text(
        '#include "kernelspec/kernelspec.h"\n\n' + arrays +
        "\nconst struct kernelspec_file kernelspec_files[] = {\n" + rows +
        "\n    {0},\n};\n")


main(*sys.argv[1:])
