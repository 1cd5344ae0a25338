# SPDX-License-Identifier: BSD-3-Clause
"""The source tree as the lint tests see it."""
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("kernel", "pickler", "magics", "kernelspec", "notebooks", "tests")


def files(*suffixes):
    """Paths relative to the root: what git knows, or everything where there is no git."""
    listing = None
    if shutil.which("git"):
        listing = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT,
                                 capture_output=True, text=True)
    if listing and listing.returncode == 0:
        names = [pathlib.Path(name) for name in listing.stdout.splitlines()]
    else:
        names = [path.relative_to(ROOT) for top in FOLDERS
                 for path in (ROOT / top).rglob("*")]
    return sorted(name for name in names
                  if (ROOT / name).is_file() and (not suffixes or name.suffix in suffixes))


def layers():
    text = (ROOT / "meson.build").read_text()
    listing = re.search(r"foreach folder : \[(.*?)\]", text, re.S).group(1)
    return re.findall(r"'([^']+)'", listing)


def rules(kind):
    """{name: [words]} of the lines `kind name words...` of layers.txt."""
    lines = (pathlib.Path(__file__).parent / "layers.txt").read_text().splitlines()
    rows = [line.split() for line in lines if line.startswith(kind + " ")]
    return {row[1]: row[2:] for row in rows}


def includes(path):
    """Yields (line number, "<" or '"', header)."""
    for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match.group(1), match.group(2)


def layer_of(path, order):
    """The index of the longest folder of `order` that holds the path, or None."""
    homes = [folder for folder in order if str(path).startswith(folder + "/")]
    return order.index(max(homes, key=len)) if homes else None
