# bash completion of bctl, written by bctl completion bash
_bctl_devices() {
	local d
	for d in /sys/class/block/*; do
		[[ -e $d ]] && printf '/dev/%s\n' "${d##*/}"
	done
}
_bctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} word cmd= at
	local words="list show-super show-buckets show-prios show-journal fsck rewrite-prios undo super uuid tune hold release export writeback detach explain format report explore check-pair show-uuids show-btree show-extents alloc-bench generate metadata-size demo image domain completion" flags="--format --json --color --quiet --help --version" devices= values= verbs=
	case ${COMP_WORDS[0]##*/} in
	mkfs.bcache) cmd=mkfs.bcache words= devices=1 flags="--cache --bdev --bucket --block --data-offset --data_offset --cset-uuid --uuid --label --writeback --discard --cache-replacement-policy --cache_replacement_policy --large-bucket --wipe-bcache --discard-dirty --force --init --attach --size --dry-run --undo --no-undo --help --version" ;;
	fsck.bcache) cmd=fsck.bcache words= devices=1 flags="-a --no-action --preen --yes -f -v -C -r -t --json --help --version" ;;
	esac
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD-2]}
	fi
	for ((at = 1; at < COMP_CWORD; at++)); do
		[[ -n $cmd ]] && break
		word=${COMP_WORDS[at]}
		case $word in
		list) cmd=$word words= verbs="" devices=1 flags+=" --quick --json-lines"; break ;;
		show-super) cmd=$word words= verbs="" devices=1 flags+=""; break ;;
		show-buckets) cmd=$word words= verbs="" devices=1 flags+=" --mark --inode --bucket --gen-above --sort --limit --summary --map"; break ;;
		show-prios) cmd=$word words= verbs="" devices=1 flags+=" --raw"; break ;;
		show-journal) cmd=$word words= verbs="" devices=1 flags+=" --keys --all --rewind --limit"; break ;;
		fsck) cmd=$word words= verbs="" devices=1 flags+=" --verify-data --all --prometheus --no-action --preen --yes --only --skip --keep-partial --rewind --force --lost --undo --no-undo --scan --offset --bucket --block --first-bucket --nbuckets --set-uuid --data-offset"; break ;;
		rewrite-prios) cmd=$word words= verbs="" devices=1 flags+=" --set --from-btree --force --dry-run --undo --no-undo"; break ;;
		undo) cmd=$word words= verbs="" devices=1 flags+=" --dry-run --list"; break ;;
		super) cmd=$word words= verbs="backup restore unwipe find" devices=1 flags+=" --file --force --yes --dry-run --undo --no-undo"; break ;;
		uuid) cmd=$word words= verbs="list relink purge" devices=1 flags+=" --inode --all --merge --prefer --leftover --discard-dirty --yes --dry-run --undo --no-undo"; break ;;
		tune) cmd=$word words= verbs="" devices=1 flags+=" --label --cache-mode --replacement --discard --state --cache-lost --dry-run --undo --no-undo"; break ;;
		hold) cmd=$word words= verbs="" devices=1 flags+=""; break ;;
		release) cmd=$word words= verbs="" devices=1 flags+=""; break ;;
		export) cmd=$word words= verbs="" devices=1 flags+=" --volume --output --dm --mount --root"; break ;;
		writeback) cmd=$word words= verbs="" devices=1 flags+=" --yes --clear --clean --verify --no-verify --retries --failed --mapfile --inode --to --undo --no-undo -C"; break ;;
		detach) cmd=$word words= verbs="" devices=1 flags+=" --dry-run --undo --no-undo"; break ;;
		explain) cmd=$word words= verbs="SB01 SB02 SB03 SB04 SB05 SB06 SB07 SB08 SB09 SB10 SB11 SB12 SB13 SB14 SB15 SB16 SB17 SB18 SB19 SB20 SB21 SB22 SB23 SB24 SB25 SB26 SB27 SB28 SB29 SB30 SB31 SB32 SB33 SB34 JR01 JR02 JR03 JR04 JR05 JR06 JR07 JR08 JR09 JR10 JR11 JR12 JR13 JR14 JR15 JR16 JR17 JR18 JR19 JR20 JR21 PR01 PR02 PR03 PR04 PR05 PR06 PR07 PR08 PR09 GN01 GN02 GN03 GN04 UU01 UU02 UU03 UU04 UU05 UU06 UU07 UU08 UU09 UU10 UU11 UU12 UU13 UU14 UU15 UU16 BT01 BT02 BT03 BT04 BT05 BT06 BT07 BT08 BT09 BT10 BT11 BT12 BT13 BT14 BT15 BT16 BT17 BT18 BT19 BT20 BT21 BT22 BT23 BT24 BT25 EX01 EX02 EX03 EX04 EX05 EX06 EX07 EX08 EX09 EX10 EX11 EX12 EX13 EX14 SP01 SP02 SP03 SP04 SP05 SP06 BD01 BD02 BD03 BD04 BD05 BD06 BD07 BD08 BD09 BD10 BD11 BD12 BD13 BD14 BD15 BD16" flags+=""; break ;;
		format) cmd=$word words= verbs="" devices=1 flags+=" --cache --bdev --bucket --block --data-offset --data_offset --cset-uuid --uuid --label --writeback --discard --cache-replacement-policy --cache_replacement_policy --large-bucket --wipe-bcache --discard-dirty --force --init --attach --size --dry-run --undo --no-undo"; break ;;
		report) cmd=$word words= verbs="" devices=1 flags+=" --output"; break ;;
		explore) cmd=$word words= verbs="" devices=1 flags+=""; break ;;
		check-pair) cmd=$word words= verbs="" devices=1 flags+=""; break ;;
		show-uuids) cmd=$word words= verbs="" devices=1 flags+=" --all"; break ;;
		show-btree) cmd=$word words= verbs="" devices=1 flags+=" --node --raw --limit"; break ;;
		show-extents) cmd=$word words= verbs="" devices=1 flags+=" --inode --range --dirty --bucket --limit"; break ;;
		alloc-bench) cmd=$word words= verbs="" devices=1 flags+=" --script --trace --trace-format --model --policy --buckets --bucket --cache-size --ops --seconds --warmup --seed --workload --prios --write-ratio --streams --plot --commit --csv --cache-mode --sequential-cutoff --writeback-percent --tasks --rate --readahead --congested --moving-gc --prio-write-ms --gc-ms --sample --seeds --volumes --interval --columns --wide --json-lines --plot-metric --compare"; break ;;
		generate) cmd=$word words= verbs="" flags+=" --buckets --bucket --block --extents --dirty-ratio --stale --volumes --bsets --fill --free --seed --damage"; break ;;
		metadata-size) cmd=$word words= verbs="" flags+=" --size --bucket --block --extents"; break ;;
		demo) cmd=$word words= verbs="" flags+=" --damage"; break ;;
		image) cmd=$word words= verbs="" devices=1 flags+=" --output --with --no-sanitize --restore --dry-run --undo --no-undo"; break ;;
		domain) cmd=$word words= verbs="" devices=1 flags+=" --metadata --dirty --cached --output"; break ;;
		completion) cmd=$word words= verbs="bash fish zsh" flags+=""; break ;;
		esac
	done
	if [[ -n $verbs ]]; then
		for ((at++; at < COMP_CWORD; at++)); do
			[[ ${COMP_WORDS[at]} == -* ]] || verbs=
		done
		[[ -n $verbs ]] && words=$verbs devices=
	fi
	case $cmd:$prev in
	mkfs.bcache:--cache | mkfs.bcache:-C) values="devices" ;;
	mkfs.bcache:--bdev | mkfs.bcache:-B) values="devices" ;;
	mkfs.bcache:--bucket | mkfs.bcache:-b) values="files" ;;
	mkfs.bcache:--block | mkfs.bcache:-w) values="files" ;;
	mkfs.bcache:--data-offset | mkfs.bcache:--data_offset | mkfs.bcache:-o) values="files" ;;
	mkfs.bcache:--cset-uuid) values="files" ;;
	mkfs.bcache:--uuid) values="files" ;;
	mkfs.bcache:--label | mkfs.bcache:-l) values="files" ;;
	mkfs.bcache:--cache-replacement-policy | mkfs.bcache:--cache_replacement_policy) values="lru fifo random" ;;
	mkfs.bcache:--size) values="files" ;;
	mkfs.bcache:--undo) values="files" ;;
	fsck.bcache:-C) values="files" ;;
	*:--format) values="table json csv" ;;
	*:--color) values="auto always never" ;;
	show-buckets:--mark) values="free clean dirty metadata" ;;
	show-buckets:--inode) values="files" ;;
	show-buckets:--bucket) values="files" ;;
	show-buckets:--gen-above) values="files" ;;
	show-buckets:--sort) values="bucket gen disk_gen prio mark sectors owner" ;;
	show-buckets:--limit) values="files" ;;
	show-journal:--limit) values="files" ;;
	fsck:--prometheus) values="files" ;;
	fsck:--only) values="files" ;;
	fsck:--skip) values="files" ;;
	fsck:--rewind) values="files" ;;
	fsck:--lost) values="files" ;;
	fsck:--undo) values="files" ;;
	fsck:--offset) values="files" ;;
	fsck:--bucket) values="files" ;;
	fsck:--block) values="files" ;;
	fsck:--first-bucket) values="files" ;;
	fsck:--nbuckets) values="files" ;;
	fsck:--set-uuid) values="files" ;;
	fsck:--data-offset) values="files" ;;
	rewrite-prios:--set) values="files" ;;
	rewrite-prios:--undo) values="files" ;;
	super:--file) values="files" ;;
	super:--undo) values="files" ;;
	uuid:--inode) values="files" ;;
	uuid:--prefer) values="old new dirty" ;;
	uuid:--undo) values="files" ;;
	tune:--label | tune:-l) values="files" ;;
	tune:--cache-mode) values="writethrough writeback writearound none" ;;
	tune:--replacement) values="lru fifo random" ;;
	tune:--discard) values="on off" ;;
	tune:--state) values="none clean" ;;
	tune:--undo) values="files" ;;
	export:--volume) values="files" ;;
	export:--output | export:-o) values="files" ;;
	export:--mount) values="files" ;;
	export:--root) values="files" ;;
	writeback:--clean) values="recent all none" ;;
	writeback:--retries) values="files" ;;
	writeback:--failed) values="files" ;;
	writeback:--mapfile) values="files" ;;
	writeback:--inode) values="files" ;;
	writeback:--to) values="devices" ;;
	writeback:--undo) values="files" ;;
	writeback:-C) values="files" ;;
	detach:--undo) values="files" ;;
	format:--cache | format:-C) values="devices" ;;
	format:--bdev | format:-B) values="devices" ;;
	format:--bucket | format:-b) values="files" ;;
	format:--block | format:-w) values="files" ;;
	format:--data-offset | format:--data_offset | format:-o) values="files" ;;
	format:--cset-uuid) values="files" ;;
	format:--uuid) values="files" ;;
	format:--label | format:-l) values="files" ;;
	format:--cache-replacement-policy | format:--cache_replacement_policy) values="lru fifo random" ;;
	format:--size) values="files" ;;
	format:--undo) values="files" ;;
	report:--output | report:-o) values="files" ;;
	show-btree:--node) values="files" ;;
	show-btree:--limit) values="files" ;;
	show-extents:--inode) values="files" ;;
	show-extents:--range) values="files" ;;
	show-extents:--bucket) values="files" ;;
	show-extents:--limit) values="files" ;;
	alloc-bench:--script) values="files" ;;
	alloc-bench:--trace) values="files" ;;
	alloc-bench:--trace-format) values="auto fio blkparse msr alibaba tencent oracleGeneral spc systor fiu vscsi lcs csv tracepoints" ;;
	alloc-bench:--model) values="7.2 6.12 6.2 5.8 4.6" ;;
	alloc-bench:--policy) values="lru fifo random all clock exact-lru belady" ;;
	alloc-bench:--buckets) values="files" ;;
	alloc-bench:--bucket) values="files" ;;
	alloc-bench:--cache-size) values="files" ;;
	alloc-bench:--ops) values="files" ;;
	alloc-bench:--seconds) values="files" ;;
	alloc-bench:--warmup) values="files" ;;
	alloc-bench:--seed) values="files" ;;
	alloc-bench:--workload) values="alloc sequential uniform zipf mixed" ;;
	alloc-bench:--prios) values="ties random rescale" ;;
	alloc-bench:--write-ratio) values="files" ;;
	alloc-bench:--streams) values="files" ;;
	alloc-bench:--plot) values="files" ;;
	alloc-bench:--cache-mode) values="files" ;;
	alloc-bench:--sequential-cutoff) values="files" ;;
	alloc-bench:--writeback-percent) values="files" ;;
	alloc-bench:--tasks) values="files" ;;
	alloc-bench:--rate) values="files" ;;
	alloc-bench:--readahead) values="files" ;;
	alloc-bench:--congested) values="files" ;;
	alloc-bench:--prio-write-ms) values="files" ;;
	alloc-bench:--gc-ms) values="files" ;;
	alloc-bench:--sample) values="files" ;;
	alloc-bench:--seeds) values="files" ;;
	alloc-bench:--volumes) values="files" ;;
	alloc-bench:--interval) values="files" ;;
	alloc-bench:--columns) values="files" ;;
	alloc-bench:--plot-metric) values="files" ;;
	generate:--buckets) values="files" ;;
	generate:--bucket | generate:-b) values="files" ;;
	generate:--block | generate:-w) values="files" ;;
	generate:--extents) values="files" ;;
	generate:--dirty-ratio) values="files" ;;
	generate:--stale) values="files" ;;
	generate:--volumes) values="files" ;;
	generate:--bsets) values="files" ;;
	generate:--fill) values="files" ;;
	generate:--free) values="files" ;;
	generate:--seed) values="files" ;;
	generate:--damage) values="files" ;;
	metadata-size:--size) values="files" ;;
	metadata-size:--bucket | metadata-size:-b) values="files" ;;
	metadata-size:--block | metadata-size:-w) values="files" ;;
	metadata-size:--extents) values="files" ;;
	demo:--damage) values="files" ;;
	image:--output | image:-o) values="files" ;;
	image:--with) values="devices" ;;
	image:--undo) values="files" ;;
	domain:--output | domain:-o) values="files" ;;
	esac
	COMPREPLY=()
	case $values:$cur in
	files:*) return ;;
	devices:*) words= devices=1 ;;
	?*:*) words=$values devices= ;;
	:-*) words=$flags devices= ;;
	esac
	[[ -n $words ]] && COMPREPLY=($(compgen -W "$words" -- "$cur"))
	if [[ -n $devices ]]; then
		case $cur in
		"" | /dev/*) COMPREPLY+=($(compgen -W "$(_bctl_devices)" -- "$cur")) ;;
		esac
	fi
}
complete -o bashdefault -o default -F _bctl bctl mkfs.bcache fsck.bcache
