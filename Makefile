# SPDX-License-Identifier: GPL-2.0-only
# Targets for people; CI runs .ci/run.

GO ?= go
OUT ?= .
DESTDIR ?=
SBINDIR ?= /usr/sbin
NAMES = bcache-super-show make-bcache mkfs.bcache fsck.bcache
FUZZTIME ?= 30s

.PHONY: build rescue check test kernel-test kernel-verdicts arm64-test fuzz docs install install-names clean

# Static, and the same bytes from the same sources.
BUILD = CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w"

build:
	$(BUILD) -tags urfave_cli_no_docs -o $(OUT)/bctl ./cmd/bctl

# What an initramfs has room for: everything that gets a machine up again, nothing that draws, measures or practises.
rescue:
	$(BUILD) -tags rescue,urfave_cli_no_docs -o $(OUT)/bctl-rescue ./cmd/bctl

check:
	.ci/run

test:
	$(GO) test ./...

# Debian's kernels under QEMU judge what bctl writes, and bctl what they write. As root, for apt-get alone.
kernel-test:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends qemu-system-x86 busybox-static xz-utils >/dev/null
	BCTL_KERNEL_TEST=require $(GO) test -count=1 -timeout 25m ./test/kernel/

# What is written for arm64 alone, the checksum's assembly, under emulation. As root, for apt-get alone.
arm64-test:
	command -v qemu-aarch64-static >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends qemu-user-static >/dev/null; }
	GOARCH=arm64 $(GO) test -exec qemu-aarch64-static -run 'Crc64' ./internal/bcache/ondisk/

# docs/kernel-verdicts.md, from every damage and both kernels: twenty minutes.
kernel-verdicts:
	BCTL_KERNEL_TEST=require $(GO) test -count=1 -timeout 60m -run '^TestVerdicts$$' ./test/kernel/ -update

# Each fuzz target in turn, for FUZZTIME.
fuzz:
	.ci/fuzz $(FUZZTIME)

# The manual and the list of findings, from the tables that the program runs on.
docs:
	$(GO) test -count=1 -run '^TestDocs$$' ./cmd/bctl -update

install: build
	install -D -m 755 bctl $(DESTDIR)$(SBINDIR)/bctl

# The other names that bctl answers to. They belong to bcache-tools too: install them only where that is not.
install-names:
	for name in $(NAMES); do ln -s bctl $(DESTDIR)$(SBINDIR)/$$name || exit; done

clean:
	rm -f bctl bctl-rescue
