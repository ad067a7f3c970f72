# 6.12; writes and fast writeback side by side, then a reset
SERIES=6.12 CACHE=10M BUCKET=16k BACK=10M
guest() {
  register /dev/vda /dev/vdb; attach; mode writeback; tune
  guestio write /dev/bcache0 61 400 8 direct
  echo 1 > /sys/block/bcache0/bcache/writeback_percent; echo 3000 > /sys/block/bcache0/bcache/writeback_rate_minimum
  guestio write /dev/bcache0 62 5000 8 direct &
  sleep 4; crash
}
