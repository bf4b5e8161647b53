# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# A clean Debian 12 and our packages for it; read with "." after checks.sh, by tests that run in a mount
# namespace of their own. The root is made once, kept in the build folder (debian-root), and never
# changed: a machine is a layer above it, in memory.
# shellcheck disable=SC2154  # build, folder: of checks.sh
base=$build/debian-root
suite=bookworm
# Where this host has its packages from.
mirror=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $suite" "Component: main" \
    "Identifier: Packages" 2>/dev/null | head -n 1)
mirror=${mirror:-http://deb.debian.org/debian}

# What our packages depend on, and what stands beside them on a node: so a run needs no network.
beside=(corosync pacemaker pacemaker-cli-utils resource-agents man-db bash-completion iproute2 libxml2-utils
    liburing2 libisal2 libfmt9 libspdlog1.10 libtomlplusplus3 libmnl0 libblkid1 libsystemd0
    libcfg7 libcmap4 libquorum5 libvotequorum8 libcorosync-common4 libqb100 libstdc++6 procps)
# What would not be still on a node of the tests: there to be installed into a layer.
later=(sbd multipath-tools)

debian_root() { # the newest packages of the suite, once
    rm -rf "$base.new"
    debootstrap --variant=minbase --include=systemd,systemd-sysv,udev,dbus,adduser $suite "$base.new" $mirror &&
        printf '#!/bin/sh\nexit 101\n' >"$base.new/usr/sbin/policy-rc.d" &&
        chmod 755 "$base.new/usr/sbin/policy-rc.d" &&
        DEBIAN_FRONTEND=noninteractive chroot "$base.new" apt-get install -y -qq \
            --no-install-recommends "${beside[@]}" &&
        chroot "$base.new" apt-get clean &&
        chroot "$base.new" apt-get install -y -qq --download-only --no-install-recommends "${later[@]}" &&
        echo "${beside[*]} ${later[*]}" >"$base.new/complete" && rm -rf "$base" && mv "$base.new" "$base"
}
is_complete() { [ "$(cat "$base/complete" 2>/dev/null)" = "${beside[*]} ${later[*]}" ]; }
make_base() {
    is_complete && return 0
    # Tests run side by side: one makes it, the others wait.
    (
        flock 9
        is_complete || debian_root
    ) 9>"$base.lock"
}

version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build/CMakeCache.txt")
architecture=$(dpkg --print-architecture)
build_packages() {
    mkdir -p packages && cpack --config "$build/CPackConfig.cmake" -B "$folder/packages"
}
package() { # its file
    case $1 in
        diskhb-qdevice-shim) echo "$folder/packages/$1_${version}_all.deb" ;;
        *) echo "$folder/packages/$1_${version}_$architecture.deb" ;;
    esac
}
# newer NAME FOLDER: the same files as a later version, NAME.deb in that folder.
newer() {
    dpkg-deb -R "$(package "$1")" "again-$1" &&
        sed -i "s/^Version: .*/Version: $version+1/" "again-$1/DEBIAN/control" &&
        dpkg-deb -b --root-owner-group "again-$1" "$2/newer-$1.deb"
}

# layer NAME: the root, with what is written to it kept in memory, at $folder/NAME.
layer() {
    mkdir -p "$1" "layer-$1" && mount -t tmpfs none "$folder/layer-$1" &&
        mkdir "layer-$1/upper" "layer-$1/work" &&
        mount -t overlay -o "lowerdir=$base,upperdir=$folder/layer-$1/upper,workdir=$folder/layer-$1/work" \
            overlay "$1"
}
# Into the layer "machine", which has no /run and /dev but its own.
install_later() {
    layer machine && mount -t proc proc machine/proc && mount -t sysfs sysfs machine/sys || return 1
    DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 chroot machine \
        sh -c 'dpkg -i /var/cache/apt/archives/*.deb' || return 1
    cp "$root/ha-configs/beside-sbd.default" machine/etc/default/sbd
}
unlayer() { # NAME...: with all that was mounted in it
    local name
    for name in "$@"; do
        umount -R "$folder/$name"
        umount "$folder/layer-$name"
    done
}
