# 6.1; four readers of a cold cache, then a reset: placeholders of reads that missed stay in the tree
CACHE=36M BUCKET=64k BACK=24M
guest() {
  register /dev/vda /dev/vdb; attach; mode writeback; tune; wb 0
  guestio write /dev/bcache0 71 200 8 direct
  for s in 72 73 74 75; do guestio read /dev/bcache0 $s 150 32 direct & done; wait
  stats; hash /dev/bcache0; crash
}
