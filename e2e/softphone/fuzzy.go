package softphone

import (
	"math"
	"math/bits"
	"math/cmplx"
	"slices"
)

// A transcoded prompt is found by its spectral fingerprint (Haitsma and Kalker, "A highly
// robust audio fingerprinting system", 2002): every 20 ms 16 bits say between which
// neighbouring bands the difference of energy rises. Blocks of 32 such frames are
// compared by Hamming distance, then the samples by normalised correlation.

const (
	fftSize     = 256
	bands       = 17
	hop         = 40 // samples between frames of the recording: 5 ms
	perFrame    = frameSamples / hop
	blockFrames = 32
	blockWords  = blockFrames * (bands - 1) / 64
	blockLen    = blockFrames * frameSamples
	maxDistance = 150  // of 512 bits; chance is 256 ± 11
	minCorr     = 0.7  // over a block
	minFrame    = 0.5  // over 20 ms
	loudBlock   = 200. // root mean square below which a block says nothing
	lagSearch   = hop
	badFrames   = 3 // in a row end a hearing
)

var (
	hann    [fftSize]float64
	twiddle [fftSize / 2]complex128
	bandOf  [fftSize / 2]int // 1 + band, 0: none
)

func init() {
	for i := range hann {
		hann[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/fftSize)
	}
	for i := range twiddle {
		twiddle[i] = cmplx.Exp(complex(0, -2*math.Pi*float64(i)/fftSize))
	}
	for i := range bandOf {
		f := float64(i) * rate / fftSize
		if b := int(math.Floor(bands * math.Log(f/300) / math.Log(3400./300))); f >= 300 && b < bands {
			bandOf[i] = 1 + b
		}
	}
}

type energies [bands]float32

func spectrum(pcm []int16) (e energies) {
	var x [fftSize]complex128
	for i := range x {
		j := bits.Reverse8(uint8(i))
		x[j] = complex(float64(pcm[i])*hann[i], 0)
	}
	for size := 2; size <= fftSize; size *= 2 {
		half, step := size/2, fftSize/size
		for at := 0; at < fftSize; at += size {
			for k := range half {
				a, b := x[at+k], x[at+k+half]*twiddle[k*step]
				x[at+k], x[at+k+half] = a+b, a-b
			}
		}
	}
	for i, b := range bandOf {
		if b > 0 {
			e[b-1] += float32(real(x[i])*real(x[i]) + imag(x[i])*imag(x[i]))
		}
	}
	return e
}

// rises are the 16 bits of a frame, from its bands and those 20 ms before.
func rises(now, before energies) (w uint16) {
	for m := range bands - 1 {
		if now[m]-now[m+1] > before[m]-before[m+1] {
			w |= 1 << m
		}
	}
	return w
}

// block is 640 ms of a prompt; its words lie in Index.blockWords.
type block struct{ prompt, off int32 }

// fingerprint makes the blocks of all prompts, when a transcoded call first needs them.
func (ix *Index) fingerprint() {
	for n, p := range ix.prompts {
		var frames []uint16
		var before energies
		for i := 0; i+fftSize <= len(p.PCM); i += frameSamples {
			e := spectrum(p.PCM[i:])
			if i > 0 {
				frames = append(frames, rises(e, before))
			}
			before = e
		}
		for i := 0; i+blockFrames <= len(frames); i += blockFrames {
			off := (i + 1) * frameSamples
			if rms(p.PCM[off:off+blockLen]) < loudBlock {
				continue
			}
			ix.blocks = append(ix.blocks, block{int32(n), int32(off)})
			w := pack(frames[i:], 1)
			ix.blockWords = append(ix.blockWords, w[:]...)
		}
	}
}

func pack(frames []uint16, step int) (w [blockWords]uint64) {
	for i := range blockFrames {
		w[i/4] |= uint64(frames[i*step]) << (16 * (i % 4))
	}
	return w
}

// fuzzyScan is the part of a scan that looks for transcoded prompts.
type fuzzyScan struct {
	ix     *Index
	spec   []energies
	frames []uint16 // frames[j] is at sample j*hop
	done   int      // first frame whose block was not compared
}

func newFuzzyScan(ix *Index) *fuzzyScan {
	ix.prints.Do(ix.fingerprint)
	return &fuzzyScan{ix: ix}
}

func (f *fuzzyScan) feed(pcm []int16, runs []*run) []*run {
	for _, r := range runs {
		if r.open && !r.exact {
			f.follow(pcm, r)
		}
	}
	for j := len(f.spec); j*hop+fftSize <= len(pcm); j++ {
		f.spec = append(f.spec, spectrum(pcm[j*hop:]))
		var w uint16
		if j >= perFrame {
			w = rises(f.spec[j], f.spec[j-perFrame])
		}
		f.frames = append(f.frames, w)
	}
	for ; f.done+(blockFrames-1)*perFrame < len(f.frames); f.done++ {
		at := f.done * hop
		if f.done < perFrame || at+blockLen+lagSearch > len(pcm) {
			if f.done < perFrame {
				continue
			}
			break
		}
		if covered(runs, at) || rms(pcm[at:at+blockLen]) < loudBlock {
			continue
		}
		runs = f.compare(pcm, at, runs)
	}
	return runs
}

// covered says that a prompt was heard exactly at this place already.
func covered(runs []*run, at int) bool {
	return slices.ContainsFunc(runs, func(r *run) bool {
		return r.exact && r.samples > minHeard && r.from <= at+blockLen/2 && at+blockLen/2 < r.to
	})
}

func (f *fuzzyScan) compare(pcm []int16, at int, runs []*run) []*run {
	w := pack(f.frames[f.done:], perFrame)
	for i, b := range f.ix.blocks {
		other := f.ix.blockWords[i*blockWords:][:blockWords]
		distance := 0
		for k := range w {
			distance += bits.OnesCount64(w[k] ^ other[k])
		}
		if distance > maxDistance {
			continue
		}
		diag := at - int(b.off)
		if slices.ContainsFunc(runs, func(r *run) bool {
			return r.prompt == int(b.prompt) && r.diag-diag <= 2*hop && diag-r.diag <= 2*hop && r.from <= at && at < r.to
		}) {
			continue
		}
		if r := f.verify(pcm, int(b.prompt), at, int(b.off)); r != nil {
			runs = append(runs, r)
		}
	}
	return runs
}

// verify finds the lag at which recording and prompt agree best, and follows it both ways.
func (f *fuzzyScan) verify(pcm []int16, prompt, at, off int) *run {
	sound := f.ix.prompts[prompt].PCM
	best, lag := 0.0, 0
	for l := max(-lagSearch, -at); l <= lagSearch && at+l+blockLen <= len(pcm); l++ {
		if c := correlation(pcm[at+l:at+l+blockLen], sound[off:off+blockLen]); c > best {
			best, lag = c, l
		}
	}
	if best < minCorr {
		return nil
	}
	r := &run{prompt: prompt, diag: at + lag - off, from: at + lag, to: at + lag + blockLen}
	for i, bad := r.from-frameSamples, 0; i >= max(r.diag, 0) && bad < badFrames; i -= frameSamples {
		if agree(pcm[i:i+frameSamples], sound[i-r.diag:i-r.diag+frameSamples]) {
			r.from, bad = i, 0
		} else {
			bad++
		}
	}
	if r.from-max(r.diag, 0) < frameSamples {
		r.from = max(r.diag, 0)
	}
	f.follow(pcm, r)
	return r
}

// follow goes on to the end of the prompt, or to where three frames in a row differ.
func (f *fuzzyScan) follow(pcm []int16, r *run) {
	sound := f.ix.prompts[r.prompt].PCM
	bad, i := 0, r.to
	for ; bad < badFrames; i += frameSamples {
		if i+frameSamples-r.diag > len(sound) { // the last, short frame
			if i-r.diag >= 0 && i == r.to && i-r.diag < len(sound) {
				r.to = min(r.diag+len(sound), len(pcm))
			}
			break
		}
		if i+frameSamples > len(pcm) {
			break
		}
		if agree(pcm[i:i+frameSamples], sound[i-r.diag:i-r.diag+frameSamples]) {
			r.to, bad = i+frameSamples, 0
		} else {
			bad++
		}
	}
	r.samples = r.to - r.from
	r.open = bad < badFrames && i+frameSamples-r.diag <= len(sound)
}

func agree(a, b []int16) bool {
	la, lb := rms(a), rms(b)
	if la < 2*quiet && lb < 2*quiet {
		return true
	}
	return la > lb/3 && lb > la/3 && correlation(a, b) > minFrame
}

func correlation(a, b []int16) float64 {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab += x * y
		aa += x * x
		bb += y * y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}
