#compdef bctl mkfs.bcache fsck.bcache
# zsh completion of bctl, written by bctl completion zsh
_bctl_devices() {
	local -a devices
	devices=(/sys/class/block/*(N:t))
	_alternative 'devices:block device:compadd -p /dev/ -a devices' 'files:file:_files'
}
_bctl() {
	local -a global commands own
	local at=2 cmd=
	case $service in
	mkfs.bcache)
		own=(
			'(--cache -C)--cache=[format DEV as a cache device]:DEV:_bctl_devices'
			'(--cache -C)-C+[format DEV as a cache device]:DEV:_bctl_devices'
			'(--bdev -B)--bdev=[format DEV... as backing devices]:DEV...:_bctl_devices'
			'(--bdev -B)-B+[format DEV... as backing devices]:DEV...:_bctl_devices'
			'(--bucket -b)--bucket=[bucket SIZE, best the erase block'\''s]:SIZE:_files'
			'(--bucket -b)-b+[bucket SIZE, best the erase block'\''s]:SIZE:_files'
			'(--block -w)--block=[block SIZE (default: the largest of the devices'\'' logical blocks, 4k for files)]:SIZE:_files'
			'(--block -w)-w+[block SIZE (default: the largest of the devices'\'' logical blocks, 4k for files)]:SIZE:_files'
			'(--data-offset --data_offset -o)--data-offset=[first SECTOR of a backing device'\''s data]:SECTOR:_files'
			'(--data-offset --data_offset -o)--data_offset=[first SECTOR of a backing device'\''s data]:SECTOR:_files'
			'(--data-offset --data_offset -o)-o+[first SECTOR of a backing device'\''s data]:SECTOR:_files'
			'(--cset-uuid)--cset-uuid=[UUID of the set (default: a new one)]:UUID:_files'
			'(--uuid)--uuid=[UUID of the one device (default: a new one)]:UUID:_files'
			'(--label -l)--label=[LABEL of the devices, up to 32 bytes]:LABEL:_files'
			'(--label -l)-l+[LABEL of the devices, up to 32 bytes]:LABEL:_files'
			'(--writeback)--writeback[backing devices: writeback instead of writethrough]'
			'(--discard)--discard[cache device: discard buckets before they are reused]'
			'(--cache-replacement-policy --cache_replacement_policy)--cache-replacement-policy=[cache device: POLICY is lru, fifo or random]:POLICY:(lru fifo random)'
			'(--cache-replacement-policy --cache_replacement_policy)--cache_replacement_policy=[cache device: POLICY is lru, fifo or random]:POLICY:(lru fifo random)'
			'(--large-bucket)--large-bucket[cache device: version 5 of the superblock, which buckets above 16M always take and Linux reads from 5.11 on]'
			'(--wipe-bcache)--wipe-bcache[overwrite what is bcache'\''s]'
			'(--discard-dirty)--discard-dirty[with --wipe-bcache: overwrite dirty data too, which stand nowhere else]'
			'(--force)--force[overwrite other signatures and partition tables]'
			'(--init)--init[cache device: write the empty journal, prio chain, uuids and btree too, as the first registration would]'
			'(--attach)--attach[attach the backing devices to the cache; implies --init]'
			'(--size)--size=[make the devices: new image files of SIZE]:SIZE:_files'
			'(--dry-run -n)--dry-run[check everything, show what would change, and write nothing]'
			'(--dry-run -n)-n[check everything, show what would change, and write nothing]'
			'(--undo)--undo=[keep what stood there before in FILE; by default a new one in the state directory]:FILE:_files'
			'(--no-undo)--no-undo[keep nothing]'
			'(--help -h)--help[show this help]'
			'(--help -h)-h[show this help]'
			'(--version -V)--version[show the version]'
			'(--version -V)-V[show the version]'
			'*:device:_bctl_devices'
		)
		_arguments -S $own
		return ;;
	fsck.bcache)
		own=(
			'(-a)-a[repair at boot: as -p]'
			'(--no-action -n)--no-action[check only: the default]'
			'(--no-action -n)-n[check only: the default]'
			'(--preen -p)--preen[make every repair that can lose no data the user wrote]'
			'(--preen -p)-p[make every repair that can lose no data the user wrote]'
			'(--yes -y)--yes[make every repair]'
			'(--yes -y)-y[make every repair]'
			'(-f)-f[check even if it looks clean: always done]'
			'(-v)-v[say how the check is done on stderr]'
			'(-C)-C+[progress: a bar if FD is 0, else lines "pass done of device" to that descriptor]:FD:_files'
			'(-r)-r[report time and memory on stderr]'
			'(-t)-t[report time on stderr]'
			'(--json)--json[write JSON]'
			'(--help -h)--help[show this help]'
			'(--help -h)-h[show this help]'
			'(--version -V)--version[show the version]'
			'(--version -V)-V[show the version]'
			'*:device:_bctl_devices'
		)
		_arguments -S $own
		return ;;
	esac
	global=(
		'(--format)--format=[write FORMAT: table, json or csv]:FORMAT:(table json csv)'
		'(--json -J)--json[write JSON, as --format json, and errors too]'
		'(--json -J)-J[write JSON, as --format json, and errors too]'
		'(--color)--color=[colours, WHEN is auto, always or never]:WHEN:(auto always never)'
		'(--quiet -q)--quiet[no progress and no notes on stderr, only errors]'
		'(--quiet -q)-q[no progress and no notes on stderr, only errors]'
		'(--help -h)--help[show this help]'
		'(--help -h)-h[show this help]'
		'(--version -V)--version[show the version]'
		'(--version -V)-V[show the version]'
	)
	commands=(
		'list:show the bcache devices of the host, which belong together, and what is missing'
		'show-super:show the superblocks of cache or backing devices'
		'show-buckets:show the buckets of a cache device\: gens, prios, marks, owners'
		'show-prios:show the chain of prio sets'
		'show-journal:show the journal'\''s entries, their keys, and those to rewind to'
		'fsck:check a cache or backing device, and repair it if asked'
		'rewrite-prios:write the prio chain anew\: gens and prios of all buckets'
		'undo:take back what a command wrote'
		'super:back up and restore superblocks, put a wiped magic back, find lost ones on a disk'
		'uuid:list the slots of volumes, link a detached one to its backing device again, purge slots'
		'tune:show or change label, cache mode, policy, discard and state of a device'
		'hold:keep udev from handing devices to the kernel'
		'release:end bctl hold'
		'export:write a volume as the kernel would show it, without the kernel'
		'writeback:copy dirty data to the backing devices, without the kernel'
		'detach:take a clean backing device from its cache, without the kernel'
		'explain:explain a finding'\''s code, a kernel message, or a log'
		'format:write the superblocks of new cache and backing devices'
		'report:write a page for a browser that shows a cache'
		'explore:look through a cache on the whole terminal'
		'check-pair:say whether a cache and backing devices would attach, and why not'
		'show-uuids:show the slots of the uuid bucket\: which volume is which inode'
		'show-btree:show the btree'\''s nodes, or the keys of one'
		'show-extents:show what is cached\: each piece of each volume, and where it stands'
		'alloc-bench:run the bucket allocator on a script, a workload or a trace'
		'generate:make an image of a used cache, to practise on or to measure with'
		'metadata-size:what the metadata of a cache would take of flash and memory'
		'demo:show what bctl does, on a scratch image'
		'image:write a cache'\''s metadata into a small file, or such a file to a device'
		'domain:write a ddrescue mapfile of what of a cache to copy first'
		'completion:write the completion of commands and flags for a shell'
	)
	while (( at < CURRENT )) && [[ $words[at] == -* ]]; do (( at++ )); done
	(( at < CURRENT )) && cmd=$words[at]
	case $cmd in
	list)
		own=(
			'(--quick)--quick[read no btree: how much is dirty stays unknown]'
			'(--json-lines)--json-lines[write a JSON object a line, one for each device]'
			'*:device:_bctl_devices'
		) ;;
	show-super)
		own=(
			'*:device:_bctl_devices'
		) ;;
	show-buckets)
		own=(
			'(--mark)--mark=[only buckets with MARK: free, clean, dirty, metadata; several with commas]:MARK:(free clean dirty metadata)'
			'(--inode)--inode=[only buckets with live data of volume N]:N:_files'
			'(--bucket)--bucket=[only buckets A-B, or one]:A-B:_files'
			'(--gen-above)--gen-above=[only buckets with a gen above N]:N:_files'
			'(--sort)--sort=[by COLUMN: bucket, gen, disk_gen, prio, mark, sectors, owner; -COLUMN for the largest first]:COLUMN:(bucket gen disk_gen prio mark sectors owner)'
			'(--limit)--limit=[at most N buckets (default: 1000 in a table on a terminal, all elsewhere)]:N:_files'
			'(--summary)--summary[the kernel'\''s priority_stats, and the dirty sectors of each volume]'
			'(--map)--map[draw the device]'
			'*:device:_bctl_devices'
		) ;;
	show-prios)
		own=(
			'(--raw)--raw[the bytes of each set, beside what they mean]'
			'*:device:_bctl_devices'
		) ;;
	show-journal)
		own=(
			'(--keys)--keys[each key of the entries, as the kernel prints keys]'
			'(--all)--all[every entry of the ring, by place: old and damaged ones too]'
			'(--rewind)--rewind[the entries that fsck --rewind can take the cache back to, the newest first, and what each would cost]'
			'(--limit)--limit=[with --rewind at most N entries (default 8), for each takes a walk through the tree]:N:_files'
			'*:device:_bctl_devices'
		) ;;
	fsck)
		own=(
			'(--verify-data)--verify-data[compare clean data with the given backing devices]'
			'(--all)--all[print every finding, not only the first ten of each code]'
			'(--prometheus)--prometheus=[write what was found to FILE too, for node_exporter'\''s textfile collector]:FILE:_files'
			'(--no-action -n)--no-action[check only; without a flag, fsck asks on a terminal before it repairs]'
			'(--no-action -n)-n[check only; without a flag, fsck asks on a terminal before it repairs]'
			'(--preen -p)--preen[make every repair that can lose no data the user wrote]'
			'(--preen -p)-p[make every repair that can lose no data the user wrote]'
			'(--yes -y)--yes[make every repair, after listing each dirty extent that must be given up]'
			'(--yes -y)-y[make every repair, after listing each dirty extent that must be given up]'
			'(--only)--only=[repair findings of CODE alone, several with commas; warnings too, if they are named]:CODE:_files'
			'(--skip)--skip=[leave findings of CODE as they are, several with commas]:CODE:_files'
			'(--keep-partial)--keep-partial[write a repair that leaves some damage, if it leaves less]'
			'(--rewind)--rewind=[take the cache back to journal entry SEQ, one of those that show-journal --rewind lists]:SEQ:_files'
			'(--force)--force[repair although something cannot be read: what stood there counts as unknown]'
			'(--lost)--lost=[write what is given up to FILE, a line of JSON each, before the repair]:FILE:_files'
			'(--undo)--undo=[keep what stood there before in FILE; by default a new one in the state directory]:FILE:_files'
			'(--no-undo)--no-undo[keep nothing]'
			'(--scan)--scan[look for the cache on all of the first DEVICE, a whole disk too, and for what its superblock was]'
			'(--offset)--offset=[with --scan: the cache begins BYTES from the start of the first DEVICE]:BYTES:_files'
			'(--bucket)--bucket=[with --scan: the bucket SIZE]:SIZE:_files'
			'(--block)--block=[with --scan: the block SIZE]:SIZE:_files'
			'(--first-bucket)--first-bucket=[with --scan: the first bucket is N]:N:_files'
			'(--nbuckets)--nbuckets=[with --scan: there are N buckets]:N:_files'
			'(--set-uuid)--set-uuid=[with --scan: the set'\''s UUID]:UUID:_files'
			'(--data-offset)--data-offset=[with --scan: a backing device'\''s data start at sector N]:N:_files'
			'*:device:_bctl_devices'
		) ;;
	rewrite-prios)
		own=(
			'(--set)--set=[set BUCKET\[-BUCKET\]:gen=N,prio=N; may be repeated]:BUCKET[-BUCKET]\:gen=N,prio=N:_files'
			'(--from-btree)--from-btree[make the gens of damaged sets from the pointers]'
			'(--force)--force[set gens even where that loses data or brings stale data back]'
			'(--dry-run -n)--dry-run[check everything, show what would change, and write nothing]'
			'(--dry-run -n)-n[check everything, show what would change, and write nothing]'
			'(--undo)--undo=[keep what stood there before in FILE; by default a new one in the state directory]:FILE:_files'
			'(--no-undo)--no-undo[keep nothing]'
			'*:device:_bctl_devices'
		) ;;
	undo)
		own=(
			'(--dry-run -n)--dry-run[check that it can be done, and write nothing]'
			'(--dry-run -n)-n[check that it can be done, and write nothing]'
			'(--list)--list[list the undo files of the state directory, for DEVICE or for all, and change nothing]'
			'*:device:_bctl_devices'
		) ;;
	super)
		own=(
			'(--file)--file=[backup: the new FILE; restore: the one to take the superblock from]:FILE:_files'
			'(--force)--force[restore: another device'\''s superblock too, or one that is not attached]'
			'(--yes -y)--yes[write it; otherwise it is only planned, proved and shown]'
			'(--yes -y)-y[write it; otherwise it is only planned, proved and shown]'
			'(--dry-run -n)--dry-run[check everything, show what would change, and write nothing]'
			'(--dry-run -n)-n[check everything, show what would change, and write nothing]'
			'(--undo)--undo=[keep what stood there before in FILE; by default a new one in the state directory]:FILE:_files'
			'(--no-undo)--no-undo[keep nothing]'
			'1:operand:(backup restore unwipe find)'
			'*:device:_bctl_devices'
		) ;;
	uuid)
		own=(
			'(--inode)--inode=[the slot with the number N; purge takes several]:N:_files'
			'(--all)--all[list empty slots too]'
			'(--merge)--merge[relink: move the dirty keys to the inode that the device has now]'
			'(--prefer)--prefer=[relink --merge: where data differ, WHICH stay: old, new or dirty]:WHICH:(old new dirty)'
			'(--leftover)--leftover[purge: every invalid slot without dirty data]'
			'(--discard-dirty)--discard-dirty[purge: give up dirty data]'
			'(--yes -y)--yes[write it; otherwise it is only planned, proved and shown]'
			'(--yes -y)-y[write it; otherwise it is only planned, proved and shown]'
			'(--dry-run -n)--dry-run[check everything, show what would change, and write nothing]'
			'(--dry-run -n)-n[check everything, show what would change, and write nothing]'
			'(--undo)--undo=[keep what stood there before in FILE; by default a new one in the state directory]:FILE:_files'
			'(--no-undo)--no-undo[keep nothing]'
			'1:operand:(list relink purge)'
			'*:device:_bctl_devices'
		) ;;
	tune)
		own=(
			'(--label -l)--label=[LABEL, up to 32 bytes; an empty one takes it away]:LABEL:_files'
			'(--label -l)-l+[LABEL, up to 32 bytes; an empty one takes it away]:LABEL:_files'
			'(--cache-mode)--cache-mode=[cache MODE of a backing device: writethrough, writeback, writearound or none]:MODE:(writethrough writeback writearound none)'
			'(--replacement)--replacement=[replacement POLICY of a cache device: lru, fifo or random]:POLICY:(lru fifo random)'
			'(--discard)--discard=[discard buckets before they are used again: WHETHER is on or off]:WHETHER:(on off)'
			'(--state)--state=[STATE of a backing device: none or clean]:STATE:(none clean)'
			'(--cache-lost)--cache-lost[change the state although no cache can prove that nothing is lost]'
			'(--dry-run -n)--dry-run[check everything, show what would change, and write nothing]'
			'(--dry-run -n)-n[check everything, show what would change, and write nothing]'
			'(--undo)--undo=[keep what stood there before in FILE; by default a new one in the state directory]:FILE:_files'
			'(--no-undo)--no-undo[keep nothing]'
			'*:device:_bctl_devices'
		) ;;
	hold)
		own=(
			'*:device:_bctl_devices'
		) ;;
	release)
		own=(
			'*:device:_bctl_devices'
		) ;;
	export)
		own=(
			'(--volume)--volume=[the volume'\''s UUID, or its inode]:UUID:_files'
			'(--output -o)--output=[write to a new FILE; - is standard output]:FILE:_files'
			'(--output -o)-o+[write to a new FILE; - is standard output]:FILE:_files'
			'(--dm)--dm[print a device-mapper table instead]'
			'(--mount)--mount=[serve it as a file in the folder DIR instead]:DIR:_files'
			'(--root)--root=[read by an older btree root, in BUCKET]:BUCKET:_files'
			'*:device:_bctl_devices'
		) ;;
	writeback)
		own=(
			'(--yes -y)--yes[do it; without, list what would be done]'
			'(--yes -y)-y[do it; without, list what would be done]'
			'(--clear)--clear[then make the keys clean, and the devices'\'' state]'
			'(--clean)--clean=[copy clean data too that the backing device lacks, WHICH is recent, all or none]:WHICH:(recent all none)'
			'(--verify)--verify[read back and compare what was written: the default]'
			'(--no-verify)--no-verify[do not]'
			'(--retries)--retries=[try N times more to read a block that gives an error]:N:_files'
			'(--failed)--failed=[write what could not be copied to the new FILE, a line of JSON each]:FILE:_files'
			'(--mapfile)--mapfile=[CACHE is a copy made by ddrescue, of which FILE says what it has]:FILE:_files'
			'(--inode)--inode=[write back volume N, which no slot names]:N:_files'
			'(--to)--to=[to DEVICE; with --inode]:DEVICE:_bctl_devices'
			'(--undo)--undo=[keep what stood there before, the data too, in FILE]:FILE:_files'
			'(--no-undo)--no-undo[keep nothing of the cache either]'
			'(-C)-C+[progress: a bar if FD is 0, else lines "pass done of device" to that descriptor]:FD:_files'
			'*:device:_bctl_devices'
		) ;;
	detach)
		own=(
			'(--dry-run -n)--dry-run[check everything, show what would change, and write nothing]'
			'(--dry-run -n)-n[check everything, show what would change, and write nothing]'
			'(--undo)--undo=[keep what stood there before in FILE; by default a new one in the state directory]:FILE:_files'
			'(--no-undo)--no-undo[keep nothing]'
			'*:device:_bctl_devices'
		) ;;
	explain)
		own=(
			'1:operand:(SB01 SB02 SB03 SB04 SB05 SB06 SB07 SB08 SB09 SB10 SB11 SB12 SB13 SB14 SB15 SB16 SB17 SB18 SB19 SB20 SB21 SB22 SB23 SB24 SB25 SB26 SB27 SB28 SB29 SB30 SB31 SB32 SB33 SB34 JR01 JR02 JR03 JR04 JR05 JR06 JR07 JR08 JR09 JR10 JR11 JR12 JR13 JR14 JR15 JR16 JR17 JR18 JR19 JR20 JR21 PR01 PR02 PR03 PR04 PR05 PR06 PR07 PR08 PR09 GN01 GN02 GN03 GN04 UU01 UU02 UU03 UU04 UU05 UU06 UU07 UU08 UU09 UU10 UU11 UU12 UU13 UU14 UU15 UU16 BT01 BT02 BT03 BT04 BT05 BT06 BT07 BT08 BT09 BT10 BT11 BT12 BT13 BT14 BT15 BT16 BT17 BT18 BT19 BT20 BT21 BT22 BT23 BT24 BT25 EX01 EX02 EX03 EX04 EX05 EX06 EX07 EX08 EX09 EX10 EX11 EX12 EX13 EX14 SP01 SP02 SP03 SP04 SP05 SP06 BD01 BD02 BD03 BD04 BD05 BD06 BD07 BD08 BD09 BD10 BD11 BD12 BD13 BD14 BD15 BD16)'
		) ;;
	format)
		own=(
			'(--cache -C)--cache=[format DEV as a cache device]:DEV:_bctl_devices'
			'(--cache -C)-C+[format DEV as a cache device]:DEV:_bctl_devices'
			'(--bdev -B)--bdev=[format DEV... as backing devices]:DEV...:_bctl_devices'
			'(--bdev -B)-B+[format DEV... as backing devices]:DEV...:_bctl_devices'
			'(--bucket -b)--bucket=[bucket SIZE, best the erase block'\''s]:SIZE:_files'
			'(--bucket -b)-b+[bucket SIZE, best the erase block'\''s]:SIZE:_files'
			'(--block -w)--block=[block SIZE (default: the largest of the devices'\'' logical blocks, 4k for files)]:SIZE:_files'
			'(--block -w)-w+[block SIZE (default: the largest of the devices'\'' logical blocks, 4k for files)]:SIZE:_files'
			'(--data-offset --data_offset -o)--data-offset=[first SECTOR of a backing device'\''s data]:SECTOR:_files'
			'(--data-offset --data_offset -o)--data_offset=[first SECTOR of a backing device'\''s data]:SECTOR:_files'
			'(--data-offset --data_offset -o)-o+[first SECTOR of a backing device'\''s data]:SECTOR:_files'
			'(--cset-uuid)--cset-uuid=[UUID of the set (default: a new one)]:UUID:_files'
			'(--uuid)--uuid=[UUID of the one device (default: a new one)]:UUID:_files'
			'(--label -l)--label=[LABEL of the devices, up to 32 bytes]:LABEL:_files'
			'(--label -l)-l+[LABEL of the devices, up to 32 bytes]:LABEL:_files'
			'(--writeback)--writeback[backing devices: writeback instead of writethrough]'
			'(--discard)--discard[cache device: discard buckets before they are reused]'
			'(--cache-replacement-policy --cache_replacement_policy)--cache-replacement-policy=[cache device: POLICY is lru, fifo or random]:POLICY:(lru fifo random)'
			'(--cache-replacement-policy --cache_replacement_policy)--cache_replacement_policy=[cache device: POLICY is lru, fifo or random]:POLICY:(lru fifo random)'
			'(--large-bucket)--large-bucket[cache device: version 5 of the superblock, which buckets above 16M always take and Linux reads from 5.11 on]'
			'(--wipe-bcache)--wipe-bcache[overwrite what is bcache'\''s]'
			'(--discard-dirty)--discard-dirty[with --wipe-bcache: overwrite dirty data too, which stand nowhere else]'
			'(--force)--force[overwrite other signatures and partition tables]'
			'(--init)--init[cache device: write the empty journal, prio chain, uuids and btree too, as the first registration would]'
			'(--attach)--attach[attach the backing devices to the cache; implies --init]'
			'(--size)--size=[make the devices: new image files of SIZE]:SIZE:_files'
			'(--dry-run -n)--dry-run[check everything, show what would change, and write nothing]'
			'(--dry-run -n)-n[check everything, show what would change, and write nothing]'
			'(--undo)--undo=[keep what stood there before in FILE; by default a new one in the state directory]:FILE:_files'
			'(--no-undo)--no-undo[keep nothing]'
			'*:device:_bctl_devices'
		) ;;
	report)
		own=(
			'(--output -o)--output=[write to a new FILE; - is standard output]:FILE:_files'
			'(--output -o)-o+[write to a new FILE; - is standard output]:FILE:_files'
			'*:device:_bctl_devices'
		) ;;
	explore)
		own=(
			'*:device:_bctl_devices'
		) ;;
	check-pair)
		own=(
			'*:device:_bctl_devices'
		) ;;
	show-uuids)
		own=(
			'(--all)--all[empty slots too]'
			'*:device:_bctl_devices'
		) ;;
	show-btree)
		own=(
			'(--node)--node=[every key of every bset of the node in BUCKET]:BUCKET:_files'
			'(--raw)--raw[with --node: its bytes, beside what they mean]'
			'(--limit)--limit=[at most N nodes or keys (default: 1000 in a table on a terminal, all elsewhere)]:N:_files'
			'*:device:_bctl_devices'
		) ;;
	show-extents)
		own=(
			'(--inode)--inode=[only of volume N]:N:_files'
			'(--range)--range=[only what reaches into the sectors A-B of a volume, or one]:A-B:_files'
			'(--dirty)--dirty[only dirty data]'
			'(--bucket)--bucket=[only what stands in buckets A-B, or one]:A-B:_files'
			'(--limit)--limit=[at most N extents (default: 1000 in a table on a terminal, all elsewhere)]:N:_files'
			'*:device:_bctl_devices'
		) ;;
	alloc-bench)
		own=(
			'(--script)--script=[print the decisions on FILE, an allocator script]:FILE:_files'
			'(--trace)--trace=[replay the block trace in FILE, compressed or not; - is standard input; several, one behind the other]:FILE:_files'
			'(--trace-format)--trace-format=[the trace is FORMAT: auto, fio, blkparse, msr, alibaba, tencent, oracleGeneral, spc, systor, fiu, vscsi, lcs, csv, tracepoints; csv:KEY=VALUE,... says which column is what]:FORMAT:(auto fio blkparse msr alibaba tencent oracleGeneral spc systor fiu vscsi lcs csv tracepoints)'
			'(--model)--model=[decide as Linux VERSION: 7.2, 6.12, 6.2, 5.8, 4.6, or the nearest of them]:VERSION:(7.2 6.12 6.2 5.8 4.6)'
			'(--policy)--policy=[replace by POLICY: lru, fifo, random, several with commas, or all (default: lru); clock is proposed, in no kernel; exact-lru and belady are references without buckets]:POLICY:(lru fifo random all clock exact-lru belady)'
			'(--buckets)--buckets=[a cache of N buckets (default: 65536)]:N:_files'
			'(--bucket)--bucket=[buckets of SIZE; with --trace several with commas (default: 512k)]:SIZE:_files'
			'(--cache-size)--cache-size=[with --trace: a cache of SIZE, several with commas, or auto: fractions of the working set; instead of --buckets]:SIZE:_files'
			'(--ops)--ops=[count N operations (default: 1000000; of a trace all)]:N:_files'
			'(--seconds)--seconds=[count for S seconds instead]:S:_files'
			'(--warmup)--warmup=[leave the first N operations uncounted (default: until the cache is full; of a trace 0)]:N:_files'
			'(--seed)--seed=[of whatever is random, N]:N:_files'
			'(--workload)--workload=[KIND: alloc, sequential, uniform, zipf\[:THETA\] or mixed]:KIND:(alloc sequential uniform zipf mixed)'
			'(--prios)--prios=[with --workload alloc: WHICH prios buckets have, ties, random, or rescale each time]:WHICH:(ties random rescale)'
			'(--write-ratio)--write-ratio=[share of a workload'\''s requests that write, R (default: 0.3)]:R:_files'
			'(--streams)--streams=[a workload of N volumes, each with a task of its own (default: 1)]:N:_files'
			'(--plot)--plot=[with --trace: draw the miss ratio over the cache size, a line a policy, to FILE.svg or .png]:FILE:_files'
			'(--commit)--commit[write the prios and the journal entries for real, to an image file that is a scratch one]'
			'(--csv)--csv[write CSV, as --format csv]'
			'(--cache-mode)--cache-mode=[MODE of the volumes: writethrough, writeback, writearound, none]:MODE:_files'
			'(--sequential-cutoff)--sequential-cutoff=[streams of SIZE go past the cache; 0 switches it off]:SIZE:_files'
			'(--writeback-percent)--writeback-percent=[with --cache-mode writeback: N percent of the cache may be dirty]:N:_files'
			'(--tasks)--tasks=[who asks, for the task'\''s average of the cutoff: as the TRACE says, one, or volume (one for each)]:TRACE:_files'
			'(--rate)--rate=[a trace without times has IOPS requests a second; as long as it is not given, larger ones than 16 KiB take longer]:IOPS:_files'
			'(--readahead)--readahead=[cache readahead: WHICH, all, or meta-only]:WHICH:_files'
			'(--congested)--congested=[streams of SIZE go past the cache, as if it were congested all the time (default: never)]:SIZE:_files'
			'(--moving-gc)--moving-gc[gc empties buckets with little in them, as with copy_gc_enabled]'
			'(--prio-write-ms)--prio-write-ms=[the allocator waits MS for prios to be written (default: 7, as measured; 0 where a trace counts seconds)]:MS:_files'
			'(--gc-ms)--gc-ms=[a gc takes MS (default: as measured: of several nodes 8 in 7.2, 8 or 112 in turn from 6.11, 112 or 224 before)]:MS:_files'
			'(--sample)--sample=[with --trace: replay a share R of the regions of 64 KiB, such as 0.01, for a cache as much smaller]:R:_files'
			'(--seeds)--seeds=[with --trace: run each cache with N seeds, and show the spread]:N:_files'
			'(--volumes)--volumes=[with --trace: only the volumes A-B, counted from 0 as they appear]:A-B:_files'
			'(--interval)--interval=[with --trace: the miss ratio each N requests, or after each 10s, 5m, 1h of the trace]:N:_files'
			'(--columns)--columns=[with --trace: show the columns NAMES, as JSON and CSV name them]:NAMES:_files'
			'(--wide)--wide[with --trace: show all columns]'
			'(--json-lines)--json-lines[with --trace: a JSON object for each row, on a line of its own; counts of different volumes add up]'
			'(--plot-metric)--plot-metric=[with --plot: draw the column NAME instead]:NAME:_files'
			'(--compare)--compare[with --trace of a kernel'\''s tracepoints: set the kernel'\''s own counts beside the model'\''s]'
			'*:device:_bctl_devices'
		) ;;
	generate)
		own=(
			'(--buckets)--buckets=[N buckets in all]:N:_files'
			'(--bucket -b)--bucket=[bucket SIZE]:SIZE:_files'
			'(--bucket -b)-b+[bucket SIZE]:SIZE:_files'
			'(--block -w)--block=[block SIZE]:SIZE:_files'
			'(--block -w)-w+[block SIZE]:SIZE:_files'
			'(--extents)--extents=[N live extents]:N:_files'
			'(--dirty-ratio)--dirty-ratio=[the share of them that is dirty, R from 0 to 1]:R:_files'
			'(--stale)--stale=[stale extents besides, R times as many, from 0 to 1]:R:_files'
			'(--volumes)--volumes=[of N cached volumes]:N:_files'
			'(--bsets)--bsets=[N bsets in each btree node]:N:_files'
			'(--fill)--fill=[PERCENT of each node that is filled]:PERCENT:_files'
			'(--free)--free=[N buckets that hold nothing, besides the kernel'\''s reserve: room for a repair]:N:_files'
			'(--seed)--seed=[another N makes another cache]:N:_files'
			'(--damage)--damage=[plant a damage that shows CODE\[:N\]; may be given again]:CODE[\:N]:_files'
		) ;;
	metadata-size)
		own=(
			'(--size)--size=[of a cache device of SIZE]:SIZE:_files'
			'(--bucket -b)--bucket=[bucket SIZE]:SIZE:_files'
			'(--bucket -b)-b+[bucket SIZE]:SIZE:_files'
			'(--block -w)--block=[block SIZE]:SIZE:_files'
			'(--block -w)-w+[block SIZE]:SIZE:_files'
			'(--extents)--extents=[N live extents; without it, one of 64 KiB for each that fits]:N:_files'
		) ;;
	demo)
		own=(
			'(--damage)--damage=[damage the image before your eyes, so that CODE\[:N\] shows]:CODE[\:N]:_files'
		) ;;
	image)
		own=(
			'(--output -o)--output=[write to a new FILE; - is standard output]:FILE:_files'
			'(--output -o)-o+[write to a new FILE; - is standard output]:FILE:_files'
			'(--with)--with=[add the superblock of BACKING; may be given again]:BACKING:_bctl_devices'
			'(--no-sanitize)--no-sanitize[leave uuids, labels and old bytes as they are]'
			'(--restore)--restore[write the image FILE to DEVICE, or to a new file]'
			'(--dry-run -n)--dry-run[check everything, show what would change, and write nothing]'
			'(--dry-run -n)-n[check everything, show what would change, and write nothing]'
			'(--undo)--undo=[keep what stood there before in FILE; by default a new one in the state directory]:FILE:_files'
			'(--no-undo)--no-undo[keep nothing]'
			'*:device:_bctl_devices'
		) ;;
	domain)
		own=(
			'(--metadata)--metadata[superblock, journal, prios, uuids and btree]'
			'(--dirty)--dirty[the dirty data]'
			'(--cached)--cached[all data that are cached]'
			'(--output -o)--output=[write to a new FILE; - is standard output, which it is without it]:FILE:_files'
			'(--output -o)-o+[write to a new FILE; - is standard output, which it is without it]:FILE:_files'
			'*:device:_bctl_devices'
		) ;;
	completion)
		own=(
			'1:operand:(bash fish zsh)'
		) ;;
	*)
		_arguments $global
		_describe command commands
		return ;;
	esac
	words=("${(@)words[at,-1]}")
	(( CURRENT -= at - 1 ))
	_arguments -S $global $own
}
_bctl "$@"
