// SPDX-License-Identifier: GPL-2.0-only

package blockdev

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestList(t *testing.T) {
	s := fakeSystem(t, map[string]string{
		"sys/devices/sda/size": "2048\n", "sys/devices/sda/sda1/size": "1024\n", "sys/devices/sda/sda2/size": "0\n",
		"sys/devices/sda/sda2/partition": "2\n",
		"sys/devices/bcache0/size":       "2048\n", "sys/devices/loop0/size": "0\n",
		"sys/devices/dm-0/size": "64\n", "sys/devices/dm-0/dm/name": "fast\n", "dev/mapper/fast": "",
		"sys/devices/cciss!c0d0/size": "64\n",
	}, map[string]string{
		"sys/block/sda": "../devices/sda", "sys/block/bcache0": "../devices/bcache0", "sys/block/loop0": "../devices/loop0",
		"sys/block/dm-0": "../devices/dm-0", "sys/block/cciss!c0d0": "../devices/cciss!c0d0",
		"sys/devices/dm-0/slaves/sda1": "../../sda/sda1",
	})
	got, err := s.list()
	if err != nil {
		t.Fatal(err)
	}
	dev := func(name string) string { return filepath.Join(s.dev, name) }
	want := []Node{
		{Path: dev("cciss/c0d0")},
		{Path: dev("mapper/fast"), Below: []string{dev("sda1")}},
		{Path: dev("sda")},
		{Path: dev("sda1")},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if _, err := (system{sys: filepath.Join(t.TempDir(), "none")}).list(); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("without sysfs: %v", err)
	}
}

func TestRegistered(t *testing.T) {
	s := fakeSystem(t, map[string]string{
		"sys/fs/bcache/bf34/stop": "", "sys/devices/bcache0/size": "8\n", "sys/devices/sdb/bcache/dirty_data": "1.5k\n",
		"sys/devices/sdc/bcache/state": "no cache\n", "sys/devices/sdc/bcache/dirty_data": "0\n",
	}, map[string]string{
		"sys/devices/sda/sda1/bcache/set": "../../../../fs/bcache/bf34", "sys/devices/sdb/bcache/dev": "../../bcache0",
	})
	at := func(name string) *Registered { return s.registered(filepath.Join(s.sys, "devices", name)) }
	dirty := func(n uint64) *uint64 { return &n }
	for name, want := range map[string]*Registered{
		"sda": nil, "sda/sda1": {Set: "bf34"},
		"sdb": {Device: filepath.Join(s.dev, "bcache0"), Dirty: dirty(1536)}, "sdc": {Dirty: dirty(0)}, "": nil,
	} {
		if name == "" {
			if s.registered("") != nil {
				t.Error("a device that is not there is registered")
			}
			continue
		}
		if got := at(name); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	for text, want := range map[string]uint64{"0": 0, "512": 512, "1.0k": 1024, "1023.9M": 1073636966, "2T": 2 << 40} {
		if n, err := parseHuman(text); err != nil || n != want {
			t.Errorf("%s: %d, %v, want %d", text, n, err, want)
		}
	}
	for _, text := range []string{"", "k", "1.2.3", "-1", "1kM", "nan", "99999999999E"} {
		if n, err := parseHuman(text); err == nil {
			t.Errorf("%q: %d", text, n)
		}
	}
}
