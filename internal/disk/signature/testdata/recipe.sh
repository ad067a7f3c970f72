#!/bin/sh
# Makes the images that the fixtures beside this file were taken from, in the folder it is given. It wants (Debian's
# names) e2fsprogs xfsprogs btrfs-progs dosfstools exfatprogs ntfs-3g f2fs-tools squashfs-tools genisoimage
# util-linux fdisk mdadm lvm2 cryptsetup-bin bcache-tools, and root for md, lvm2 and luks.
# Then: go test ./internal/signature -run TestFixtures -from FOLDER
set -eu
cd "$1"
image() { rm -f "$1.img"; truncate -s "$2" "$1.img"; }

image ext2 4M;     mke2fs -q -F -t ext2 ext2.img
image ext3 8M;     mke2fs -q -F -t ext3 ext3.img
image ext4 8M;     mke2fs -q -F -t ext4 ext4.img
image extjournal 8M; mke2fs -q -F -O journal_dev extjournal.img
image xfs 300M;    mkfs.xfs -q xfs.img
image btrfs 128M;  mkfs.btrfs -q btrfs.img
image swap 1M;     mkswap -q swap.img
image swap64k 1M;  mkswap -q -p 65536 swap64k.img
image fat12 2M;    mkfs.vfat -F 12 fat12.img > /dev/null
image fat16 16M;   mkfs.vfat -F 16 fat16.img > /dev/null
image fat32 40M;   mkfs.vfat -F 32 fat32.img > /dev/null
image exfat 16M;   mkfs.exfat exfat.img > /dev/null
image ntfs 8M;     mkfs.ntfs -q -F ntfs.img > /dev/null 2>&1
image f2fs 64M;    mkfs.f2fs -q f2fs.img > /dev/null
image minix 1M;    mkfs.minix -1 minix.img > /dev/null
image minix3 1M;   mkfs.minix -3 minix3.img > /dev/null
image gpt 4M;      printf 'label: gpt\n,1M\n' | sfdisk -q gpt.img
image mbr 4M;      printf 'label: dos\n,1M\n' | sfdisk -q mbr.img
image mbrempty 4M; printf 'label: dos\n' | sfdisk -q mbrempty.img
image sun 4M;      printf 'label: sun\n' | sfdisk -q sun.img
image sgi 4M;      printf 'label: sgi\n' | sfdisk -q sgi.img
image bcache 64M;  make-bcache -C -b 64k bcache.img > /dev/null
image backing 64M; make-bcache -B backing.img > /dev/null
image luks1 4M;    printf x | cryptsetup -q luksFormat --type luks1 --pbkdf-force-iterations 1000 luks1.img -
image luks2 20M;   printf x | cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 luks2.img -
mkdir -p files && echo hello > files/hello
rm -f squashfs.img && mksquashfs files squashfs.img -quiet -no-progress > /dev/null
genisoimage -quiet -o iso9660.img files
image cramfs 64k;  mkfs.cramfs files cramfs.img
image lvm2 8M
loop=$(losetup -f --show lvm2.img); pvcreate -qq "$loop"; losetup -d "$loop"
for v in 0.90 1.0 1.1 1.2; do # needs the kernel's md; without it these four are left out
	image "md$v" 8M
	loop=$(losetup -f --show "md$v.img")
	mdadm --create /dev/md/h --run --level=1 --raid-devices=2 --metadata=$v "$loop" missing 2> /dev/null || rm -f "md$v.img"
	mdadm --stop /dev/md/h 2> /dev/null || true
	losetup -d "$loop"
done
