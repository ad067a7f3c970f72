# Targets for people; CI runs .ci/run.

GO ?= go
DESTDIR ?=
SBINDIR ?= /usr/sbin
NAMES = bcache-super-show make-bcache mkfs.bcache fsck.bcache
FUZZTIME ?= 30s

.PHONY: build check test fuzz docs install install-names clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bctl ./cmd/bctl

check:
	.ci/run

test:
	$(GO) test ./...

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
	rm -f bctl
