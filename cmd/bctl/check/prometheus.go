// SPDX-License-Identifier: GPL-2.0-only

package check

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"bctl/fsck"
	"bctl/internal/finding"
)

// metrics is a report as node_exporter's textfile collector reads it. A report of nil is a check that could not be made.
// What is not known is left out: a missing series is no zero.
func metrics(device string, rep *fsck.Report, now int64) string {
	m := metricsText{device: device}
	m.gauge("bctl_fsck_last_run_timestamp_seconds", "When bctl fsck last ended.", float64(now))
	m.gauge("bctl_fsck_success", "Whether the last check could be made.", of(rep != nil))
	if rep == nil {
		return m.String()
	}
	m.gauge("bctl_fsck_damaged", "Whether the last check found damage.", of(rep.Result == fsck.Damaged))
	m.gauge("bctl_fsck_complete", "Whether everything could be read.", of(rep.Complete))
	counts := map[finding.Severity]int{}
	for _, f := range rep.Findings {
		counts[f.Severity]++
	}
	m.head("bctl_fsck_findings", "Findings of the last check, by severity.")
	for _, s := range []finding.Severity{finding.Damage, finding.Warning, finding.Note} {
		m.line("bctl_fsck_findings", float64(counts[s]), "severity", string(s))
	}
	if s := rep.Summary; s != nil && s.Sizes {
		m.cache(s)
	}
	return m.String()
}

func of(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// A metricsText is the text in the making.
type metricsText struct {
	strings.Builder
	device string
}

func (m *metricsText) cache(s *fsck.Summary) {
	if s.Known.Counts() {
		m.head("bctl_volume_dirty_sectors", "Sectors of 512 bytes that stand on the cache alone.")
		for _, v := range s.Volumes {
			uuid := ""
			if v.UUID != nil {
				uuid = *v.UUID
			}
			m.line("bctl_volume_dirty_sectors", float64(v.DirtySectors), "inode", strconv.FormatUint(uint64(v.Inode), 10), "uuid", uuid, "label", v.Label)
		}
	}
	h := s.Health
	if s.Known.Journal && h.JournalBuckets > 0 {
		m.gauge("bctl_journal_buckets", "Buckets of the journal.", float64(h.JournalBuckets))
		m.gauge("bctl_journal_buckets_used", "Buckets of the journal with entries that a replay takes.", float64(h.JournalUsed))
	}
	if s.Known.Counts() {
		m.gauge("bctl_gen_distance_max", "How far the oldest pointer is behind its bucket's gen, of 255; the kernel warns above 96.", float64(h.GenDistance))
		m.gauge("bctl_free_buckets", "Buckets that nothing refers to.", float64(s.Buckets.Free))
		m.gauge("bctl_buckets", "Buckets in all.", float64(s.Buckets.Total))
	}
	if s.Known.Names && h.Slots > 0 {
		m.gauge("bctl_uuid_slots", "Slots for volumes.", float64(h.Slots))
		m.gauge("bctl_uuid_slots_free", "Slots that were never used; those of detached volumes are not used again.", float64(h.SlotsFree))
	}
}

func (m *metricsText) gauge(name, help string, value float64) {
	m.head(name, help)
	m.line(name, value)
}

func (m *metricsText) head(name, help string) {
	fmt.Fprintf(m, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
}

// line is a sample; labels are names and values by turns.
func (m *metricsText) line(name string, value float64, labels ...string) {
	fmt.Fprintf(m, "%s{device=\"%s\"", name, labelValue(m.device))
	for i := 0; i+1 < len(labels); i += 2 {
		fmt.Fprintf(m, ",%s=\"%s\"", labels[i], labelValue(labels[i+1]))
	}
	fmt.Fprintf(m, "} %s\n", strconv.FormatFloat(value, 'f', -1, 64))
}

// labelValue escapes as the format wants it, and keeps it UTF-8.
func labelValue(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(strings.ToValidUTF8(s, "?"))
}

// writeBeside writes a file under another name in the same folder, and renames it: whoever reads it meanwhile sees the old
// one or the new one. The other name does not end as the collector wants it.
func writeBeside(name, text string) error {
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a file that could be replaced", name)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
