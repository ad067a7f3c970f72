// SPDX-License-Identifier: GPL-2.0-only
// Compiles docs/bcache.ksy and reads structures of images by it. Usage: node kaitai.js KSY < jobs; a job is a line of
// JSON: {"file", "type", "at", "bytes", "block"}. It answers with a line of JSON each.
const fs = require('fs');
const yaml = require('js-yaml');
const Compiler = require('kaitai-struct-compiler');
const KaitaiStream = require('kaitai-struct/KaitaiStream');

const hex = b => Buffer.from(b).toString('hex');
const key = k => [k.inode, (BigInt(k.endHigh) * 4294967296n + BigInt(k.endLow)).toString(), k.size, !!k.dirty,
  k.ptrs.map(p => [p.dev, p.offset, p.gen])];

function bytes(job) {
  const b = Buffer.alloc(job.bytes), fd = fs.openSync(job.file, 'r');
  fs.readSync(fd, b, 0, job.bytes, job.at);
  fs.closeSync(fd);
  return b;
}

const stream = b => new KaitaiStream(new Uint8Array(b).buffer);

const readers = {
  superblock(Bcache, b) {
    const s = new Bcache.Superblock(stream(b));
    return { version: s.version, uuid: hex(s.uuid), set_uuid: hex(s.setUuid), nbuckets: s.nbuckets, block: s.blockSize,
      bucket: s.bucketSize, first: s.firstBucket, keys: s.keys, backing: !!s.isBacking, sync: !!s.sync, state: s.state, mode: s.cacheMode };
  },
  node(Bcache, b, job) {
    const sets = [];
    for (let at = 0; at + 32 <= b.length;) {
      if (sets.length > 0 && hex(b.subarray(at + 16, at + 24)) !== sets[0].seq) break;
      const s = new Bcache.Bset(stream(b.subarray(at)));
      sets.push({ seq: hex(s.seq), words: s.words, keys: s.keys.keys.map(key) });
      at += Math.ceil((32 + 8 * s.words) / job.block) * job.block;
    }
    return sets;
  },
  jset(Bcache, b) {
    const j = new Bcache.Jset(stream(b));
    return { seq: j.seq, last_seq: j.lastSeq, level: j.btreeLevel, root: key(j.btreeRoot), uuids: key(j.uuidBucket),
      prio: j.prioBucket[0], keys: j.keys.keys.map(key) };
  },
  prios(Bcache, b) {
    const p = new Bcache.PrioSet(stream(b), null, null, b.length);
    return { seq: p.seq, next: p.nextBucket, entries: p.entries.map(e => [e.prio, e.gen]) };
  },
  uuids(Bcache, b) {
    return new Bcache.UuidTable(stream(b)).slots.map(u => [hex(u.uuid), hex(u.label), u.firstReg, u.lastReg, u.invalidated, u.flags, u.sectors]);
  },
};

(async () => {
  const files = await Compiler.compile('javascript', yaml.load(fs.readFileSync(process.argv[2], 'utf8')), null, false);
  const m = { exports: {} };
  new Function('module', 'exports', 'require', Object.values(files)[0])(m, m.exports, require);
  const Bcache = m.exports.Bcache || m.exports;
  for (const line of fs.readFileSync(0, 'utf8').trim().split('\n')) {
    const job = JSON.parse(line);
    console.log(JSON.stringify(readers[job.type](Bcache, bytes(job), job)));
  }
})().catch(e => { console.error(e); process.exit(1); });
