// SPDX-License-Identifier: GPL-2.0-only

package fsck

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/finding"
)

// Whether the kernel would bring a backing device and a cache together.
const (
	ByItself = "itself"  // as soon as both are registered
	IfTold   = "told"    // once it is told to, by sysfs
	Refused  = "refused" // it would not
	Harmful  = "harmful" // it would, and dirty data would be lost
	Unknown  = "unknown" // what decides it cannot be read
)

// An Attachment is what the kernel would make of a cache and a backing device (bch_cached_dev_attach).
type Attachment struct {
	Device  string   `json:"device"`
	UUID    string   `json:"uuid"`
	Attach  string   `json:"attach"`
	Inode   *uint32  `json:"inode"` // the slot that it keeps; nil: it would take a new one
	Reasons []Reason `json:"reasons"`
}

// A Reason is why it would not, or what to know before it does.
type Reason struct {
	Code    *finding.Code `json:"code"` // nil: nothing is wrong with either
	Text    string        `json:"text"`
	WayOut  string        `json:"way_out"`
	Command string        `json:"command"` // to paste; "" where there is none
}

// Fine reports whether they would come together, and nothing be lost.
func (a *Attachment) Fine() bool { return a.Attach == ByItself || a.Attach == IfTold }

// Attach judges whether a cache and each of some backing devices would come together. Errors are Run's, that dev is no
// cache, and that a backing device has no superblock.
func Attach(ctx context.Context, dev Device, backing []Device, o Options) (*Report, []Attachment, error) {
	c, err := check(ctx, dev, backing, o)
	if err != nil {
		return nil, nil, err
	}
	if err := errors.Join(c.lost...); err != nil {
		return nil, nil, err
	}
	if c.super.IsBacking() {
		return nil, nil, fmt.Errorf("%s: a backing device; name the cache device too", dev.Name)
	}
	rep := c.report()
	list := []Attachment{}
	for i := range c.backing {
		p := pair{c: c, rep: rep, b: &c.backing[i]}
		list = append(list, p.judge())
	}
	return rep, list, nil
}

// A pair is a cache and one backing device.
type pair struct {
	c   *checker
	rep *Report
	b   *backing
	a   Attachment
}

// blocking are the codes over which the kernel does not attach a backing device.
var blocking = []finding.Code{
	finding.BDSuper, finding.BDBlock, finding.BDDuplicate, finding.BDNoSlot, finding.BDCutShort, finding.BDNoRoom, finding.BDStripes,
	finding.BDOtherSet, finding.BDState,
}

func (p *pair) judge() Attachment {
	s := p.b.super
	p.a = Attachment{Device: p.b.Name, UUID: s.UUID.String(), Attach: ByItself, Reasons: []Reason{}}
	ours, state := s.SetUUID == p.c.super.SetUUID, s.State()
	fresh := state == ondisk.StateNone || state == ondisk.StateStale // the kernel gives it a new slot
	if inode, ok := p.c.slots().Find(s.UUID); ok && !fresh {
		p.a.Inode = &inode
	}
	if !ours {
		p.elsewhere(state)
	}
	p.room(fresh)
	p.findings(fresh)
	if known := p.rep.Summary.Known.Names; !known && p.a.Attach != Refused {
		p.a.Attach = Unknown
		p.reason(nil, "the cache's slots cannot be read", "Mend the cache first.", "bctl fsck "+Quote(p.rep.Device))
	}
	return p.a
}

func (p *pair) reason(code *finding.Code, text, way, command string) {
	p.a.Reasons = append(p.a.Reasons, Reason{code, text, way, command})
}

// elsewhere judges a device that names another set than the cache's, or none.
func (p *pair) elsewhere(state ondisk.State) {
	set := p.c.super.SetUUID
	tell := fmt.Sprintf("echo %v > /sys/class/block/NAME/bcache/attach", set)
	switch {
	case state == ondisk.StateDirty:
		p.a.Attach = Refused
		p.reason(nil, fmt.Sprintf("it is dirty, and its data are in the cache of set %v", p.b.super.SetUUID),
			"Find the cache of that set, and let it write back.", "bctl list")
	case state == ondisk.StateClean:
		p.a.Attach = IfTold
		p.reason(nil, fmt.Sprintf("it is attached to set %v; this is set %v", p.b.super.SetUUID, set),
			"Detach it there first; if that cache is gone for good, it has all its data, and the kernel can be told, by its NAME in /sys/class/block.", tell)
	default:
		p.a.Attach = IfTold
		p.reason(nil, "it does not name this set", "Tell the kernel, by its NAME in /sys/class/block, once both are registered.", tell)
	}
}

// room judges whether a slot is free for a device that needs one. What fsck finds of that is a finding already.
func (p *pair) room(fresh bool) {
	slots := p.c.slots()
	found := slices.ContainsFunc(p.rep.Findings, func(f finding.Finding) bool { return f.Code == finding.BDNoRoom && f.Device == p.b.Name })
	if p.a.Inode == nil && slots != nil && !found && slots.Count(uuids.Empty) == 0 && (fresh || p.b.super.State() == ondisk.StateClean) {
		p.block(finding.BDNoRoom, "no slot is free", Refused)
	}
}

// block notes a reason that is a code's.
func (p *pair) block(code finding.Code, text, attach string) {
	row := finding.Lookup(code)
	if p.a.Attach != Refused {
		p.a.Attach = attach
	}
	p.reason(&code, text, row.Advice, p.rep.command(row.Command, finding.Finding{Device: p.b.Name}))
}

// findings are the reasons that fsck found.
func (p *pair) findings(fresh bool) {
	told := map[finding.Code]bool{}
	for _, f := range p.rep.Findings {
		row := finding.Lookup(f.Code)
		own, stops := f.Device == p.b.Name, row.Kernel == finding.Refuses || row.Kernel == finding.Crashes
		switch {
		case own && f.Code == finding.BDDropped:
			p.block(f.Code, f.Message, Harmful)
		case own && slices.Contains(blocking, f.Code):
			p.block(f.Code, f.Message, Refused)
		case f.Device != "" || f.Code.Family() == "BD":
		case row.Severity == finding.Damage && stops && !told[f.Code]:
			told[f.Code] = true
			p.block(f.Code, "the kernel does not take the cache: "+f.Message, Refused)
			p.a.Reasons[len(p.a.Reasons)-1].Command = "bctl fsck -p " + Quote(p.rep.Device)
		case f.Code == finding.UULostDirty && fresh && f.Inode != nil:
			p.reason(&f.Code, "it would get a new slot; what a detached device left in the cache stays behind: "+f.Message,
				"If those are this device's data, get them first.",
				fmt.Sprintf("bctl export %s %s --volume %d -o FILE", Quote(p.rep.Device), Quote(p.b.Name), *f.Inode))
		case f.Code == finding.SBObsolete:
			p.reason(&f.Code, "the volume would be read-only: "+f.Message, row.Advice, "")
		}
	}
}
