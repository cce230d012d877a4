package speech

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"

	"decroche/call"
)

// Listen gives a sound as callers hear it: a WAV file of 8 kHz and 16 bits, decoded from the A-law
// that the public network carries.
func Listen(s call.Sound) ([]byte, error) {
	coded, err := os.ReadFile(s.Path + ".alaw")
	if err != nil {
		return nil, fmt.Errorf("listen to %s: %w", s.Name, err)
	}
	const rate, width = 8000, 2
	samples := decodeAlaw(coded)
	var b bytes.Buffer
	size := uint32(len(samples) * width)
	b.WriteString("RIFF")
	for _, v := range []any{
		36 + size, []byte("WAVEfmt "), uint32(16), uint16(1), uint16(1), uint32(rate), uint32(rate * width), uint16(width), uint16(8 * width), []byte("data"), size, samples,
	} {
		_ = binary.Write(&b, binary.LittleEndian, v) // to memory
	}
	return b.Bytes(), nil
}
