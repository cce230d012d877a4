package speech

import (
	"context"
	"math"
	"testing"
	"time"

	"decroche/call"
)

// pitch finds the strongest period between 70 and 400 Hz, in Hz, frame by frame, and gives the
// median of the voiced frames.
func pitch(x []float64, rate int) float64 {
	var found []float64
	frame := rate * 60 / 1000
	for at := 0; at+2*frame < len(x); at += frame {
		best, lag := 0.0, 0
		energy := rms(x[at : at+frame])
		if energy < 0.02 {
			continue
		}
		for l := rate / 400; l <= rate/70; l++ {
			sum := 0.0
			for i := range frame {
				sum += x[at+i] * x[at+i+l]
			}
			if sum > best {
				best, lag = sum, l
			}
		}
		if lag > 0 && best > 0.5*energy*energy*float64(frame) {
			found = append(found, float64(rate)/float64(lag))
		}
	}
	if len(found) == 0 {
		return 0
	}
	return median(found)
}

func median(x []float64) float64 {
	sorted := append([]float64(nil), x...)
	for i := range sorted {
		for j := i; j > 0 && sorted[j] < sorted[j-1]; j-- {
			sorted[j], sorted[j-1] = sorted[j-1], sorted[j]
		}
	}
	return sorted[len(sorted)/2]
}

func TestASoundIsSaidAgainSlowerAndLouderInTheSameVoice(t *testing.T) {
	realEngines(t)
	l := open(t, Options{})
	ctx := context.Background()
	for lang, text := range map[call.Lang]string{
		"fr": "Vous êtes le troisième de la file. Votre attente est estimée entre cinq et dix minutes.",
		"en": "You are third in line. We expect you to wait between five and ten minutes.",
	} {
		plain, err := l.Text(ctx, "text", lang, text)
		if err != nil {
			t.Fatal(err)
		}
		clear, err := l.Clear(ctx, plain)
		if err != nil {
			t.Fatal(err)
		}
		if ratio := clear.Duration.Seconds() / plain.Duration.Seconds(); ratio < 1.25 || ratio > 1.35 {
			t.Errorf("%s: it lasts %.2f times as long, want %.2f", lang, ratio, ClearPace)
		}
		if clear.Name != plain.Name || clear.Text != plain.Text || clear.Lang != plain.Lang {
			t.Errorf("%s: it is called %q (%q), want what it was", lang, clear.Name, clear.Text)
		}
		x, rate := heard(t, plain, ".alaw")
		y, _ := heard(t, clear, ".alaw")
		if activeLevel(y, rate)-activeLevel(x, rate) < 4.5 {
			t.Errorf("%s: %.1f dBFS, %.1f before: want 6 dB more", lang, activeLevel(y, rate), activeLevel(x, rate))
		}
		if p := 20 * math.Log10(peak(y)); p > PeakLevel+0.1 {
			t.Errorf("%s: the peak is at %.1f dBFS", lang, p)
		}
		if before, after := pitch(x, rate), pitch(y, rate); before == 0 || math.Abs(after/before-1) > 0.04 {
			t.Errorf("%s: the voice is at %.0f Hz, %.0f before", lang, after, before)
		}
		again, err := l.Clear(ctx, plain)
		if err != nil || again != clear {
			t.Errorf("%s: again it is %+v, %v", lang, again, err)
		}
	}
}

func TestWhatIsTooShortToStretchIsSaidLouder(t *testing.T) {
	for _, n := range []int{1, 100, 479, 480, 900} {
		x := tone(narrowRate, 440, 0.1, time.Duration(n)*time.Second/narrowRate)
		if y := stretch(x, narrowRate, ClearPace); len(y) < len(x) {
			t.Errorf("%d samples became %d", len(x), len(y))
		}
	}
}

func TestASteadyToneStaysSmooth(t *testing.T) {
	y := stretch(tone(narrowRate, 200, 0.3, 2*time.Second), narrowRate, ClearPace)
	for i := 400; i+400 < len(y); i += 80 {
		if level := rms(y[i : i+80]); math.Abs(level-0.3/math.Sqrt2) > 0.03 {
			t.Fatalf("at %d ms the level is %.3f, want %.3f all along", i/8, level, 0.3/math.Sqrt2)
		}
	}
}

func TestASoundThatIsGoneCannotBeMadeClear(t *testing.T) {
	l := open(t, Options{})
	if _, err := l.Clear(context.Background(), call.Sound{Path: l.files.base("fr", "gone"), Name: "gone", Lang: "fr"}); err == nil {
		t.Error("no error for a sound without a file")
	}
}
