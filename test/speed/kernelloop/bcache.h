/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel's alloc.c needs to be compiled by itself, as little as it takes: one task at a time, no locks, no
 * tracing. Only loop.c and alloc.c include this.
 */
#include <stdint.h>
#include <stdbool.h>
#include <stdlib.h>
#include <limits.h>
#include <sys/types.h>
#include <stdio.h>
typedef struct { int counter; } atomic_t; typedef struct { long counter; } atomic_long_t;
#define atomic_read(v) (*(volatile int *)&(v)->counter)
/* lock-prefixed, as the kernel's are on x86 */
#define atomic_inc(v) __atomic_fetch_add(&(v)->counter,1,__ATOMIC_SEQ_CST)
#define atomic_dec(v) __atomic_fetch_sub(&(v)->counter,1,__ATOMIC_SEQ_CST)
#define atomic_sub(i,v) __atomic_fetch_sub(&(v)->counter,i,__ATOMIC_SEQ_CST)
#define atomic_long_add(i,v) ((v)->counter+=(i))
static inline int atomic_cmpxchg(atomic_t*v,int o,int n){__atomic_compare_exchange_n(&v->counter,&o,n,0,__ATOMIC_SEQ_CST,__ATOMIC_SEQ_CST);return o;}
#define max(a,b) ({__typeof__(a) _a=(a);__typeof__(b) _b=(b);_a>_b?_a:_b;})
#define min(a,b) ({__typeof__(a) _a=(a);__typeof__(b) _b=(b);_a<_b?_a:_b;})
#define swap(a,b) do{__typeof__(a) _t=(a);(a)=(b);(b)=_t;}while(0)
#define unlikely(x) __builtin_expect(!!(x),0)
#define WARN_ON_ONCE(c) ((void)(c))
#define BUG_ON(c) do{if(unlikely(c)){fprintf(stderr,"BUG %d\n",__LINE__);abort();}}while(0)
#define EBUG_ON(c) do{}while(0)
#define lockdep_assert_held(x) do{}while(0)
#define mutex_lock(m) do{}while(0)
#define mutex_unlock(m) do{}while(0)
#define spin_lock(m) do{}while(0)
#define spin_unlock(m) do{}while(0)
#define spin_lock_init(m) do{}while(0)
#define set_current_state(s) do{}while(0)
#define __set_current_state(s) do{}while(0)
#define GFP_KERNEL 0
#define kvmalloc(s,g) calloc(1,s)
#define kvfree free
#define kzalloc(s,g) calloc(1,s)
#define kfree free
#define ENOMEM 12
#define DIV_ROUND_UP_ULL(a,b) (((a)+(b)-1)/(b))
static inline unsigned long roundup_pow_of_two(unsigned long n){unsigned long p=1;while(p<n)p<<=1;return p;}
#define BITMASK(name,type,field,off,size) \
static inline uint64_t name(const type *k){return (k->field>>off)&~(~0ULL<<size);} \
static inline void SET_##name(type *k,uint64_t v){k->field&=~(~(~0ULL<<size)<<off);k->field|=(v&~(~0ULL<<size))<<off;}
#include "lists.h" /* cut out of the kernel's util.h */
struct list_head{struct list_head*next,*prev;};
#define container_of(p,t,m) ((t*)((char*)(p)-offsetof(t,m)))
#include <stddef.h>
#define list_first_entry(p,t,m) container_of((p)->next,t,m)
#define list_for_each_entry_reverse(pos,head,m) for(pos=container_of((head)->prev,__typeof__(*pos),m);&pos->m!=(head);pos=container_of(pos->m.prev,__typeof__(*pos),m))
static inline void list_del(struct list_head*e){e->prev->next=e->next;e->next->prev=e->prev;}
static inline void list_add(struct list_head*e,struct list_head*h){e->next=h->next;e->prev=h;h->next->prev=e;h->next=e;}
static inline void list_move_tail(struct list_head*e,struct list_head*h){list_del(e);e->prev=h->prev;e->next=h;h->prev->next=e;h->prev=e;}
static inline int list_empty(struct list_head*h){return h->next==h;}
struct bucket { atomic_t pin; uint16_t prio; uint8_t gen; uint8_t last_gc; uint16_t gc_mark; };
BITMASK(GC_MARK, struct bucket, gc_mark, 0, 2)
BITMASK(GC_SECTORS_USED, struct bucket, gc_mark, 2, 13)
BITMASK(GC_MOVE, struct bucket, gc_mark, 15, 1)
#define GC_MARK_RECLAIMABLE 1
#define GC_MARK_DIRTY 2
#define GC_MARK_METADATA 3
#define INITIAL_PRIO 32768U
#define BTREE_PRIO USHRT_MAX
#define BUCKET_GC_GEN_MAX 96U
#define CACHE_REPLACEMENT_LRU 0
#define CACHE_REPLACEMENT_FIFO 1
#define CACHE_REPLACEMENT_RANDOM 2
#define MAX_OPEN_BUCKETS 128
enum alloc_reserve{RESERVE_BTREE,RESERVE_PRIO,RESERVE_MOVINGGC,RESERVE_NONE,RESERVE_NR};
struct bkey{uint64_t high,low,ptr[2];};
#define BKEY_PADDED(key) union { struct bkey key; uint64_t key##_pad[8]; }
BITMASK(KEY_PTRS, struct bkey, high, 60, 3)
BITMASK(KEY_SIZE, struct bkey, high, 20, 16)
BITMASK(KEY_INODE, struct bkey, high, 0, 20)
#define KEY_OFFSET(k) ((k)->low)
#define SET_KEY_OFFSET(k,v) ((k)->low=(v))
#define bkey_init(k) ((k)->high=0)
#define bkey_copy(a,b) (*(a)=*(b))
#define bkey_copy_key(a,b) (*(a)=*(b))
#define bkey_put(c,k) do{}while(0)
#define bkey_cmp(a,b) (KEY_INODE(a)!=KEY_INODE(b)?1:(a)->low!=(b)->low)
#define PTR_OFFSET(k,i) (((k)->ptr[i]>>8)&~(~0ULL<<43))
#define SET_PTR_OFFSET(k,i,v) ((k)->ptr[i]=((k)->ptr[i]&0xff)|((uint64_t)(v)<<8))
#define MAKE_PTR(g,o,d) (((uint64_t)(d)<<51)|((uint64_t)(o)<<8)|(g))
struct uuid_entry{int flash;};
#define UUID_FLASH_ONLY(u) ((u)->flash)
struct sb{uint64_t nbuckets;uint16_t block_size,bucket_size,nr_this_dev,first_bucket;int sync,repl;};
#define CACHE_SYNC(s) ((s)->sync)
#define CACHE_REPLACEMENT(s) ((s)->repl)
struct cache_set;
struct cache{struct cache_set*set;struct sb sb;struct bucket*buckets;void*alloc_thread;void*bdev;bool discard;int invalidate_needs_gc;
 DECLARE_FIFO(long,free)[RESERVE_NR]; DECLARE_FIFO(long,free_inc); size_t fifo_last_bucket; DECLARE_HEAP(struct bucket *,heap); uint64_t*prio_buckets; atomic_long_t sectors_written;};
struct gc_stat{unsigned in_use;};
struct cache_set{struct cache*cache;size_t nbuckets;uint8_t need_gc;unsigned short min_prio;int gc_mark_valid;size_t avail_nbuckets;atomic_t rescale,prio_blocked;struct gc_stat gc_stats;unsigned long flags;struct list_head data_buckets;struct uuid_entry*uuids;int bucket_lock,data_bucket_lock,btree_cache_wait,bucket_wait;};
#define for_each_bucket(b,ca) for(b=(ca)->buckets+(ca)->sb.first_bucket;b<(ca)->buckets+(ca)->sb.nbuckets;b++)
#define PTR_BUCKET(c,k,i) ((c)->cache->buckets+PTR_OFFSET(k,i)/(c)->cache->sb.bucket_size)
#define bucket_to_sector(c,b) ((uint64_t)(b)*(c)->cache->sb.bucket_size)
static inline uint8_t bucket_gc_gen(struct bucket*b){return b->gen-b->last_gc;}
static inline void bch_update_bucket_in_use(struct cache_set*c,struct gc_stat*s){s->in_use=(c->nbuckets-c->avail_nbuckets)*100/c->nbuckets;}
#define CACHE_SET_IO_DISABLE 3
#define test_bit(b,f) ((*(volatile unsigned long*)(f)>>(b))&1)
#define trace_bcache_invalidate(a,b) do{}while(0)
#define trace_bcache_alloc(a,b) do{}while(0)
#define trace_bcache_alloc_fail(a,b) do{}while(0)
#define blkdev_issue_discard(a,b,c,d) do{}while(0)
#define kthread_should_stop() 0
#define wait_for_kthread_stop() do{}while(0)
#define DEFINE_WAIT(w) int w=0;(void)w
#define prepare_to_wait(a,b,c) do{}while(0)
#define finish_wait(a,b) do{}while(0)
#define expensive_debug_checks(c) 0
#define prio_buckets(c) 0
#define IS_ERR(k) 0
#define PTR_ERR(k) 0
struct task_struct{int x;};
struct task_struct* kthread_run(int(*f)(void*),void*arg,const char*n);
void schedule(void); void wake_up_process(void*t); 
#define wake_up(w) do{}while(0)
void wake_up_gc(struct cache_set*c); int bch_prio_write(struct cache*,bool); void get_random_bytes(void*,size_t);
uint8_t bch_inc_gen(struct cache*,struct bucket*);
bool bch_can_invalidate_bucket(struct cache*,struct bucket*); void __bch_invalidate_one_bucket(struct cache*,struct bucket*);
long bch_bucket_alloc(struct cache*,unsigned,bool); void bch_rescale_priorities(struct cache_set*,int); int bch_cache_allocator_start(struct cache*);
void __bch_bucket_free(struct cache*,struct bucket*);void bch_bucket_free(struct cache_set*,struct bkey*);
