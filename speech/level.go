package speech

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

// The sound of a prompt. Levels are relative to full scale (0 dBFS is a sample of ±32768).
const (
	// SpeechLevel is the active level of speech, silences between words left out: dBFS RMS.
	SpeechLevel = -20.0
	// MusicLevel is the level of the music on hold: dBFS RMS.
	MusicLevel = -26.0
	// PeakLevel bounds every sample: dBFS.
	PeakLevel = -3.0

	// MaxRecording is the longest recording that is taken.
	MaxRecording = 5 * time.Minute

	narrowRate, wideRate = 8000, 16000

	// ceiling leaves room under PeakLevel for the rounding of the codecs.
	ceiling = PeakLevel - 0.5
	// maxGain bounds what a faint recording is raised by, in dB.
	maxGain = 40.0
)

var (
	errSilent = errors.New("the sound is silent")
	errEmpty  = errors.New("the sound is empty")
)

// prepared is a prompt at both rates, levelled; wide has twice the samples of narrow.
type prepared struct{ narrow, wide []int16 }

// prepareSpeech trims, levels and band-limits what an engine or a person said.
func prepareSpeech(p pcm) (prepared, error) {
	if len(p.samples) == 0 {
		return prepared{}, errEmpty
	}
	wide := resample(p.samples, p.rate, wideRate)
	highPass(wide, wideRate, 100)
	wide, err := trim(wide)
	if err != nil {
		return prepared{}, err
	}
	return finish(wide, SpeechLevel)
}

// finish brings a sound at 16 kHz to its level and to both rates.
func finish(wide []float64, target float64) (prepared, error) {
	narrow := resample(wide, wideRate, narrowRate)
	// The limiter takes a little of the level away, hence the second turn.
	for range 2 {
		level := activeLevel(narrow, narrowRate)
		if math.IsInf(level, -1) {
			return prepared{}, errSilent
		}
		gain := fromDB(min(target-level, maxGain))
		scale(narrow, gain)
		scale(wide, gain)
		limit(narrow, narrowRate, fromDB(ceiling))
		limit(wide, wideRate, fromDB(ceiling))
	}
	return prepared{toInt16(narrow), toInt16(wide)}, nil
}

// trim cuts the silence around speech and leaves 120 ms before and 120 to 140 ms after:
// a whole number of 20 ms packets, so that the end is not cut either.
func trim(x []float64) ([]float64, error) {
	const frame, before, after, pad = wideRate / 100, 2 * wideRate / 100, 4 * wideRate / 100, wideRate / 10
	level := activeLevel(x, wideRate)
	if math.IsInf(level, -1) || level < -75 {
		return nil, errSilent
	}
	threshold := level - 35
	first, last := -1, 0
	for i := 0; i < len(x); i += frame {
		if rms(x[i:min(i+frame, len(x))]) > fromDB(threshold) {
			if first < 0 {
				first = i
			}
			last = min(i+frame, len(x))
		}
	}
	if first < 0 {
		return nil, errSilent
	}
	first, last = max(first-before, 0), min(last+after, len(x))
	kept := x[first:last]
	fade(kept, frame/2)
	const packet = wideRate / 50
	lead := pad + before - min(before, first)
	n := lead + len(kept) + (pad - 2*frame)
	out := make([]float64, (n+packet-1)/packet*packet)
	copy(out[lead:], kept)
	return out, nil
}

func fade(x []float64, n int) {
	n = min(n, len(x)/2)
	for i := range n {
		g := float64(i) / float64(n)
		x[i] *= g
		x[len(x)-1-i] *= g
	}
}

// activeLevel is the level of a sound while there is some, in dBFS RMS: frames of 20 ms
// more than 15.9 dB (the margin of ITU-T P.56) below the mean of the others are left out.
func activeLevel(x []float64, rate int) float64 {
	frame := rate / 50
	var energies []float64
	for i := 0; i < len(x); i += frame {
		r := rms(x[i:min(i+frame, len(x))])
		energies = append(energies, r*r)
	}
	mean := 0.0
	for range 10 {
		sum, n := 0.0, 0
		for _, e := range energies {
			if e >= mean/39 {
				sum, n = sum+e, n+1
			}
		}
		if n == 0 || sum/float64(n) == mean {
			break
		}
		mean = sum / float64(n)
	}
	return 10 * math.Log10(mean)
}

// limit keeps samples within ±peak by turning the gain down smoothly around them.
func limit(x []float64, rate int, peak float64) {
	w := rate * 3 / 1000
	need := make([]float64, len(x))
	over := false
	for i, v := range x {
		need[i] = 1
		if a := math.Abs(v); a > peak {
			need[i], over = peak/a, true
		}
	}
	if !over {
		return
	}
	least := make([]float64, len(x))
	for i := range least {
		least[i] = 1
	}
	for i, g := range need {
		if g < 1 {
			for j := max(i-w, 0); j <= min(i+w, len(x)-1); j++ {
				least[j] = min(least[j], g)
			}
		}
	}
	// Each mean is of gains that all bring the middle sample under the peak.
	sums := make([]float64, len(x)+1)
	for i, g := range least {
		sums[i+1] = sums[i] + g
	}
	for i := range x {
		from, to := max(i-w, 0), min(i+w, len(x)-1)+1
		x[i] *= (sums[to] - sums[from]) / float64(to-from)
	}
}

// highPass is a second-order Butterworth filter, in place: hum and rumble carry no speech.
func highPass(x []float64, rate int, cut float64) {
	w := 2 * math.Pi * cut / float64(rate)
	alpha := math.Sin(w) / math.Sqrt2
	a0 := 1 + alpha
	b0, b1 := (1+math.Cos(w))/2/a0, -(1+math.Cos(w))/a0
	a1, a2 := -2*math.Cos(w)/a0, (1-alpha)/a0
	var x1, x2, y1, y2 float64
	for i, v := range x {
		y := b0*v + b1*x1 + b0*x2 - a1*y1 - a2*y2
		x1, x2, y1, y2 = v, x1, y, y1
		x[i] = y
	}
}

// resample changes the rate by a Kaiser-windowed sinc that passes up to 0.86 of the
// lower rate's half band (3.4 kHz of 8 kHz) and is down by 60 dB where aliasing begins.
func resample(x []float64, from, to int) []float64 {
	if from == to {
		return append([]float64(nil), x...)
	}
	g := gcd(from, to)
	up, down := to/g, from/g
	low := float64(min(from, to))
	half := int(math.Ceil(26 * float64(from) / low))
	phases := kernels(up, half, 0.465*low/float64(from)) // cycles per input sample
	out := make([]float64, (len(x)*up+down-1)/down)
	for n := range out {
		at := n * down
		centre, kernel := at/up, phases[at%up]
		sum := 0.0
		lo, hi := max(centre-half, 0), min(centre+half, len(x)-1)
		taps := kernel[lo-(centre-half):]
		for k, v := range x[lo : hi+1] {
			sum += v * taps[k]
		}
		out[n] = sum
	}
	return out
}

// kernelCache keeps the kernels of the rates that come up again and again.
var kernelCache sync.Map // kernelKey to [][]float64

type kernelKey struct {
	up, half int
	cut      float64
}

func kernels(up, half int, cut float64) [][]float64 {
	k := kernelKey{up, half, cut}
	if known, ok := kernelCache.Load(k); ok {
		return known.([][]float64)
	}
	made := makeKernels(up, half, cut)
	kernelCache.Store(k, made)
	return made
}

// makeKernels gives, for each fraction of an input sample, the taps from -half to +half.
func makeKernels(up, half int, cut float64) [][]float64 {
	const beta = 5.65 // about 60 dB
	phases := make([][]float64, up)
	for p := range phases {
		taps := make([]float64, 2*half+1)
		sum := 0.0
		for i := range taps {
			t := float64(i-half) - float64(p)/float64(up)
			u := t / float64(half+1)
			taps[i] = 2 * cut * sinc(2*cut*t) * bessel0(beta*math.Sqrt(max(1-u*u, 0)))
			sum += taps[i]
		}
		scale(taps, 1/sum)
		phases[p] = taps
	}
	return phases
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// bessel0 is the modified Bessel function of order 0.
func bessel0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1; term > 1e-12*sum; k++ {
		term *= (x / 2 / float64(k)) * (x / 2 / float64(k))
		sum += term
	}
	return sum
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func rms(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(sum / float64(len(x)))
}

func scale(x []float64, g float64) {
	for i := range x {
		x[i] *= g
	}
}

func fromDB(db float64) float64 { return math.Pow(10, db/20) }

func toInt16(x []float64) []int16 {
	out := make([]int16, len(x))
	for i, v := range x {
		out[i] = int16(min(max(math.Round(v*32767), -32768), 32767))
	}
	return out
}

func tooLong(p pcm) error {
	d := time.Duration(float64(len(p.samples)) / float64(p.rate) * float64(time.Second))
	if d > MaxRecording {
		return fmt.Errorf("the sound lasts %s, more than the %s that are taken", d.Round(time.Second), MaxRecording)
	}
	return nil
}
