package metrics

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Cell is what an interval, or any sum of intervals, counts for one value of a dimension.
type Cell struct {
	n [measures]int64
	d [distributions]spread
}

// spread is how values are spread: how many of each second, in the order of seconds.
type spread []bucket

type bucket struct{ seconds, n int64 }

// add counts n values more.
func (s *spread) add(seconds, n int64) {
	i, found := len(*s), false
	if i > 0 && (*s)[i-1].seconds >= seconds { // they often come in order
		i, found = slices.BinarySearchFunc(*s, seconds, func(b bucket, v int64) int { return cmp.Compare(b.seconds, v) })
	}
	if !found {
		*s = slices.Insert(*s, i, bucket{seconds: seconds})
	}
	if (*s)[i].n += n; (*s)[i].n == 0 {
		*s = slices.Delete(*s, i, i+1)
	}
}

// total is how many values there are.
func (s spread) total() (n int64) {
	for _, b := range s {
		n += b.n
	}
	return n
}

// N is what the cell counts of a measure.
func (c *Cell) N(m Measure) int64 { return c.n[m] }

// Percentile is the nearest-rank percentile of a distribution, in seconds: the least value
// with a share p of the values at or below it. It tells whether there is any value.
func (c *Cell) percentile(d distribution, p float64) (seconds int64, ok bool) {
	total := c.d[d].total()
	if total <= 0 {
		return 0, false
	}
	rank := max(1, int64(p*float64(total)+0.999999999))
	for _, b := range c.d[d] {
		if rank -= b.n; rank <= 0 {
			return b.seconds, true
		}
	}
	return 0, false
}

// merge adds another cell.
func (c *Cell) merge(o *Cell) {
	for m, n := range o.n {
		c.n[m] += n
	}
	for d := range o.d {
		for _, b := range o.d[d] {
			c.d[d].add(b.seconds, b.n)
		}
	}
}

// count adds what a contact contributes: sign is 1, or -1 to take it out again.
func (c *Cell) count(k *counted, sign int64) {
	for _, e := range k.n {
		c.n[e.m] += sign * e.n
	}
	for _, s := range k.d {
		c.d[s.d].add(s.seconds, sign)
	}
}

func (c *Cell) empty() bool {
	for _, n := range c.n {
		if n != 0 {
			return false
		}
	}
	for _, d := range c.d {
		if len(d) > 0 {
			return false
		}
	}
	return true
}

// Row is one interval of one dimension: a cell for each value.
type Row map[string]*Cell

// cell finds the cell of a value, or makes it.
func (r Row) cell(value string) *Cell {
	c := r[value]
	if c == nil {
		c = new(Cell)
		r[value] = c
	}
	return c
}

// Merge adds another row.
func (r Row) Merge(o Row) {
	for value, c := range o {
		r.cell(value).merge(c)
	}
}

// Grain is the length of a rollup's intervals. The quarter of an hour is kept as facts come
// in; days and months are sums of it, made when they are over.
type Grain int

const (
	Quarter Grain = iota
	Daily
	Monthly
)

// quarter is a quarter of an hour in milliseconds. The time zones of the Republic all differ
// from UTC by whole quarters.
const quarter = 15 * 60 * 1000

// RowKey names a row: Start is its first moment.
type RowKey struct {
	Grain Grain
	Dim   Dim
	Start Moment
}

// quarterOf is the quarter of an hour a moment lies in.
func quarterOf(m Moment) Moment { return m - m%quarter }

// start is the first moment of the interval of a grain that holds m, in the zone.
func (g Grain) start(m Moment, zone *time.Location) Moment {
	if g == Quarter {
		return quarterOf(m)
	}
	t := m.Time().In(zone)
	day := t.Day()
	if g == Monthly {
		day = 1
	}
	return At(time.Date(t.Year(), t.Month(), day, 0, 0, 0, 0, zone))
}

// next is the first moment after the interval that begins at start.
func (g Grain) next(start Moment, zone *time.Location) Moment {
	t := start.Time().In(zone)
	switch g {
	case Quarter:
		return start + quarter
	case Daily:
		return At(time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, zone))
	}
	return At(time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, zone))
}

// The encoding of a row: for each value its name, then the scalars as pairs of (measure step,
// zigzag count), then the distributions as pairs of (seconds step, zigzag count), each list
// preceded by its length. The scalars' byte length lets a reader skip to the next value
// without reading distributions. Figures do not depend on the order of values: it is sorted,
// so that equal rows are equal bytes.

const rowVersion = 1

// Encode writes the row, without the cells that count nothing; nil when nothing is left.
func (r Row) Encode() []byte {
	out := []byte{rowVersion}
	for _, value := range slices.Sorted(maps.Keys(r)) {
		if c := r[value]; !c.empty() {
			out = binary.AppendUvarint(out, uint64(len(value)))
			out = append(out, value...)
			out = c.encode(out)
		}
	}
	if len(out) == 1 {
		return nil
	}
	return out
}

func (c *Cell) encode(out []byte) []byte {
	set := 0
	for _, n := range c.n {
		if n != 0 {
			set++
		}
	}
	out = binary.AppendUvarint(out, uint64(set))
	last := 0
	for m, n := range c.n {
		if n != 0 {
			out = binary.AppendUvarint(out, uint64(m-last))
			out = binary.AppendVarint(out, n)
			last = m
		}
	}
	var tail []byte
	for _, d := range c.d {
		tail = binary.AppendUvarint(tail, uint64(len(d)))
		last := int64(0)
		for _, b := range d {
			tail = binary.AppendUvarint(tail, uint64(b.seconds-last))
			tail = binary.AppendVarint(tail, b.n)
			last = b.seconds
		}
	}
	out = binary.AppendUvarint(out, uint64(len(tail)))
	return append(out, tail...)
}

// errRow is a row that cannot be read: rebuilding the figures mends it.
var errRow = errors.New("a row of the figures is damaged: decroche metrics rebuild makes it anew")

// DecodeInto adds the encoded row to r; with distributions only when full. only, if not nil,
// chooses values.
func (r Row) DecodeInto(blob []byte, full bool, only func(value string) bool) error {
	if len(blob) == 0 {
		return nil
	}
	if blob[0] != rowVersion {
		return fmt.Errorf("%w (version %d)", errRow, blob[0])
	}
	d := decoder{b: blob[1:]}
	for len(d.b) > 0 && !d.bad {
		name := d.bytes()
		var c *Cell
		if only == nil || only(string(name)) {
			c = r[string(name)] // does not allocate
			if c == nil {
				c = r.cell(string(name))
			}
		}
		d.scalars(c)
		tail := decoder{b: d.bytes()}
		if c != nil && full {
			tail.distributions(c)
			d.bad = d.bad || tail.bad
		}
	}
	if d.bad {
		return errRow
	}
	return nil
}

type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.b, d.bad = nil, true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.b, d.bad = nil, true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.b, d.bad = nil, true
		return nil
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) scalars(c *Cell) {
	m := uint64(0)
	for range d.uvarint() {
		m += d.uvarint()
		n := d.varint()
		if d.bad {
			return
		}
		if m >= uint64(measures) {
			d.b, d.bad = nil, true
			return
		}
		if c != nil {
			c.n[m] += n
		}
	}
}

func (d *decoder) distributions(c *Cell) {
	for i := range distributions {
		s := uint64(0)
		for range d.uvarint() {
			s += d.uvarint()
			n := d.varint()
			if d.bad {
				return
			}
			c.d[i].add(int64(s), n)
		}
	}
}
