#!/bin/bash
# Runs systemd as process 1 of namespaces of its own, on a copy of this machine's files that goes with it.
# trial.py calls it there, with: FILES (to be laid over), OUT (where the trial writes), SERVER (the folder of Postgres's
# socket), PREFIX (Python's installation), SOURCES and PACKAGES (of Currant, and what it needs).
set -eu
mount --make-rprivate /
base=$(mktemp -d)
mount -t tmpfs -o size=512M tmpfs "$base"
mkdir "$base"/{upper,work,root}
root=$base/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$root"
# As in a container: nothing in here reaches the kernel's settings, or a device.
mount -t proc proc "$root/proc"
for each in sys sysrq-trigger; do
    [ -e "$root/proc/$each" ] || continue
    mount --bind "$root/proc/$each" "$root/proc/$each"
    mount -o remount,bind,ro "$root/proc/$each"
done
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for each in null zero full random urandom tty; do
    touch "$root/dev/$each"
    mount --bind "/dev/$each" "$root/dev/$each"
done
mkdir "$root"/dev/{shm,pts}
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
# No unit of the machine's own is started: only what the trial brings.
rm -rf "$root/etc/systemd/system"
mkdir -p "$root/etc/systemd/system"
for each in sysinit basic network-online multi-user; do
    printf '[Unit]\nDefaultDependencies=no\n' >"$root/etc/systemd/system/$each.target"
done
cp -r "$FILES/." "$root/"
bind() {
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
}
bind "$OUT" /run/out
bind "$SERVER" /run/postgres
bind "$PREFIX" /srv/currant/python
bind "$SOURCES" /srv/currant/sources
bind "$PACKAGES" /srv/currant/packages
hostname trial
cd "$root"
mkdir -p before
pivot_root . before
umount -l /before
exec env -i container=trial PATH=/usr/sbin:/usr/bin:/sbin:/bin setpriv --inh-caps -all \
    --bounding-set -sys_module,-sys_time,-sys_boot,-sys_rawio,-sys_tty_config,-syslog \
    /lib/systemd/systemd --system --unit=trial.target --log-target=console --show-status=no
