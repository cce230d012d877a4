package softphone

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"slices"
	"time"
)

const (
	rate         = 8000 // samples a second
	frameSamples = 160  // 20 ms
	// quiet is the level (root mean square of 20 ms, of 32768) below which nothing is heard: -55 dBFS.
	quiet = 60
)

func samples(d time.Duration) int { return int(d * rate / time.Second) }
func span(n int) time.Duration    { return time.Duration(n) * time.Second / rate }

// Recording is what a telephone heard, on a time line of samples that begins at Start;
// where nothing came there is silence. It does not change any more.
type Recording struct {
	// Start is when the INVITE was sent, or came in.
	Start time.Time
	// Answered is how long after Start the call was answered.
	Answered time.Duration
	// Codec is "PCMA" or "PCMU".
	Codec string
	// PCM is 8 kHz mono, in the sender's time: a sender that falls behind by less than 0.5 s
	// leaves no hole. What is reported of it (Heard, Silence) is in the hearer's time.
	PCM []int16

	marks marks
}

// mark says that the samples from pos on came delay samples after where they lie.
type mark struct{ pos, delay int }

type marks []mark

// when is when the sample at pos came.
func (m marks) when(pos int) time.Duration {
	i, found := slices.BinarySearchFunc(m, pos, func(k mark, p int) int { return cmp.Compare(k.pos, p) })
	if !found {
		i--
	}
	if i < 0 {
		return span(pos)
	}
	return span(pos + m[i].delay)
}

// end is when the sound before pos had come.
func (m marks) end(pos int) time.Duration {
	if pos == 0 {
		return 0
	}
	return m.when(pos-1) + span(1)
}

// Duration is the length of the recording.
func (r Recording) Duration() time.Duration { return span(len(r.PCM)) }

// SaveWAV writes the recording as a 16-bit 8 kHz mono WAV file.
func (r Recording) SaveWAV(path string) error {
	size := uint32(2 * len(r.PCM))
	b := make([]byte, 0, 44+size)
	b = append(b, "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, 36+size)
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, 1) // PCM
	b = binary.LittleEndian.AppendUint16(b, 1) // one channel
	b = binary.LittleEndian.AppendUint32(b, rate)
	b = binary.LittleEndian.AppendUint32(b, 2*rate)
	b = binary.LittleEndian.AppendUint16(b, 2)
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, size)
	for _, s := range r.PCM {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		return fmt.Errorf("save what was heard: %w", err)
	}
	return nil
}

// Silence is a stretch in which nothing was heard.
type Silence struct{ Start, End time.Duration }

// Length of the silence.
func (s Silence) Length() time.Duration { return s.End - s.Start }

// LongestSilence is the longest stretch between from and to in which every 20 ms are
// below -55 dBFS; to <= 0 is the end of the recording.
func LongestSilence(r Recording, from, to time.Duration) Silence {
	var longest Silence
	for _, s := range r.silences(from, to) {
		if s.Length() > longest.Length() {
			longest = s
		}
	}
	return longest
}

// silences lists every stretch of silence of 20 ms and more, in order.
func (r Recording) silences(from, to time.Duration) []Silence {
	if to <= 0 || to > r.Duration() {
		to = r.Duration()
	}
	var out []Silence
	open := false
	end := samples(to)
	for i := max(samples(from), 0); i < end; i += frameSamples {
		j := min(i+frameSamples, end)
		switch silent := rms(r.PCM[i:j]) < quiet; {
		case silent && open:
			out[len(out)-1].End = r.marks.end(j)
		case silent:
			out = append(out, Silence{r.marks.when(i), r.marks.end(j)})
			open = true
		default:
			open = false
		}
	}
	return out
}

func rms(pcm []int16) float64 {
	if len(pcm) == 0 {
		return 0
	}
	var sum, sq float64
	for _, s := range pcm {
		sum += float64(s)
		sq += float64(s) * float64(s)
	}
	n := float64(len(pcm))
	return math.Sqrt(max(sq/n-(sum/n)*(sum/n), 0))
}

// goertzel is the share (0 to 1) of the power of pcm that lies at freq.
func goertzel(pcm []int16, freq float64) float64 {
	coeff := 2 * math.Cos(2*math.Pi*freq/rate)
	var s1, s2, power float64
	for _, x := range pcm {
		s0 := float64(x) + coeff*s1 - s2
		s2, s1 = s1, s0
		power += float64(x) * float64(x)
	}
	if power == 0 {
		return 0
	}
	return (s1*s1 + s2*s2 - coeff*s1*s2) * 2 / (float64(len(pcm)) * power)
}

// timeline lays packets of one codec on a line of samples. The owner locks.
type timeline struct {
	start time.Time
	codec *codec
	wire  []byte

	anchored bool
	ssrc     uint32
	seq      uint16
	ts       uint32
	pos      int // where ts lies

	marks marks

	packets, lost, strays int
	first                 time.Duration // of the first packet
}

// tolerance is how far a packet may arrive from where its timestamp puts it.
const tolerance = 500 * time.Millisecond

func (t *timeline) packet(at time.Time, ssrc uint32, seq uint16, ts uint32, pt uint8, payload []byte) {
	arrival := max(samples(at.Sub(t.start)), 0)
	if t.packets == 0 {
		t.first = at.Sub(t.start)
	}
	t.packets++
	pos := max(arrival, len(t.wire))
	if t.anchored && ssrc == t.ssrc {
		step := int(int16(seq - t.seq))
		byTS := t.pos + int(int32(ts-t.ts))
		switch {
		case step < -100: // a sender that began again
		case step <= 0: // late or doubled: its place is in the past
			t.lay(byTS, pt, payload)
			return
		default:
			t.lost += step - 1
			if d := span(byTS - arrival); d > -tolerance && d < tolerance {
				pos = byTS
			}
		}
	}
	t.anchored, t.ssrc, t.seq, t.ts, t.pos = true, ssrc, seq, ts, pos
	if n := len(t.marks); n == 0 || t.marks[n-1].pos < pos && t.marks[n-1].delay != arrival-pos {
		t.marks = append(t.marks, mark{pos, arrival - pos})
	}
	t.lay(pos, pt, payload)
}

func (t *timeline) lay(pos int, pt uint8, payload []byte) {
	if pos < 0 {
		return
	}
	for len(t.wire) < pos {
		t.wire = append(t.wire, t.codec.silence)
	}
	if c := codecOfPayload(pt); c != t.codec && c != nil {
		recoded := make([]byte, len(payload))
		t.codec.encodeTo(recoded, c.decodeAll(payload))
		payload = recoded
	}
	n := copy(t.wire[pos:], payload)
	t.wire = append(t.wire, payload[n:]...)
}
