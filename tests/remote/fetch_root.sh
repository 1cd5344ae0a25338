#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# fetch_root.sh FOLDER ARCHITECTURE: what Debian has of the libraries that a pool and a worker
# are linked with, for another architecture, unpacked into FOLDER. Nothing is installed, and
# the machine's own package lists are not touched.
set -eu
folder=$1 architecture=$2

libraries="libc6 libc6-dev linux-libc-dev libgcc-s1 libcrypt1 libssl3|libssl3t64 libssl-dev
    zlib1g zlib1g-dev libtcc-dev tcc"

mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/apt/packages"
: >"$folder/apt/status"
cat >"$folder/apt/apt.conf" <<END
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Sandbox::User "";
Dir::State "$folder/apt";
Dir::State::status "$folder/apt/status";
Dir::State::lists "$folder/apt/lists";
Dir::Cache "$folder/apt/cache";
END
export APT_CONFIG="$folder/apt/apt.conf"

apt-get update -qq
names=
for library in $libraries; do
    found=
    for name in $(printf '%s' "$library" | tr '|' ' '); do
        if [ -z "$found" ] && apt-cache show "$name" >/dev/null 2>&1; then
            found=$name
        fi
    done
    [ "$found" ] || { echo "fetch_root.sh: no package '$library' for $architecture" >&2; exit 1; }
    names="$names $found"
done
# shellcheck disable=SC2086
(cd "$folder/apt/packages" && apt-get download -qq $names)
for package in "$folder"/apt/packages/*.deb; do
    dpkg-deb -x "$package" "$folder"
done
rm -rf "$folder/apt"

# Links from the root lead into the folder.
find "$folder" -type l -lname '/*' | while read -r link; do
    target=$(readlink "$link")
    ln -sfn "$(realpath -ms --relative-to="$(dirname "$link")" "$folder$target")" "$link"
done
