# 6.12; cache and backing device are two partitions of one disk whose writes were recorded during guest (guest0 came
# before); the image is the first 1291 writes of it: shortly after the detach and the second attach
CACHE=16M BUCKET=16k BACK=24M SERIES=6.12
guest0() {
  register /dev/vda1 /dev/vda2; attach; mode writeback; tune; guestio write /dev/bcache0 1 500 16 direct; guestio write /dev/bcache0 2 5000 16 direct & sleep 1; crash
}
guest() {
  register /dev/vda1 /dev/vda2; tune; guestio write /dev/bcache0 3 100 16 direct
  s=$(echo /sys/fs/bcache/*-*); echo 2M > $s/flash_vol_create; sleep 1; guestio write /dev/bcache1 5 50 16 direct
  echo 0 > /sys/block/bcache0/bcache/writeback_percent; echo 900000 > /sys/block/bcache0/bcache/writeback_rate; echo 1 > /sys/block/bcache0/bcache/detach; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 1; cat /sys/block/bcache0/bcache/state | grep -q no && break; done
  stats; echo 1 > /sys/block/bcache1/bcache/unregister; sleep 1
  attach; mode writeback; tune; guestio write /dev/bcache0 4 200 16 direct; stats; hash /dev/bcache0; stop_all
}
