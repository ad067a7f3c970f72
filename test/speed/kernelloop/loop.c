// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's allocator in a loop: take a bucket for anyone, drop its pin, with `random` give it a random prio; gc, which
 * finds everything as it was, at once when the allocator asks for it. Prints million allocations a CPU second.
 *
 *	loop POLICY ties|random SHIFT N
 *
 * bch_allocator_thread() runs on a stack of its own; a switch to it and back costs a few nanoseconds.
 */
#include "bcache.h"
#include <string.h>
#include <time.h>

void switch_to(void **save, void *to);
__asm__(".globl switch_to\n"
	"switch_to:\n"
	"push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
	"mov %rsp,(%rdi)\nmov %rsi,%rsp\n"
	"pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n");

static void *op_stack, *thread_stack;
static int runnable, running;
static int (*thread)(void *);
static void *thread_arg;
static struct task_struct task;

static void start_thread(void)
{
	thread(thread_arg);
	abort();
}

struct task_struct *kthread_run(int (*f)(void *), void *arg, const char *name)
{
	size_t size = 1 << 16;
	void **sp = (void **)((char *)aligned_alloc(64, size) + size - 64);

	thread = f;
	thread_arg = arg;
	*--sp = (void *)start_thread;
	thread_stack = sp - 6;
	runnable = 1;
	return &task;
}

void schedule(void)
{
	running = 0;
	switch_to(&thread_stack, op_stack);
}

static void run_thread(void)
{
	while (runnable) {
		runnable = 0;
		running = 1;
		switch_to(&op_stack, thread_stack);
	}
}

void wake_up_process(void *t)
{
	if (!running)
		runnable = 1;
}

void wake_up_gc(struct cache_set *c)
{
}

static uint64_t splitmix(uint64_t *s)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

void get_random_bytes(void *p, size_t n)
{
	static uint64_t state = 1;
	uint64_t v = splitmix(&state);

	memcpy(p, &v, n);
}

static struct cache cache;
static struct cache_set set;
static int slots;
static uint64_t last[64];

/* Takes the buckets and gives the old ones back; nothing is packed or written. */
int bch_prio_write(struct cache *ca, bool wait)
{
	if (slots > fifo_used(&ca->free[RESERVE_PRIO]) + fifo_used(&ca->free[RESERVE_NONE]))
		return -ENOMEM;
	for (int i = slots - 1; i >= 0; i--) {
		long b = bch_bucket_alloc(ca, RESERVE_PRIO, wait);

		if (b < 0)
			abort();
		ca->prio_buckets[i] = b;
		atomic_dec(&ca->buckets[b].pin);
	}
	for (int i = 0; i < slots; i++) {
		if (last[i])
			__bch_bucket_free(ca, &ca->buckets[last[i]]);
		last[i] = ca->prio_buckets[i];
	}
	return 0;
}

static void gc_finish(void)
{
	struct bucket *b;

	set.gc_mark_valid = 1;
	set.need_gc = 0;
	cache.invalidate_needs_gc = 0;
	for (int i = 0; i < slots; i++) {
		SET_GC_MARK(cache.buckets + cache.prio_buckets[i], GC_MARK_METADATA);
		SET_GC_MARK(cache.buckets + last[i], GC_MARK_METADATA);
	}
	set.avail_nbuckets = 0;
	for_each_bucket(b, &cache) {
		set.need_gc = max(set.need_gc, bucket_gc_gen(b));
		if (!atomic_read(&b->pin) && GC_MARK(b) <= GC_MARK_RECLAIMABLE)
			set.avail_nbuckets++;
	}
	bch_update_bucket_in_use(&set, &set.gc_stats);
}

static void start(int policy, size_t nbuckets)
{
	size_t unit = roundup_pow_of_two(nbuckets) >> 10;
	struct bucket *b;

	cache.set = &set;
	set.cache = &cache;
	set.nbuckets = cache.sb.nbuckets = nbuckets;
	cache.sb.bucket_size = 1024;
	cache.sb.block_size = 8;
	cache.sb.first_bucket = 1;
	cache.sb.sync = 1;
	cache.sb.repl = policy;
	cache.buckets = calloc(nbuckets, sizeof(*b));
	slots = (nbuckets + 174748) / 174749;
	cache.prio_buckets = calloc(slots + 1, 8);
	init_fifo(&cache.free[RESERVE_BTREE], 8, 0);
	init_fifo_exact(&cache.free[RESERVE_PRIO], slots, 0);
	init_fifo(&cache.free[RESERVE_MOVINGGC], unit, 0);
	init_fifo(&cache.free[RESERVE_NONE], unit, 0);
	init_fifo(&cache.free_inc, unit << 2, 0);
	init_heap(&cache.heap, unit << 3, 0);
	gc_finish();
	for_each_bucket(b, &cache) {
		if (fifo_full(&cache.free[RESERVE_PRIO]) && fifo_full(&cache.free[RESERVE_BTREE]))
			break;
		__bch_invalidate_one_bucket(&cache, b);
		if (!fifo_push(&cache.free[RESERVE_PRIO], b - cache.buckets))
			fifo_push(&cache.free[RESERVE_BTREE], b - cache.buckets);
	}
	bch_cache_allocator_start(&cache);
	run_thread();
}

int main(int argc, char **argv)
{
	struct timespec from, to;
	uint64_t prios = 1;
	struct bucket *b;

	if (argc != 5)
		return 2;
	int policy = !strcmp(argv[1], "fifo") ? 1 : !strcmp(argv[1], "random") ? 2 : 0;
	int random = !strcmp(argv[2], "random");
	long nbuckets = 1L << atoi(argv[3]), n = atol(argv[4]);

	start(policy, nbuckets);
	for (long i = -2 * nbuckets; i < n; i++) {
		if (i == 0)
			clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
		long got = bch_bucket_alloc(&cache, RESERVE_NONE, false);

		if (got < 0)
			return 1;
		atomic_dec(&cache.buckets[got].pin);
		if (random)
			cache.buckets[got].prio = 1 + splitmix(&prios) % 32768;
		run_thread();
		while (cache.invalidate_needs_gc) {
			for_each_bucket(b, &cache)
				b->last_gc = b->gen;
			gc_finish();
			runnable = 1;
			run_thread();
		}
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	printf("%.3f\n", n / (to.tv_sec - from.tv_sec + (to.tv_nsec - from.tv_nsec) / 1e9) / 1e6);
	return 0;
}
