#!/bin/sh
# SPDX-License-Identifier: MIT
# How does the kernel get from here to the guest's root? Kernel command line:
#   guest.root=9p | DEVICE    the host's own root, read-only, under an overlay in memory; or an ext4 disk
#   guest.init=PROGRAM        the next PID 1
#   guest.keep=DIR:DIR        what of the host's /tmp and /run the guest sees
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for word in $(cat /proc/cmdline); do
  case $word in
    guest.root=*) root=${word#*=} ;;
    guest.init=*) program=${word#*=} ;;
    guest.keep=*) keep=$(echo "${word#*=}" | tr : ' ') ;;
  esac
done
while read -r module; do
  insmod "/mods/$module" || echo "cannot load $module"
done < /mods/order

host_root() {
  mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 root /lower || return
  mount -t tmpfs rw /rw
  mkdir /rw/upper /rw/work
  mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work overlay /overlay || return
  mount --bind /overlay /newroot
  # Sockets, locks and files of the host's own processes must not be taken for the guest's.
  for private in run tmp var/tmp; do
    mount -t tmpfs -o mode=1777 private "/newroot/$private"
  done
  for directory in $keep; do
    mkdir -p "/newroot$directory"
    mount --bind "/overlay$directory" "/newroot$directory"
  done
  cp -r /mods /newroot/run/modules
}

case $root in
  9p) host_root ;;
  *) mount -t ext4 "$root" /newroot ;;
esac || exec sh

for directory in dev proc sys; do
  mount --move "/$directory" "/newroot/$directory"
done
exec switch_root /newroot "$program"
