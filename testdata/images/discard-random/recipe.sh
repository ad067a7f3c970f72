# 6.1; guest2 is a second boot
CACHE=10M BUCKET=16k BACK=12M FORMAT="--discard --cache_replacement_policy=random"
guest() {
  register /dev/vda /dev/vdb; attach; tune
  for s in 1 2 3; do guestio write /dev/bcache0 $s 250 32 direct; done; mode writeback; guestio write /dev/bcache0 4 3000 8 direct &
  sleep 5; crash
}
guest2() { register /dev/vda /dev/vdb; tune; wb 0; guestio write /dev/bcache0 5 100 16 direct; stats; hash /dev/bcache0; stop_all; }
