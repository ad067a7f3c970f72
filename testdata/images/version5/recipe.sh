# 6.1; version5 FILE is not make-bcache's: it set the superblock's version to 5, feature_incompat to 2 and bucket_size to
# 7, the logarithm of 128 sectors, and made the checksum anew
CACHE=36M BUCKET=64k BACK=12M
# the superblock rewritten as version 5 with the logarithm of the bucket size (incompat bit 1); make-bcache cannot
prep() { version5 "$1/cache.img"; }
guest() {
  register /dev/vda /dev/vdb; attach; mode writeback; tune; wb 0
  guestio write /dev/bcache0 91 300 16 direct; guestio read /dev/bcache0 92 100 16 direct
  stats; hash /dev/bcache0; stop_all
}
