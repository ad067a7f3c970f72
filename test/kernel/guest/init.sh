#!/bin/busybox sh
# The guest's init: mounts, loads bcache, names the disks and runs /script. What the test reads goes to the second
# serial port, one line each: "@case NAME" begins a case, "@KEY VALUE" is a fact, all else is the kernel's log.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t debugfs debug /sys/kernel/debug
exec 3>/dev/ttyS1
stty -F /dev/ttyS1 raw
say() { echo "@$*" >&3; }
load() { for m; do [ -e "$m" ] && insmod "$m"; done; }
load /modules/*
# Without a script this machine is to be saved, before it has seen its disks. It goes on as another one, which has the
# script in an archive on a disk; a line on the console says when.
if [ ! -e /script ]; then
	say ready
	read -r line </dev/ttyS0
fi
load /disk/*.ko

B=/sys/fs/bcache

klog() { dmesg -c | sed 's/^\[[ 0-9.]*\] //' >&3; }
case_() {
	klog
	say case "$1"
	say at "$(cut -d" " -f1 /proc/uptime)"
}

# name the disks as QEMU's serial numbers do: /disk/NAME, or /disk/NAME1 for its first partition
for s in /sys/block/vd*; do
	d=${s##*/}
	n=$(cat "$s/serial")
	[ -n "$n" ] || continue # nobody's
	ln -s "/dev/$d" "/disk/$n"
	for p in "$s/$d"*; do [ -e "$p" ] && ln -s "/dev/${p##*/}" "/disk/$n${p##*/$d}"; done
done
[ -e /script ] || (cd / && cpio -idu </disk/script 2>/dev/null)
dev() { basename "$(readlink "/disk/$1")"; }
sys() { echo "/sys/class/block/$(dev "$1")/bcache"; }
bcache() { basename "$(readlink -f "$(sys "$1")/dev")"; }
setof() { readlink -f "$(sys "$1")/set"; }

# register DISK... hands devices to bcache
register() {
	for n in "$@"; do
		if echo "/dev/$(dev "$n")" 2>/dev/null >$B/register; then say "registered.$n yes"; else say "registered.$n no"; fi
	done
}
# begun, and then hung SECONDS: whether the processor had nothing to do for longer than that since, or all has taken two
# minutes. Where the host has little time for this machine its clock says nothing.
begun() {
	read -r up0 idle0 </proc/uptime
	up0=${up0%.*} idle0=${idle0%.*}
}
hung() {
	read -r up idle </proc/uptime
	[ $((${idle%.*} - idle0)) -gt "$1" ] || [ $((${up%.*} - up0)) -gt 120 ]
}
# wait_for TEST...: while ten seconds pass with nothing to do, or as many as $patience says
wait_for() {
	begun
	while ! "$@"; do
		if hung "${patience:-10}"; then
			say "timeout $*"
			return 1
		fi
		usleep 100000
	done
}
attached() { [ -e "$(sys "$1")/cache" ]; }
# attach BACKING CACHE
attach() {
	attached "$1" || basename "$(setof "$2")" >"$(sys "$1")/attach"
	wait_for attached "$1"
}
# set_attr DISK NAME VALUE: of a backing device
set_attr() { echo "$3" >"$(sys "$1")/$2"; }
# tune CACHE BACKING...: everything goes through the cache, nothing is written back by itself
tune() {
	echo 0 >"$(setof "$1")/congested_read_threshold_us"
	echo 0 >"$(setof "$1")/congested_write_threshold_us"
	shift
	for n in "$@"; do
		set_attr "$n" sequential_cutoff 0
		set_attr "$n" writeback_running 0
	done
}
# write_back BACKING...: as fast as it can, and down to little
write_back() {
	for n in "$@"; do
		set_attr "$n" writeback_percent 2
		set_attr "$n" writeback_rate_minimum 20000
		set_attr "$n" writeback_running 1
	done
}
# facts CACHE: the set's numbers
facts() {
	s=$(setof "$1")
	say "tree_depth.$1 $(cat "$s/tree_depth")"
	sed 's/:[ \t]*/ /' "$s/cache0/priority_stats" | while read -r k v; do say "stats.$1 $k $v"; done
}
# dirty BACKING...: dirty_data
dirty() { for n in "$@"; do say "dirty.$n $(cat "$(sys "$n")/dirty_data")"; done; }
# contents DEVICE: copies it for the host, which puts the sum, or the sums, in the place of what this says
contents() { guest copy "/dev/$1" /disk/scratch; }
# sums BACKING...: of the volumes
sums() { for n in "$@"; do say "sum.$n $(contents "$(bcache "$n")")"; done; }
# pieces BACKING: the sums of the pieces of its volume
pieces() { say "piece.$1 $(contents "$(bcache "$1")")"; }
# flash_sum INODE CACHE: of a flash-only volume
flash_sum() {
	v=$(basename "$(dirname "$(readlink -f "$(setof "$2")/volume$1")")")
	say "flash_sum.$1 $(contents "$v")"
}
# dump NAME CACHE: the live extents as the kernel sees them, for each inode: keys, sectors, dirty sectors
dump() {
	awk -v n="$1" '{ split($1, a, ":"); k[a[1]]++; s[a[1]] += $3; if (/dirty/) d[a[1]] += $3 }
		END { for (i in k) print "@dump." n, i, k[i], s[i], d[i] + 0 }' "/sys/kernel/debug/bcache/bcache-$(basename "$(setof "$2")")" >&3
}

# replay CACHE BACKING OPS CUTOFF MODE: requests from a disk, with the kernel's defaults but for congestion
replay() {
	echo 0 >"$(setof "$1")/congested_read_threshold_us"
	echo 0 >"$(setof "$1")/congested_write_threshold_us"
	[ "$4" = default ] || set_attr "$2" sequential_cutoff "$4"
	set_attr "$2" cache_mode "$5"
	say "replayed.$2 $(guest replay "/dev/$(bcache "$2")" "/disk/$3")"
	say "dirty_at_end.$2 $(cat "$(sys "$2")/dirty_data")"
}
# counters CACHE BACKING: the timer that adds them up must have run since
counters() {
	for f in "$(sys "$2")"/stats_total/* "$(setof "$1")"/cache0/written; do say "$(basename "$f").$2 $(cat "$f")"; done
}

gone() { for x in $B/*-* /sys/class/block/*/bcache; do [ -e "$x" ] && return 1; done; return 0; }
# stop_all stops every device and set, and waits until the kernel has let go of them
stop_all() {
	sync
	for f in /sys/block/bcache*/bcache/stop /sys/class/block/vd*/bcache/stop; do [ -e "$f" ] && echo 1 >"$f"; done
	usleep 200000
	for f in $B/*-*/stop; do [ -e "$f" ] && echo 1 >"$f"; done
	wait_for gone
}
# crash resets the machine at once: nothing is flushed, nothing is shut down
crash() {
	klog
	say crash
	usleep 200000
	reset
}
# reset ends the boot without asking bcache, which waits ten seconds for sets that do not stop
reset() {
	echo b >/proc/sysrq-trigger
	sleep 60
}

# trial CACHE BACKING...: what comes of registering a set that may be damaged. It is read, all of it, and stopped.
# Damage can kill the task that registers it, or hang it for ever: it has a shell of its own. Then this boot is over,
# and also where the kernel warned, for some warnings come only once in a boot.
trial() {
	rm -f /done
	(
		register "$@"
		for n in "$@"; do
			[ -e "$(sys "$n")/dev" ] || continue
			attached "$n" || usleep 500000
			attached "$n" && sums "$n"
		done
		for v in "$(setof "$1")"/volume*; do [ -e "$v" ] && flash_sum "${v##*volume}" "$1"; done
		touch /done
	) &
	shell=$!
	begun
	until [ -e /done ] || hung 30 || [ "$(cut -d" " -f3 /proc/$shell/stat)" = Z ]; do usleep 200000; done
	if [ ! -e /done ]; then
		say lost
	elif ! patience=2 stop_all; then
		say unstoppable
	elif ! dmesg | grep -qE "WARNING:|BUG|Oops|Call Trace"; then
		klog
		say tried
		return
	fi
	klog
	say tried
	say end
	usleep 200000
	reset
}

dmesg -c >/dev/null # the boot's own
. /script
klog
say end
reboot -f
