#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# dracut's module: the rescue build of bctl looks at bcache devices before the kernel registers them.

check() {
	[ -x /usr/lib/bctl/bctl-rescue ]
}

depends() {
	echo bcache
}

install() {
	inst_simple /usr/lib/bctl/bctl-rescue /usr/sbin/bctl
	ln_r /usr/sbin/bctl /usr/sbin/fsck.bcache
	inst_simple /usr/lib/bctl/bctl-boot /usr/sbin/bctl-boot
	inst_simple /usr/lib/bctl/68-bctl-hold.rules /usr/lib/udev/rules.d/68-bctl-hold.rules
	inst_multiple readlink mkdir
	inst_hook initqueue/settled 10 "$moddir/bctl-settled.sh"
}
