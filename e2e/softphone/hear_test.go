package softphone

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestEveryCodeOfG711SurvivesDecodingAndCoding(t *testing.T) {
	for i := range 256 {
		b := byte(i)
		if got := EncodeAlaw([]int16{decodeAlaw(b)})[0]; got != b {
			t.Errorf("A-law %02x became %02x", b, got)
		}
		var got [1]byte
		pcmu.encodeTo(got[:], []int16{decodeUlaw(b)})
		if decodeUlaw(got[0]) != decodeUlaw(b) {
			t.Errorf("µ-law %02x became %02x", b, got[0])
		}
	}
}

// catalogue makes prompts as a file has them; every tenth shares its first second with the one before.
func catalogue(n int, length time.Duration) []Prompt {
	out := make([]Prompt, n)
	for i := range out {
		pcm := speech(uint64(100+i), length)
		if i%10 == 1 {
			copy(pcm, out[i-1].PCM[:rate])
		}
		out[i] = Prompt{Name: fmt.Sprint("p", i), PCM: DecodeAlaw(EncodeAlaw(pcm))}
	}
	return out
}

type played struct {
	prompt int
	at     time.Duration
	length time.Duration // 0: whole
}

// play lays prompts over silence and music, as a caller would hear them.
func play(length time.Duration, ps []Prompt, what []played) Recording {
	pcm := DecodeAlaw(EncodeAlaw(music(length)))
	clear(pcm[:samples(length/4)])
	for _, w := range what {
		p := ps[w.prompt].PCM
		if w.length > 0 {
			p = p[:samples(w.length)]
		}
		copy(pcm[samples(w.at):], p)
	}
	return Recording{Codec: "PCMA", PCM: pcm}
}

func wantHeard(t *testing.T, got []Heard, ps []Prompt, want []played, tolerance time.Duration) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("heard %d prompts, want %d: %s", len(got), len(want), describeHeard(got))
	}
	for i, w := range want {
		h, whole := got[i], span(len(ps[w.prompt].PCM))
		length := w.length
		if length == 0 {
			length = whole
		}
		if !h.Is(ps[w.prompt].Name) || (h.Start-w.at).Abs() > tolerance || (h.End-w.at-length).Abs() > tolerance {
			t.Errorf("heard %v, want %s at %s for %s", h, ps[w.prompt].Name, w.at, length)
		}
		if h.Complete != (length == whole) {
			t.Errorf("%v: complete %t", h, h.Complete)
		}
	}
}

func TestPromptsAreRecognisedWithTheirTimesCutOnesAndThoseThatBeginAlikeToo(t *testing.T) {
	ps := catalogue(22, 4*time.Second)
	want := []played{
		{20, 500 * time.Millisecond, 0},
		{21, 5 * time.Second, 0},                              // begins like 20
		{3, 9300 * time.Millisecond, 1200 * time.Millisecond}, // cut
		{4, 10500 * time.Millisecond, 300 * time.Millisecond}, // cut at once
		{3, 14 * time.Second, 0},                              // again
		{10, 19 * time.Second, 700 * time.Millisecond},        // cut before it differs from 11
		{15, 25 * time.Second, 2345 * time.Millisecond},       // an odd length
	}
	rec := play(30*time.Second, ps, want)
	got := Recognise(rec, ps)
	wantHeard(t, got, ps, want, 5*time.Millisecond)
	if !got[5].Is("p10") || !got[5].Is("p11") {
		t.Errorf("a prompt cut before it differs from another was heard as %v", got[5])
	}
	for _, i := range []int{0, 1, 2, 3, 4} {
		if len(got[i].Also) > 0 {
			t.Errorf("doubt about %v", got[i])
		}
	}
}

func TestLostPacketDoesNotPartAPrompt(t *testing.T) {
	ps := catalogue(3, 3*time.Second)
	want := []played{{1, 2 * time.Second, 0}}
	rec := play(8*time.Second, ps, want)
	clear(rec.PCM[3*rate+40 : 3*rate+40+2*frameSamples])
	wantHeard(t, Recognise(rec, ps), ps, want, 5*time.Millisecond)
}

func TestStalledSenderDoesNotDoubleAPrompt(t *testing.T) {
	ps := catalogue(3, 3*time.Second)
	rec := play(8*time.Second, ps, []played{{1, 2 * time.Second, 0}})
	hole := make([]int16, samples(310*time.Millisecond))
	rec.PCM = slices.Concat(rec.PCM[:22000], hole, rec.PCM[22000:])
	got := Recognise(rec, ps)
	if len(got) != 1 || !got[0].Complete || got[0].Start != 2*time.Second || got[0].End != 5310*time.Millisecond {
		t.Errorf("heard %s", describeHeard(got))
	}
}

func TestTranscodedPromptsAreRecognised(t *testing.T) {
	ps := catalogue(22, 4*time.Second)
	want := []played{{5, time.Second, 0}, {21, 6 * time.Second, 0}, {7, 12 * time.Second, 1200 * time.Millisecond}, {8, 15 * time.Second, 0}}
	rec := play(24*time.Second, ps, want)
	wire := make([]byte, len(rec.PCM))
	for i, s := range rec.PCM { // µ-law, and quieter
		rec.PCM[i] = int16(float64(s) * 0.7)
	}
	pcmu.encodeTo(wire, rec.PCM)
	rec.PCM, rec.Codec = pcmu.decodeAll(wire), "PCMU"
	got := Recognise(rec, ps)
	wantHeard(t, got, ps, want, 100*time.Millisecond)
	for _, h := range got {
		if h.Exact {
			t.Errorf("%v counts as exact", h)
		}
	}
}

func TestMusicAndUnknownSpeechAreNoPrompt(t *testing.T) {
	ps := catalogue(12, 3*time.Second)
	rec := Recording{PCM: append(music(10*time.Second), speech(9999, 10*time.Second)...)}
	if got := Recognise(rec, ps); len(got) > 0 {
		t.Errorf("heard %s", describeHeard(got))
	}
}

func TestSameSoundUnderTwoNamesIsBoth(t *testing.T) {
	ps := catalogue(2, 2*time.Second)
	ps = append(ps, Prompt{Name: "twin", PCM: ps[0].PCM})
	got := Recognise(play(5*time.Second, ps, []played{{0, time.Second, 0}}), ps)
	if len(got) != 1 || !got[0].Is("twin") || !got[0].Is("p0") {
		t.Errorf("heard %s", describeHeard(got))
	}
}

func TestAMinuteAgainstThreeHundredPromptsTakesLessThanTwoSeconds(t *testing.T) {
	n := 300
	if raceDetector { // ten times slower: then it is no measurement
		n = 20
	}
	ps := catalogue(n, 8*time.Second)
	want := []played{{n / 2, 2 * time.Second, 0}, {17, 20 * time.Second, time.Second}, {n - 1, 40 * time.Second, 0}}
	rec := play(time.Minute, ps, want)
	before := cpuTime(t) // and not the clock: the machine may be busy with other things
	got := Recognise(rec, ps)
	took := cpuTime(t) - before
	wantHeard(t, got, ps, want, 5*time.Millisecond)
	t.Logf("took %s", took)
	if limit := 2 * time.Second; took > limit && !raceDetector {
		t.Errorf("took %s, want less than %s", took, limit)
	}
}

func cpuTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestLongestSilenceIsFound(t *testing.T) {
	pcm := music(10 * time.Second)
	clear(pcm[2*rate : 3*rate])
	clear(pcm[5*rate : 5*rate+20000])
	for i := range pcm { // the noise of a line is silence
		pcm[i] += int16(rand.IntN(41) - 20)
	}
	got := LongestSilence(Recording{PCM: pcm}, 0, 0)
	if (got.Start-5*time.Second).Abs() > 40*time.Millisecond || (got.Length()-2500*time.Millisecond).Abs() > 60*time.Millisecond {
		t.Errorf("got %v", got)
	}
	if got := LongestSilence(Recording{PCM: pcm}, 0, 4*time.Second); (got.Length() - time.Second).Abs() > 60*time.Millisecond {
		t.Errorf("up to 4 s: got %v", got)
	}
}

func TestPacketsAreLaidWhereTheyBelong(t *testing.T) {
	start := time.Now()
	tl := timeline{start: start, codec: pcma}
	put := func(at time.Duration, ssrc uint32, seq uint16, ts uint32, fill byte) {
		tl.packet(start.Add(at), ssrc, seq, ts, 8, []byte(strings.Repeat(string(rune(fill)), frameSamples)))
	}
	put(1000*time.Millisecond, 1, 10, 5000, 'a')
	put(1190*time.Millisecond, 1, 11, 5160, 'b') // late: its timestamp says where
	put(1045*time.Millisecond, 1, 13, 5480, 'd') // one is lost
	put(3000*time.Millisecond, 1, 14, 5640, 'e') // a sender whose timestamps stood still
	put(3500*time.Millisecond, 2, 99, 777, 'f')  // another sender
	put(3520*time.Millisecond, 2, 98, 777-160, 'g')
	for at, want := range map[time.Duration]byte{
		500 * time.Millisecond: 0xd5, 1010 * time.Millisecond: 'a', 1030 * time.Millisecond: 'b', 1050 * time.Millisecond: 0xd5,
		1070 * time.Millisecond: 'd', 1090 * time.Millisecond: 0xd5, 3010 * time.Millisecond: 'e',
		3490 * time.Millisecond: 'g', 3510 * time.Millisecond: 'f',
	} {
		if got := tl.wire[samples(at)]; got != want {
			t.Errorf("at %s there is %q, want %q", at, got, want)
		}
	}
	if tl.packets != 6 || tl.lost != 1 {
		t.Errorf("%d packets, %d lost", tl.packets, tl.lost)
	}
}

func TestPromptFileAndWAVKeepEverySample(t *testing.T) {
	dir := t.TempDir()
	pcm := DecodeAlaw(EncodeAlaw(speech(1, time.Second)))
	path := filepath.Join(dir, "hello.alaw")
	if err := os.WriteFile(path, EncodeAlaw(pcm), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := LoadPrompt(path)
	if err != nil || p.Name != "hello" || len(p.PCM) != len(pcm) || p.PCM[777] != pcm[777] {
		t.Errorf("loaded %q with %d samples, %v", p.Name, len(p.PCM), err)
	}
	if _, err := LoadPrompt(filepath.Join(dir, "none.alaw")); err == nil {
		t.Error("a missing file was loaded")
	}
	wav := filepath.Join(dir, "hello.wav")
	if err := (Recording{PCM: pcm}).SaveWAV(wav); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(wav)
	if err != nil || len(b) != 44+2*len(pcm) || string(b[:4]) != "RIFF" || int16(uint16(b[44+2*777])|uint16(b[45+2*777])<<8) != pcm[777] {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}
