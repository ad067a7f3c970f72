# 6.12; 512-byte blocks
SERIES=6.12 CACHE=12M BUCKET=16k BACK=12M BLOCK=512
guest() {
  register /dev/vda /dev/vdb; attach; mode writeback; tune
  guestio write512 /dev/bcache0 81 300 direct
  s=$(echo /sys/fs/bcache/*-*); echo 1M > $s/flash_vol_create; sleep 1; guestio write /dev/bcache1 82 20 8 direct
  echo 0 > /sys/block/bcache0/bcache/writeback_percent; echo 900000 > /sys/block/bcache0/bcache/writeback_rate
  echo 1 > /sys/block/bcache0/bcache/detach; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 1; cat /sys/block/bcache0/bcache/state | grep -q no && break; done
  stats; echo 1 > /sys/block/bcache1/bcache/unregister; sleep 1
  attach; mode writeback; tune; wb 0; echo re-attached > /sys/block/bcache0/bcache/label; guestio write512 /dev/bcache0 83 200 direct; stats; hash /dev/bcache0; crash
}
