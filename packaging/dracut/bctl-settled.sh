#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Runs whenever udev has settled while dracut waits for the root.
bctl-boot || emergency_shell -n bctl "A bcache device is damaged. It is looked at again when this shell ends."
