package speech

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"testing"
)

// chirp is a signal out of whole numbers alone, the same on every machine: triangles
// from low to high, a loud and clipped stretch, some noise.
func chirp(n int) []int16 {
	x := make([]int16, n)
	phase, noise := 0, uint32(1)
	for i := range x {
		phase = (phase + 200 + i*14000/n) % 65536
		v := phase
		if v >= 32768 {
			v = 65535 - v
		}
		v = (v - 16384) * (i%5000 + 500) / 5500
		noise = noise*1664525 + 1013904223
		v += int(noise>>22) - 512
		if i > n/2 && i < n/2+1000 {
			v *= 40
		}
		x[i] = int16(sat16(v))
	}
	return x
}

func bytesOf(samples []int16) []byte {
	var b []byte
	for _, v := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(v))
	}
	return b
}

func hash(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

// g722Decoder undoes g722Encoder; its predictors are the encoder's, so what it gives
// is held to Asterisk's decoder too.
type g722Decoder struct {
	low, high g722Band
	x         [24]int
}

var g722QM6 = [64]int{
	-136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
	-7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
	24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
	4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
}

func decodeG722(data []byte) []int16 {
	d := &g722Decoder{}
	d.low.det, d.high.det = 32, 8
	var out []int16
	for _, code := range data {
		il, ih := int(code&0x3f), int(code>>6)
		low := min(max(d.low.s+(d.low.det*g722QM6[il])>>15, -16384), 16383)
		diff := (d.low.det * g722QM4[il>>2]) >> 15
		d.low.scaleLow(il >> 2)
		d.low.predict(diff)
		diff = (d.high.det * g722QM2[ih]) >> 15
		high := min(max(diff+d.high.s, -16384), 16383)
		d.high.scaleHigh(ih)
		d.high.predict(diff)

		copy(d.x[:], d.x[2:])
		d.x[22], d.x[23] = low+high, low-high
		first, second := 0, 0
		for i := range 12 {
			second += d.x[2*i] * g722QMF[i]
			first += d.x[2*i+1] * g722QMF[11-i]
		}
		// Asterisk's decoder does not saturate here either.
		out = append(out, int16(first>>11), int16(second>>11))
	}
	return out
}

func TestG722OfASignalIsByteForByteWhatAsteriskMakesOfIt(t *testing.T) {
	// Both hashes are of files made by "file convert" of Asterisk 22.10 (codec_g722).
	const coded, decoded = "07ca4860aeedb1d54dfc13f0979fc45a47660c517482f7f00189dfda5a5bb039", "4641d439f8f00e486b840da969e5fa27f6b1fd58b5fcfff48082384ecc3d9594"
	got := encodeG722(chirp(32000))
	if h := hash(got); h != coded {
		t.Errorf("coded: hash %s, Asterisk's is %s", h, coded)
	}
	if h := hash(bytesOf(decodeG722(got))); h != decoded {
		t.Errorf("decoded: hash %s, Asterisk's is %s", h, decoded)
	}
}

func TestG722GivesBackATone(t *testing.T) {
	for _, hz := range []float64{300, 1000, 3000, 6000} {
		x := make([]int16, 16000)
		for i := range x {
			x[i] = int16(8000 * math.Sin(2*math.Pi*hz*float64(i)/16000))
		}
		y := decodeG722(encodeG722(x))
		const delay = 22 // of the two filter banks, in samples
		var signal, noise float64
		for i := 1600; i < len(y)-delay; i++ {
			e := float64(y[i+delay]) - float64(x[i])
			signal += float64(x[i]) * float64(x[i])
			noise += e * e
		}
		if snr := 10 * math.Log10(signal/noise); snr < 15 {
			t.Errorf("tone of %.0f Hz: %.1f dB of signal to noise, want at least 15", hz, snr)
		}
	}
}

// expandAlaw and expandUlaw are the decoders of G.711.
func expandAlaw(code byte) int16 {
	code ^= 0x55
	v := int(code&0x0f)<<4 + 8
	if seg := int(code>>4) & 7; seg > 0 {
		v = (v + 0x100) << (seg - 1)
	}
	if code&0x80 == 0 {
		v = -v
	}
	return int16(v)
}

func expandUlaw(code byte) int16 {
	code = ^code
	v := (int(code&0x0f)<<3+0x84)<<(code>>4&7) - 0x84
	if code&0x80 != 0 {
		v = -v
	}
	return int16(v)
}

func TestG711KeepsEverySampleToWithinAStep(t *testing.T) {
	for name, c := range map[string]struct {
		encode func(int16) byte
		expand func(byte) int16
	}{"A-law": {alaw, expandAlaw}, "µ-law": {ulaw, expandUlaw}} {
		for v := -32768; v <= 32767; v++ {
			got := int(c.expand(c.encode(int16(v))))
			allowed := 16 + abs(v)/30
			if v < -32124 || v > 32124 {
				allowed = 700 // above the last level
			}
			if abs(got-v) > allowed {
				t.Fatalf("%s: %d comes back as %d", name, v, got)
			}
		}
		for code := range 256 {
			if v := c.expand(byte(code)); c.expand(c.encode(v)) != v {
				t.Fatalf("%s: level %d of code %#x is not kept", name, v, code)
			}
		}
	}
	if alaw(0) != 0xd5 || ulaw(0) != 0xff {
		t.Errorf("silence is coded %#x and %#x, want 0xd5 and 0xff", alaw(0), ulaw(0))
	}
}

func abs(v int) int { return max(v, -v) }
