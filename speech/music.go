package speech

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
)

// MusicName is the base name of the music on hold WriteMusic makes.
const MusicName = "decroche-music"

// musicVersion is written beside the files: change it with the music.
const musicVersion = "1"

const (
	chordSeconds = 4
	musicSeconds = 16 * chordSeconds
)

// chords is a calm round in F major, as MIDI notes: bass, then the chord. It is ours,
// computed here, so that nobody owes royalties for it.
var chords = [16][4]int{
	{53, 60, 65, 69},
	{50, 60, 65, 69},
	{58, 62, 65, 70},
	{48, 60, 64, 67},
	{53, 60, 65, 72},
	{57, 60, 64, 69},
	{58, 62, 65, 74},
	{48, 60, 64, 70},
	{50, 62, 65, 69},
	{57, 60, 64, 72},
	{58, 62, 65, 70},
	{53, 60, 65, 69},
	{55, 62, 65, 70},
	{48, 60, 65, 67},
	{48, 60, 64, 70},
	{53, 60, 65, 69},
}

// WriteMusic writes a calm loop of 64 s, at MusicLevel, to dir/decroche-music.alaw,
// .ulaw and .g722: a folder for a music class of Asterisk in mode "files". Files
// that are there already are left alone, for they may be playing.
func WriteMusic(dir string) error {
	if err := mkdir(dir); err != nil {
		return fmt.Errorf("write the music on hold: %w", err)
	}
	base, mark := filepath.Join(dir, MusicName), filepath.Join(dir, "."+MusicName)
	f := &folder{dir: dir, write: (*os.File).Write}
	if _, whole := f.find(base); whole {
		if v, err := os.ReadFile(mark); err == nil && string(v) == musicVersion {
			return nil
		}
	}
	p, err := finish(composeMusic(), MusicLevel)
	if err != nil {
		return fmt.Errorf("compose the music on hold: %w", err)
	}
	for _, c := range codings {
		if err := replaceFile(base+c.ext, c.encode(p)); err != nil {
			return fmt.Errorf("write the music on hold: %w", err)
		}
	}
	if err := replaceFile(mark, []byte(musicVersion)); err != nil {
		return fmt.Errorf("write the music on hold: %w", err)
	}
	return nil
}

// composeMusic gives the loop at 16 kHz. What rings on at the end is heard at the
// beginning, so the loop has no seam.
func composeMusic() []float64 {
	loop := make([]float64, musicSeconds*wideRate)
	pads, plucks := map[int][]float64{}, map[int][]float64{}
	for i, chord := range chords {
		at := i * chordSeconds * wideRate
		for _, note := range chord[1:] {
			if pads[note] == nil {
				pads[note] = pad(note)
			}
			addRound(loop, at, pads[note])
		}
		// The bass and a slow broken chord, over the held notes.
		for step, k := range [8]int{0, 2, 3, 2, 1, 3, 2, 1} {
			note := chord[k] + 12*min(k, 1)
			if plucks[note] == nil {
				plucks[note] = pluck(note)
			}
			addRound(loop, at+step*chordSeconds*wideRate/8, plucks[note])
		}
	}
	return loop
}

// pad is a soft held note that swells over a chord and into the next.
func pad(note int) []float64 {
	const length = chordSeconds * 1.5
	w := angular(note)
	return sound(length, func(t float64) float64 {
		swell := math.Sin(math.Pi * t / length)
		return 0.05 * swell * swell * (math.Sin(w*t) + 0.3*math.Sin(2*w*t+0.4) + 0.1*math.Sin(3*w*t))
	})
}

// pluck is a note that is struck and dies away.
func pluck(note int) []float64 {
	const length = 2.5
	w := angular(note)
	return sound(length, func(t float64) float64 {
		attack, decay := min(t/0.012, 1), math.Exp(-2.2*t)*min((length-t)/0.1, 1)
		return 0.08 * attack * decay * (math.Sin(w*t) + 0.35*math.Exp(-3*t)*math.Sin(2*w*t))
	})
}

func angular(note int) float64 { return 2 * math.Pi * 440 * math.Pow(2, float64(note-69)/12) }

func sound(length float64, wave func(t float64) float64) []float64 {
	x := make([]float64, int(length*wideRate))
	for i := range x {
		x[i] = wave(float64(i) / wideRate)
	}
	return x
}

// addRound adds a sound to the loop; what passes the end goes on at the beginning.
func addRound(loop []float64, at int, x []float64) {
	for len(x) > 0 {
		n := min(len(x), len(loop)-at)
		for i, v := range x[:n] {
			loop[at+i] += v
		}
		x, at = x[n:], 0
	}
}
