package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"sort"

	"github.com/klauspost/compress/zstd"

	"decroche/call"
)

// A block is blockFacts facts of the journal in a row, packed: a tenth of their size, read ten
// times as fast. A fact keeps its id; it is in the table journal or in one block, and moves
// there in one transaction. The newest facts, hotFacts of them, stay in the table.
const (
	blockFacts = 4096
	hotFacts   = 20_000
)

// block is a row of journal_blocks.
type block struct {
	first, last, from, to, events int64
	calls, data                   []byte
}

// Seal packs the oldest facts into blocks, one in a transaction, so that nobody waits for
// long, until only the newest are not. It returns how many facts it packed. Facts that are
// being read meanwhile are read once.
func (j *Journal) Seal(ctx context.Context) (sealed int, err error) {
	for {
		var n int
		err := j.eng.write(ctx, ordinary, func(tx *sql.Tx) (err error) {
			n, err = j.sealOne(ctx, tx)
			return err
		})
		if err != nil {
			return sealed, fmt.Errorf("pack the journal: %w", err)
		}
		if sealed += n; n == 0 {
			return sealed, nil
		}
		if err := j.vacuum(ctx, int64(n)); err != nil {
			return sealed, fmt.Errorf("pack the journal: %w", err)
		}
	}
}

// vacuumAfter packed facts PostgreSQL is told to use their room again: the table would grow by
// all that comes in until it looks by itself.
const vacuumAfter = 32 * blockFacts

func (j *Journal) vacuum(ctx context.Context, packed int64) error {
	if j.eng.name != "postgres" || j.unswept.Add(packed) < vacuumAfter {
		return nil
	}
	j.unswept.Store(0)
	_, err := j.eng.writer.ExecContext(ctx, `VACUUM journal`)
	if f := new(Fault); errors.As(j.eng.explain(err), &f) && f.Kind == Locked {
		return nil // it looks by itself at this moment
	}
	return err
}

func (j *Journal) sealOne(ctx context.Context, tx *sql.Tx) (int, error) {
	if err := j.alone(ctx, tx); err != nil {
		return 0, err
	}
	var enough bool
	err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM journal ORDER BY id LIMIT 1 OFFSET $1)`, hotFacts+blockFacts).Scan(&enough)
	if err != nil || !enough {
		return 0, err
	}
	facts, err := rowsOf(ctx, tx, scanEntry, `SELECT id, at, call_id, kind, data FROM journal ORDER BY id LIMIT $1`, blockFacts)
	if err != nil {
		return 0, err
	}
	b := pack(facts)
	if err := b.insert(ctx, tx); err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM journal WHERE id <= $1`, b.last)
	return len(facts), err
}

// alone keeps others from writing the journal until the transaction ends. Without it,
// PostgreSQL could show a reader, who goes by ids, a fact whose id is lower than that of one
// already read. SQLite has one writer.
func (j *Journal) alone(ctx context.Context, tx *sql.Tx) error {
	if j.eng.name != "postgres" {
		return nil
	}
	const journalLock = 0x6465_6372_6f63_6865 // "decroche"
	_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(journalLock))
	return err
}

func (b *block) insert(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO journal_blocks (last_id, first_id, from_at, to_at, events, calls, data) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		b.last, b.first, b.from, b.to, b.events, b.calls, b.data)
	return err
}

// nextBlock finds the first block with an id above after that can hold what the filter
// chooses; nil when there is none.
func (j *Journal) nextBlock(ctx context.Context, f Filter, after int64) (*block, error) {
	since, until := millis(f.Since), millis(f.Until)
	if until == 0 {
		until = math.MaxInt64
	}
	if f.Call != "" {
		last, err := j.blockOf(ctx, callHash(f.Call), after, since, until)
		if err != nil || last == 0 {
			return nil, err
		}
		after = last - 1
	}
	b := new(block)
	err := j.eng.reader.QueryRowContext(ctx, `SELECT last_id, data FROM journal_blocks
		WHERE last_id > $1 AND to_at >= $2 AND from_at < $3 ORDER BY last_id LIMIT 1`, after, since, until).Scan(&b.last, &b.data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return b, err
}

// blockOf is the last id of the first block that may have the call; 0 for none.
func (j *Journal) blockOf(ctx context.Context, hash uint32, after, since, until int64) (last int64, err error) {
	rows, err := j.eng.reader.QueryContext(ctx, `SELECT last_id, calls FROM journal_blocks
		WHERE last_id > $1 AND to_at >= $2 AND from_at < $3 ORDER BY last_id`, after, since, until)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var calls sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&last, &calls); err != nil {
			return 0, err
		}
		if hasCall(calls, hash) {
			return last, nil
		}
	}
	return 0, rows.Err()
}

// rewrite changes the facts of the blocks that fit: fn says whether a fact stays, and may give
// it other data. The facts in the table are left to who calls it, alone.
func (j *Journal) rewrite(ctx context.Context, tx *sql.Tx, fn func(*Entry) (stays bool), fits func(calls []byte) bool, where string, args ...any) error {
	found, err := rowsOf(ctx, tx, func(r *sql.Rows) (b block, err error) {
		return b, r.Scan(&b.last, &b.calls)
	}, `SELECT last_id, calls FROM journal_blocks WHERE `+where+` ORDER BY last_id`, args...)
	if err != nil {
		return err
	}
	for _, b := range found {
		if !fits(b.calls) {
			continue
		}
		if err := tx.QueryRowContext(ctx, `SELECT data FROM journal_blocks WHERE last_id = $1`, b.last).Scan(&b.data); err != nil {
			return err
		}
		facts, err := unpack(b.data)
		if err != nil {
			return err
		}
		kept := facts[:0]
		for _, e := range facts {
			if fn(&e) {
				kept = append(kept, e)
			}
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM journal_blocks WHERE last_id = $1`, b.last); err != nil {
			return err
		}
		if len(kept) == 0 {
			continue
		}
		again := pack(kept)
		if err := again.insert(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

// everyCall fits all blocks.
func everyCall([]byte) bool { return true }

// callHash is how a block knows a call. Two calls may have the same: what is found is looked at.
func callHash(id call.ID) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	return h.Sum32()
}

func hasCall(calls []byte, hash uint32) bool {
	at := func(i int) uint32 { return binary.BigEndian.Uint32(calls[4*i:]) }
	i := sort.Search(len(calls)/4, func(i int) bool { return at(i) >= hash })
	return i < len(calls)/4 && at(i) == hash
}

var (
	blockPacker, _   = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1))
	blockUnpacker, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(2))
)

// pack makes a block of facts in the order of their ids. They are laid out by columns, for
// what is alike packs best side by side: the kinds and the calls as lists, then for each fact
// its id and time as steps from the one before, its call and its kind by their places in the
// lists, and the length of its data; then all data, kind by kind.
func pack(facts []Entry) *block {
	b := &block{first: facts[0].ID, last: facts[len(facts)-1].ID, from: math.MaxInt64, events: int64(len(facts))}
	var kinds, calls list
	var ids, ats, ofCall, ofKind, lengths []byte
	id, at := int64(0), int64(0)
	for i := range facts {
		e := &facts[i]
		now := millis(e.At)
		b.from, b.to = min(b.from, now), max(b.to, now)
		ids = binary.AppendUvarint(ids, uint64(e.ID-id))
		ats = binary.AppendVarint(ats, now-at)
		ofCall = binary.AppendUvarint(ofCall, calls.place(string(e.Call)))
		ofKind = binary.AppendUvarint(ofKind, kinds.place(string(e.Kind)))
		lengths = binary.AppendUvarint(lengths, uint64(len(e.Data)))
		id, at = e.ID, now
	}
	raw := binary.AppendUvarint(nil, uint64(len(facts)))
	raw = calls.append(kinds.append(raw))
	raw = slices.Concat(raw, ids, ats, ofCall, ofKind, lengths)
	for _, k := range kinds.words {
		for i := range facts {
			if string(facts[i].Kind) == k {
				raw = append(raw, facts[i].Data...)
			}
		}
	}
	b.data = blockPacker.EncodeAll(raw, nil)
	hashes := make([]uint32, len(calls.words))
	for i, c := range calls.words {
		hashes[i] = callHash(call.ID(c))
	}
	slices.Sort(hashes)
	for _, h := range slices.Compact(hashes) {
		b.calls = binary.BigEndian.AppendUint32(b.calls, h)
	}
	return b
}

// unpack gives the facts of a block. Their data lies in one piece of memory.
func unpack(data []byte) ([]Entry, error) {
	raw, err := blockUnpacker.DecodeAll(data, nil)
	if err != nil {
		return nil, fmt.Errorf("a block of the journal is damaged: %w", err)
	}
	r := &unpacker{rest: raw}
	n := r.number()
	if n > uint64(len(raw)) {
		return nil, errDamaged
	}
	facts := make([]Entry, n)
	kinds, calls := r.list(), r.list()
	id, at := int64(0), int64(0)
	for i := range facts {
		id += int64(r.number())
		facts[i].ID = id
	}
	for i := range facts {
		at += r.step()
		facts[i].At = fromMillis(at)
	}
	for i := range facts {
		facts[i].Call = call.ID(r.word(calls))
	}
	ofKind := make([]int, len(facts))
	for i := range facts {
		k := r.number()
		if k >= uint64(len(kinds)) {
			return nil, errDamaged
		}
		ofKind[i], facts[i].Kind = int(k), call.EventKind(kinds[k])
	}
	lengths, starts := make([]int, len(facts)), make([]int, len(kinds)+1)
	for i := range facts {
		lengths[i] = int(r.number())
		starts[ofKind[i]+1] += lengths[i]
	}
	for k := range kinds {
		starts[k+1] += starts[k]
	}
	if r.bad || starts[len(kinds)] != len(r.rest) {
		return nil, errDamaged
	}
	for i := range facts {
		from := starts[ofKind[i]]
		starts[ofKind[i]] += lengths[i]
		facts[i].Data = r.rest[from : from+lengths[i] : from+lengths[i]]
	}
	return facts, nil
}

var errDamaged = errors.New("a block of the journal is damaged: put the database back from a backup")

// list gives words their places, in the order in which they come.
type list struct {
	words  []string
	places map[string]uint64
}

func (l *list) place(word string) uint64 {
	at, known := l.places[word]
	if !known {
		if l.places == nil {
			l.places = map[string]uint64{}
		}
		at = uint64(len(l.words))
		l.words, l.places[word] = append(l.words, word), at
	}
	return at
}

func (l *list) append(out []byte) []byte {
	out = binary.AppendUvarint(out, uint64(len(l.words)))
	for _, w := range l.words {
		out = append(binary.AppendUvarint(out, uint64(len(w))), w...)
	}
	return out
}

// unpacker reads numbers and words; once bad it gives zeros.
type unpacker struct {
	rest []byte
	bad  bool
}

func (r *unpacker) number() uint64 {
	v, n := binary.Uvarint(r.rest)
	return v & r.take(n)
}

func (r *unpacker) step() int64 {
	v, n := binary.Varint(r.rest)
	return v & int64(r.take(n))
}

// take goes on by n bytes. It returns all bits, or none when there was nothing to read.
func (r *unpacker) take(n int) uint64 {
	if n <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return math.MaxUint64
}

func (r *unpacker) list() []string {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.bad = true
		return nil
	}
	words := make([]string, n)
	for i := range words {
		size := r.number()
		if size > uint64(len(r.rest)) {
			r.bad = true
			return words
		}
		words[i], r.rest = string(r.rest[:size]), r.rest[size:]
	}
	return words
}

func (r *unpacker) word(of []string) string {
	i := r.number()
	if i >= uint64(len(of)) {
		r.bad = true
		return ""
	}
	return of[i]
}
