package softphone

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Prompt is something that may be heard: its sound at 8 kHz, mono.
type Prompt struct {
	Name string
	PCM  []int16
}

// LoadPrompt reads a file of A-law (.alaw, .al) or µ-law (.ulaw, .ul) without a header. Its
// name is the file's without the extension.
func LoadPrompt(path string) (Prompt, error) {
	wire, err := os.ReadFile(path)
	if err != nil {
		return Prompt{}, fmt.Errorf("load a prompt: %w", err)
	}
	ext := filepath.Ext(path)
	p := Prompt{Name: strings.TrimSuffix(filepath.Base(path), ext)}
	switch ext {
	case ".alaw", ".al":
		p.PCM = pcma.decodeAll(wire)
	case ".ulaw", ".ul", ".pcm", ".mu":
		p.PCM = pcmu.decodeAll(wire)
	default:
		return Prompt{}, fmt.Errorf("load a prompt: %s is neither .alaw nor .ulaw", path)
	}
	return p, nil
}

// Heard is a prompt that was heard, wholly or in part.
type Heard struct {
	Name string
	// Start and End are on the recording's time line. A prompt that still plays ends now.
	Start, End time.Duration
	// Offset is where in the prompt the hearing began: 0 but for one that was skipped into.
	Offset time.Duration
	// Score is the share of the prompt that was heard, 0 to 1; Complete: heard to its end.
	Score    float64
	Complete bool
	// Exact says that the samples were the prompt's own; a transcoded call gives false.
	Exact bool
	// Also names the prompts that this may have been as well: they begin alike, and it was cut
	// before they differ, or they are the same sound.
	Also []string

	prompt, from, to int

	open   bool       // it may still go on
	rivals [][]string // the groups of Also that are other sounds
}

// Is says whether this was the prompt of that name, or may have been.
func (h Heard) Is(name string) bool { return h.Name == name || slices.Contains(h.Also, name) }

func (h Heard) String() string {
	s := fmt.Sprintf("%s at %.2f s for %.2f s", h.Name, h.Start.Seconds(), (h.End - h.Start).Seconds())
	if !h.Complete {
		s += fmt.Sprintf(" (cut at %.0f %%)", 100*h.Score)
	}
	if len(h.Also) > 0 {
		s += " (or " + strings.Join(h.Also, ", ") + ")"
	}
	return s
}

func describeHeard(hs []Heard) string {
	if len(hs) == 0 {
		return "no prompt"
	}
	parts := make([]string, len(hs))
	for i, h := range hs {
		parts[i] = h.String()
	}
	return strings.Join(parts, "; ")
}

const (
	window    = 400          // samples of a window that is looked up: 50 ms
	stride    = 80           // between windows of a prompt
	loudSum   = window * 50  // sum of |sample| below which a window says nothing
	minHeard  = rate / 5     // a shorter piece of a prompt is not reported
	slack     = frameSamples // by how much lengths may differ by chance
	mergeGap  = rate         // two pieces with less between them are one hearing
	hashBase  = 0x9e3779b97f4a7c15
	maxRepeat = 4 // of one window in one prompt: a tone repeats itself for ever
)

var hashOut = func() uint64 { // hashBase to the power of window
	p := uint64(1)
	for range window {
		p *= hashBase
	}
	return p
}()

// Index finds prompts in what was heard. It is made once for a catalogue and may be used
// from any goroutine.
type Index struct {
	prompts []Prompt   // each sound once
	aliases [][]string // other names of the same sound
	heads   map[uint64]int32
	places  []place

	prints     sync.Once // see fuzzy.go
	blocks     []block
	blockWords []uint64
}

// place is where a window lies; next chains the places of the same window, -1 ends.
type place struct{ prompt, off, next int32 }

// NewIndex indexes a catalogue: 300 prompts of 8 s take about 0.1 s.
func NewIndex(prompts []Prompt) *Index {
	ix := &Index{heads: map[uint64]int32{}}
	seed := maphash.MakeSeed()
	known := map[uint64]int{}
	for _, p := range prompts {
		sum := soundHash(seed, p.PCM)
		if at, ok := known[sum]; ok && slices.Equal(ix.prompts[at].PCM, p.PCM) {
			ix.aliases[at] = append(ix.aliases[at], p.Name)
			continue
		}
		known[sum] = len(ix.prompts)
		ix.prompts = append(ix.prompts, p)
		ix.aliases = append(ix.aliases, nil)
		ix.add(len(ix.prompts)-1, p.PCM)
	}
	return ix
}

func soundHash(seed maphash.Seed, pcm []int16) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	var b [2]byte
	for _, s := range pcm {
		binary.LittleEndian.PutUint16(b[:], uint16(s))
		_, _ = h.Write(b[:])
	}
	return h.Sum64()
}

func (ix *Index) add(prompt int, pcm []int16) {
	var roll roller
	for i := range pcm {
		roll.step(pcm, i)
		off := i - window + 1
		if off < 0 || off%stride != 0 || roll.level < loudSum || ix.repeats(roll.hash, prompt) {
			continue
		}
		next, ok := ix.heads[roll.hash]
		if !ok {
			next = -1
		}
		ix.heads[roll.hash] = int32(len(ix.places))
		ix.places = append(ix.places, place{int32(prompt), int32(off), next})
	}
}

func (ix *Index) repeats(hash uint64, prompt int) bool {
	at, ok := ix.heads[hash]
	n := 0
	for ; ok && at >= 0 && int(ix.places[at].prompt) == prompt; at = ix.places[at].next {
		n++
	}
	return n >= maxRepeat
}

// roller is a rolling hash of the last window samples, and their loudness.
type roller struct {
	hash  uint64
	level int
}

func (r *roller) step(pcm []int16, i int) {
	x := pcm[i]
	r.hash = r.hash*hashBase + uint64(uint16(x)) + 1
	r.level += abs(x)
	if i >= window {
		y := pcm[i-window]
		r.hash -= (uint64(uint16(y)) + 1) * hashOut
		r.level -= abs(y)
	}
}

func abs(x int16) int {
	if x < 0 {
		return -int(x)
	}
	return int(x)
}

// run is a piece of one prompt in a recording: sample i of the recording is sample
// i-diag of the prompt for from <= i < to.
type run struct {
	prompt, diag, from, to int
	samples                int  // heard, gaps not counted
	open                   bool // it reaches the end of what is known, and may go on
	exact                  bool
}

// scan looks for prompts in sound that comes bit by bit. The sound is exactly the
// prompts' on a call that is not transcoded: windows are found by their hash, then
// followed to where they stop being equal.
type scan struct {
	ix   *Index
	pcm  []int16
	next int
	roll roller
	runs []*run
	last map[[2]int]*run // by prompt and diag
	fuzz *fuzzyScan      // nil when the sound is not transcoded
}

func newScan(ix *Index, fuzzy bool) *scan {
	s := &scan{ix: ix, last: map[[2]int]*run{}}
	if fuzzy {
		s.fuzz = newFuzzyScan(ix)
	}
	return s
}

func (s *scan) feed(pcm []int16) {
	s.pcm = append(s.pcm, pcm...)
	for _, r := range s.runs {
		if r.open && r.exact {
			s.follow(r)
		}
	}
	for ; s.next < len(s.pcm); s.next++ {
		s.roll.step(s.pcm, s.next)
		if s.next < window-1 || s.roll.level < loudSum {
			continue
		}
		at, ok := s.ix.heads[s.roll.hash]
		for ; ok && at >= 0; at = s.ix.places[at].next {
			s.found(s.ix.places[at])
		}
	}
	if s.fuzz != nil {
		s.runs = s.fuzz.feed(s.pcm, s.runs)
	}
}

// found is a window of a prompt that ends at s.next.
func (s *scan) found(p place) {
	from := s.next - window + 1
	key := [2]int{int(p.prompt), from - int(p.off)}
	if r := s.last[key]; r != nil && r.to > from {
		return
	}
	pcm := s.ix.prompts[p.prompt].PCM
	if !slices.Equal(s.pcm[from:s.next+1], pcm[p.off:p.off+window]) {
		return
	}
	r := &run{prompt: key[0], diag: key[1], from: from, to: s.next + 1, exact: true}
	for r.from > max(r.diag, 0) && s.pcm[r.from-1] == pcm[r.from-1-r.diag] {
		r.from--
	}
	s.follow(r)
	s.last[key] = r
	s.runs = append(s.runs, r)
}

// follow goes on as long as recording and prompt are equal.
func (s *scan) follow(r *run) {
	pcm := s.ix.prompts[r.prompt].PCM
	for r.to < len(s.pcm) && r.to-r.diag < len(pcm) && s.pcm[r.to] == pcm[r.to-r.diag] {
		r.to++
	}
	r.samples = r.to - r.from
	r.open = r.to == len(s.pcm) && r.to-r.diag < len(pcm)
}

// heard judges the pieces found so far. While sound may still come (live), a piece that
// may yet go on counts as possible.
func (s *scan) heard(live bool, m marks) []Heard {
	out := s.ix.judge(s.runs, live)
	for i := range out {
		out[i].Start, out[i].End = m.when(out[i].from), m.end(out[i].to)
	}
	return out
}

// judge picks, for each stretch of the recording, the prompt of which most was heard.
func (ix *Index) judge(runs []*run, live bool) []Heard {
	pieces := ix.merge(runs)
	slices.SortFunc(pieces, func(a, b *run) int {
		return cmp.Or(cmp.Compare(b.samples, a.samples), cmp.Compare(a.prompt, b.prompt))
	})
	type pick struct {
		*run
		rivals []*run // begin alike, and as much was heard of them
	}
	var picks []*pick
next:
	for _, r := range pieces {
		for _, p := range picks {
			over := min(r.to, p.to) - max(r.from, p.from)
			if over <= (r.to-r.from)/2 {
				continue
			}
			if r.prompt != p.prompt && p.samples-r.samples <= slack && over > (r.to-r.from)*9/10 {
				if ix.complete(r) && !ix.complete(p.run) {
					r, p.run = p.run, r
				}
				p.rivals = append(p.rivals, r)
			}
			continue next
		}
		picks = append(picks, &pick{run: r})
	}
	slices.SortFunc(picks, func(a, b *pick) int { return cmp.Compare(a.from, b.from) })
	out := make([]Heard, len(picks))
	for i, p := range picks {
		out[i] = ix.heardOf(p.run)
		for _, r := range p.rivals {
			// A prompt heard to its end is not another one cut just there, unless that one may go on.
			if !ix.complete(p.run) || ix.complete(r) || live && r.open {
				out[i].rivals = append(out[i].rivals, ix.names(r.prompt))
				out[i].Also = append(out[i].Also, ix.names(r.prompt)...)
			}
		}
	}
	return out
}

func (ix *Index) names(prompt int) []string {
	return append([]string{ix.prompts[prompt].Name}, ix.aliases[prompt]...)
}

func (ix *Index) complete(r *run) bool {
	return r.to-r.diag >= len(ix.prompts[r.prompt].PCM)-slack
}

func (ix *Index) heardOf(r *run) Heard {
	p := ix.prompts[r.prompt]
	return Heard{
		Name: p.Name, from: r.from, to: r.to, Offset: span(r.from - r.diag), Exact: r.exact,
		Score: min(float64(r.samples)/float64(len(p.PCM)), 1), Complete: ix.complete(r),
		Also: slices.Clone(ix.aliases[r.prompt]), open: r.open, prompt: r.prompt,
	}
}

// merge joins pieces of one hearing that a lost packet or a short pause parted, and
// leaves out what is too short to mean anything.
func (ix *Index) merge(runs []*run) []*run {
	sorted := slices.DeleteFunc(slices.Clone(runs), func(r *run) bool { // what is exact needs no likeness
		return !r.exact && slices.ContainsFunc(runs, func(e *run) bool {
			return e.exact && e.prompt == r.prompt && e.from < r.to && r.from < e.to
		})
	})
	slices.SortFunc(sorted, func(a, b *run) int {
		return cmp.Or(cmp.Compare(a.prompt, b.prompt), cmp.Compare(a.from, b.from))
	})
	var out []*run
	for _, r := range sorted {
		if n := len(out); n > 0 {
			p := out[n-1]
			shift := r.diag - p.diag
			if p.prompt == r.prompt && r.from-p.to < mergeGap && r.from >= p.to-slack &&
				r.from-r.diag >= p.to-p.diag-slack && shift > -rate/2 && shift < rate/2 {
				p.to, p.diag, p.open, p.exact = r.to, r.diag, r.open, p.exact && r.exact
				p.samples += r.samples
				continue
			}
		}
		c := *r
		out = append(out, &c)
	}
	return slices.DeleteFunc(out, func(r *run) bool {
		return r.samples < minHeard && r.samples < len(ix.prompts[r.prompt].PCM)*9/10
	})
}

// Recognise finds which prompts were heard in a recording, in order of time: cut ones
// too (200 ms and more), with music between. Where prompts share a beginning the one of
// which most was heard is named. Sound that is not bit by bit a prompt's, because it was
// transcoded, is compared by its spectrum, then by correlation; this finds prompts of
// 0.7 s and more.
func (ix *Index) Recognise(rec Recording) []Heard {
	s := newScan(ix, true)
	s.feed(rec.PCM)
	return s.heard(false, rec.marks)
}

// Recognise is Index.Recognise for one use.
func Recognise(rec Recording, prompts []Prompt) []Heard { return NewIndex(prompts).Recognise(rec) }
