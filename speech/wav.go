package speech

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// pcm is mono sound; full scale is ±1.
type pcm struct {
	rate    int
	samples []float64
}

// errWAVForm says that a file is not the plain WAV that is read without sox's help.
var errWAVForm = errors.New("not a WAV file of 16-bit samples")

// parseWAV reads 16-bit PCM, any rate, any number of channels (mixed to one). Sizes in
// headers are taken with care: programs that write to a pipe leave them wrong.
func parseWAV(data []byte) (pcm, error) {
	if len(data) < 12 || string(data[:4]) != "RIFF" || string(data[8:12]) != "WAVE" {
		return pcm{}, errWAVForm
	}
	channels, rate := 0, 0
	for rest := data[12:]; len(rest) >= 8; {
		name, size := string(rest[:4]), int64(binary.LittleEndian.Uint32(rest[4:8]))
		body := rest[8:]
		size = min(size, int64(len(body)))
		switch name {
		case "fmt ":
			if size < 16 {
				return pcm{}, errWAVForm
			}
			form, bits := binary.LittleEndian.Uint16(body), binary.LittleEndian.Uint16(body[14:])
			channels, rate = int(binary.LittleEndian.Uint16(body[2:])), int(binary.LittleEndian.Uint32(body[4:]))
			if form != 1 || bits != 16 || channels < 1 || channels > 8 {
				return pcm{}, errWAVForm
			}
			if rate < 4000 || rate > 384000 {
				return pcm{}, fmt.Errorf("the WAV file says %d samples a second, which cannot be right", rate)
			}
			// Rates that share little with ours would need huge kernels: sox has a way.
			if wideRate/gcd(rate, wideRate) > 640 || rate > 192000 {
				return pcm{}, errWAVForm
			}
		case "data":
			if rate == 0 {
				return pcm{}, errWAVForm
			}
			if size == 0 {
				size = int64(len(body))
			}
			return pcm{rate, mix(body[:size], channels)}, nil
		}
		rest = body[min(size+size%2, int64(len(body))):]
	}
	return pcm{}, errWAVForm
}

func mix(data []byte, channels int) []float64 {
	samples := make([]float64, len(data)/2/channels)
	for i := range samples {
		for c := range channels {
			v := int16(binary.LittleEndian.Uint16(data[2*(i*channels+c):]))
			samples[i] += float64(v) / 32768 / float64(channels)
		}
	}
	return samples
}
