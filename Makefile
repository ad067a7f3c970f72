# SPDX-License-Identifier: GPL-2.0-only
# Targets for people; CI runs .ci/run.

GO ?= go
OUT ?= .
DESTDIR ?=
PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/bctl
ARCHES ?= amd64 arm64 riscv64 s390x ppc64le
VERSION = $(shell sed -n 's/^const Version = "\(.*\)"/\1/p' cmd/bctl/app/version.go)
# The day of the commit, so that the same sources give the same packages.
DATE ?= $(or $(shell git log -1 --format=%cs 2>/dev/null),1970-01-01)
FUZZTIME ?= 30s

.PHONY: build rescue check test kernel-test kernel-verdicts kernel-predict boot-test arm64-test bench fuzz docs man install install-names install-boot packages clean

# Static, and the same bytes from the same sources, with the commit if they lie in a repository.
BUILD = CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -ldflags "-s -w"

build:
	$(BUILD) -tags urfave_cli_no_docs -o $(OUT)/bctl ./cmd/bctl

# What an initramfs has room for: everything that gets a machine up again, nothing that formats, draws, measures or practises.
rescue:
	$(BUILD) -tags rescue,urfave_cli_no_docs -o $(OUT)/bctl-rescue ./cmd/bctl

check:
	.ci/run

test:
	$(GO) test ./...

# Debian's kernels under QEMU judge what bctl writes, and bctl what they write. As root, for apt-get alone. One machine
# more than processors, for guests wait a good deal; KERNEL_TESTS is a -run expression.
KERNEL_TESTS ?= .
kernel-test:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends qemu-system-x86 busybox-static xz-utils dmsetup >/dev/null
	BCTL_KERNEL_TEST=require $(GO) test -count=1 -timeout 40m -parallel $$(($$(nproc) + 1)) -run "$(KERNEL_TESTS)" ./test/kernel/

# A machine whose root is a bcache volume boots with a damaged cache: Debian's initramfs with bctl in it, under QEMU. As
# root; minutes.
boot-test:
	command -v qemu-system-x86_64 >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends qemu-system-x86 >/dev/null; }
	packaging/boot-test

# What is written for arm64 alone, the checksum's assembly, under emulation. As root, for apt-get alone.
arm64-test:
	command -v qemu-aarch64-static >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends qemu-user-static >/dev/null; }
	GOARCH=arm64 $(GO) test -exec qemu-aarch64-static -run 'Crc64' ./internal/bcache/ondisk/

# docs/kernel-verdicts.md, from every damage, and from each after its repair: twenty minutes, and twenty. What does not fit
# into the time is asked the next time. AGAIN='^U3' asks anew what the kernels make of the repairs of these damages, and
# else of what the page lacks alone; all repairs with AGAIN=. (an hour).
kernel-verdicts:
	BCTL_KERNEL_TEST=require $(GO) test -count=1 -timeout 90m -run '^TestVerdicts$$' ./test/kernel/ -update -again '$(AGAIN)'

# Every workload of testdata/predict, replayed on a kernel and set beside what alloc-bench predicts: half an hour.
kernel-predict:
	BCTL_KERNEL_TEST=require BCTL_KERNEL_PREDICT=all $(GO) test -count=1 -timeout 60m -v -run '^TestPredict$$' ./test/kernel/

# Each fuzz target in turn, for FUZZTIME.
fuzz:
	.ci/fuzz $(FUZZTIME)

# bctl beside its peers, on images of a terabyte: a quarter of an hour, 3 GB in TMPDIR. See docs/performance.md.
BENCH_DIR ?= $(or $(TMPDIR),/tmp)/bctl-bench
bench: build
	$(GO) run ./test/speed -bctl ./bctl -dir $(or $(TMPDIR),/tmp) $$(test/speed/peers $(BENCH_DIR)) $(BENCH_FLAGS)

# The manual and the list of findings, from the tables that the program runs on.
docs:
	$(GO) test -count=1 -run '^TestDocs' ./cmd/bctl -update

# man/ below OUT: roff from docs/. It runs here, whatever the build is for.
man:
	GOARCH= GOOS= $(GO) run ./packaging/man $(OUT)/man $(DATE)

install: build man
	install -D -m 755 $(OUT)/bctl $(DESTDIR)$(SBINDIR)/bctl
	ln -sf bctl $(DESTDIR)$(SBINDIR)/fsck.bcache
	ln -sf bctl $(DESTDIR)$(SBINDIR)/mkfs.bcache
	for page in $(OUT)/man/*; do install -D -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/} || exit; done
	install -D -m 644 packaging/bctl.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/bctl
	install -D -m 644 packaging/bctl.zsh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_bctl
	install -D -m 644 packaging/bctl.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/bctl.fish
	for name in fsck.bcache mkfs.bcache; do ln -sf bctl $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$name && ln -sf bctl.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/$$name.fish || exit; done
	install -d $(DESTDIR)$(DOCDIR)
	install -m 644 README.md CHANGELOG.md LICENSE THIRD_PARTY docs/*.md docs/*.svg $(DESTDIR)$(DOCDIR)
	install -d $(DESTDIR)$(DOCDIR)/schema
	install -m 644 docs/schema/*.json $(DESTDIR)$(DOCDIR)/schema

# The names that belong to bcache-tools too: only where that is not.
install-names:
	for name in bcache-super-show make-bcache; do ln -s bctl $(DESTDIR)$(SBINDIR)/$$name || exit; done

# What checks bcache devices at boot, before the kernel gets them: initramfs-tools and dracut look for it below /usr.
install-boot: rescue
	install -D -m 755 $(OUT)/bctl-rescue $(DESTDIR)/usr/lib/bctl/bctl-rescue
	install -D -m 755 packaging/lib/bctl-boot $(DESTDIR)/usr/lib/bctl/bctl-boot
	install -D -m 644 packaging/lib/68-bctl-hold.rules $(DESTDIR)/usr/lib/bctl/68-bctl-hold.rules
	install -D -m 755 packaging/initramfs-tools/hooks/bctl $(DESTDIR)/usr/share/initramfs-tools/hooks/bctl
	install -D -m 755 packaging/initramfs-tools/scripts/bctl $(DESTDIR)/usr/share/initramfs-tools/scripts/init-premount/bctl
	install -D -m 755 packaging/initramfs-tools/scripts/bctl $(DESTDIR)/usr/share/initramfs-tools/scripts/local-block/bctl
	install -D -m 755 packaging/dracut/module-setup.sh $(DESTDIR)/usr/lib/dracut/modules.d/91bctl/module-setup.sh
	install -D -m 755 packaging/dracut/bctl-settled.sh $(DESTDIR)/usr/lib/dracut/modules.d/91bctl/bctl-settled.sh

# .deb and .rpm in OUT/dist, of bctl and of bctl-initramfs, for ARCHES.
packages:
	OUT=$(OUT)/dist GO=$(GO) VERSION=$(VERSION) DATE=$(DATE) packaging/packages $(ARCHES)

clean:
	rm -rf bctl bctl-rescue man dist
