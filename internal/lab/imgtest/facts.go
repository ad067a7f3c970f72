// SPDX-License-Identifier: GPL-2.0-only

package imgtest

// Facts are what the kernel said of an image: the truth that bctl is held against.
type Facts struct {
	Name    string
	Kernel  string // series
	Depth   int    // level of the tree's root after registration
	Volumes []Volume
}

// Volume is what the kernel's own list of live keys says of an inode, when it has just registered the cache and no
// backing device yet. A FIFO or random cache may hold a little more clean data on disk: its allocator reclaims the first
// buckets at once.
type Volume struct {
	Inode   uint32
	Live    int64 // sectors
	Dirty   int64 // sectors
	Backing int   // index of its device in Image.Backing; NoBacking where none is attached, or it is flash-only
	SHA256  string
}

// NoBacking is the Backing of a volume that lives in the cache alone, or is detached.
const NoBacking = -1

// All are the facts of the images that were registered.
var All = []Facts{
	{"empty-registered", "6.1", 0, nil},
	{"writeback-dirty", "6.1", 0, []Volume{
		{0, 217144, 106888, 0, "a54b781f091ec0e218441df35bc35e1b23590cb500722b9acd9f54359a276167"},
	}},
	{"writeback-crash", "6.1", 0, []Volume{
		{0, 203160, 58160, 0, "766fd1f177c29a0a95273d8e3fa17275fc88e48955dabb0df862def13685dde0"},
	}},
	{"fifo-full", "6.1", 1, []Volume{
		{0, 151168, 0, 0, "e8c6e02533875d473d9463361b5eb5b7d8d860e95abee11677d607047f44313b"},
	}},
	{"two-backing-flash", "6.1", 0, []Volume{
		{0, 139024, 37448, 0, "2a9058cbf6d96e56e93998182f65f457f8c4cac1f0c535804e000c48acf7e723"},
		{1, 54392, 35200, 1, "4e5832e1d87c2c167e735bb20ce8d2123ad55e8d1f5ebf1a0689a66fbcb72c43"},
		{2, 16472, 16472, NoBacking, "977fd51591a0380e90b4d4e5dc58dd50ccfccd140a2cd49f5c3824fbada7a248"},
	}},
	{"writeback-crash-mid", "6.12", 0, []Volume{
		{0, 5952, 5008, 0, "6b90445e04cf920ca88383f5426fafbd6842912bf51ab6cf5d8f00cfe07974fb"},
	}},
	{"read-misses", "6.1", 0, []Volume{
		{0, 14432, 2360, 0, "eaa9156871b6cc95d5f37e4ac515f111de58cc2719419cdf60962626e036219f"},
	}},
	{"detached-reattached", "6.12", 1, []Volume{
		{0, 2093, 0, NoBacking, ""},
		{1, 272, 272, NoBacking, ""},
		{2, 1885, 1642, 0, "5c97577e65d3d8cde0cc063cd5dfab758c699fd3bc9a401d594a5399a8169493"},
	}},
	{"version5", "6.1", 0, []Volume{
		{0, 7384, 5280, 0, "7e1b5ee0f6293ee0a948b613bdfa3ef034e2b1f3dd8202fd2142488bb4456fa0"},
	}},
	{"discard-random", "6.1", 0, []Volume{
		{0, 4376, 1848, 0, "4987b0ccd8c2f03bd0920570cde8cd27f673ba45f4025bbd8d969ece072e301f"},
	}},
	{"detached-crash", "6.12", 1, []Volume{
		{0, 17336, 4960, NoBacking, ""},
		{1, 776, 776, NoBacking, ""},
	}},
}
