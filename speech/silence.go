package speech

import (
	"fmt"
	"time"
)

// WriteSilence writes d of silence to path.alaw, path.ulaw and path.g722.
func WriteSilence(path string, d time.Duration) error {
	n := int(d / time.Millisecond)
	p := prepared{make([]int16, n*narrowRate/1000), make([]int16, n*wideRate/1000)}
	for _, c := range codings {
		if err := replaceFile(path+c.ext, c.encode(p)); err != nil {
			return fmt.Errorf("write %s of silence: %w", d, err)
		}
	}
	return nil
}
