package port

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

func TestNoPortIsGivenTwiceWhateverTheProcess(t *testing.T) {
	if os.Getenv("TAKE_PORTS") != "" {
		for range 20 {
			println("port", Must(t))
		}
		if _, err := os.Stdin.Read(make([]byte, 1)); err == nil { // holds them until the parent has read all
			t.Error("stdin spoke")
		}
		return
	}
	var (
		mu   sync.Mutex
		seen = map[string]int{}
		wg   sync.WaitGroup
	)
	for range 4 {
		child := exec.Command(os.Args[0], "-test.run=^TestNoPortIsGivenTwiceWhateverTheProcess$")
		child.Env = append(os.Environ(), "TAKE_PORTS=1")
		hold, err := child.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		said, err := child.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = hold.Close()
			if err := child.Wait(); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			var text strings.Builder
			for buf := make([]byte, 4096); strings.Count(text.String(), "\n") < 20; {
				n, err := said.Read(buf)
				if err != nil {
					t.Errorf("after %q: %v", text.String(), err)
					return
				}
				text.Write(buf[:n])
			}
			mu.Lock()
			defer mu.Unlock()
			for line := range strings.Lines(text.String()) {
				seen[line]++
			}
		})
	}
	wg.Wait()
	if len(seen) != 80 {
		t.Errorf("four processes took 20 ports each, %d different ones: %v", len(seen), seen)
	}
}
