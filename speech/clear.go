package speech

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"decroche/call"
)

// How a sound is said again to somebody who has not understood it.
const (
	// ClearPace is how much longer it lasts: the voice's 14 characters a second become 11.
	ClearPace = 1.3
	// ClearLevel is its active level: 6 dB above that of ordinary speech, dBFS RMS.
	ClearLevel = SpeechLevel + 6
)

// Clear gives a sound of this library slower and louder: the same voice and pitch, ClearPace
// times as long, at ClearLevel, the consonants lifted. Made at its first use, in a few tens of
// milliseconds, from the sound's own file: recordings and synthesis alike.
func (l *Library) Clear(ctx context.Context, s call.Sound) (call.Sound, error) {
	in := &l.files
	if filepath.Dir(filepath.Dir(s.Path)) == l.said.dir {
		in = &l.said
	}
	base := in.base(s.Lang, key("clear", filepath.Base(s.Path)))
	f, err := l.once(ctx, in, base, true, func() (prepared, error) {
		coded, err := os.ReadFile(s.Path + ".alaw")
		if err != nil {
			return prepared{}, err
		}
		return prepareClear(decodeAlaw(coded))
	})
	if err != nil {
		return call.Sound{}, fmt.Errorf("make sound %q slower and louder: %w", s.Name, err)
	}
	s.Path, s.Duration = f.base, f.duration
	return s, nil
}

// prepareClear works at the narrow rate: that of the telephone, whose files are at hand.
func prepareClear(samples []int16) (prepared, error) {
	x := make([]float64, len(samples))
	for i, v := range samples {
		x[i] = float64(v) / 32768
	}
	if len(x) == 0 {
		return prepared{}, errEmpty
	}
	wide := resample(stretch(x, narrowRate, ClearPace), narrowRate, wideRate)
	presence(wide, wideRate)
	return finish(wide, ClearLevel)
}

// stretch makes a sound longer without changing its pitch: overlapping windows are laid
// further apart, each shifted to where it resembles best what it is laid over (WSOLA, Verhelst
// and Roelands 1993).
func stretch(x []float64, rate int, factor float64) []float64 {
	window, seek := rate*30/1000, rate*8/1000
	hop := window / 2
	if len(x) < 2*window {
		return x
	}
	out := make([]float64, int(float64(len(x))*factor)+window)
	hann := make([]float64, window)
	for i := range hann {
		hann[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(window))
	}
	last := len(x) - window
	at, end := 0, 0 // where the window before was taken from; what is written
	for n := 0; ; n++ {
		to, from := n*hop, int(float64(n*hop)/factor)
		if from > last || to+window > len(out) {
			break
		}
		if n > 0 {
			from = best(x, min(at+hop, last), from, seek)
		}
		for i, w := range hann {
			out[to+i] += w * x[from+i]
		}
		at, end = from, to+window
	}
	return out[:end]
}

// best finds, within seek of a place, where x goes on most like at next.
func best(x []float64, next, near, seek int) int {
	length := 2 * seek
	top, found := math.Inf(-1), near
	for c := max(0, near-seek); c <= near+seek && c+length <= len(x) && next+length <= len(x); c++ {
		sum, power := 0.0, 1e-9
		for i := 0; i < length; i += 2 {
			sum += x[next+i] * x[c+i]
			power += x[c+i] * x[c+i]
		}
		if like := sum / math.Sqrt(power); like > top {
			top, found = like, c
		}
	}
	return min(found, len(x)-2*length)
}

// presence lifts what is above 1.5 kHz by 6 dB, in place: hearing fades from the high notes
// down, and it is the consonants that tell words apart.
func presence(x []float64, rate int) {
	high := append([]float64(nil), x...)
	highPass(high, rate, 1500)
	for i := range x {
		x[i] += high[i]
	}
}

// decodeAlaw reads G.711 A-law.
func decodeAlaw(coded []byte) []int16 {
	out := make([]int16, len(coded))
	for i, c := range coded {
		c ^= 0x55
		seg, v := int(c>>4&7), int(c&0x0f)<<4+8
		if seg > 0 {
			v = (v + 0x100) << (seg - 1)
		}
		if c&0x80 == 0 {
			v = -v
		}
		out[i] = int16(v)
	}
	return out
}
